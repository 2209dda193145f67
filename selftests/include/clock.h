/* SPDX-License-Identifier: MIT */
/* Time that only goes forward, for bounds. */
#ifndef SELFTEST_CLOCK_H
#define SELFTEST_CLOCK_H

#include <time.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

HELPER long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

HELPER void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts))
		;
}

#endif /* SELFTEST_CLOCK_H */
