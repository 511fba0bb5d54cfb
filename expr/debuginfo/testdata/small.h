struct device;
long other(struct device *dev);

static inline __attribute__((always_inline)) long from_header(long a)
{
	if (a < 0)
		return -a;
	return a ^ 0x55;
}
