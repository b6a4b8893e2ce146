// SPDX-License-Identifier: GPL-2.0-or-later
/* Clocks that nobody sets. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* clock_gettime() */
#endif
#include <time.h>

#include "clock.h"

static uint64_t read_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t now_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

/* The kernel's work in this program's system calls counts as its own. */
uint64_t cpu_us(void)
{
	return read_us(CLOCK_PROCESS_CPUTIME_ID);
}

/* A signal ends it before its time. */
void sleep_us(uint64_t us)
{
	const struct timespec time = {
		.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000,
	};

	nanosleep(&time, NULL);
}
