// SPDX-License-Identifier: GPL-2.0
/*
 * torture: all that can be done to reporting and to the balloon, at once.
 *
 * One process for each kind of trouble: knobs, parameters, values that must be refused,
 * flushes, flushes that are killed, pauses, readers, the device that goes and comes back,
 * memory and CPUs that go and come back, tracing, compaction, huge pages, bad pages,
 * suspends that end when all is frozen.  A refusal that is not among those which the
 * documentation names ends it, and so does a step that does not come to its end.
 *
 * Some things must not be done to Linux itself at the same time: a file says who rests.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VM		"/proc/sys/vm/"
#define FPR		VM "page_reporting_"
#define PARAMETERS	"/sys/module/page_reporting/parameters/page_reporting_"
#define BALLOON		"/sys/module/virtio_balloon/parameters/"
#define DRIVER		"/sys/bus/virtio/drivers/virtio_balloon/"
#define COUNTERS	"/sys/kernel/mm/page_reporting/*"
#define TRACING		"/sys/kernel/tracing/events/"

#define PAGE		4096UL
#define NR_ERRORS	134
/* Bad pages are lost until the next boot. */
#define MAX_BAD_PAGES	64
/* Linux does not put memory with bad pages online again, so that is done to few blocks. */
#define MAX_BAD_BLOCKS	2
/* Memory that does not go offline is left alone after so many seconds. */
#define OFFLINE_SECONDS	5

/* What one process does, as the parent sees it. */
struct progress {
	int asked;		/* to rest, by the parent, */
	int rests;		/* and it does so */
	unsigned long done;
	unsigned long refused;
	unsigned long errors[NR_ERRORS];	/* of these, by number */
	time_t since;		/* when the step at hand began; 0: none */
	char what[160];
};

static struct progress *self;
/* What all of them see: numbers of memory blocks, plus 1. */
static uint64_t *bad_blocks;
static uint64_t random_state;
static const char *actor_name;

static void usage(FILE *out)
{
	fprintf(out, "usage: torture --seconds S [--seed X] [--stuck S] [--rest FILE]\n"
		"               [--only NAME]... [--without NAME]...\n"
		"       torture --restore\n\n"
		"Does all at once to the engine and the balloon for S seconds (0: until SIGTERM), and\n"
		"puts all back.  Ends with status 1 when something is refused that must not be, is\n"
		"taken that must not be, or takes longer than so many seconds (120).\n\n"
		"  --rest     those whose names are in FILE rest; when it has changed and all of them\n"
		"             do, it prints 'at rest:' and the names\n"
		"  --only     nobody else\n"
		"  --restore  only puts all back\n\n"
		"Names:");
}

/* splitmix64 */
static uint64_t random_number(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static unsigned int random_below(unsigned int limit)
{
	return random_number() % limit;
}

#define ONE_OF(list) ((list)[random_below(sizeof(list) / sizeof((list)[0]))])

static volatile sig_atomic_t ended;

static int is_to_rest(void)
{
	return self && __atomic_load_n(&self->asked, __ATOMIC_SEQ_CST);
}

/* Not to its end when the process is to rest or to end. */
static void sleep_ms(unsigned int ms)
{
	for (; ms && !ended && !is_to_rest(); ms -= ms < 50 ? ms : 50)
		usleep((ms < 50 ? ms : 50) * 1000);
}

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	va_list args;

	printf("torture: %s: ", actor_name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	exit(1);
}

/* Steps */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static void begin_step(const char *path, const char *text)
{
	snprintf(self->what, sizeof(self->what), "'%s' to %s", text, path);
	__atomic_store_n(&self->since, time(NULL), __ATOMIC_RELEASE);
}

static int end_step(int err)
{
	__atomic_store_n(&self->since, 0, __ATOMIC_RELEASE);
	if (err) {
		self->refused++;
		self->errors[err % NR_ERRORS]++;
	} else {
		self->done++;
	}
	return err;
}

/* The allowed refusals end with 0. */
static int attempt(const char *path, const char *text, const int *allowed)
{
	int err;

	begin_step(path, text);
	err = end_step(write_file(path, text));
	if (!err)
		return 0;
	for (; *allowed; allowed++)
		if (*allowed == err)
			return err;
	fail("'%s' to %s: %s", text, path, strerror(err));
}

#define MAY_FAIL(...) ((const int []){ __VA_ARGS__, 0 })
#define NEVER_FAILS MAY_FAIL(0)

static void attempt_number(const char *path, unsigned int number, const int *allowed)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	attempt(path, text, allowed);
}

