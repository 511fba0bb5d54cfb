package kmem

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// findFit is [SymbolFile.For] where there is no VMCOREINFO: the image is wherever
// linux_banner, moved by a multiple of 2 MiB, is a banner. That alone would be chance, as banners
// of several kernels lie alike, so all that the symbols tell of the image is looked at: none of
// it may contradict, and beside the release in init_uts_ns one thing has to agree that only this
// build has, or two that others may have. t are the page tables, nil where they are not known.
func (f *SymbolFile) findFit(r Reader, t *pageTables) (*SymbolFile, error) {
	const enough = 2
	banner, ok := f.Lookup("linux_banner")
	if !ok {
		return nil, fmt.Errorf("%s: whether these symbols are this kernel's cannot be told: there is no VMCOREINFO, and no linux_banner among its %d symbols", f.path, f.n)
	}
	var fits *SymbolFile
	var why error
	for at := startKMap + banner.Addr%kernelAlign; at < kernelMapEnd; at += kernelAlign {
		start := make([]byte, len(bannerStart))
		if r.ReadMem(at, start) != nil || string(start) != bannerStart {
			continue
		}
		m := f.moved(int64(at - banner.Addr))
		n, err := m.agrees(r, t, at)
		switch {
		case err != nil:
			why = err
		case n < enough:
			why = fmt.Errorf("%s: whether these symbols are this kernel's cannot be told: there is no VMCOREINFO, and of what they tell of its image nothing that only this build has could be compared", f.path)
		case fits != nil:
			return nil, fmt.Errorf("%s: these symbols fit at two places", f.path)
		default:
			fits = m
		}
	}
	if fits != nil {
		return fits, nil
	}
	if why == nil {
		why = f.other("there is no VMCOREINFO, and no banner in the kernel's memory where linux_banner would be, wherever KASLR put it")
	}
	return nil, why
}

// agrees compares the image with what moved symbols say of it, whose linux_banner at is a
// banner, and counts what is the same: what only one build has twice.
func (f *SymbolFile) agrees(r Reader, t *pageTables, at Addr) (same int, err error) {
	text, err := readString(r, at, maxBanner)
	if err != nil {
		return 0, err
	}
	if f.banner != "" {
		if text != f.banner {
			return 0, f.other("its banner is %q, and the kernel's %q", f.banner, text)
		}
		same += 2
	}
	uts, ok := f.Lookup("init_uts_ns")
	if !ok {
		return 0, fmt.Errorf("%s: whether these symbols are this kernel's cannot be told: there is no VMCOREINFO, and no init_uts_ns among its %d symbols", f.path, f.n)
	}
	release, err := findUTS(r, uts.Addr)
	if err != nil {
		if AsFault(err) != nil {
			return 0, fmt.Errorf("%s: whether these symbols are this kernel's cannot be told: init_uts_ns: %w", f.path, err)
		}
		return 0, f.other("where init_uts_ns would be there is no \"Linux\"")
	}
	if want := bannerStart + release + " "; !strings.HasPrefix(text, want) {
		return 0, f.other("where init_uts_ns would be is the release %q, and the banner has another", release)
	}
	for _, check := range []struct {
		weight  int
		compare func(Reader, *pageTables) (agrees, known bool, what string)
	}{{1, f.agreesText}, {1, f.agreesTables}, {1, f.agreesFormat}, {2, f.agreesBTF}, {2, f.agreesBuildID}} {
		switch ok, known, what := check.compare(r, t); {
		case known && !ok:
			return 0, f.other("%s", what)
		case known:
			same += check.weight
		}
	}
	return same, nil
}

// agreesText: the image begins with _text, and nothing is mapped below it.
func (f *SymbolFile) agreesText(_ Reader, t *pageTables) (ok, known bool, what string) {
	text, found := f.Lookup("_text")
	if !found || t == nil {
		return false, false, ""
	}
	base := t.textBase()
	return text.Addr&^(kernelAlign-1) == base.first, base.ok,
		fmt.Sprintf("_text would be at %v, and the kernel's image begins at %v", text.Addr, base.first)
}

// agreesTables: the kernel's own top page table ends like the one that leads here.
func (f *SymbolFile) agreesTables(r Reader, t *pageTables) (ok, known bool, what string) {
	top, found := f.Lookup("init_top_pgt")
	if !found || t == nil {
		return false, false, ""
	}
	const last = PageSize - 8
	mine, err := ReadUint64(r, top.Addr.Add(last))
	var raw [8]byte
	if err != nil || t.phys(t.root+last, raw[:]) != nil {
		return false, false, ""
	}
	return mine&t.physMask == binary.LittleEndian.Uint64(raw[:])&t.physMask, true,
		fmt.Sprintf("there is no top page table of this kernel at %v, where init_top_pgt would be", top.Addr)
}

// agreesFormat: /proc/version has a format of its own.
func (f *SymbolFile) agreesFormat(r Reader, _ *pageTables) (ok, known bool, what string) {
	const format = "%s version %s "
	sym, found := f.Lookup("linux_proc_banner")
	if !found {
		return false, false, ""
	}
	buf := make([]byte, len(format))
	err := r.ReadMem(sym.Addr, buf)
	return string(buf) == format, err == nil, fmt.Sprintf("linux_proc_banner is not at %v, where it would be", sym.Addr)
}

// agreesBTF: the BTF's header tells the length that the symbols give it, to the byte.
func (f *SymbolFile) agreesBTF(r Reader, _ *pageTables) (ok, known bool, what string) {
	start, ok1 := f.Lookup("__start_BTF")
	stop, ok2 := f.Lookup("__stop_BTF")
	if !ok1 || !ok2 {
		return false, false, ""
	}
	// magic u16, version u8, flags u8, hdr_len, type_off, type_len, str_off, str_len u32;
	// offsets count from the header's end. From 7.1 on more may follow the strings.
	var head [24]byte
	if r.ReadMem(start.Addr, head[:]) != nil {
		return false, false, ""
	}
	le := binary.LittleEndian
	size := uint64(le.Uint32(head[4:])) + uint64(le.Uint32(head[16:])) + uint64(le.Uint32(head[20:]))
	ok = le.Uint16(head[:]) == 0xeb9f && (size == uint64(stop.Addr-start.Addr) || le.Uint32(head[4:]) > 24 && size < uint64(stop.Addr-start.Addr))
	return ok, true, fmt.Sprintf("there is no BTF of %d bytes at %v, where __start_BTF would be", uint64(stop.Addr-start.Addr), start.Addr)
}

// agreesBuildID: a vmlinux has the image's build ID.
func (f *SymbolFile) agreesBuildID(r Reader, _ *pageTables) (ok, known bool, what string) {
	id := BuildIDInMemory(r, f)
	return strings.EqualFold(id, f.buildID), f.buildID != "" && id != "", fmt.Sprintf("its build ID is %s, and the kernel's %s", f.buildID, id)
}
