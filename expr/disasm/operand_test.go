package disasm

import (
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// TestOperand: the numbers are objdump 2.40's of the same bytes, the names those of the snapshot.
func TestOperand(t *testing.T) {
	k, at := codeAt(t)
	sym, ok := k.LookupSymbol("netif_rx")
	if !ok {
		t.Fatal("no netif_rx")
	}
	low := uint32(sym.Addr)
	le := func(b []byte, n uint32) []byte { return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24)) }
	full, disp := sym.Addr.String(), kmem.Addr(-int64(sym.Addr)).String()
	for _, tt := range []struct {
		code []byte
		want string
	}{
		{le([]byte{0x48, 0xc7, 0xc7}, low), "mov $" + full + ",%rdi  # netif_rx+0x0"},
		{le([]byte{0x48, 0x03, 0x1c, 0xc5}, low), "add -" + disp + "(,%rax,8),%rbx  # netif_rx+0x0"},
		{le([]byte{0x48, 0x8b, 0x80}, low), "mov -" + disp + "(%rax),%rax  # netif_rx+0x0"},
		{le([]byte{0x48, 0x8b, 0x04, 0x25}, low), "mov " + full + ",%rax  # netif_rx+0x0"},
		{le([]byte{0x68}, low), "push $" + full + "  # netif_rx+0x0"},
		{le([]byte{0x48, 0x81, 0xe4}, 0xfffff000), "and $0xfffffffffffff000,%rsp"},
		{[]byte{0x83, 0xc8, 0xff}, "or $0xffffffff,%eax"},
		{[]byte{0x66, 0x83, 0xf8, 0xff}, "cmp $0xffff,%ax"},
		{[]byte{0x3c, 0xff}, "cmp $0xff,%al"},
		{[]byte{0x80, 0x7b, 0xf8, 0xff}, "cmpb $0xff,-0x8(%rbx)"},
		{[]byte{0x48, 0x83, 0xc4, 0x80}, "add $0xffffffffffffff80,%rsp"},
		{le(le([]byte{0x48, 0xc7, 0x05}, uint32(sym.Addr-at-11)), low), "movq $" + full + ",-" + (at + 11 - sym.Addr).String() + "(%rip)  # netif_rx+0x0, netif_rx+0x0"},
	} {
		_, text, ok := one(k, append(tt.code, make([]byte, 16)...), at)
		if !ok || text != tt.want {
			t.Errorf("% x: %s, want %s", tt.code, text, tt.want)
		}
	}
	// Before 6.15 per-CPU variables have addresses from 0, and BTF their names.
	hot, ok := k.LookupSymbol("pcpu_hot")
	if !ok {
		t.Fatal("no pcpu_hot")
	}
	code := le([]byte{0x65, 0x48, 0x8b, 0x04, 0x25}, uint32(hot.Addr)+8)
	if _, text, _ := one(k, append(code, make([]byte, 8)...), at); text != "mov %gs:"+(hot.Addr+8).String()+",%rax  # per-CPU pcpu_hot+0x8" {
		t.Errorf("%s", text)
	}
}

// codeAt is a kernel, and where code is taken to be.
func codeAt(t *testing.T) (*value.Kernel, kmem.Addr) {
	t.Helper()
	img := kernels.Open(t, "6.12")
	k := value.New(img, img)
	sym, ok := k.LookupSymbol("netif_receive_skb")
	if !ok {
		t.Fatal("no netif_receive_skb")
	}
	return k, sym.Addr
}