/* The knobs, each with what it takes. */

static void turn_knobs(void)
{
	static const unsigned int delays[] = { 0, 1, 50, 700, 5000, 600000 };
	static const unsigned int thresholds[] = { 0, 1, 64, 4096, 1 << 20 };

	switch (random_below(5)) {
	case 0:
		attempt_number(FPR "order", random_below(10), MAY_FAIL(ENOMEM, EINTR));
		break;
	case 1:
		attempt_number(FPR "delay_ms", ONE_OF(delays), NEVER_FAILS);
		break;
	case 2:
		attempt_number(FPR "threshold_kbytes", ONE_OF(thresholds), NEVER_FAILS);
		break;
	case 3:
		attempt_number(FPR "evacuate", random_below(2), NEVER_FAILS);
		break;
	case 4:
		/* Most of the time it reports at once, and large blocks. */
		attempt_number(FPR "delay_ms", 0, NEVER_FAILS);
		attempt_number(FPR "order", 9, MAY_FAIL(ENOMEM, EINTR));
	}
	sleep_ms(random_below(300));
}

static void set_parameters(void)
{
	/* With "none" the OOM killer has to help a guest whose memory is offline. */
	static const char * const modes[] = { "oom", "pressure" };

	switch (random_below(4)) {
	case 0:
		attempt_number(PARAMETERS "order", random_below(10), NEVER_FAILS);
		break;
	case 1:
		attempt_number(PARAMETERS "delay_ms", random_below(2000), NEVER_FAILS);
		break;
	case 2:
		attempt(BALLOON "relief", ONE_OF(modes), NEVER_FAILS);
		break;
	case 3:
		attempt_number(BALLOON "holdoff_ms", 1000 + random_below(3000), NEVER_FAILS);
	}
	sleep_ms(random_below(700));
}

static void say_nonsense(void)
{
	static const char * const knobs[] = {
		FPR "order", FPR "delay_ms", FPR "threshold_kbytes", FPR "evacuate", FPR "pause",
		FPR "flush", PARAMETERS "order", PARAMETERS "delay_ms", BALLOON "relief",
		BALLOON "holdoff_ms",
	};
	static const char * const nonsense[] = {
		"-1", "x", "99999999999999999999", "4294967296", "0x", "600001", "1e3",
		"-9223372036854775808", "18446744073709551616",
	};
	const char *knob = ONE_OF(knobs), *text = ONE_OF(nonsense);

	/* A threshold may be as large as that. */
	if (!strcmp(knob, FPR "threshold_kbytes") && !strcmp(text, "600001"))
		text = "-1";
	if (!attempt(knob, text, MAY_FAIL(EINVAL, ERANGE)))
		fail("%s takes '%s'", knob, text);
	sleep_ms(random_below(50));
}

/* Flushes and pauses */

/* Most of the time with enough of it, while others may cut it short. */
static void make_flush(char *text, size_t size)
{
	snprintf(text, size, "%u %u", 1 + random_below(random_below(3) ? 60000 : 1000),
		 random_below(4));
}

static void flush(void)
{
	char text[32];

	make_flush(text, sizeof(text));
	attempt(FPR "flush", text, MAY_FAIL(ETIMEDOUT, EAGAIN, EBUSY, ENODEV, ENOMEM, EINTR, EIO));
	sleep_ms(random_below(500));
}

