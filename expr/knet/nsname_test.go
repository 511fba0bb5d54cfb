package knet_test

import (
	"testing"

	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestNSName: a namespace is called as --netns takes it, by its name where it has one.
func TestNSName(t *testing.T) {
	img := kernels.Open(t, "6.12")
	k := value.New(img, img)
	bare := knet.New(k, fakeFacts{})
	first, err := bare.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	other := knet.NetNS{Value: first.Value, Inum: 4026532135}
	for _, c := range []struct {
		ns   knet.NetNS
		name string
		want string
	}{
		{first, "", "init_net"},
		{first, "sw", "init_net"},
		{other, "", "4026532135"},
		{other, "sw", "sw"},
		{other, "$(id)", "$(id)"},
		{other, "all", "4026532135"},
		{other, "init_net", "4026532135"},
		{other, "init", "4026532135"},
	} {
		c.ns.Name = c.name
		if got := bare.NSName(c.ns); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
	}
}
