// SPDX-License-Identifier: GPL-2.0
/*
 * memory_map: where the guest's free memory lies.
 *
 * What /proc/kpageflags says of each page is summed up here, for a host that reads
 * 4 MiB of it for each GiB would wait.  Memory that lies on lists of the CPUs counts
 * as in use: its neighbours cannot be merged with it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FREE	(UINT64_C(1) << 10)	/* KPF_BUDDY */
#define UNIT	512			/* pages */

int main(int argc, char **argv)
{
	static uint64_t flags[UNIT];
	int fd;

	if (argc != 1) {
		int help = argc == 2 && !strcmp(argv[1], "--help");

		fprintf(help ? stdout : stderr, "usage: memory_map\n\n"
			"Prints for each 512 pages from address 0 on how many of them are free.\n");
		return help ? 0 : 2;
	}
	fd = open("/proc/kpageflags", O_RDONLY);
	if (fd < 0) {
		perror("memory_map: /proc/kpageflags");
		return 1;
	}
	for (;;) {
		ssize_t len = read(fd, flags, sizeof(flags));
		unsigned int i, nr = 0;

		if (len <= 0)
			break;
		for (i = 0; i < (size_t)len / sizeof(flags[0]); i++)
			nr += !!(flags[i] & FREE);
		printf("%u\n", nr);
	}
	return 0;
}
