// SPDX-License-Identifier: GPL-2.0
/*
 * live: keeps memory of one kind alive, proves its contents and records where it was.
 *
 * Processes take blocks of a kind, fill them with patterns, free and take them all
 * the time and check each before it goes.  A record says of pages in which frame they
 * were, and from when until when: the host holds it against its own trace of what
 * it discarded, which needs no contents to tell.
 *
 * What is moved away and back between two looks would be recorded wrongly; a second
 * or two is little for that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

#define MIB		(1UL << 20)
#define HUGE		(2 * MIB)
#define HUGE_PAGES	(HUGE / PAGE)
#define MAX_PAGES	1536UL		/* of a block */
#define PIPE_PAGES	256UL		/* what a pipe takes */
#define MAX_BLOCKS	2048
#define ALIKE		16		/* pages with the same contents, for KSM */

struct kind;

struct block {
	const struct kind *kind;	/* NULL: not in use */
	uint64_t *data;			/* NULL: only the kernel has it */
	unsigned long pages;
	uint64_t seed;			/* new for each filling */
	int fd;				/* a file, a pipe or a ring, or -1 */
	uint64_t *frames;		/* of each page, 0 if unknown, */
	uint64_t since;			/* at this time */
};

struct kind {
	const char *name;
	const char *what;
	unsigned long unit;		/* pages of a block are a multiple of it */
	unsigned long most;
	int stays;			/* its pages must not move */
	/* Maps it, unless all are private and anonymous; non-zero: there is none now. */
	int (*map)(struct block *block);
	/* Does what makes it of its kind once it is filled. */
	void (*settle)(struct block *block);
	/* Instead of a look at its memory. */
	void (*check)(struct block *block);
};

/* As tests and tools/vm/audit.py read it. */
struct record {
	uint64_t frame, pages;
	uint64_t from_ns, until_ns;	/* CLOCK_MONOTONIC */
};

static struct block blocks[MAX_BLOCKS];
static unsigned long pages_held, pages_checked, fillings, pages_recorded;
static const char *directory;
static int record_fd = -1, pagemap_fd = -1, fault_fd = -1;
static volatile sig_atomic_t ended;

