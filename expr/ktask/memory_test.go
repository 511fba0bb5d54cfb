package ktask

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// patched is memory with pages of a test's own, by address.
type patched struct {
	kmem.Reader
	pages map[kmem.Addr][]byte
}

func (p *patched) page(a kmem.Addr) []byte {
	b := p.pages[a.Page()]
	if b == nil {
		b = make([]byte, kmem.PageSize)
		p.pages[a.Page()] = b
	}
	return b
}

func (p *patched) put(a kmem.Addr, v uint64) {
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], v)
	for i, c := range raw {
		at := a.Add(int64(i))
		p.page(at)[at%kmem.PageSize] = c
	}
}

func (p *patched) ReadMem(addr kmem.Addr, buf []byte) error {
	b := p.pages[addr.Page()]
	if b == nil {
		return p.Reader.ReadMem(addr, buf)
	}
	n := copy(buf, b[addr%kmem.PageSize:])
	if n < len(buf) {
		return p.ReadMem(addr.Add(int64(n)), buf[n:])
	}
	return nil
}

// TestArguments makes a process with page tables, arguments and an environment.
func TestArguments(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		const (
			direct     = 0xff11000000000000 // 5 levels, where VMCOREINFO says nothing else
			direct4    = 0xffff888000000000
			task, mm   = 0xffffc00000010000, 0xffffc00000020000
			start      = 0x7ffc00000fe0
			tables     = 0x1000 // physical: a page a level
			low, above = 0x9000, 0x7000
		)
		five, _ := img.VMCoreInfo().Number("pgtable_l5_enabled")
		base, levels := kmem.Addr(direct4), []uint{39, 30, 21, 12}
		if five != 0 {
			base, levels = direct, []uint{48, 39, 30, 21, 12}
		}
		mem := &patched{img, map[kmem.Addr][]byte{}}
		k := value.New(img, mem)
		sym, ok := k.LookupSymbol("page_offset_base")
		if !ok {
			t.Fatal("no page_offset_base")
		}
		mem.put(sym.Addr, uint64(base))
		st, err := k.Struct("task_struct")
		if err != nil {
			t.Fatal(err)
		}
		space, err := k.Struct("mm_struct")
		if err != nil {
			t.Fatal(err)
		}
		at := func(of *btf.Struct, base kmem.Addr, member string) kmem.Addr {
			f, err := of.FindMember(member)
			if err != nil {
				t.Fatal(err)
			}
			return base.Add(int64(f.Offset()))
		}
		v := k.Ref(st, task)
		mem.put(at(st, task, "mm"), 0)
		if args, ok, err := Arguments(v); ok || err != nil {
			t.Errorf("a thread of the kernel: %q %v %v", args, ok, err)
		}
		mem.put(at(st, task, "mm"), mm)
		mem.put(at(space, mm, "pgd"), uint64(base)+tables)
		for i, shift := range levels {
			next := uint64(tables + (i+1)*kmem.PageSize)
			table := base + tables + kmem.Addr(i*kmem.PageSize)
			if i == len(levels)-1 {
				mem.put(table+kmem.Addr(start>>12%512*8), low|1)
				mem.put(table+kmem.Addr((start>>12+1)%512*8), above|1)
				break
			}
			mem.put(table+kmem.Addr(start>>shift%512*8), next|1)
		}
		write := func(text string) {
			clear(mem.page(base + low))
			clear(mem.page(base + above))
			n := copy(mem.page(base + low)[start%kmem.PageSize:], text)
			copy(mem.page(base+above), text[n:])
		}
		set := func(argEnd, envStart, envEnd uint64) {
			mem.put(at(space, mm, "arg_start"), start)
			mem.put(at(space, mm, "arg_end"), argEnd)
			mem.put(at(space, mm, "env_start"), envStart)
			mem.put(at(space, mm, "env_end"), envEnd)
		}
		const text = "/usr/bin/daemon\x00--verbose\x00\x00a b\xff\x00A=1\x00B=2\x00"
		args := uint64(start + strings.Index(text, "A="))
		for _, c := range []struct {
			what     string
			text     string
			end, env uint64
			args     []string
			environ  []string
			fault    string
		}{
			{"plain", text, args, args, []string{"/usr/bin/daemon", "--verbose", "", "a b\xff"}, []string{"A=1", "B=2"}, ""},
			{"a title", "daemon: idle, and longer than its arguments were\x00rest\x00", start + 16, start + 16, []string{"daemon: idle, and longer than its arguments were"}, nil, ""},
			{"a title, the environment elsewhere", "daemon: idle and more", start + 12, start + 20, []string{"daemon: idle"}, nil, ""},
			{"before the end of an exec", text, start, start, nil, nil, ""},
			{"not present", text, start + 3*kmem.PageSize, start + 3*kmem.PageSize, nil, nil, "is not present"},
			{"damaged", text, start + 1<<40, start + 1<<40, nil, nil, "the process claims 1099511627776 bytes between mm->arg_start and mm->arg_end"},
		} {
			write(c.text)
			set(c.end, c.env, start+uint64(len(c.text)))
			got, _, err := Arguments(v)
			if !slices.Equal(got, c.args) || (err != nil) != (c.fault != "") || err != nil && (!strings.Contains(err.Error(), c.fault) || !value.IsFault(err)) {
				t.Errorf("%s: %s: %q %v", series, c.what, got, err)
			}
			if c.environ != nil {
				if got, ok, err := Environment(v); !slices.Equal(got, c.environ) || !ok || err != nil {
					t.Errorf("%s: %s: the environment is %q, %v %v", series, c.what, got, ok, err)
				}
			}
		}
	}
}
