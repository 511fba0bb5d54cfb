package main

import (
	"strings"
	"testing"
)

// TestRows: every row has a place of its own, and a maker that its directory knows.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	made := map[string]bool{}
	for _, d := range rows {
		for _, f := range d.files() {
			if seen[f] {
				t.Errorf("%s twice", f)
			}
			seen[f] = true
		}
		switch d.dir {
		case formatsDir, noinfoDir:
			if d.by != byQEMU {
				t.Errorf("%s: a guest that stands still is dumped by QEMU", d.file())
			}
		case vmcoreFormatsDir:
			if d.by != byMakedumpfile && d.by != byCrashKernel {
				t.Errorf("%s: makedumpfile reads a vmcore", d.file())
			}
		case packedDir:
			if d.by != byPacker || !seen[d.of] {
				t.Errorf("%s: made of %q, which is no row above", d.file(), d.of)
			}
		default:
			t.Errorf("%s: a directory that nothing makes", d.file())
		}
		// A test of kmem knows a dump that may lack pages by its name.
		if d.incomplete() != strings.HasPrefix(d.name, "incomplete") {
			t.Errorf("%s: the name does not tell whether it is incomplete", d.file())
		}
		for series := range strings.FieldsSeq(d.kernels) {
			made[series+" "+d.how] = true
		}
	}
	for _, series := range []string{"5.10", "6.1", "6.12", "7.3"} {
		if n := len(rowsOf(series, vmcoreFormatsDir, byMakedumpfile)); n < 3 {
			t.Errorf("%s: %d rows by makedumpfile", series, n)
		}
	}
	for _, codec := range []string{"zlib", "lzo", "snappy"} {
		for _, how := range []string{"kdump-", "kdump-raw-"} {
			if !made["6.12 "+how+codec] && codec != "zlib" {
				t.Errorf("6.12: no %s%s", how, codec)
			}
		}
	}
	for _, how := range []string{"-c -d 31", "-l -d 31", "-p -d 31", "-z -d 31", "-d 31", "-E -d 31", "-c -d 31 -F", "-E -d 31 -F"} {
		if !made["6.12 "+how] {
			t.Errorf("6.12: no makedumpfile %s", how)
		}
	}
}

func TestFilterCommand(t *testing.T) {
	r := &runner{tools: tools{makedumpfile: dumper{bundle: bundle{program: "makedumpfile"}}}}
	for _, test := range []struct {
		row  row
		want string
	}{
		{
			row{how: "-c -d 31"},
			"/m/lib/ld-linux-x86-64.so.2 --library-path /m/lib /m/bin/makedumpfile --message-level 0 -c -d 31 '/a b' x",
		},
		{
			row{how: "-E -d 31 -F"},
			"/m/lib/ld-linux-x86-64.so.2 --library-path /m/lib /m/bin/makedumpfile --message-level 0 -E -d 31 -F '/a b' > x",
		},
	} {
		if got := r.filter("/m", test.row, "/a b", "x"); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestParseLibraries(t *testing.T) {
	list := "\tlinux-vdso.so.1 (0x00007ff6)\n" +
		"\tlibz.so.1 => /usr/lib/libz.so.1 (0x00007ff6)\n" +
		"\t/lib64/ld-linux-x86-64.so.2 => /tmp/ld-linux-x86-64.so.2 (0x00007ff6)\n" +
		"\t/lib64/other.so (0x00007ff6)\n"
	libs, err := parseLibraries("x", []byte(list))
	if err != nil || strings.Join(libs, " ") != "/usr/lib/libz.so.1 /tmp/ld-linux-x86-64.so.2 /lib64/other.so" {
		t.Errorf("%q, %v", libs, err)
	}
	if _, err := parseLibraries("x", []byte("\tlibq.so => not found\n")); err == nil {
		t.Error("a missing library is taken for one")
	}
}
