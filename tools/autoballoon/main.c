// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * autoballoond: automatic ballooning for QEMU guests.
 *
 * Options, signals, the tick, and the order in which things start and stop.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "control.h"
#include "discover.h"
#include "engine.h"
#include "log.h"
#include "notify.h"
#include "place.h"
#include "textbuf.h"
#include "writer.h"

#define HEAP_BYTES (2 * 1024 * 1024)
#define RELEASE_MS 2000
#define VMS_MAX 64
#define LOOK_AGAIN_MS 30000

const char *argp_program_version = "autoballoond 1.0";

struct options {
	const char *config;
	bool config_given;
	bool check;
	bool print;
	bool user;
	bool dry_run;
	bool debug;
	const char *inject;
	const char *cgroups[2];
	unsigned int nr_cgroups;
	const char *vms[VMS_MAX];
	unsigned int nr_vms;
};

static struct options opts = { .config = PLACE_CONFIG };
static bool ending;

static const struct argp_option option_list[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " PLACE_CONFIG, 0 },
	{ "check-config", 'C', NULL, 0, "Check the configuration and exit", 0 },
	{ "print-config", 'p', NULL, 0, "Print the configuration with all defaults and exit", 0 },
	{ "dry-run", 'n', NULL, 0, "Decide and log, but send nothing", 0 },
	{ "inject-pressure", 'i', "LEVEL", 0, "Act once at start as if there were pressure", 0 },
	{ "debug", 'd', NULL, 0, "Log more", 0 },
	{ "cgroup", 'g', "PATH", 0, "Watch this cgroup and manage only the guests in it; "
	  "twice where the memory controller is cgroup v1's", 0 },
	{ "vm", 'v', "name=NAME,OPTION=VALUE,...", 0, "As a [guest NAME] section does", 0 },
	{ "user", 'u', NULL, 0, "A user's own daemon: directories and configuration of the user", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	enum level level;

	switch (key) {
	case 'c':
		opts.config = arg;
		opts.config_given = true;
		return 0;
	case 'C':
		opts.check = true;
		return 0;
	case 'p':
		opts.print = true;
		return 0;
	case 'n':
		opts.dry_run = true;
		return 0;
	case 'i':
		if (level_parse(arg, &level) || level == LEVEL_NONE)
			argp_error(state, "the level must be low, medium or critical");
		opts.inject = arg;
		return 0;
	case 'd':
		opts.debug = true;
		return 0;
	case 'g':
		if (opts.nr_cgroups == ARRAY_SIZE(opts.cgroups))
			argp_error(state, "more than two cgroups");
		opts.cgroups[opts.nr_cgroups++] = arg;
		return 0;
	case 'u':
		opts.user = true;
		return 0;
	case 'v':
		if (opts.nr_vms == VMS_MAX)
			argp_error(state, "more than %d times --vm", VMS_MAX);
		opts.vms[opts.nr_vms++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!strcmp(arg, "run"))
			return 0;
		argp_error(state, "unknown command \"%s\"", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_list,
	.parser = parse_option,
	.args_doc = "[run]",
	.doc = "Automatic ballooning for QEMU guests: takes memory from guests while the host is "
	       "short of it, and gives it back when a guest needs it.",
};

/* A directory of cgroup v1's memory hierarchy is told by its files. */
static int set_cgroup(struct config *config, const char *path)
{
	static const struct config_place place = { "--cgroup", 0 };
	char limit[PATH_MAX];
	bool old;

	snprintf(limit, sizeof(limit), "%s/memory.limit_in_bytes", path);
	old = !access(limit, F_OK);
	return config_set(config, "pressure", old ? "cgroup-memory" : "cgroup", path, &place);
}

/* The file, its parts, and over them the command line. */
static bool read_config(struct config *config)
{
	static char user_file[PATH_MAX];
	unsigned int i;
	int err = 0;

	config_defaults(config);
	if (opts.user) {
		err = place_user(config, user_file, sizeof(user_file));
		if (!opts.config_given)
			opts.config = user_file;
	}
	if (err)
		return false;
	if (opts.config_given || !access(opts.config, F_OK))
		err = config_read(config, opts.config);
	else
		err = config_read_parts(config, opts.config);
	for (i = 0; !err && i < opts.nr_cgroups; i++)
		err = set_cgroup(config, opts.cgroups[i]);
	for (i = 0; !err && i < opts.nr_vms; i++)
		err = config_vm(config, opts.vms[i]);
	return !err && !config_check(config);
}

/* What may be right and is most likely not. */
static void warn_about(const struct config *config)
{
	const char *const paths[] = { config->cgroup, config->cgroup_memory };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		if (*paths[i] && access(paths[i], F_OK))
			fprintf(stderr, "autoballoond: %s: %s (it may come later)\n", paths[i],
				strerror(errno));
}

/* New limits, amounts and rules; what is open stays open. */
static void reload(void)
{
	static struct config fresh;
	char kept_text[512];
	struct textbuf kept;

	textbuf_init(&kept, kept_text, sizeof(kept_text));
	if (!read_config(&fresh)) {
		log_error("event=reload-failed reason=\"%s\"", fresh.error);
		return;
	}
	config_keep(&engine.config, &fresh, &kept);
	if (kept.len)
		log_warn("event=reload-partly needs_restart=\"%s\"", kept_text);
	engine.config = fresh;
	log_setup(opts.debug || fresh.debug ? LOG_PRIO_DEBUG : LOG_PRIO_INFO);
	engine.dry_run = fresh.dry_run || opts.dry_run;
	engine_rules_changed();
	log_info("event=reloaded file=%s", opts.config);
}

static void signal_ready(struct source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		notify("RELOADING=1");
		reload();
		notify("READY=1");
	} else {
		log_info("event=ending signal=%s", strsignal((int)info.ssi_signo));
		ending = true;
	}
}

/* Waits for the first guest whose statistics are in: before, nothing would happen. */
static void inject_once(void)
{
	enum level level;

	if (!level_parse(opts.inject, &level))
		engine_inject(level, 1);
	opts.inject = NULL;
}

/* Room for guests that there was none for: at once when a slot is free, and now and then. */
static void look_again(uint64_t now)
{
	static uint64_t next_ms;

	if (!engine.unmanaged || (!engine.look_again && now < next_ms))
		return;
	next_ms = now + LOOK_AGAIN_MS;
	engine.look_again = false;
	engine.unmanaged = 0;
	discover_rescan();
	engine_add_named();
	engine.crowded = engine.unmanaged != 0;
}

static void timer_ready(struct source *source, uint32_t events)
{
	uint64_t expired, now = now_ms();

	(void)events;
	if (read(source->fd, &expired, sizeof(expired)) < 0)
		return;
	discover_tick();
	look_again(now);
	pressure_tick();
	control_tick(now);
	if (opts.inject && engine_can_act())
		inject_once();
	engine_tick(now);
	notify("WATCHDOG=1");
}

static int open_signals(struct source *source)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	source->ready = signal_ready;
	return fd < 0 ? -errno : loop_add(source, fd, EPOLLIN);
}

static int open_timer(struct source *source)
{
	static const struct itimerspec second = { { 1, 0 }, { 0, 1000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &second, NULL))
		return -errno;
	source->ready = timer_ready;
	return loop_add(source, fd, EPOLLIN);
}

/*
 * The daemon must work while the host has no memory: its pages stay in RAM, and
 * the heap is grown now and never shrunk.
 */
static void secure_memory(void)
{
	void *heap;

	mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
	mallopt(M_TOP_PAD, 1024 * 1024);
	heap = malloc(HEAP_BYTES);
	if (heap)
		memset(heap, 1, HEAP_BYTES);
	free(heap);
	/* What is mapped later is locked as it is touched: large answers, hardly ever. */
	if (engine.config.lock_memory &&
	    (mlockall(MCL_CURRENT) || mlockall(MCL_FUTURE | MCL_ONFAULT)))
		log_warn("event=memory-not-locked reason=\"%s\"", strerror(errno));
}

static int start(struct source *signals, struct source *timer)
{
	const struct config *c = &engine.config;
	int err;

	err = place_open(c);
	if (err) {
		log_error("event=start-failed directory=%s reason=\"%s\"", c->run_dir,
			  err == -EADDRINUSE ? "another daemon uses it" : strerror(-err));
		return err;
	}
	err = loop_open();
	if (!err)
		err = open_signals(signals);
	if (!err)
		err = open_timer(timer);
	if (err) {
		log_error("event=start-failed reason=\"%s\"", strerror(-err));
		return err;
	}
	err = control_open(c);
	if (err) {
		log_error("event=start-failed socket=%s reason=\"%s\"", c->control_socket,
			  strerror(-err));
		return err;
	}
	state_load(c->run_dir, c->keep_dir, &engine.said);
	secure_memory();
	engine_add_named();
	err = discover_open(c, engine_guest_there);
	if (err) {
		log_error("event=start-failed reason=\"%s\"", strerror(-err));
		return err;
	}
	if (pressure_open(c, engine_pressure))
		log_warn("event=no-pressure-source reason=\"%s\"", pressure_problem());
	return 0;
}

/* Let what was given back go out; a guest that hangs must not hold up the end. */
static void release(void)
{
	uint64_t end = now_ms() + RELEASE_MS;
	bool busy = true;
	unsigned int i;

	engine_release(now_ms());
	while (busy && now_ms() < end) {
		loop_run_once(50);
		busy = false;
		for (i = 0; i < engine.nr; i++) {
			const struct guest *g = &engine.slots[i].guest;

			busy |= g->used && guest_target_waits(g);
		}
	}
}

/*
 * A descriptor of ours must not pass for standard error, whoever closed that;
 * every guest takes one; and a reader of the log that has gone is no reason to end.
 */
static void secure_descriptors(void)
{
	struct rlimit limit;
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	struct source signals = { .fd = -1 }, timer = { .fd = -1 };
	int err;

	secure_descriptors();
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (!read_config(&engine.config)) {
		fprintf(stderr, "autoballoond: %s\n", engine.config.error);
		return EXIT_FAILURE;
	}
	if (opts.print)
		config_print(&engine.config, stdout);
	if (opts.check || opts.print) {
		warn_about(&engine.config);
		return EXIT_SUCCESS;
	}
	log_setup(opts.debug || engine.config.debug ? LOG_PRIO_DEBUG : LOG_PRIO_INFO);
	engine.dry_run = engine.config.dry_run || opts.dry_run;
	engine.started_ms = now_ms();
	engine.level.since_ms = engine.started_ms;
	if (start(&signals, &timer))
		return EXIT_FAILURE;
	engine_tick(now_ms());
	notify("READY=1");
	log_info("event=started version=1.0 amounts=%s dry_run=%s", engine.config.amounts,
		 engine.dry_run ? "yes" : "no");

	while (!ending) {
		err = loop_run_once(-1);
		if (err) {
			log_error("event=loop-failed reason=\"%s\"", strerror(-err));
			return EXIT_FAILURE;
		}
		if (engine.step_wanted)
			engine_step(now_ms());
	}

	notify("STOPPING=1");
	if (engine.config.release_on_exit && !engine.dry_run)
		release();
	engine.state_changed = true;
	engine.word_changed = true;
	engine_save();
	writer_flush(RELEASE_MS);
	pressure_close();
	discover_close();
	control_close();
	engine_close();
	loop_close();
	return EXIT_SUCCESS;
}
