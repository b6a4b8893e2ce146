// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The domains that run: a socket for each, named by its UUID, and the session that
 * the daemon has there. One lock guards all of it; nothing blocks under it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../log.h"
#include "../util.h"
#include "bridge.h"

#define DOMAINS_MAX 1024
#define STACK_BYTES (512 * 1024)

struct domain {
	char uuid[UUID_MAX];	/* empty: a gap */
	int listener;
	int session;		/* -1: none */
	bool seen;		/* by the sync under way */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct domain domains[DOMAINS_MAX];
static unsigned int nr;
static int wake = -1;		/* the listeners have changed */
static char directory[PATH_MAX];

/* One that was killed leaves sockets, also of domains that have ended since. */
static void remove_sockets(void)
{
	const struct dirent *entry;
	DIR *dir = opendir(directory);
	size_t len;

	while (dir && (entry = readdir(dir))) {
		len = strlen(entry->d_name);
		if (len == UUID_MAX - 1 + 5 && !strcmp(entry->d_name + len - 5, ".sock"))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

/**
 * domains_open - make the directory, and clear it of sockets that nobody serves
 * @path: the directory; only one process may use it
 *
 * Return: 0, -EADDRINUSE if another process does, or -errno.
 */
int domains_open(const char *path)
{
	char *slash;
	int err;

	if (!copy_string(directory, sizeof(directory), path))
		return -ENAMETOOLONG;
	/* The run directory may not be there yet either. */
	slash = strrchr(directory, '/');
	if (slash && slash != directory) {
		*slash = '\0';
		mkdir(directory, 0755);
		*slash = '/';
	}
	if (mkdir(path, 0750) && errno != EEXIST)
		return -errno;
	err = lock_directory(directory);
	if (err)
		return err;
	remove_sockets();
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wake < 0 ? -errno : 0;
}

static struct domain *find(const char *uuid)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(domains[i].uuid, uuid))
			return &domains[i];
	return NULL;
}

static void address_of(const char *uuid, struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	snprintf(addr->sun_path, sizeof(addr->sun_path), "%.*s/%s.sock",
		 (int)(sizeof(addr->sun_path) - UUID_MAX - 8), directory, uuid);
}

static int listen_for(const char *uuid)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	address_of(uuid, &addr);
	unlink(addr.sun_path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4)) {
		close(fd);
		return -1;
	}
	chmod(addr.sun_path, 0660);
	return fd;
}

static void add_locked(const char *uuid, const char *name)
{
	struct domain *d = find(uuid);

	if (d) {
		d->seen = true;
		return;
	}
	d = find("");
	if (!d && nr < DOMAINS_MAX)
		d = &domains[nr++];
	if (!d) {
		log_warn("event=ignored domain=%s reason=\"more than %d\"", name, DOMAINS_MAX);
		return;
	}
	*d = (struct domain){ .session = -1, .seen = true };
	d->listener = listen_for(uuid);
	if (d->listener < 0) {
		log_warn("event=no-socket domain=%s reason=\"%s\"", name, strerror(errno));
		return;
	}
	copy_string(d->uuid, sizeof(d->uuid), uuid);
	log_info("event=domain name=%s uuid=%s", name, uuid);
	eventfd_write(wake, 1);
}

static void remove_locked(struct domain *d)
{
	struct sockaddr_un addr;

	log_info("event=domain-gone uuid=%s", d->uuid);
	address_of(d->uuid, &addr);
	unlink(addr.sun_path);
	close(d->listener);
	if (d->session >= 0)
		shutdown(d->session, SHUT_RDWR);	/* its thread closes it */
	d->session = -1;
	d->uuid[0] = '\0';
	eventfd_write(wake, 1);
}

/**
 * domains_add - a domain runs
 * @uuid: its UUID
 * @name: its name, for the log
 */
void domains_add(const char *uuid, const char *name)
{
	pthread_mutex_lock(&lock);
	add_locked(uuid, name);
	pthread_mutex_unlock(&lock);
}

/**
 * domains_remove - a domain does not run any more
 * @uuid: its UUID
 */
void domains_remove(const char *uuid)
{
	struct domain *d;

	pthread_mutex_lock(&lock);
	d = find(uuid);
	if (d)
		remove_locked(d);
	pthread_mutex_unlock(&lock);
}

/**
 * domains_sync - these run, and no others
 * @list: the domains
 * @count: how many
 */
