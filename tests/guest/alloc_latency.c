// SPDX-License-Identifier: GPL-2.0
/*
 * alloc_latency: how long the first touch of new memory takes, time and again.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define HUGE_PAGE	(2UL << 20)

static void usage(FILE *out)
{
	fprintf(out, "usage: alloc_latency --count N --gap-us G [--huge]\n\n"
		"N times: maps a page (--huge: a transparent huge page), touches it, unmaps it\n"
		"and sleeps G us.  Prints 'p50_ns=', 'p999_ns=' and 'max_ns=' of the touches.\n");
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

static long long touch(unsigned long len)
{
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long long start;

	if (memory == MAP_FAILED) {
		perror("alloc_latency: mmap");
		exit(1);
	}
	madvise(memory, len, len > PAGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	start = now_ns();
	*(volatile char *)memory = 1;
	start = now_ns() - start;
	munmap(memory, len);
	return start;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "gap-us", required_argument, NULL, 'g' },
		{ "huge", no_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long count = 0, gap_us = 0, len = PAGE;
	long long *taken;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			count = strtoul(optarg, NULL, 10);
			break;
		case 'g':
			gap_us = strtoul(optarg, NULL, 10);
			break;
		case 'H':
			len = HUGE_PAGE;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!count || optind != argc) {
		usage(stderr);
		return 2;
	}

	taken = calloc(count, sizeof(*taken));
	if (!taken) {
		perror("alloc_latency: calloc");
		return 1;
	}
	for (unsigned long i = 0; i < count; i++) {
		taken[i] = touch(len);
		usleep(gap_us);
	}
	qsort(taken, count, sizeof(*taken), compare);
	printf("p50_ns=%lld\np999_ns=%lld\nmax_ns=%lld\n", taken[count / 2],
	       taken[count - 1 - count / 1000], taken[count - 1]);
	return 0;
}
