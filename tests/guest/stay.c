// SPDX-License-Identifier: GPL-2.0
/*
 * stay: holds pages that must not move, between pieces of memory that are free.
 *
 * Every other piece is freed; of each piece that stays one page is locked or
 * pinned, or none.  At SIGTERM it says how many of those pages have another
 * page frame than before, and checks what all that stayed contains.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define PAGE	4096UL
#define PIECE	MIB
#define WORDS	(PAGE / sizeof(uint64_t))

static void usage(FILE *out)
{
	fprintf(out, "usage: stay --mib N [--how none|lock|pin]\n\n"
		"Fills N MiB of anonymous memory, frees every other MiB, has one page of each\n"
		"that stays locked (mlock) or pinned (io_uring's registered buffers), prints\n"
		"'staying', and on SIGTERM prints how many of those pages have moved and ends:\n"
		"with status 1 if anything that stayed has changed.\n");
}

static void die(const char *what)
{
	fprintf(stderr, "stay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t frame_of(int pagemap, const void *page)
{
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)page / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		die("/proc/self/pagemap");
	if (!(entry >> 63)) {
		fprintf(stderr, "stay: %p is not present\n", page);
		exit(1);
	}
	return entry & ((1ULL << 55) - 1);
}

/* Pages stay pinned as long as they are somebody's fixed buffers. */
static void pin(char *const *pages, unsigned int nr)
{
	struct io_uring_params params = { 0 };
	struct iovec *buffers = calloc(nr, sizeof(*buffers));
	unsigned int i;
	int ring;

	if (!buffers)
		die("memory");
	for (i = 0; i < nr; i++)
		buffers[i] = (struct iovec){ pages[i], PAGE };
	ring = syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		die("io_uring_setup");
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, buffers, nr))
		die("IORING_REGISTER_BUFFERS");
	free(buffers);
}

static void fill(char *start, size_t bytes)
{
	uint64_t *word = (uint64_t *)start;

	for (size_t i = 0; i < bytes / sizeof(*word); i++)
		word[i] = (uintptr_t)&word[i] * 0x9e3779b97f4a7c15ULL;
}

static int changed(const char *start, size_t bytes)
{
	const uint64_t *word = (const uint64_t *)start;

	for (size_t i = 0; i < bytes / sizeof(*word); i++)
		if (word[i] != (uintptr_t)&word[i] * 0x9e3779b97f4a7c15ULL)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "how", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned int nr, i, moved = 0, bad = 0;
	const char *how = "none";
	unsigned long mib = 0;
	uint64_t *frames;
	sigset_t set;
	int c, pagemap, sig;
	char **pages, *area;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			mib = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			how = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (mib < 2 || optind != argc ||
	    (strcmp(how, "none") && strcmp(how, "lock") && strcmp(how, "pin"))) {
		usage(stderr);
		return 2;
	}

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);

	nr = mib / 2;
	pages = calloc(nr, sizeof(*pages));
	frames = calloc(nr, sizeof(*frames));
	area = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (!pages || !frames || area == MAP_FAILED || pagemap < 0)
		die("memory");
	madvise(area, mib * MIB, MADV_NOHUGEPAGE);
	fill(area, mib * MIB);

	for (i = 0; i < nr; i++) {
		/* Not at a fixed place in the piece. */
		pages[i] = area + 2 * i * PIECE + i % (PIECE / PAGE) * PAGE;
		if (!strcmp(how, "lock") && mlock(pages[i], PAGE))
			die("mlock");
	}
	if (!strcmp(how, "pin"))
		pin(pages, nr);
	for (i = 0; i < nr; i++) {
		frames[i] = frame_of(pagemap, pages[i]);
		if (madvise(area + (2 * i + 1) * PIECE, PIECE, MADV_DONTNEED))
			die("madvise");
	}
	printf("staying\n");
	fflush(stdout);

	sigwait(&set, &sig);
	for (i = 0; i < nr; i++) {
		moved += frame_of(pagemap, pages[i]) != frames[i];
		bad += changed(area + 2 * i * PIECE, PIECE);
	}
	printf("%u of %u pages moved, %u of %u pieces changed\n", moved, nr, bad, nr);
	return bad != 0;
}
