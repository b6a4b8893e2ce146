// SPDX-License-Identifier: GPL-2.0
/*
 * fragment_mix: a day's work in a minute, which leaves free memory in pieces.
 *
 * Small files, the pages of a job that comes and goes and those of short-lived
 * children come to lie between each other.  The guest idles, most files are
 * removed, the guest idles again.  The work is the same whenever the seed is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB		1024UL
#define MIB		(1UL << 20)
#define PAGE		4096UL
#define MAX_FILE	(128 * KIB)
#define FILES_A_CHILD	64	/* files written between two forks */
#define CHILD_BYTES	MIB
#define ROUNDS		3	/* times that the job comes */
#define JOB_STEP	(16 * MIB)	/* it grows by */
#define REMOVED_PERCENT	80

static void usage(FILE *out)
{
	fprintf(out, "usage: fragment_mix --dir DIR --files-mib F --job-mib J --idle-ms I\n"
		"                    [--seed X]\n\n"
		"Writes F MiB of small files into DIR while a job of J MiB comes and goes three\n"
		"times and children do; idles for I ms; removes 80 %% of the files; idles again.\n"
		"Prints 'work', 'idle', 'remove', 'idle', 'done' as it goes and 'work_ns=' with\n"
		"the time that work and removal took.\n");
}

/* splitmix64 */
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return (x ^ (x >> 31)) % limit;
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "fragment_mix: ");
	perror(what);
	exit(1);
}

static void name_of(char *path, size_t size, const char *dir, unsigned long number)
{
	snprintf(path, size, "%s/%lu/%lu", dir, number / 512, number);
	if (number % 512 == 0) {
		char *end = strrchr(path, '/');

		*end = 0;
		mkdir(path, 0700);
		*end = '/';
	}
}

static void write_file(const char *dir, unsigned long number, unsigned long len)
{
	static char data[MAX_FILE];
	char path[512];
	int fd;

	name_of(path, sizeof(path), dir, number);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd))
		fail(path);
}

static void touch(char *memory, unsigned long len)
{
	for (unsigned long at = 0; at < len; at += PAGE)
		memory[at] = 1;
}

static void run_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid) {
		char *memory = mmap(NULL, CHILD_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			_exit(1);
		touch(memory, CHILD_BYTES);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* Write files while a job runs, which grows in step with them, and ends. */
static void work_round(const char *dir, unsigned long *files, unsigned long files_bytes,
		       unsigned long job_bytes)
{
	unsigned long written = 0, used = 0;
	char *job = mmap(NULL, job_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (job == MAP_FAILED)
		fail("mmap");
	madvise(job, job_bytes, MADV_NOHUGEPAGE);
	while (written < files_bytes) {
		unsigned long len = 1 + random_below(MAX_FILE);

		write_file(dir, (*files)++, len);
		written += (len + PAGE - 1) / PAGE * PAGE;
		while (used + JOB_STEP <= job_bytes &&
		       (double)used / job_bytes < (double)written / files_bytes) {
			touch(job + used, JOB_STEP);
			used += JOB_STEP;
		}
		if (*files % FILES_A_CHILD == 0)
			run_child();
	}
	munmap(job, job_bytes);
}

static void remove_most(const char *dir, unsigned long files)
{
	char path[512];

	for (unsigned long i = 0; i < files; i++) {
		if (random_below(100) >= REMOVED_PERCENT)
			continue;
		snprintf(path, sizeof(path), "%s/%lu/%lu", dir, i / 512, i);
		if (unlink(path))
			fail(path);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "files-mib", required_argument, NULL, 'f' },
		{ "job-mib", required_argument, NULL, 'j' },
		{ "idle-ms", required_argument, NULL, 'i' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long files_mib = 0, job_mib = 0, idle_ms = 0, files = 0;
	long long worked, start;
	const char *dir = NULL;
	int c;

	random_state = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			dir = optarg;
			break;
		case 'f':
			files_mib = strtoul(optarg, NULL, 10);
			break;
		case 'j':
			job_mib = strtoul(optarg, NULL, 10);
			break;
		case 'i':
			idle_ms = strtoul(optarg, NULL, 10);
			break;
		case 's':
			random_state = strtoull(optarg, NULL, 10);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!dir || !files_mib || !job_mib || optind != argc) {
		usage(stderr);
		return 2;
	}

	setlinebuf(stdout);
	printf("work\n");
	start = now_ns();
	for (int round = 0; round < ROUNDS; round++)
		work_round(dir, &files, files_mib * MIB / ROUNDS, job_mib * MIB);
	worked = now_ns() - start;
	printf("idle\n");
	usleep(idle_ms * 1000);
	printf("remove\n");
	start = now_ns();
	remove_most(dir, files);
	worked += now_ns() - start;
	printf("idle\n");
	usleep(idle_ms * 1000);
	printf("done\nwork_ns=%lld\n", worked);
	return 0;
}