static void kill_writers(void)
{
	static const char * const knobs[] = { FPR "flush", FPR "order", FPR "pause" };
	const char *knob = ONE_OF(knobs);
	char text[32];
	pid_t pid;

	if (!strcmp(knob, FPR "flush"))
		make_flush(text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%u", !strcmp(knob, FPR "pause") ? 0 : random_below(10));
	begin_step(knob, text);
	pid = fork();
	if (pid < 0) {
		end_step(errno);
		sleep_ms(100);
		return;
	}
	if (!pid)
		_exit(write_file(knob, text));
	sleep_ms(random_below(150));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	end_step(0);
}

static void pause_reports(void)
{
	attempt(FPR "pause", "1", MAY_FAIL(EINTR));
	sleep_ms(random_below(300));
	attempt(FPR "pause", "0", NEVER_FAILS);
	sleep_ms(random_below(3000));
}

/* Everything that can be read is read, whatever is going on. */
static void read_all(void)
{
	static const char * const patterns[] = {
		COUNTERS, FPR "*", PARAMETERS "*", BALLOON "*", DRIVER "virtio*/balloon/*",
	};
	const char *pattern = ONE_OF(patterns);
	char buffer[4096];
	glob_t found;
	size_t i;

	begin_step(pattern, "nothing");
	if (!glob(pattern, 0, NULL, &found)) {
		for (i = 0; i < found.gl_pathc; i++) {
			int fd = open(found.gl_pathv[i], O_RDONLY);

			/* It may be gone by now. */
			if (fd < 0)
				continue;
			if (read(fd, buffer, sizeof(buffer)) < 0 && errno != ENODEV && errno != EINVAL)
				fail("cannot read %s: %s", found.gl_pathv[i], strerror(errno));
			close(fd);
		}
		globfree(&found);
	}
	end_step(0);
	sleep_ms(random_below(30));
}

/* The device */

/* The name on the virtio bus of the one that is bound; false if there is none. */
static int bound_device(char *name, size_t size)
{
	glob_t found;
	int there = !glob(DRIVER "virtio[0-9]*", 0, NULL, &found);

	if (there) {
		snprintf(name, size, "%s", found.gl_pathv[0] + strlen(DRIVER));
		globfree(&found);
	}
	return there;
}

/* The balloon on the PCI bus, by its two ids; NULL while there is none. */
static const char *pci_device(void)
{
	static char path[128];
	glob_t found;
	size_t i;

	path[0] = '\0';
	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found))
		return NULL;
	for (i = 0; i < found.gl_pathc && !path[0]; i++) {
		char id[128], text[16] = "";
		int fd;

		snprintf(id, sizeof(id), "%s/device", found.gl_pathv[i]);
		fd = open(id, O_RDONLY);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0 &&
		    (!strncmp(text, "0x1002", 6) || !strncmp(text, "0x1045", 6)))
			snprintf(path, sizeof(path), "%s", found.gl_pathv[i]);
		close(fd);
	}
	globfree(&found);
	return path[0] ? path : NULL;
}

static void bind_device(const char *name)
{
	attempt(DRIVER "bind", name, MAY_FAIL(ENODEV, EBUSY, ENOMEM));
}

static void change_device(void)
{
	const char *pci = pci_device();
	char name[64], remove[160];

	if (random_below(4) && bound_device(name, sizeof(name))) {
		attempt(DRIVER "unbind", name, MAY_FAIL(ENODEV));
		sleep_ms(random_below(200));
		bind_device(name);
	} else {
		if (pci) {
			snprintf(remove, sizeof(remove), "%s/remove", pci);
			attempt(remove, "1", MAY_FAIL(ENOENT));
		}
		sleep_ms(random_below(200));
		attempt("/sys/bus/pci/rescan", "1", NEVER_FAILS);
	}
	sleep_ms(500 + random_below(2500));
}

/* Memory and CPUs */

static void on_alarm(int sig)
{
	(void)sig;
}

/* Can a block of memory be movable?  What the kernel has there itself stays. */
static int may_go(const char *block)
{
	char path[160], zones[64] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/valid_zones", block);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (read(fd, zones, sizeof(zones) - 1) < 0)
		zones[0] = '\0';
	close(fd);
	return !!strstr(zones, "Movable");
}

