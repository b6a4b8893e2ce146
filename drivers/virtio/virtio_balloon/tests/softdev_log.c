// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counts what is written into the kernel log about balloons, so that a test can say
 * that a warning came, and came once.  Numbers do not make lines different.
 */
#include <linux/ctype.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/printk.h>

#include "softdev.h"

#define LOG_LINES	16
#define LOG_WIDTH	80

static bool log_on;
static DEFINE_RAW_SPINLOCK(log_lock);
static struct {
	char words[LOG_WIDTH];
	unsigned int nr;
} log_lines[LOG_LINES];

/* In the context of a printk(), any. */
static void log_probe(void *unused, const char *text, size_t len)
{
	static const char prefix[] = "virtio_balloon virtio";
	char words[LOG_WIDTH];
	unsigned long flags;
	unsigned int i, n = 0;
	const char *line;

	line = strnstr(text, prefix, len);
	if (!line)
		return;
	for (; line < text + len && n < LOG_WIDTH - 1; line++)
		if (!isdigit(*line))
			words[n++] = *line;
	words[n] = '\0';

	raw_spin_lock_irqsave(&log_lock, flags);
	for (i = 0; i < LOG_LINES; i++) {
		if (!log_lines[i].nr)
			strscpy(log_lines[i].words, words);
		if (!strcmp(log_lines[i].words, words)) {
			log_lines[i].nr++;
			break;
		}
	}
	raw_spin_unlock_irqrestore(&log_lock, flags);
}

/**
 * softdev_log_start() - begin to count
 *
 * Context: Process context.
 */
void softdev_log_start(void)
{
	memset(log_lines, 0, sizeof(log_lines));
	log_on = !register_trace_console(log_probe, NULL);
}

/**
 * softdev_log_stop() - count no more
 *
 * Context: Process context.
 */
void softdev_log_stop(void)
{
	if (!log_on)
		return;
	log_on = false;
	unregister_trace_console(log_probe, NULL);
	tracepoint_synchronize_unregister();
}

/**
 * softdev_log_count() - how often was it said?
 * @words: part of a line, without digits
 *
 * Context: Any.
 * Return: number of lines.
 */
unsigned int softdev_log_count(const char *words)
{
	unsigned int i, nr = 0;
	unsigned long flags;

	raw_spin_lock_irqsave(&log_lock, flags);
	for (i = 0; i < LOG_LINES; i++)
		if (log_lines[i].nr && strstr(log_lines[i].words, words))
			nr += log_lines[i].nr;
	raw_spin_unlock_irqrestore(&log_lock, flags);
	return nr;
}

/**
 * softdev_log_most() - how often was the most frequent line written?
 *
 * Context: Any.
 * Return: number of times.
 */
unsigned int softdev_log_most(void)
{
	unsigned int i, nr = 0;
	unsigned long flags;

	raw_spin_lock_irqsave(&log_lock, flags);
	for (i = 0; i < LOG_LINES; i++)
		nr = max(nr, log_lines[i].nr);
	raw_spin_unlock_irqrestore(&log_lock, flags);
	return nr;
}
