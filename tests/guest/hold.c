// SPDX-License-Identifier: GPL-2.0
/*
 * hold: takes memory, touches all of it and holds it until SIGTERM.
 *
 * Tests see "holding" once the memory is there, and know to the moment when it
 * is free again: after "freed".
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define PAGE	4096UL

static void usage(FILE *out)
{
	fprintf(out, "usage: hold --mib N [--shm] [--huge] [--stay]\n\n"
		"Takes N MiB, touches every page, prints 'holding', and on SIGTERM frees\n"
		"them, prints 'freed' and ends.\n\n"
		"  --shm   shared memory (memfd) instead of anonymous memory\n"
		"  --huge  ask for transparent huge pages\n"
		"  --stay  do not end after 'freed', but at the next SIGTERM\n");
}

static void wait_for_sigterm(const sigset_t *set)
{
	int sig;

	while (sigwait(set, &sig))
		;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "shm", no_argument, NULL, 's' },
		{ "huge", no_argument, NULL, 'H' },
		{ "stay", no_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c, shm = 0, huge = 0, stay = 0, fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned long len = 0;
	sigset_t term;
	char *memory;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			len = strtoul(optarg, NULL, 10) * MIB;
			break;
		case 's':
			shm = 1;
			break;
		case 'H':
			huge = 1;
			break;
		case 'S':
			stay = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!len || optind != argc) {
		usage(stderr);
		return 2;
	}

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	setlinebuf(stdout);

	if (shm) {
		fd = memfd_create("hold", 0);
		flags = MAP_SHARED;
		if (fd < 0 || ftruncate(fd, len)) {
			perror("hold: memfd");
			return 1;
		}
	}
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (memory == MAP_FAILED) {
		perror("hold: mmap");
		return 1;
	}
	if (madvise(memory, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && huge) {
		perror("hold: madvise");
		return 1;
	}
	for (unsigned long at = 0; at < len; at += PAGE)
		*(unsigned long *)(memory + at) = at + 1;
	printf("holding\n");

	wait_for_sigterm(&term);
	munmap(memory, len);
	if (fd >= 0)
		close(fd);
	printf("freed\n");
	if (stay)
		wait_for_sigterm(&term);
	return 0;
}
