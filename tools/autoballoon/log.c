// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Log lines on stderr, with the priority prefix that the journal reads when
 * stderr is the journal's.
 *
 * A line is built in a buffer of fixed size and written in one go: no
 * allocation, no half lines between two writers. Whoever reads them may have
 * stopped, a journal that swaps for one: a line that would have to wait is
 * dropped, and the next one that goes out is preceded by how many were.
 *
 * What comes from guests and file systems is in the lines too. Bytes that are
 * not printable become "?", so that nobody can forge a line or a terminal's
 * escape sequence.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static enum log_priority verbosity = LOG_PRIO_INFO;
static bool to_journal;

/**
 * log_setup - choose how much is logged
 * @most_verbose: the last priority that is still written
 */
void log_setup(enum log_priority most_verbose)
{
	verbosity = most_verbose;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

/* Whether a line can go out without waiting. */
static bool can_write(void)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&fd, 1, 0) == 1 && fd.revents & POLLOUT && !(fd.revents & POLLERR);
}

/* A stream socket says that it is writable when a line fits; it need not wait to be sure. */
static bool put(const char *line, size_t len)
{
	ssize_t n;

	if (!can_write())
		return false;
	n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == ENOTSOCK)
		n = write(STDERR_FILENO, line, len);
	return n >= 0;
}

static void make_plain(char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
}

/**
 * log_line - write one line, or drop it
 * @prio: its priority
 * @fmt: as in printf(), without a newline
 */
void log_line(enum log_priority prio, const char *fmt, ...)
{
	static unsigned long nr_lost;
	char line[1024], lost[80];
	size_t len = 0, head;
	va_list args;
	int n;

	if (prio > verbosity)
		return;
	if (to_journal)
		len = (size_t)snprintf(line, sizeof(line), "<%d>", (int)prio);
	head = len;
	va_start(args, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	make_plain(line + head, len - head);
	line[len++] = '\n';
	if (nr_lost) {
		n = snprintf(lost, sizeof(lost), "%sevent=log-lines-lost count=%lu\n",
			     to_journal ? "<4>" : "", nr_lost);
		if (put(lost, (size_t)n))
			nr_lost = 0;
	}
	if (nr_lost || !put(line, len))
		nr_lost++;
}
