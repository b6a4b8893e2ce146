// SPDX-License-Identifier: GPL-2.0
/*
 * patterns: proves that memory in use keeps its contents.
 *
 * It keeps blocks of random sizes in anonymous and in shared memory, fills each
 * with numbers that only its seed, generation and place determine, frees and
 * takes blocks all the time, and checks every block before it frees it and all
 * of them at the end.  A page that anybody else zeroed or wrote shows up with
 * its address, its page frame and what is wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

#define MIB		(1UL << 20)
#define MAX_BLOCK	(6 * MIB)
#define MAX_BLOCKS	4096

struct block {
	uint64_t *data;		/* NULL: not in use */
	unsigned long pages;
	uint64_t seed;		/* new for each filling */
};

static struct block blocks[MAX_BLOCKS];
static unsigned long pages_held, pages_checked, fillings;
static volatile sig_atomic_t ended;

static void usage(FILE *out)
{
	fprintf(out, "usage: patterns --mib N --seconds S [--jobs J] [--seed X] [--quiet-ms Q]\n\n"
		"Holds up to N MiB in checkable patterns for S seconds (0: until SIGTERM) in J\n"
		"processes and checks them all the time.  Every second or so it frees nearly\n"
		"everything and sleeps for Q ms, so that free memory can be taken away from it.\n"
		"Ends with status 1 when a page has changed.\n");
}

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	return mix(random_state++) % limit;
}

static void fill(struct block *block)
{
	for (unsigned long page = 0; page < block->pages; page++)
		pattern_fill(block->data + page * PAGE_WORDS, block->seed, page);
}

static uint64_t page_frame(const void *address)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	off_t at = (uintptr_t)address / sysconf(_SC_PAGESIZE) * sizeof(uint64_t);
	uint64_t entry = 0;

	if (fd >= 0) {
		if (pread(fd, &entry, sizeof(entry), at) < 0)
			entry = 0;
		close(fd);
	}
	return frame_of_entry(entry);
}

static void check(const struct block *block)
{
	for (unsigned long page = 0; page < block->pages; page++) {
		const uint64_t *words = block->data + page * PAGE_WORDS;
		long bad = pattern_differs(words, block->seed, page);

		if (bad < 0)
			continue;
		printf("patterns: page %lu of %lu at %p (pfn %#llx), word %ld: %#llx, not %#llx\n",
		       page, block->pages, (void *)words, (unsigned long long)page_frame(words), bad,
		       (unsigned long long)words[bad],
		       (unsigned long long)pattern_word(block->seed, page, bad));
		exit(1);
	}
	pages_checked += block->pages;
}

static void take(struct block *block, unsigned long max_pages)
{
	unsigned long limit = MAX_BLOCK / PAGE < max_pages ? MAX_BLOCK / PAGE : max_pages;
	/* Small ones are as likely as large ones. */
	unsigned long scale = 1UL << random_below(11);
	int shared = random_below(3) == 0, fd = -1;
	int flags = shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *data;

	block->pages = 1 + random_below(scale < limit ? scale : limit);
	if (shared) {
		fd = memfd_create("patterns", 0);
		if (fd < 0 || ftruncate(fd, block->pages * PAGE)) {
			perror("patterns: memfd");
			exit(1);
		}
	}
	data = mmap(NULL, block->pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	if (data == MAP_FAILED) {
		perror("patterns: mmap");
		exit(1);
	}
	if (random_below(2))
		madvise(data, block->pages * PAGE, MADV_HUGEPAGE);
	block->data = data;
	block->seed = mix(random_state + ++fillings);
	fill(block);
	pages_held += block->pages;
}

static void give(struct block *block)
{
	check(block);
	munmap(block->data, block->pages * PAGE);
	block->data = NULL;
	pages_held -= block->pages;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void give_most(void)
{
	for (int i = 0; i < MAX_BLOCKS; i++)
		if (blocks[i].data && random_below(10))
			give(&blocks[i]);
}

static void churn(unsigned long max_pages, double seconds, unsigned int quiet_ms)
{
	double end = now() + seconds, next_quiet = now() + 1;

	while (!ended && (!seconds || now() < end)) {
		struct block *block = &blocks[random_below(MAX_BLOCKS)];

		if (block->data)
			give(block);
		else if (pages_held < max_pages)
			take(block, max_pages - pages_held);
		else
			give_most();
		if (quiet_ms && now() > next_quiet) {
			give_most();
			usleep(quiet_ms * 1000);
			next_quiet = now() + 1;
		}
	}
	for (int i = 0; i < MAX_BLOCKS; i++)
		if (blocks[i].data)
			give(&blocks[i]);
	printf("patterns: checked %lu MiB, filled %lu blocks\n", pages_checked / (MIB / PAGE), fillings);
	fflush(stdout);
}

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "seed", required_argument, NULL, 'S' },
		{ "quiet-ms", required_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct sigaction sa = { .sa_handler = end };
	unsigned long mib = 0, jobs = 1, quiet_ms = 0;
	uint64_t seed = 1;
	double seconds = -1;
	int c, status, failed = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			mib = strtoul(optarg, NULL, 10);
			break;
		case 's':
			seconds = strtod(optarg, NULL);
			break;
		case 'j':
			jobs = strtoul(optarg, NULL, 10);
			break;
		case 'S':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'q':
			quiet_ms = strtoul(optarg, NULL, 10);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!mib || seconds < 0 || !jobs || mib < jobs || optind != argc) {
		usage(stderr);
		return 2;
	}

	sigaction(SIGTERM, &sa, NULL);
	for (unsigned long job = 0; job < jobs; job++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("patterns: fork");
			return 1;
		}
		if (pid == 0) {
			random_state = mix(seed + job);
			churn(mib / jobs * (MIB / PAGE), seconds, quiet_ms);
			return 0;
		}
	}
	for (;;) {
		pid_t pid = wait(&status);

		if (pid > 0)
			failed |= status != 0;
		else if (errno != EINTR)
			break;
	}
	if (failed)
		printf("patterns: FAILED\n");
	return failed;
}
