// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding guests' sockets in directories.
 *
 * inotify tells about changes at once. A directory that is not there yet, or
 * that was removed, is tried again with every tick, and so are directories
 * given by a pattern; after an overflow all are read again.
 *
 * Links are not followed: one that somebody puts there could name a monitor
 * that belongs to someone else.
 */
#include "discover.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "loop.h"
#include "transport.h"

#define MASK (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | \
	      IN_MOVE_SELF | IN_ONLYDIR)

/* As many as guests, because some managers make a directory for each, and a few more. */
#define WATCHES_MAX (POLICY_MAX_GUESTS + 64)
#define PLACES_MAX 256

/* Where to look: a directory, or a pattern of directories, and for what. */
static struct place {
	const struct transport *transport;
	char dir[CONFIG_TEXT_MAX];
	char name[CONFIG_TEXT_MAX];	/* pattern of the sockets' names */
	bool expected;			/* the doctor asks for it */
} places[PLACES_MAX];

static struct watch {
	const struct place *place;
	char dir[CONFIG_TEXT_MAX];
	int wd;			/* -1: not watched */
	bool matched;		/* by a pattern: forgotten when it goes */
} watches[WATCHES_MAX];

static unsigned int nr_places, nr_watches;
static bool too_many;
static discover_fn tell;
static struct source source = { .fd = -1 };

static void tell_path(const struct watch *watch, const char *name, bool there)
{
	char path[PATH_MAX];
	struct stat st;

	if (fnmatch(watch->place->name, name, FNM_PERIOD) ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", watch->dir, name) >= sizeof(path))
		return;
	if (there && (lstat(path, &st) || !S_ISSOCK(st.st_mode)))
		return;
	tell(watch->place->transport, path, there);
}

static void scan(const struct watch *watch)
{
	struct dirent *entry;
	DIR *dir = opendir(watch->dir);

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		tell_path(watch, entry->d_name, true);
	closedir(dir);
}

static void handle(const struct inotify_event *event)
{
	struct watch *watch;

	for (watch = watches; watch < watches + nr_watches; watch++) {
		if (event->mask & IN_Q_OVERFLOW)
			scan(watch);
		if (watch->wd != event->wd)
			continue;
		if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
			watch->wd = -1;
		else if (event->len)
			tell_path(watch, event->name, event->mask & (IN_CREATE | IN_MOVED_TO));
	}
}

static void ready(struct source *s, uint32_t events)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n, at;

	(void)events;
	n = read(s->fd, buf, sizeof(buf));
	for (at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(buf + at);
		handle(event);
	}
}

static void add_place(const struct transport *transport, const char *dir, size_t dir_len,
		      const char *name, size_t name_len, bool expected)
{
	struct place *place = &places[nr_places];

	if (!dir_len)
		return;
	if (nr_places == PLACES_MAX) {
		log_warn("event=not-watched directory=%.*s reason=\"too many directories\"",
			 (int)dir_len, dir);
		return;
	}
	place->transport = transport;
	snprintf(place->dir, sizeof(place->dir), "%.*s", (int)dir_len, dir);
	snprintf(place->name, sizeof(place->name), "%.*s", (int)name_len, name);
	place->expected = expected;
	nr_places++;
}

/* A list of patterns: what follows the last slash are the sockets' names. */
static void add_sockets(const struct transport *transport, const char *list)
{
	size_t len, dir_len;

	for (; *list; list += len, list += *list == ':') {
		len = strcspn(list, ":");
		for (dir_len = len; dir_len && list[dir_len - 1] != '/';)
			dir_len--;
		add_place(transport, list, dir_len > 1 ? dir_len - 1 : dir_len, list + dir_len,
			  len - dir_len, false);
	}
}

static void add_places(const struct config *config)
{
	const char *p;
	int id;

	nr_places = 0;
	for (p = config->directories; *p; p += strcspn(p, ":"), p += *p == ':')
		add_place(&transport_qmp, p, strcspn(p, ":"), config->pattern,
			  strlen(config->pattern), true);
	for (id = TRANSPORT_QMP + 1; id < NR_TRANSPORTS; id++)
		add_sockets(transport_of((enum transport_id)id), config->sockets[id]);
}

