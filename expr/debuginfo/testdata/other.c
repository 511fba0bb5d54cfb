#include "small.h"

struct later { struct later *self; struct device *dev; unsigned long long big; };
struct device;
struct later the_later;
static int shared = 3;

__attribute__((noinline)) long other(struct device *dev)
{
	the_later.dev = dev;
	return from_header(shared + the_later.big);
}
