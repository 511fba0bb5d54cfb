/* A module in small: code in several sections, which the kernel puts where there is room. */
#include "small.h"

struct device;
struct private { struct device *dev; int mode : 3; };
enum { LOOSE = 42, CONSTANT };
struct private the_private;
static volatile long sink;
extern long other(struct device *dev);

static inline __attribute__((always_inline)) long add(long a, long b)
{
	sink += a;
	return a * 31 + b;
}

__attribute__((noinline, section(".text.hot"))) static long twice(long a)
{
	long n = add(a, 1);
	if (n & 4)
		return add(n, from_header(a));
	return n;
}

__attribute__((noinline, cold, section(".text.unlikely"))) static void fail(int why)
{
	for (;;)
		sink = add(sink, why);
}

__attribute__((section(".init.text"))) int init_module(void)
{
	the_private.mode = 2;
	return other(the_private.dev);
}

long handle(long n)
{
	long sum = 0;
	for (long i = 0; i < n; i++)
		sum += twice(i);
	if (sum > CONSTANT)
		fail(3);
	return sum + other(0);
}