/**
 * discover_open - start looking
 * @config: names the directories and the pattern
 * @fn: called for each socket, also for those that are there already
 *
 * Return: 0, or -errno.
 */
int discover_open(const struct config *config, discover_fn fn)
{
	int fd, err;

	tell = fn;
	add_places(config);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	source.ready = ready;
	err = loop_add(&source, fd, EPOLLIN);
	if (err) {
		close(fd);
		return err;
	}
	discover_tick();
	return 0;
}

static void start_watch(struct watch *watch)
{
	char shown[CONFIG_TEXT_MAX];

	watch->wd = inotify_add_watch(source.fd, watch->dir, MASK);
	if (watch->wd < 0)
		return;
	log_info("event=watching directory=%s", plain_path(watch->dir, shown, sizeof(shown)));
	scan(watch);
}

/* A pattern or a link may lead where no name in the configuration does. */
static bool is_forbidden(const char *dir)
{
	char real[PATH_MAX];

	return config_is_proxmox(realpath(dir, real) ? real : dir);
}

static void add_directory(const struct place *place, const char *dir, bool matched)
{
	char shown[CONFIG_TEXT_MAX];
	struct watch *watch;

	for (watch = watches; watch < watches + nr_watches; watch++)
		if (watch->place == place && !strcmp(watch->dir, dir))
			return;
	if (is_forbidden(dir))
		return;
	if (nr_watches == WATCHES_MAX || strlen(dir) >= sizeof(watch->dir)) {
		if (!too_many)
			log_warn("event=not-watched directory=%s reason=\"%s\"",
				 plain_path(dir, shown, sizeof(shown)),
				 nr_watches == WATCHES_MAX ? "too many directories" :
							     "path too long");
		too_many = true;
		return;
	}
	watch->place = place;
	copy_string(watch->dir, sizeof(watch->dir), dir);
	watch->wd = -1;
	watch->matched = matched;
	nr_watches++;
	if (matched)
		start_watch(watch);
}

static void match_directories(const struct place *place)
{
	glob_t found;
	size_t i;

	if (glob(place->dir, GLOB_ONLYDIR | GLOB_NOSORT, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		add_directory(place, found.gl_pathv[i], true);
	globfree(&found);
}

/* Those that match a pattern come and go; the last one takes a gap. */
static void drop_gone(void)
{
	unsigned int i;

	for (i = 0; i < nr_watches;)
		if (watches[i].matched && watches[i].wd < 0)
			watches[i] = watches[--nr_watches];
		else
			i++;
}

/**
 * discover_tick - look for directories that are not watched yet
 */
void discover_tick(void)
{
	const struct place *place;
	unsigned int i;

	drop_gone();
	for (place = places; place < places + nr_places; place++)
		if (strpbrk(place->dir, "*?["))
			match_directories(place);
		else
			add_directory(place, place->dir, false);
	for (i = 0; i < nr_watches; i++)
		if (watches[i].wd < 0)
			start_watch(&watches[i]);
}

/**
 * discover_rescan - tell about all sockets once more
 */
void discover_rescan(void)
{
	unsigned int i;

	for (i = 0; i < nr_watches; i++)
		if (watches[i].wd >= 0)
			scan(&watches[i]);
}

/**
 * discover_missing - a directory that is to be there and cannot be watched
 * @err: where the reason goes, an errno
 *
 * Return: its name, or NULL if all are there.
 */
const char *discover_missing(int *err)
{
	unsigned int i;

	for (i = 0; i < nr_watches; i++) {
		if (watches[i].wd >= 0 || !watches[i].place->expected)
			continue;
		*err = access(watches[i].dir, R_OK | X_OK) ? errno : EAGAIN;
		return watches[i].dir;
	}
	return NULL;
}

/**
 * discover_close - stop looking
 */
void discover_close(void)
{
	int fd = source.fd;

	loop_remove(&source);
	if (fd >= 0)
		close(fd);
	nr_watches = 0;
}
