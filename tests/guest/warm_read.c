// SPDX-License-Identifier: GPL-2.0
/*
 * warm_read: reads a file again and again, and tells what each round cost.
 *
 * Time on the clock says little on a shared machine; faults, bytes from the disk and
 * the CPU time of a round say whether the file was still in memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	(64UL << 10)
#define PAGE	4096UL

static void usage(FILE *out)
{
	fprintf(out, "usage: warm_read [--mapped] --pause-ms P FILE\n\n"
		"Again and again reads FILE and pauses for P ms. Prints for each round 'round',\n"
		"its CPU time in microseconds, its major faults and the KiB read from the disk.\n");
}

static long cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

static struct rusage usage_now(void)
{
	struct rusage now;

	getrusage(RUSAGE_SELF, &now);
	return now;
}

static int read_all(int fd)
{
	static char data[CHUNK];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, data, CHUNK, at)) > 0)
		at += n;
	return n < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mapped", no_argument, NULL, 'm' },
		{ "pause-ms", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *memory = NULL;
	unsigned long pause_ms = 0;
	int c, fd, mapped = 0;
	struct stat stat;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			mapped = 1;
			break;
		case 'p':
			pause_ms = strtoul(optarg, NULL, 10);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!pause_ms || optind != argc - 1) {
		usage(stderr);
		return 2;
	}
	setlinebuf(stdout);
	fd = open(argv[optind], O_RDONLY);
	if (fd < 0 || fstat(fd, &stat)) {
		perror(argv[optind]);
		return 1;
	}
	if (mapped) {
		memory = mmap(NULL, stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (memory == MAP_FAILED) {
			perror("warm_read: mmap");
			return 1;
		}
	}
	for (;;) {
		struct rusage before = usage_now(), after;
		long begun = cpu_us();
		off_t at;

		if (mapped)
			for (at = 0; at < stat.st_size; at += PAGE)
				(void)*(volatile const char *)(memory + at);
		else if (read_all(fd)) {
			perror(argv[optind]);
			return 1;
		}
		after = usage_now();
		printf("round %ld %ld %ld\n", cpu_us() - begun, after.ru_majflt - before.ru_majflt,
		       (after.ru_inblock - before.ru_inblock) / 2);
		usleep(pause_ms * 1000);
	}
}
