/* A kernel in small: functions within functions, in several ranges, and types of all kinds. */
#include "small.h"

enum color { RED, GREEN = 7, BLUE = -3 };
enum wide { WIDE = 0x123456789abcULL };
typedef unsigned char u8;
typedef struct { int low, high; } pair_t;
struct later;
union number { long whole; pair_t halves; u8 bytes[8]; };
struct device {
	char name[16];
	unsigned int up : 1, mode : 3;
	int level : 5;
	unsigned long flags : 40;
	enum color color;
	enum wide wide;
	union number number;
	union { int a; struct { short b, c; }; };
	struct device *next, *const *table[3][5];
	int (*open)(struct device *dev, const char *name, ...);
	struct later *later;
	_Bool ready;
	double rate;
	volatile int counter;
	unsigned short tail[];
} __attribute__((aligned(16)));
struct packed { char c; long l; } __attribute__((packed));

int per_cpu_counter __attribute__((section(".data..percpu"))) = 1;
static pair_t per_cpu_pair __attribute__((section(".data..percpu"), used)) = {1, 2};
struct device first = {.name = "first"};
struct packed packing = {1, 2};
static volatile long sink;

static inline __attribute__((always_inline)) long add(long a, long b)
{
	sink += a;
	return a * 31 + b;
}

static inline __attribute__((always_inline)) long twice(long a)
{
	long n = add(a, 1);
	if (n & 4) {
		long m = add(n, from_header(a));
		sink = m;
		return m;
	}
	return n;
}

__attribute__((noinline)) long middle(struct device *dev, long n)
{
	long sum = 0;
	for (long i = 0; i < n; i++)
		sum += twice(dev->level + i);
	return sum + dev->color;
}

__attribute__((noinline, cold)) static void fail(int why)
{
	sink = why;
	for (;;)
		sink = add(sink, why);
}

void start(void)
{
	long n = middle(&first, sink);
	if (__builtin_expect(n > 1000, 0)) {
		sink = twice(n);
		fail(3);
	}
	sink = n + per_cpu_counter + packing.l + other(&first);
}
