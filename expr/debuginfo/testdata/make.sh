#!/bin/sh
# Makes the ELF files of the tests: small programs that are linked where a kernel is, with debug information as
# different compilers write it. The tests compare with what addr2line says of them (go test -update).
set -e
cd "$(dirname "$0")"
build() {
	out=$1
	shift
	"$@" -O2 -g -ffreestanding -fno-pie -fno-asynchronous-unwind-tables -mcmodel=kernel -mno-red-zone \
		-fdebug-prefix-map="$PWD=/src/small" -c small.c -o small.o
	"$@" -O2 -g -ffreestanding -fno-pie -fno-asynchronous-unwind-tables -mcmodel=kernel -mno-red-zone \
		-fdebug-prefix-map="$PWD=/src/small" -c other.c -o other.o
	ld -static -nostdlib -e start -T small.lds -z max-page-size=4096 --build-id=sha1 $LINK small.o other.o -o "$out"
	rm small.o other.o
}
build dwarf5.elf gcc -gdwarf-5
build dwarf4.elf gcc -gdwarf-4
LINK=--compress-debug-sections=zlib build packed.elf gcc -gdwarf-5 -freorder-blocks-and-partition
if command -v clang >/dev/null; then
	build clang5.elf clang -gdwarf-5
fi

# A module is not linked to the end: its sections and what refers to them get addresses when it is loaded.
for c in module other; do
	gcc -gdwarf-5 -O2 -g -ffreestanding -fno-pie -fno-asynchronous-unwind-tables -mcmodel=kernel -mno-red-zone \
		-fdebug-prefix-map="$PWD=/src/small" -c $c.c -o $c.o
done
ld -r --build-id=sha1 module.o other.o -o module.ko
rm module.o other.o
