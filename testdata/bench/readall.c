// Reads every page that a dump holds with libkdumpfile, in ascending order, into one
// buffer, and looks at nothing: the least that any search must do. For the library's
// best: a run of pages is read with one call, caches and mmap are as it sets them.
//
//	readall DUMP…    the files of a split dump in any order
//
// It prints what it read: pages, bytes, failed pages, seconds of the reading
// alone. cc -O2 -o readall readall.c -lkdumpfile
#include <errno.h>
#include <fcntl.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { page = 4096, chunk = 256 * page };

static void die(const char *what, const char *why)
{
	fprintf(stderr, "readall: %s: %s\n", what, why);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static char buf[chunk];
	int fds[64];
	kdump_ctx_t *ctx = kdump_new();
	if (!ctx || argc < 2 || argc > 64)
		die("usage", "readall DUMP...");
	for (int i = 1; i < argc; i++)
		if ((fds[i - 1] = open(argv[i], O_RDONLY)) < 0)
			die(argv[i], strerror(errno));
	kdump_status st = argc == 2 ? kdump_open_fd(ctx, fds[0]) : kdump_open_fdset(ctx, argc - 1, fds);
	if (st != KDUMP_OK)
		die(argv[1], kdump_get_err(ctx));

	// Which pages there are. Where the file does not say, the machine's memory does.
	kdump_attr_t attr = { .type = KDUMP_BITMAP };
	if (kdump_get_attr(ctx, KDUMP_ATTR_FILE_PAGEMAP, &attr) != KDUMP_OK)
		die(argv[1], kdump_get_err(ctx));
	kdump_bmp_t *map = attr.val.bitmap;

	double start = now();
	unsigned long pages = 0, failed = 0;
	for (kdump_addr_t at = 0; kdump_bmp_find_set(map, &at) == KDUMP_OK;) {
		kdump_addr_t end = at;
		if (kdump_bmp_find_clear(map, &end) != KDUMP_OK || end <= at)
			break;
		while (at < end) {
			size_t want = (end - at) * page < chunk ? (end - at) * page : chunk, got = want;
			st = kdump_read(ctx, KDUMP_MACHPHYSADDR, at * page, buf, &got);
			at += got / page;
			pages += got / page;
			if (st != KDUMP_OK) {
				failed++;
				at++;
				kdump_clear_err(ctx);
			}
		}
	}
	printf("%lu pages %lu bytes %lu failed %.6f s\n", pages, pages * page, failed, now() - start);
	return 0;
}