static int has_bad_pages(const char *block)
{
	unsigned long number = strtoul(strrchr(block, '/') + strlen("/memory"), NULL, 10);
	int i;

	for (i = 0; i < MAX_BAD_BLOCKS; i++)
		if (__atomic_load_n(&bad_blocks[i], __ATOMIC_SEQ_CST) == number + 1)
			return 1;
	return 0;
}

static void change_memory(void)
{
	/* A page may turn out to be bad while its block goes offline. */
	const int *allowed = MAY_FAIL(EBUSY, EAGAIN, EINVAL, EINTR, ENOMEM, ENODEV, ENOENT, EHWPOISON);
	const char *block;
	char state[160];
	glob_t found;
	int worth_it;

	if (glob("/sys/devices/system/memory/memory[0-9]*", 0, NULL, &found))
		return;
	block = found.gl_pathv[random_below(found.gl_pathc)];
	snprintf(state, sizeof(state), "%s/state", block);
	/* Others have to be refused, which needs no more than a try now and then. */
	worth_it = (may_go(block) || !random_below(8)) && !has_bad_pages(block);
	globfree(&found);
	if (!worth_it) {
		sleep_ms(20);
		return;
	}
	alarm(1 + random_below(OFFLINE_SECONDS));
	attempt(state, "offline", allowed);
	alarm(0);
	sleep_ms(random_below(200));
	attempt(state, "online_movable", allowed);
	sleep_ms(random_below(500));
}

static void change_cpus(void)
{
	char path[64];
	long nr = sysconf(_SC_NPROCESSORS_CONF);

	if (nr < 2) {
		sleep_ms(1000);
		return;
	}
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/online",
		 1 + (long)random_below(nr - 1));
	attempt(path, "0", MAY_FAIL(EBUSY));
	sleep_ms(random_below(500));
	attempt(path, "1", MAY_FAIL(EBUSY));
	sleep_ms(random_below(2000));
}

/* All that has the kernel compact memory. */
static void compact(void)
{
	switch (random_below(3)) {
	case 0:
		attempt(VM "compact_memory", "1", NEVER_FAILS);
		break;
	case 1:
		attempt_number(VM "nr_hugepages", random_below(16), MAY_FAIL(EINTR));
		sleep_ms(random_below(200));
		break;
	case 2:
		attempt(VM "nr_hugepages", "0", NEVER_FAILS);
	}
	sleep_ms(random_below(400));
}

static void drop_caches(void)
{
	attempt(VM "drop_caches", "3", NEVER_FAILS);
	sleep_ms(random_below(1600));
}

static uint64_t address_of(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)at / PAGE * sizeof(entry)) < 0)
		entry = 0;
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

static int may_spoil(uint64_t address)
{
	char text[32] = "";
	uint64_t size, block;
	int fd, i;

	if (!address)
		return 0;
	fd = open("/sys/devices/system/memory/block_size_bytes", O_RDONLY);
	if (fd < 0)
		return 1;	/* no memory goes offline */
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	size = strtoull(text, NULL, 16);
	if (!size)
		return 0;
	block = address / size + 1;
	for (i = 0; i < MAX_BAD_BLOCKS && bad_blocks[i]; i++)
		if (bad_blocks[i] == block)
			return 1;
	if (i == MAX_BAD_BLOCKS)
		return 0;
	__atomic_store_n(&bad_blocks[i], block, __ATOMIC_SEQ_CST);
	return 1;
}

