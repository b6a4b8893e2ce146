// SPDX-License-Identifier: GPL-2.0
/*
 * memory_use: tells again and again how much of its memory the guest uses.
 *
 * What a benchmark holds against the host's charge.  A shell in a loop would
 * fork and read files all the time, in the very memory that is measured.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long kib_of(const char *meminfo, const char *name)
{
	const char *found = strstr(meminfo, name);

	return found ? strtol(found + strlen(name), NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	long ms = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
	char text[4096];
	ssize_t len;
	int fd;

	if (ms < 1) {
		fprintf(argc == 2 && !strcmp(argv[1], "--help") ? stdout : stderr,
			"usage: memory_use MS\n\n"
			"Every MS milliseconds prints 'used=', the KiB that are not free.\n");
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	fd = open("/proc/meminfo", O_RDONLY);
	while (fd >= 0 && (len = pread(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[len] = '\0';
		printf("used=%ld\n", kib_of(text, "MemTotal:") - kib_of(text, "MemFree:"));
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
	perror("memory_use: /proc/meminfo");
	return 1;
}
