// SPDX-License-Identifier: GPL-2.0
/*
 * files: writes many files of one size into a directory, or removes every other.
 *
 * Written one after the other they take neighbouring memory, so that removing
 * every other one leaves holes of a file's size.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB	1024UL
#define CHUNK	(64 * KIB)

static void usage(FILE *out)
{
	fprintf(out, "usage: files --dir DIR --count N (--kib K | --remove)\n\n"
		"With --kib writes N files of K KiB into DIR; with --remove removes every other\n"
		"one of them.\n");
}

static void name_of(char *path, size_t size, const char *dir, unsigned long number)
{
	snprintf(path, size, "%s/%06lu", dir, number);
}

static int write_file(const char *path, unsigned long len)
{
	static char data[CHUNK];
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	if (fd < 0)
		return -1;
	memset(data, 0x5a, sizeof(data));
	while (len) {
		ssize_t n = write(fd, data, len < CHUNK ? len : CHUNK);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		len -= n;
	}
	return close(fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'c' },
		{ "kib", required_argument, NULL, 'k' },
		{ "remove", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long count = 0, kib = 0;
	const char *dir = NULL;
	int c, removing = 0;
	char path[512];

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			dir = optarg;
			break;
		case 'c':
			count = strtoul(optarg, NULL, 10);
			break;
		case 'k':
			kib = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			removing = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!dir || !count || !kib == !removing || optind != argc) {
		usage(stderr);
		return 2;
	}

	for (unsigned long i = 0; i < count; i += removing ? 2 : 1) {
		name_of(path, sizeof(path), dir, i);
		if (removing ? unlink(path) : write_file(path, kib * KIB)) {
			fprintf(stderr, "files: ");
			perror(path);
			return 1;
		}
	}
	return 0;
}
