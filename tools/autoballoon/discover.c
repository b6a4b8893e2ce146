// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding QMP sockets in directories.
 *
 * inotify tells about changes at once. A directory that is not there yet, or
 * that was removed, is tried again with every tick; after an overflow all
 * directories are read again.
 */
#include "discover.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "loop.h"

#define MASK (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | \
	      IN_MOVE_SELF | IN_ONLYDIR)

static struct watch {
	char dir[CONFIG_TEXT_MAX];
	int wd;			/* -1: not watched */
} watches[CONFIG_DIRS_MAX];

static unsigned int nr_watches;
static const char *name_pattern;
static discover_fn tell;
static struct source source = { .fd = -1 };

static void tell_path(const struct watch *watch, const char *name, bool there)
{
	char path[PATH_MAX];
	struct stat st;

	if (fnmatch(name_pattern, name, FNM_PERIOD) ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", watch->dir, name) >= sizeof(path))
		return;
	if (there && (stat(path, &st) || !S_ISSOCK(st.st_mode)))
		return;
	tell(path, there);
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

/**
 * discover_open - start looking
 * @config: names the directories and the pattern
 * @fn: called for each socket, also for those that are there already
 *
 * Return: 0, or -errno.
 */
int discover_open(const struct config *config, discover_fn fn)
{
	const char *p = config->directories;
	int fd, err;

	tell = fn;
	name_pattern = config->pattern;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	source.ready = ready;
	err = loop_add(&source, fd, EPOLLIN);
	if (err) {
		close(fd);
		return err;
	}
	for (; *p && nr_watches < CONFIG_DIRS_MAX; p += strcspn(p, ":"), p += *p == ':') {
		int len = (int)strcspn(p, ":");

		if (!len)
			continue;
		snprintf(watches[nr_watches].dir, CONFIG_TEXT_MAX, "%.*s", len, p);
		watches[nr_watches++].wd = -1;
	}
	discover_tick();
	return 0;
}

/**
 * discover_tick - try directories again that are not there yet
 */
void discover_tick(void)
{
	struct watch *watch;

	for (watch = watches; watch < watches + nr_watches; watch++) {
		if (watch->wd >= 0)
			continue;
		watch->wd = inotify_add_watch(source.fd, watch->dir, MASK);
		if (watch->wd < 0)
			continue;
		log_info("event=watching directory=%s", watch->dir);
		scan(watch);
	}
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
