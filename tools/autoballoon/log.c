// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Log lines on stderr, with the priority prefix that the journal reads when
 * stderr is the journal's.
 *
 * A line is built in a buffer of fixed size and written in one go: no
 * allocation, no half lines between two writers.
 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

/**
 * log_line - write one line
 * @prio: its priority
 * @fmt: as in printf(), without a newline
 */
void log_line(enum log_priority prio, const char *fmt, ...)
{
	char line[1024];
	size_t len = 0;
	va_list args;
	int n;

	if (prio > verbosity)
		return;
	if (to_journal)
		len = (size_t)snprintf(line, sizeof(line), "<%d>", (int)prio);
	va_start(args, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return;		/* nobody is left to tell */
}