/* A page turns out to be bad: in use, or free again and perhaps with the host. */
static void spoil_pages(void)
{
	char text[32], *page;
	uint64_t address;

	if (self->done >= MAX_BAD_PAGES) {
		sleep_ms(1000);
		return;
	}
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return;
	*page = 1;
	address = address_of(page);
	if (random_below(2)) {
		munmap(page, PAGE);
		page = NULL;
		sleep_ms(random_below(200));
	}
	snprintf(text, sizeof(text), "%#llx", (unsigned long long)address);
	if (may_spoil(address))
		attempt("/sys/devices/system/memory/soft_offline_page", text,
			MAY_FAIL(EBUSY, EIO, EINVAL, ENXIO, EAGAIN, ENOMEM, EOPNOTSUPP));
	if (page)
		munmap(page, PAGE);
	sleep_ms(100 + random_below(1000));
}

/* Others */

static void trace(void)
{
	attempt(TRACING "page_reporting/enable", random_below(2) ? "1" : "0", NEVER_FAILS);
	attempt(TRACING "virtio_balloon/enable", random_below(2) ? "1" : "0", NEVER_FAILS);
	sleep_ms(random_below(500));
}

/* As far as all tasks are frozen, and back at once. */
static void suspend(void)
{
	sleep_ms(3000 + random_below(4000));
	/* A slow guest is given time: that tasks do not freeze at all is what would be wrong. */
	attempt("/sys/power/pm_freeze_timeout", "60000", NEVER_FAILS);
	attempt("/sys/module/suspend/parameters/pm_test_delay", "0", NEVER_FAILS);
	attempt("/sys/power/pm_test", "freezer", NEVER_FAILS);
	attempt("/sys/power/state", "freeze", MAY_FAIL(EBUSY, EAGAIN));
	attempt("/sys/power/pm_test", "none", NEVER_FAILS);
}

/* Children that take little and end at once: page tables, stacks, slabs. */
static void fork_and_die(void)
{
	pid_t pid;

	begin_step("fork()", "nothing");
	pid = fork();
	if (!pid) {
		size_t size = (1 + random_below(512)) * PAGE, i;
		char *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (i = 0; data != MAP_FAILED && i < size; i += PAGE)
			data[i] = 1;
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	end_step(pid < 0 ? errno : 0);
	sleep_ms(random_below(60));
}

static const struct actor {
	const char *name;
	void (*step)(void);
} actors[] = {
	{ "knobs", turn_knobs },
	{ "parameters", set_parameters },
	{ "nonsense", say_nonsense },
	{ "flush", flush },
	{ "flush-too", flush },
	{ "killed", kill_writers },
	{ "pause", pause_reports },
	{ "read", read_all },
	{ "device", change_device },
	{ "memory", change_memory },
	{ "cpus", change_cpus },
	{ "compact", compact },
	{ "caches", drop_caches },
	{ "bad-pages", spoil_pages },
	{ "trace", trace },
	{ "suspend", suspend },
	{ "fork", fork_and_die },
};

#define NR_ACTORS (sizeof(actors) / sizeof(actors[0]))

static struct progress *progress;
static pid_t pids[NR_ACTORS];

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

static void handle(int sig, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler };

	sigaction(sig, &sa, NULL);
}

static void act(size_t number, uint64_t seed)
{
	self = &progress[number];
	actor_name = actors[number].name;
	random_state = seed + number * 0x100000001b3ULL;
	handle(SIGALRM, on_alarm);
	handle(SIGTERM, on_term);
	while (!ended) {
		/* The parent asks first and looks then. */
		__atomic_store_n(&self->rests, 0, __ATOMIC_SEQ_CST);
		if (!is_to_rest()) {
			actors[number].step();
			continue;
		}
		__atomic_store_n(&self->rests, 1, __ATOMIC_SEQ_CST);
		while (is_to_rest() && !ended)
			usleep(50000);
	}
	exit(0);
}

