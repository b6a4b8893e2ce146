// SPDX-License-Identifier: GPL-2.0
/*
 * fragment: fills memory and frees every other piece of it, or more.
 *
 * What it frees lies between pieces that stay in use, so that the pieces do not
 * merge into one large free block.  It holds the rest until SIGTERM.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB	(1UL << 10)
#define MIB	(1UL << 20)

static void usage(FILE *out)
{
	fprintf(out, "usage: fragment --mib N [--piece KIB] [--keep K] [--anon] [--wait]\n\n"
		"Fills N MiB of shared memory (memfd), frees all but every Kth piece (every\n"
		"other one of 1024 KiB unless said otherwise), prints 'fragmented', and on\n"
		"SIGTERM frees the rest and ends.\n\n"
		"  --anon  anonymous memory instead, without transparent huge pages\n"
		"  --wait  print 'filled' and free the pieces at a first SIGTERM\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "piece", required_argument, NULL, 'p' },
		{ "keep", required_argument, NULL, 'k' },
		{ "anon", no_argument, NULL, 'a' },
		{ "wait", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long len = 0, piece = MIB, keep = 2;
	sigset_t term;
	char *memory;
	int c, fd = -1, sig, anon = 0, waiting = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			len = strtoul(optarg, NULL, 10) * MIB;
			break;
		case 'p':
			piece = strtoul(optarg, NULL, 10) * KIB;
			break;
		case 'k':
			keep = strtoul(optarg, NULL, 10);
			break;
		case 'a':
			anon = 1;
			break;
		case 'w':
			waiting = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!len || !piece || keep < 2 || piece % (4 * KIB) || optind != argc) {
		usage(stderr);
		return 2;
	}

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	setlinebuf(stdout);

	if (!anon) {
		fd = memfd_create("fragment", 0);
		if (fd < 0 || ftruncate(fd, len)) {
			perror("fragment: memfd");
			return 1;
		}
	}
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      anon ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		perror("fragment: mmap");
		return 1;
	}
	if (anon)
		madvise(memory, len, MADV_NOHUGEPAGE);
	memset(memory, 0x5a, len);
	if (waiting) {
		printf("filled\n");
		while (sigwait(&term, &sig))
			;
	}
	for (unsigned long at = 0; at + piece <= len; at += piece) {
		if (at / piece % keep == keep - 1)
			continue;
		if (madvise(memory + at, piece, anon ? MADV_DONTNEED : MADV_REMOVE)) {
			perror("fragment: madvise");
			return 1;
		}
	}
	printf("fragmented\n");
	while (sigwait(&term, &sig))
		;
	return 0;
}
