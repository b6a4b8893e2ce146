// SPDX-License-Identifier: GPL-2.0-or-later
/* The event loop, a thin layer over epoll. */
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static int epoll_fd = -1;

/**
 * loop_open - make the loop
 *
 * Return: 0, or -errno.
 */
int loop_open(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? -errno : 0;
}

/**
 * loop_close - take the loop down
 */
void loop_close(void)
{
	close(epoll_fd);
	epoll_fd = -1;
}

/**
 * loop_add - watch a file descriptor
 * @source: who wants to know; must stay where it is while in the loop
 * @fd: the file descriptor
 * @events: EPOLLIN, EPOLLOUT, EPOLLPRI
 *
 * Return: 0, or -errno.
 */
int loop_add(struct source *source, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	source->fd = fd;
	source->events = events;
	return 0;
}

/**
 * loop_change - watch for other events
 * @source: a source in the loop
 * @events: the events
 *
 * Return: 0, or -errno.
 */
int loop_change(struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (source->fd < 0 || source->events == events)
		return 0;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, source->fd, &event))
		return -errno;
	source->events = events;
	return 0;
}

/**
 * loop_remove - stop watching; call it before the descriptor is closed
 * @source: a source, in the loop or not
 */
void loop_remove(struct source *source)
{
	if (source->fd >= 0)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
}

/**
 * loop_run_once - wait for events and hand them out
 * @timeout_ms: how long to wait, -1: for ever
 *
 * One event a call, so that a handler may remove any other source without
 * leaving a stale pointer in a batch.
 *
 * Return: 0, or -errno.
 */
int loop_run_once(int timeout_ms)
{
	struct epoll_event event;
	struct source *source;
	int n;

	n = epoll_wait(epoll_fd, &event, 1, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (!n)
		return 0;
	source = event.data.ptr;
	if (source->fd >= 0)
		source->ready(source, event.events);
	return 0;
}