/* Waits until actors have ended, or for a second; returns false when one failed. */
static int look_after(unsigned int stuck, size_t *running)
{
	time_t now = time(NULL);
	int status, good = 1;
	size_t i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < NR_ACTORS; i++)
			if (pids[i] == pid) {
				pids[i] = 0;
				(*running)--;
				if (status) {
					printf("torture: %s ended with %#x\n", actors[i].name, status);
					good = 0;
				}
			}
	}
	for (i = 0; i < NR_ACTORS; i++) {
		time_t since = __atomic_load_n(&progress[i].since, __ATOMIC_ACQUIRE);
		char path[64], stack[2048] = "";
		int fd;

		if (!pids[i] || !since || now - since <= (time_t)stuck)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stack", pids[i]);
		fd = open(path, O_RDONLY);
		if (fd >= 0 && read(fd, stack, sizeof(stack) - 1) < 0)
			stack[0] = '\0';
		printf("torture: %s is stuck with %s\n%s", actors[i].name, progress[i].what, stack);
		good = 0;
	}
	return good;
}

/* Each on its own, so that one failure leaves no more than that undone. */
static int restore(void)
{
	static const struct {
		const char *path, *text;
	} fixed[] = {
		{ FPR "pause", "0" }, { FPR "order", "9" }, { FPR "delay_ms", "0" },
		{ FPR "threshold_kbytes", "4096" }, { FPR "evacuate", "1" },
		{ BALLOON "relief", "pressure" }, { BALLOON "holdoff_ms", "30000" },
		{ VM "nr_hugepages", "0" }, { "/sys/power/pm_test", "none" },
		{ "/sys/power/pm_freeze_timeout", "20000" },
		{ TRACING "page_reporting/enable", "0" }, { TRACING "virtio_balloon/enable", "0" },
		{ "/sys/bus/pci/rescan", "1" },
	};
	struct progress none = { };
	char name[64];
	glob_t found;
	size_t i;
	int err, bad = 0;

	self = &none;
	actor_name = "restore";
	if (!glob("/sys/devices/system/cpu/cpu[1-9]*/online", 0, NULL, &found)) {
		for (i = 0; i < found.gl_pathc; i++)
			write_file(found.gl_pathv[i], "1");
		globfree(&found);
	}
	if (!glob("/sys/devices/system/memory/memory*/state", 0, NULL, &found)) {
		for (i = 0; i < found.gl_pathc; i++)
			write_file(found.gl_pathv[i], "online_movable");
		globfree(&found);
	}
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		err = write_file(fixed[i].path, fixed[i].text);
		if (err) {
			printf("torture: restore: '%s' to %s: %s\n", fixed[i].text, fixed[i].path,
			       strerror(err));
			bad = 1;
		}
	}
	if (!bound_device(name, sizeof(name))) {
		/* Bound to nothing, it is still on the bus. */
		glob("/sys/bus/virtio/devices/virtio*", 0, NULL, &found);
		for (i = 0; i < found.gl_pathc; i++)
			write_file(DRIVER "bind", strrchr(found.gl_pathv[i], '/') + 1);
		globfree(&found);
	}
	if (!bound_device(name, sizeof(name))) {
		printf("torture: restore: the balloon is gone\n");
		bad = 1;
	}
	return bad;
}

static size_t actor_called(const char *name)
{
	size_t i;

	for (i = 0; i < NR_ACTORS; i++)
		if (!strcmp(actors[i].name, name))
			return i;
	fprintf(stderr, "torture: nobody is called %s\n", name);
	exit(2);
}

/* Who rests, by a file of names */

static const char *rest_path;
static char rest_names[256];	/* the last that were read */
static int rest_awaited;	/* not all of them do yet */

static void ask_to_rest(const char *names)
{
	int asked[NR_ACTORS] = { 0 };
	char words[sizeof(rest_names)], *word, *rest = words;
	size_t i;

	snprintf(words, sizeof(words), "%s", names);
	while ((word = strsep(&rest, " \n")))
		if (*word)
			asked[actor_called(word)] = 1;
	for (i = 0; i < NR_ACTORS; i++)
		__atomic_store_n(&progress[i].asked, asked[i], __ATOMIC_SEQ_CST);
}

static void read_rest_file(void)
{
	char names[sizeof(rest_names)] = "";
	int fd = open(rest_path, O_RDONLY);

	if (fd < 0 || read(fd, names, sizeof(names) - 1) < 0) {
		fprintf(stderr, "torture: %s: %s\n", rest_path, strerror(errno));
		exit(2);
	}
	close(fd);
	if (!strcmp(names, rest_names))
		return;
	strcpy(rest_names, names);
	ask_to_rest(names);
	rest_awaited = 1;
}