void domains_sync(virDomainPtr *list, int count)
{
	char uuid[UUID_MAX];
	unsigned int i;
	int k;

	pthread_mutex_lock(&lock);
	for (i = 0; i < nr; i++)
		domains[i].seen = false;
	for (k = 0; k < count; k++)
		if (!virDomainGetUUIDString(list[k], uuid))
			add_locked(uuid, virDomainGetName(list[k]));
	for (i = 0; i < nr; i++)
		if (domains[i].uuid[0] && !domains[i].seen)
			remove_locked(&domains[i]);
	pthread_mutex_unlock(&lock);
}

/* A reader that does not read loses its session, and is told everything anew. */
static bool send_all(int fd, const char *text, size_t len)
{
	if (send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	shutdown(fd, SHUT_RDWR);
	return false;
}

/**
 * domains_tell - send an event
 * @uuid: the domain; NULL: all
 * @event: JSON, and a line's end
 */
void domains_tell(const char *uuid, const char *event)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < nr; i++)
		if (domains[i].uuid[0] && domains[i].session >= 0 &&
		    (!uuid || !strcmp(domains[i].uuid, uuid)))
			send_all(domains[i].session, event, strlen(event));
	pthread_mutex_unlock(&lock);
}

/**
 * domains_send - send a reply, unless the session is over
 * @uuid: the domain
 * @fd: its session
 * @text: the reply
 * @len: its length
 *
 * Return: whether it was sent.
 */
bool domains_send(const char *uuid, int fd, const char *text, size_t len)
{
	const struct domain *d;
	bool sent;

	pthread_mutex_lock(&lock);
	d = find(uuid);
	sent = d && d->session == fd && send_all(fd, text, len);
	pthread_mutex_unlock(&lock);
	return sent;
}

/**
 * domains_leave - a session is over
 * @uuid: the domain
 * @fd: the session; closed
 */
void domains_leave(const char *uuid, int fd)
{
	struct domain *d;

	pthread_mutex_lock(&lock);
	d = find(uuid);
	if (d && d->session == fd)
		d->session = -1;
	close(fd);
	pthread_mutex_unlock(&lock);
}

struct start {
	char uuid[UUID_MAX];
	int fd;
};

static void *run_session(void *data)
{
	struct start start = *(struct start *)data;

	free(data);
	serve(start.uuid, start.fd);
	domains_leave(start.uuid, start.fd);
	return NULL;
}

static void start_session(struct domain *d, int fd)
{
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (start) {
		copy_string(start->uuid, sizeof(start->uuid), d->uuid);
		start->fd = fd;
	}
	if (!start || pthread_create(&thread, &attr, run_session, start)) {
		free(start);
		close(fd);
	} else {
		/* The one before is of a daemon that has gone. */
		if (d->session >= 0)
			shutdown(d->session, SHUT_RDWR);
		d->session = fd;
	}
	pthread_attr_destroy(&attr);
}

/**
 * domains_accept - wait for sessions, and start those that have come
 */
void domains_accept(void)
{
	static struct pollfd polls[DOMAINS_MAX + 1];
	static char uuids[DOMAINS_MAX + 1][UUID_MAX];
	unsigned int i, n = 1;
	eventfd_t count;
	int fd;

	pthread_mutex_lock(&lock);
	polls[0] = (struct pollfd){ .fd = wake, .events = POLLIN };
	for (i = 0; i < nr; i++) {
		if (!domains[i].uuid[0])
			continue;
		copy_string(uuids[n], sizeof(uuids[n]), domains[i].uuid);
		polls[n++] = (struct pollfd){ .fd = domains[i].listener, .events = POLLIN };
	}
	pthread_mutex_unlock(&lock);
	if (poll(polls, n, -1) <= 0)
		return;
	eventfd_read(wake, &count);
	pthread_mutex_lock(&lock);
	for (i = 1; i < n; i++) {
		struct domain *d = polls[i].revents ? find(uuids[i]) : NULL;

		fd = d ? accept4(d->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fd >= 0)
			start_session(d, fd);
	}
	pthread_mutex_unlock(&lock);
}

/**
 * domains_wake - have domains_accept() return; a signal's handler may call it
 */
void domains_wake(void)
{
	eventfd_write(wake, 1);
}

/**
 * domains_close - remove the sockets
 */
void domains_close(void)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < nr; i++)
		if (domains[i].uuid[0])
			remove_locked(&domains[i]);
	pthread_mutex_unlock(&lock);
}
