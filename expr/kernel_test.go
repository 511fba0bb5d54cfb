package expr

import (
	"os"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// testKernel is a session on a dump of the lab's incident: bond0 over veth0 and
// veth1, with 48 and 5 dropped frames.
func testKernel(t testing.TB) *Session {
	t.Helper()
	path := os.Getenv("KINSPECT_TEST_CORE")
	if path == "" {
		t.Skip("KINSPECT_TEST_CORE names no dump")
	}
	img, err := kmem.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = img.Close() })
	k := value.New(img, img)
	return NewSession(k, knet.New(k, host.None{}), Options{})
}