/* Nobody is left out: whoever has ended, or was never there, does nothing either. */
static void look_who_rests(void)
{
	size_t i;

	for (i = 0; rest_awaited && i < NR_ACTORS; i++)
		if (pids[i] && progress[i].asked &&
		    !__atomic_load_n(&progress[i].rests, __ATOMIC_SEQ_CST))
			return;
	if (!rest_awaited)
		return;
	rest_awaited = 0;
	printf("torture: at rest: %s", rest_names);
	fflush(stdout);
}

static void show_names(FILE *out)
{
	size_t i;

	for (i = 0; i < NR_ACTORS; i++)
		fprintf(out, "%s %s", i % 8 ? "" : "\n ", actors[i].name);
	fprintf(out, "\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "stuck", required_argument, NULL, 'k' },
		{ "rest", required_argument, NULL, 'f' },
		{ "only", required_argument, NULL, 'o' },
		{ "without", required_argument, NULL, 'w' },
		{ "restore", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int left_out[NR_ACTORS] = { 0 }, chosen[NR_ACTORS] = { 0 };
	unsigned int stuck = 120;
	long seconds = -1;
	int only = 0;
	size_t i, running = 0;
	uint64_t seed = 1;
	int c, good = 1;
	time_t end;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seconds = strtol(optarg, NULL, 10);
			break;
		case 'S':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'k':
			stuck = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			rest_path = optarg;
			break;
		case 'o':
			chosen[actor_called(optarg)] = 1;
			only = 1;
			break;
		case 'w':
			left_out[actor_called(optarg)] = 1;
			break;
		case 'r':
			return restore();
		case 'h':
			usage(stdout);
			show_names(stdout);
			return 0;
		default:
			usage(stderr);
			show_names(stderr);
			return 2;
		}
	}
	if (seconds < 0 || !stuck || optind != argc) {
		usage(stderr);
		show_names(stderr);
		return 2;
	}

	progress = mmap(NULL, NR_ACTORS * sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bad_blocks = mmap(NULL, MAX_BAD_BLOCKS * sizeof(*bad_blocks), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED || bad_blocks == MAP_FAILED) {
		perror("torture: mmap");
		return 1;
	}
	printf("torture: seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	handle(SIGTERM, on_term);
	if (rest_path)
		read_rest_file();
	for (i = 0; i < NR_ACTORS; i++) {
		if (left_out[i] || (only && !chosen[i]))
			continue;
		pids[i] = fork();
		if (!pids[i])
			act(i, seed);
		if (pids[i] < 0) {
			perror("torture: fork");
			pids[i] = 0;
			good = 0;
			break;
		}
		running++;
	}

	end = time(NULL) + seconds;
	while (good && !ended && (!seconds || time(NULL) < end)) {
		good = look_after(stuck, &running);
		if (rest_path) {
			read_rest_file();
			look_who_rests();
		}
		usleep(200000);
	}
	for (i = 0; i < NR_ACTORS; i++)
		if (pids[i])
			kill(pids[i], SIGTERM);
	end = time(NULL) + stuck;
	while (running && time(NULL) < end) {
		good &= look_after(stuck, &running);
		usleep(100000);
	}
	for (i = 0; i < NR_ACTORS; i++) {
		if (pids[i]) {
			printf("torture: %s does not end: %s\n", actors[i].name, progress[i].what);
			good = 0;
		}
		printf("torture: %-10s %6lu done, %6lu refused", actors[i].name,
		       progress[i].done, progress[i].refused);
		for (c = 0; c < NR_ERRORS; c++)
			if (progress[i].errors[c])
				printf(", %lu: %s", progress[i].errors[c], strerror(c));
		printf("\n");
	}
	good &= !restore();
	printf("torture: %s\n", good ? "all is well" : "FAILED");
	return !good;
}
