// SPDX-License-Identifier: GPL-2.0
/*
 * working_set: a job whose working set is known to the byte.
 *
 * Round by round it writes to all of its memory and reads the same part of a
 * file, until SIGTERM. What a round takes shows whether the job has to wait for
 * what it had before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define PAGE	4096UL
#define CHUNK	(64UL << 10)

static void usage(FILE *out)
{
	fprintf(out, "usage: working_set --mib N [--file PATH --file-mib M] [--pause-ms P]\n\n"
		"Again and again writes to every page of N MiB of its own and reads the first\n"
		"M MiB of a file, with a pause of P ms (default 200) after each round. Prints\n"
		"'round' and the time of each round in microseconds.\n");
}

static long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

static int read_all(int fd, unsigned long len)
{
	static char data[CHUNK];
	unsigned long at;

	for (at = 0; at < len; at += CHUNK)
		if (pread(fd, data, CHUNK, at) != (ssize_t)CHUNK)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "file", required_argument, NULL, 'f' },
		{ "file-mib", required_argument, NULL, 'F' },
		{ "pause-ms", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long len = 0, file_len = 0, pause_ms = 200, at, round;
	const char *path = NULL;
	char *memory;
	int c, fd = -1;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			len = strtoul(optarg, NULL, 10) * MIB;
			break;
		case 'f':
			path = optarg;
			break;
		case 'F':
			file_len = strtoul(optarg, NULL, 10) * MIB;
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
	if (!len || !path != !file_len || optind != argc) {
		usage(stderr);
		return 2;
	}

	setlinebuf(stdout);
	if (path) {
		fd = open(path, O_RDONLY);
		if (fd < 0) {
			perror(path);
			return 1;
		}
	}
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Pages of their own: how many are touched is how much is taken. */
	if (memory == MAP_FAILED || madvise(memory, len, MADV_NOHUGEPAGE)) {
		perror("working_set: memory");
		return 1;
	}
	for (round = 1;; round++) {
		long begun = now_us();

		for (at = 0; at < len; at += PAGE)
			*(unsigned long *)(memory + at) = at + round;
		if (fd >= 0 && read_all(fd, file_len)) {
			perror(path);
			return 1;
		}
		printf("round %ld\n", now_us() - begun);
		usleep(pause_ms * 1000);
	}
}
