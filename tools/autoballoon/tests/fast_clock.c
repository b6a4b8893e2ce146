// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A clock that runs several times as fast, for tests of the daemon as a whole:
 * what it waits for takes seconds, and most of a test would be waiting.
 *
 * The linker puts these in place of the real ones (-Wl,--wrap) in a second
 * program made of the very objects of the first. AUTOBALLOON_TEST_SPEED says how
 * fast, 1 by default.
 */
#include <stdlib.h>
#include <sys/timerfd.h>

#include "util.h"

uint64_t __real_now_ms(void);
uint64_t __wrap_now_ms(void);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old);

static uint64_t speed(void)
{
	static uint64_t value;
	const char *text = getenv("AUTOBALLOON_TEST_SPEED");

	if (!value && (!text || parse_u64(text, 1, 1000, &value)))
		value = 1;
	return value;
}

uint64_t __wrap_now_ms(void)
{
	return __real_now_ms() * speed();
}

static void shorten(struct timespec *ts)
{
	uint64_t ns = ((uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec) / speed();

	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old)
{
	struct itimerspec shorter = *new;

	shorten(&shorter.it_value);
	shorten(&shorter.it_interval);
	return __real_timerfd_settime(fd, flags, &shorter, old);
}
