// SPDX-License-Identifier: GPL-2.0
/*
 * page_fault_loop: takes memory, touches every page and frees it, again and again.
 *
 * What each fault and each free cost is all that it measures; the operations are
 * fixed, so that two kernels do the same work.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define PAGE	4096UL

static void usage(FILE *out)
{
	fprintf(out, "usage: page_fault_loop --mib N --rounds R [--tasks T] [--huge]\n\n"
		"T tasks (default 1) each map N MiB, touch every page and unmap them, R times.\n"
		"Prints 'work_ns=' with the time until all are done.\n\n"
		"  --huge  ask for transparent huge pages\n");
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int loop(unsigned long len, unsigned long rounds, int huge)
{
	while (rounds--) {
		char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED) {
			perror("page_fault_loop: mmap");
			return 1;
		}
		madvise(memory, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		for (unsigned long at = 0; at < len; at += PAGE)
			*(volatile char *)(memory + at) = 1;
		munmap(memory, len);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "tasks", required_argument, NULL, 't' },
		{ "huge", no_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long mib = 0, rounds = 0, tasks = 1;
	int c, status, failed = 0, huge = 0;
	long long start;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			mib = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			rounds = strtoul(optarg, NULL, 10);
			break;
		case 't':
			tasks = strtoul(optarg, NULL, 10);
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
	if (!mib || !rounds || !tasks || optind != argc) {
		usage(stderr);
		return 2;
	}

	start = now_ns();
	for (unsigned long task = 0; task < tasks; task++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("page_fault_loop: fork");
			return 1;
		}
		if (!pid)
			_exit(loop(mib * MIB, rounds, huge));
	}
	while (wait(&status) > 0)
		failed |= status != 0;
	printf("work_ns=%lld\n", now_ns() - start);
	return failed;
}
