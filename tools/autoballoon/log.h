/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One key=value line for each thing that happened, and why. */
#ifndef AUTOBALLOON_LOG_H
#define AUTOBALLOON_LOG_H

enum log_priority { LOG_PRIO_ERROR = 3, LOG_PRIO_WARN = 4, LOG_PRIO_INFO = 6, LOG_PRIO_DEBUG = 7 };

void log_setup(enum log_priority most_verbose);
void log_line(enum log_priority prio, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_PRIO_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_PRIO_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_PRIO_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_PRIO_DEBUG, __VA_ARGS__)

#endif
