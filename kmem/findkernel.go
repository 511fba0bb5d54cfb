package kmem

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// foundKernel is a kernel in a dump that does not say where it is.
type foundKernel struct {
	tables *pageTables
	info   *VMCoreInfo // nil: not found
	syms   *Kallsyms   // nil: not looked for, or not found
	banner string      // "Linux version …", "" where it was not looked for
}

// name tells kernels of one dump apart.
func (k *foundKernel) name() string {
	name := k.banner
	if k.info != nil {
		name = "Linux version " + k.info.Release()
		if id := k.info.BuildID(); id != "" {
			name += " (build ID " + id + ")"
		}
	}
	if name == "" {
		name = "a kernel"
	}
	b := k.tables.textBase()
	return fmt.Sprintf("%s at physical address %#x", name, b.base+uint64(b.first)-startKMap)
}

// searchKernel looks for the kernel in a dump whose notes do not lead to it: by what the
// CPUs used, as QEMU's notes tell, by a VMCOREINFO in memory, and by the shape of page tables.
// What is found must be the only one.
func (img *Image) searchKernel(ctx context.Context, progress Progress) {
	if img.live || img.snapshot != nil || img.noPhys() || img.tables != nil {
		return
	}
	what := img.tablesErr
	kernels := img.cpuKernels()
	how := "the kernel's page tables were found by the registers of its CPUs"
	if len(kernels) == 0 {
		scan := memoryScan{ctx: ctx, img: img, progress: progress}
		scan.run()
		kernels, how = scan.kernels()
		if len(kernels) == 0 {
			searched := "and a search of the dump's memory found neither a VMCOREINFO that agrees with it nor a kernel's page tables"
			if scan.skipped {
				searched += fmt.Sprintf(" in the first %d GiB", maxMemoryScan>>30)
			}
			img.tablesErr = fmt.Errorf("%w, %s", what, searched)
			return
		}
		if scan.skipped {
			img.found = append(img.found, fmt.Sprintf("only the first %d GiB of the dump's memory were searched for its kernel", maxMemoryScan>>30))
		}
	}
	if len(kernels) > 1 {
		var names []string
		for i := range kernels {
			names = append(names, kernels[i].name())
		}
		img.tablesErr = fmt.Errorf("%w, and the memory holds %d kernels, of which only one can be meant: %s", what, len(kernels), strings.Join(names, "; "))
		return
	}
	img.adopt(&kernels[0])
	note := "no VMCOREINFO note that could be read: " + how
	if img.info == nil {
		note += "; there is no VMCOREINFO in memory either"
	}
	img.found = append(img.found, note)
}

// adopt makes a kernel the image's.
func (img *Image) adopt(k *foundKernel) {
	img.tables, img.tablesErr = k.tables, nil
	if img.tables.imageEnd == 0 {
		img.tables.holdImage()
	}
	if k.info == nil && k.syms == nil {
		// Errors come again, and to somebody who can tell them, where symbols are asked for.
		k.syms, _ = FindKallsyms(tableMemory{k.tables}, nil)
	}
	if k.info == nil && k.syms != nil {
		k.info = infoFromMemory(k.syms, k.tables)
	}
	img.foundSyms = k.syms
	if k.info != nil {
		img.info, img.infoErr = k.info, nil
	}
}

// kernels tests what the pass found. how tells how the kernels were found.
func (s *memoryScan) kernels() (found []foundKernel, how string) {
	s.infos.parse(s.img.readPhys)
	for _, f := range s.infos.found {
		t, err := f.info.tablesOf(s.img.readPhys)
		if err != nil {
			continue
		}
		found = addKernel(found, foundKernel{tables: t, info: f.info})
	}
	if len(found) > 0 {
		return found, "it was found by searching the dump's memory"
	}
	for _, t := range s.tables.roots() {
		if k, err := kernelIn(t); err == nil {
			found = addKernel(found, k)
		}
	}
	return found, "the kernel's page tables were found by searching the dump's memory for their shape"
}

// addKernel adds a kernel, or what is better known of one that is there.
func addKernel(found []foundKernel, k foundKernel) []foundKernel {
	base := k.tables.textBase()
	for i := range found {
		if found[i].tables.textBase() != base {
			continue
		}
		// Of two texts the longer is the newer: the kernel only adds lines.
		if k.info != nil && len(k.info.Raw()) > len(found[i].info.Raw()) {
			found[i] = k
		}
		return found
	}
	return append(found, k)
}

// errNoKernel is the error of tables that lead to no kernel.
var errNoKernel = errors.New("no kernel's image is mapped there")

// kernelIn looks at what tables map: its symbols must be there and lead to its banner or, where
// there are no symbols, a banner alone.
func kernelIn(t *pageTables) (foundKernel, error) {
	k := foundKernel{tables: t}
	syms, err := FindKallsyms(tableMemory{t}, nil)
	if err == nil {
		k.syms = syms
		sym, ok := syms.Lookup("linux_banner")
		if !ok {
			return k, errNoKernel
		}
		if k.banner, err = readString(tableMemory{t}, sym.Addr, maxBanner); err != nil {
			return k, err
		}
		k.banner = bannerName(k.banner)
		return k, nil
	}
	at, ok := findBanner(tableMemory{t})
	if !ok {
		return k, errNoKernel
	}
	text, err := readString(tableMemory{t}, at, maxBanner)
	k.banner = bannerName(text)
	return k, err
}

// bannerName is the beginning of a banner that tells the release.
func bannerName(banner string) string {
	rest, ok := strings.CutPrefix(banner, bannerStart)
	if !ok {
		return ""
	}
	release, _, _ := strings.Cut(rest, " ")
	if len(release) > maxRelease || !plainText(release) {
		return ""
	}
	return bannerStart + release
}

const bannerStart = "Linux version "

// findBanner looks for linux_banner in the kernel's image: "Linux version 6.12.…".
func findBanner(r Reader) (Addr, bool) {
	buf := make([]byte, shapeChunk)
	budget := maxShapeScan
	for at := Addr(startKMap); at < kernelMapEnd && budget > 0; at += shapeChunk {
		if r.ReadMem(at, buf) != nil {
			continue
		}
		budget -= len(buf)
		for from := 0; ; {
			i := strings.Index(string(buf[from:]), bannerStart)
			if i < 0 {
				break
			}
			from += i
			if end := from + len(bannerStart); end < len(buf) && '0' <= buf[end] && buf[end] <= '9' {
				return at.Add(int64(from)), true
			}
			from += len(bannerStart)
		}
	}
	return 0, false
}