static void die(const char *what)
{
	printf("live: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	return mix(random_state++) % limit;
}

/* Which page's contents a page has. */
static unsigned long place(const struct block *block, unsigned long page);

static void compare(const struct block *block, unsigned long page, const uint64_t *words)
{
	long bad = pattern_differs(words, block->seed, place(block, page));

	if (bad < 0)
		return;
	printf("live: %s: page %lu of %lu (frame %#llx at first), word %ld: %#llx, not %#llx\n",
	       block->kind->name, page, block->pages,
	       (unsigned long long)(block->frames ? block->frames[page] : 0), bad,
	       (unsigned long long)words[bad],
	       (unsigned long long)pattern_word(block->seed, place(block, page), bad));
	exit(1);
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/*
 * A page that is not there when it is touched was away, on a swap device for one, and may
 * have come back to the same frame, which was free for a while: nothing is known of it.
 */
static void compare_memory(struct block *block)
{
	for (unsigned long page = 0; page < block->pages; page++) {
		long before = faults();

		compare(block, page, block->data + page * PAGE_WORDS);
		if (block->frames && !block->kind->stays && faults() != before)
			block->frames[page] = 0;
	}
}

/* --- the kinds ------------------------------------------------------------ */

static int map_at(struct block *block, int flags)
{
	void *data = mmap(NULL, block->pages * PAGE, PROT_READ | PROT_WRITE, flags, block->fd, 0);

	if (data == MAP_FAILED)
		return -1;
	block->data = data;
	return 0;
}

static int map_anon(struct block *block)
{
	if (map_at(block, MAP_PRIVATE | MAP_ANONYMOUS))
		die("mmap");
	return 0;
}

/* Aligned, or it would be huge only in its middle. */
static int map_huge(struct block *block)
{
	size_t len = block->pages * PAGE;
	char *data = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	size_t before = -(uintptr_t)data % HUGE;

	if (data == MAP_FAILED)
		die("mmap");
	if (before)
		munmap(data, before);
	munmap(data + before + len, HUGE - before);
	block->data = (void *)(data + before);
	if (madvise(block->data, len, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE");
	return 0;
}

static int map_shared(struct block *block)
{
	block->fd = memfd_create("live", 0);
	if (block->fd < 0 || ftruncate(block->fd, block->pages * PAGE) ||
	    map_at(block, MAP_SHARED))
		die("memfd");
	return 0;
}

/* Another process looks, through page tables of its own. */
static void check_shared(struct block *block)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		compare_memory(block);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		exit(1);
}

/* There may be none left: others hold them. */
static int map_hugetlb(struct block *block)
{
	return map_at(block, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
}

static void settle_mlock(struct block *block)
{
	if (mlock(block->data, block->pages * PAGE))
		die("mlock");
}

static void settle_uring(struct block *block)
{
	struct iovec buffer = { block->data, block->pages * PAGE };
	struct io_uring_params params = { 0 };

	block->fd = syscall(SYS_io_uring_setup, 1, &params);
	if (block->fd < 0)
		die("io_uring_setup");
	if (syscall(SYS_io_uring_register, block->fd, IORING_REGISTER_BUFFERS, &buffer, 1))
		die("IORING_REGISTER_BUFFERS");
}

/* The pages go into a pipe, which alone has them then. */
static void settle_pipe(struct block *block)
{
	struct iovec part = { block->data, block->pages * PAGE };
	int ends[2];

	if (pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, PIPE_PAGES * PAGE) < 0)
		die("pipe");
	while (part.iov_len) {
		ssize_t n = vmsplice(ends[1], &part, 1, SPLICE_F_NONBLOCK);

		if (n <= 0)
			die("vmsplice");
		part.iov_base = (char *)part.iov_base + n;
		part.iov_len -= n;
	}
	close(ends[1]);
	block->fd = ends[0];
}

static void read_page(struct block *block, uint64_t *words, off_t at)
{
	for (size_t done = 0; done < PAGE; ) {
		char *to = (char *)words + done;
		ssize_t n = at < 0 ? read(block->fd, to, PAGE - done) :
			    pread(block->fd, to, PAGE - done, at + done);

		if (n <= 0)
			die("read");
		done += n;
	}
}

static void check_pipe(struct block *block)
{
	uint64_t words[PAGE_WORDS];

	for (unsigned long page = 0; page < block->pages; page++) {
		read_page(block, words, -1);
		compare(block, page, words);
	}
}

static void settle_ksm(struct block *block)
{
	if (madvise(block->data, block->pages * PAGE, MADV_MERGEABLE))
		die("MADV_MERGEABLE");
}

static int map_file(struct block *block)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/live-%d-%lu", directory, getpid(), fillings);
	block->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (block->fd < 0 || unlink(path) || ftruncate(block->fd, block->pages * PAGE) ||
	    map_at(block, MAP_SHARED))
		die(path);
	return 0;
}

/* Some go to their disk, so that what is read later is what was written there. */
static void settle_file(struct block *block)
{
	if (random_below(3))
		return;
	if (msync(block->data, block->pages * PAGE, MS_SYNC) ||
	    madvise(block->data, block->pages * PAGE, MADV_DONTNEED))
		die("msync");
	posix_fadvise(block->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void check_file(struct block *block)
{
	uint64_t words[PAGE_WORDS];

	for (unsigned long page = 0; page < block->pages; page++) {
		read_page(block, words, page * PAGE);
		compare(block, page, words);
	}
	compare_memory(block);
}

static int map_fault(struct block *block)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	map_anon(block);
	range.range.start = (uintptr_t)block->data;
	range.range.len = block->pages * PAGE;
	if (ioctl(fault_fd, UFFDIO_REGISTER, &range))
		die("UFFDIO_REGISTER");
	return 0;
}

static const struct kind kinds[] = {
	{ "anon", "pages of anonymous memory", 1, MAX_PAGES, .map = map_anon },
	{ "thp", "huge pages, of any size the guest gives", HUGE_PAGES, MAX_PAGES,
	  .map = map_huge },
	{ "shm", "shared memory, which another process checks", 1, MAX_PAGES,
	  .map = map_shared, .check = check_shared },
	{ "hugetlb", "hugetlb pages", HUGE_PAGES, MAX_PAGES, .map = map_hugetlb },
	{ "mlock", "locked memory", 1, MAX_PAGES, .map = map_anon, .settle = settle_mlock },
	{ "uring", "buffers registered with an io_uring", 1, MAX_PAGES, .stays = 1,
	  .map = map_anon, .settle = settle_uring },
	{ "pipe", "pages that were given to a pipe by vmsplice", 1, PIPE_PAGES, .stays = 1,
	  .map = map_anon, .settle = settle_pipe, .check = check_pipe },
	{ "ksm", "pages that are alike, to be merged", 1, MAX_PAGES, .map = map_anon,
	  .settle = settle_ksm },
	{ "uffd", "pages that userfaultfd brings", 1, MAX_PAGES, .map = map_fault },
	{ "file", "files in --dir", 1, MAX_PAGES, .map = map_file, .settle = settle_file,
	  .check = check_file },
	{ }
};

static int is_kind(const struct block *block, const char *name)
{
	return !strcmp(block->kind->name, name);
}

static unsigned long place(const struct block *block, unsigned long page)
{
	return is_kind(block, "ksm") ? page % ALIKE : page;
}

/* Brings each page of a block that is missing; fill() only touches them. */
static void *serve_faults(void *unused)
{
	static uint64_t words[PAGE_WORDS] __attribute__((aligned(4096)));
	struct uffd_msg message;

	for (;;) {
		struct uffdio_copy copy = { .src = (uintptr_t)words, .len = PAGE };

		if (read(fault_fd, &message, sizeof(message)) != sizeof(message))
			die("userfaultfd");
		if (message.event != UFFD_EVENT_PAGEFAULT)
			continue;
		copy.dst = message.arg.pagefault.address & ~(PAGE - 1);
		for (int i = 0; i < MAX_BLOCKS; i++) {
			struct block *block = &blocks[i];
			uint64_t start = (uintptr_t)block->data;

			if (!block->kind || copy.dst < start ||
			    copy.dst >= start + block->pages * PAGE)
				continue;
			pattern_fill(words, block->seed, (copy.dst - start) / PAGE);
			/* EEXIST: another thread's fault was first. */
			if (ioctl(fault_fd, UFFDIO_COPY, &copy) && errno != EEXIST)
				die("UFFDIO_COPY");
			break;
		}
	}
	return unused;
}

static void begin_faults(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	pthread_t thread;

	fault_fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fault_fd < 0 || ioctl(fault_fd, UFFDIO_API, &api))
		die("userfaultfd");
	if (pthread_create(&thread, NULL, serve_faults, NULL))
		die("pthread_create");
}

/* --- the record ----------------------------------------------------------- */

static void look(const struct block *block, uint64_t *frames)
{
	off_t at = (uintptr_t)block->data / PAGE * sizeof(*frames);
	ssize_t len = block->pages * sizeof(*frames);

	if (pread(pagemap_fd, frames, len, at) != len)
		die("/proc/self/pagemap");
	for (unsigned long page = 0; page < block->pages; page++)
		frames[page] = frame_of_entry(frames[page]);
}

static void note_frames(struct block *block)
{
	if (record_fd < 0 && !block->kind->stays)
		return;
	block->frames = malloc(block->pages * sizeof(*block->frames));
	if (!block->frames)
		die("malloc");
	look(block, block->frames);
	/* They were there at some time before this one. */
	block->since = now_ns();
}

/* Of what is still where it was, which is all that is certain. */
static void write_record(struct block *block)
{
	static struct record records[MAX_PAGES];
	static uint64_t now_at[MAX_PAGES];
	/* They will be there at some time after this one. */
	uint64_t until = now_ns();
	size_t n = 0;

	if (!block->frames)
		return;
	if (block->data)
		look(block, now_at);
	for (unsigned long page = 0; page < block->pages; page++) {
		uint64_t frame = block->frames[page];
		struct record *last = n ? &records[n - 1] : NULL;

		if (!frame)
			continue;
		if (block->data && now_at[page] != frame) {
			if (block->kind->stays) {
				printf("live: %s: page %lu moved from frame %#llx to %#llx\n",
				       block->kind->name, page, (unsigned long long)frame,
				       (unsigned long long)now_at[page]);
				exit(1);
			}
			continue;
		}
		pages_recorded++;
		if (last && last->frame + last->pages == frame)
			last->pages++;
		else
			records[n++] = (struct record){ frame, 1, block->since, until };
	}
	if (record_fd >= 0 && n &&
	    write(record_fd, records, n * sizeof(*records)) != (ssize_t)(n * sizeof(*records)))
		die("--record");
}

/* --- what lives ----------------------------------------------------------- */

static void fill(struct block *block)
{
	volatile uint64_t sum = 0;

	for (unsigned long page = 0; page < block->pages; page++) {
		uint64_t *words = block->data + page * PAGE_WORDS;

		if (is_kind(block, "uffd"))
			sum += *(volatile uint64_t *)words;
		else
			pattern_fill(words, block->seed, place(block, page));
	}
}

/* Returns how many pages it has taken; 0: there are none of this kind now. */
static unsigned long take(struct block *block, const struct kind *kind, unsigned long limit)
{
	unsigned long most = (kind->most < limit ? kind->most : limit) / kind->unit;
	/* Small ones are as likely as large ones. */
	unsigned long scale = 1UL << random_below(11);

	if (!most)
		return 0;
	*block = (struct block){ .fd = -1, .seed = mix(random_state + ++fillings) };
	block->pages = (1 + random_below(scale < most ? scale : most)) * kind->unit;
	/* Who serves its faults looks for it by its address. */
	block->kind = kind;
	if (kind->map(block)) {
		block->kind = NULL;
		return 0;
	}
	/* Huge ones are a kind of their own. */
	if (kind->unit == 1 && block->fd < 0)
		madvise(block->data, block->pages * PAGE, MADV_NOHUGEPAGE);
	fill(block);
	if (kind->settle)
		kind->settle(block);
	note_frames(block);
	if (is_kind(block, "pipe")) {
		munmap(block->data, block->pages * PAGE);
		block->data = NULL;
	}
	pages_held += block->pages;
	return block->pages;
}

static void give(struct block *block)
{
	if (block->kind->check && !is_kind(block, "pipe"))
		block->kind->check(block);
	else if (block->data)
		compare_memory(block);
	write_record(block);
	/* What is read from a pipe is gone from there. */
	if (is_kind(block, "pipe"))
		check_pipe(block);
	if (block->data)
		munmap(block->data, block->pages * PAGE);
	if (block->fd >= 0)
		close(block->fd);
	free(block->frames);
	pages_checked += block->pages;
	pages_held -= block->pages;
	block->kind = NULL;
}

static void give_most(void)
{
	for (int i = 0; i < MAX_BLOCKS; i++)
		if (blocks[i].kind && random_below(10))
			give(&blocks[i]);
}

static void churn(const struct kind *kind, unsigned long max_pages, double seconds,
		  unsigned int quiet_ms)
{
	uint64_t end = now_ns() + seconds * 1e9, next_quiet = now_ns() + 1000000000;

	if (!strcmp(kind->name, "uffd"))
		begin_faults();
	while (!ended && (!seconds || now_ns() < end)) {
		struct block *block = &blocks[random_below(MAX_BLOCKS)];

		if (block->kind) {
			give(block);
		} else if (!take(block, kind, max_pages - pages_held)) {
			if (!pages_held)
				usleep(20000);
			give_most();
		}
		if (quiet_ms && now_ns() > next_quiet) {
			give_most();
			usleep(quiet_ms * 1000);
			next_quiet = now_ns() + 1000000000;
		}
	}
	for (int i = 0; i < MAX_BLOCKS; i++)
		if (blocks[i].kind)
			give(&blocks[i]);
	printf("live: %s: checked %lu MiB, filled %lu blocks, recorded %lu MiB\n", kind->name,
	       pages_checked / (MIB / PAGE), fillings, pages_recorded / (MIB / PAGE));
	fflush(stdout);
	exit(!pages_checked);
}

static void usage(FILE *out)
{
	fprintf(out, "usage: live --kind K --mib N --seconds S [--jobs J] [--seed X] [--quiet-ms Q]\n"
		"            [--dir DIR] [--record FILE]\n"
		"       live --now\n\n"
		"Holds up to N MiB in checkable patterns for S seconds (0: until SIGTERM) in J\n"
		"processes and checks them all the time.  Every second or so it frees nearly\n"
		"everything and sleeps for Q ms.  Ends with status 1 when a page has changed, or\n"
		"has moved that must not.  FILE gets four numbers of 64 bits for each run of pages:\n"
		"first frame, pages, and from when until when they were there, in the nanoseconds\n"
		"that --now prints.  Kinds:\n");
	for (const struct kind *kind = kinds; kind->name; kind++)
		fprintf(out, "  %-8s %s\n", kind->name, kind->what);
}

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kind", required_argument, NULL, 'k' },
		{ "mib", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "seed", required_argument, NULL, 'S' },
		{ "quiet-ms", required_argument, NULL, 'q' },
		{ "dir", required_argument, NULL, 'd' },
		{ "record", required_argument, NULL, 'r' },
		{ "now", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned long mib = 0, jobs = 1, quiet_ms = 0;
	struct sigaction sa = { .sa_handler = end, .sa_flags = SA_RESTART };
	const char *record = NULL, *name = "";
	const struct kind *kind = kinds;
	int c, status, failed = 0;
	uint64_t seed = 1;
	double seconds = -1;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'k':
			name = optarg;
			break;
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
		case 'd':
			directory = optarg;
			break;
		case 'r':
			record = optarg;
			break;
		case 'n':
			printf("%llu\n", (unsigned long long)now_ns());
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	while (kind->name && strcmp(kind->name, name))
		kind++;
	if (!kind->name || !mib || seconds < 0 || !jobs || mib < jobs || optind != argc ||
	    (!strcmp(name, "file") && !directory)) {
		usage(stderr);
		return 2;
	}

	sigaction(SIGTERM, &sa, NULL);
	if (record) {
		/* Each write of a process is a whole. */
		record_fd = open(record, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
		if (record_fd < 0)
			die(record);
	}
	for (unsigned long job = 0; job < jobs; job++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			random_state = mix(seed + job);
			pagemap_fd = open("/proc/self/pagemap", O_RDONLY);
			if (pagemap_fd < 0)
				die("/proc/self/pagemap");
			churn(kind, mib / jobs * (MIB / PAGE), seconds, quiet_ms);
		}
	}
	for (;;) {
		pid_t pid = wait(&status);

		if (pid > 0 && WIFSIGNALED(status))
			printf("live: a process was killed: %s\n", strsignal(WTERMSIG(status)));
		if (pid > 0)
			failed |= status != 0;
		else if (errno != EINTR)
			break;
	}
	if (failed)
		printf("live: FAILED\n");
	return failed;
}
