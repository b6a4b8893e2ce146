// SPDX-License-Identifier: GPL-2.0
/*
 * come_and_go: a job that takes memory, uses it, frees it and soon comes again.
 *
 * Memory that is given to the host in the gaps has to be fetched back in the
 * next round.  The time that counts is that of the rounds, without the gaps.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define PAGE	4096UL

static void usage(FILE *out)
{
	fprintf(out, "usage: come_and_go --mib N --rounds R --gap-ms G [--touches T] [--huge]\n\n"
		"R times: takes N MiB, writes to every page T times (default 4), frees them,\n"
		"and sleeps G ms between two rounds.  Prints 'start' and 'end' of each round\n"
		"and last 'work_ns=' with the time that all rounds took without the gaps.\n\n"
		"  --huge  ask for transparent huge pages\n");
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int work(unsigned long len, unsigned long touches, int huge)
{
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("come_and_go: mmap");
		return -1;
	}
	madvise(memory, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	while (touches--)
		for (unsigned long at = 0; at < len; at += PAGE)
			*(volatile unsigned long *)(memory + at) += at + 1;
	return munmap(memory, len);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "gap-ms", required_argument, NULL, 'g' },
		{ "touches", required_argument, NULL, 't' },
		{ "huge", no_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long mib = 0, rounds = 0, gap_ms = 0, touches = 4;
	long long worked = 0;
	int c, huge = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			mib = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			rounds = strtoul(optarg, NULL, 10);
			break;
		case 'g':
			gap_ms = strtoul(optarg, NULL, 10);
			break;
		case 't':
			touches = strtoul(optarg, NULL, 10);
			break;
		case 'H':
			huge = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!mib || !rounds || !touches || optind != argc) {
		usage(stderr);
		return 2;
	}

	setlinebuf(stdout);
	for (unsigned long round = 1; round <= rounds; round++) {
		long long start;

		if (round > 1)
			usleep(gap_ms * 1000);
		printf("start %lu\n", round);
		start = now_ns();
		if (work(mib * MIB, touches, huge))
			return 1;
		worked += now_ns() - start;
		printf("end %lu\n", round);
	}
	printf("work_ns=%lld\n", worked);
	return 0;
}
