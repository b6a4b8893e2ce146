// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's numbers as OpenMetrics text, for node_exporter's textfile
 * collector or anything else that reads a file. The file is replaced in one
 * step, so that a reader never sees half of it.
 */
#include "metrics.h"

#include <inttypes.h>

#include "engine.h"

static char text[512 * 1024];

/* A number of a guest, by name. */
struct gauge {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*value)(unsigned int i);
};

#define GAUGE(field, expression)				\
	static uint64_t get_##field(unsigned int i)		\
	{							\
		const struct slot *slot = &engine.slots[i];	\
		const struct policy_verdict *v = &engine.result.verdict[i]; \
		const struct policy_memory *m = &engine.memory[i]; \
								\
		(void)slot;					\
		(void)v;					\
		(void)m;					\
		return expression;				\
	}

GAUGE(up, guest_absent(&slot->guest) == WHY_NONE)
GAUGE(ram, slot->guest.ram)
GAUGE(actual, slot->guest.actual)
GAUGE(target, m->target)
GAUGE(floor, v->floor)
GAUGE(rss, slot->guest.rss)
GAUGE(free, v->stats_usable ? v->free : UNSET)
GAUGE(cache, v->stats_usable ? v->cache : UNSET)
GAUGE(need, v->stats_usable ? v->need : UNSET)
GAUGE(slack, v->stats_usable ? v->slack : UNSET)
GAUGE(reporting, slot->guest.has_reporting)
GAUGE(reports, slot->guest.has_reporting ? slot->guest.reports : UNSET)
GAUGE(takes, slot->takes)
GAUGE(gives, slot->gives)
GAUGE(taken, slot->taken_bytes)
GAUGE(given, slot->given_bytes)
GAUGE(pulled, slot->pulled)
GAUGE(stuck, slot->stuck)
GAUGE(errors, slot->guest.errors)

static const struct gauge gauges[] = {
	{ "guest_up", "gauge", "1 if QEMU answers", get_up },
	{ "guest_ram_bytes", "gauge", "Size without a balloon", get_ram },
	{ "guest_actual_bytes", "gauge", "Size with the balloon", get_actual },
	{ "guest_target_bytes", "gauge", "Size last asked for", get_target },
	{ "guest_floor_bytes", "gauge", "Size below which nothing is taken", get_floor },
	{ "guest_rss_bytes", "gauge", "Resident memory of QEMU", get_rss },
	{ "guest_free_bytes", "gauge", "Free in the guest", get_free },
	{ "guest_cache_bytes", "gauge", "Page cache the guest could drop", get_cache },
	{ "guest_need_bytes", "gauge", "In use, without page cache", get_need },
	{ "guest_slack_bytes", "gauge", "Free in the guest, charged to the host", get_slack },
	{ "guest_reporting", "gauge", "1 if free page reporting is negotiated", get_reporting },
	{ "guest_reported_buffers", "counter", "Buffers the guest has reported", get_reports },
	{ "guest_takes", "counter", "Targets that took memory", get_takes },
	{ "guest_gives", "counter", "Targets that gave memory", get_gives },
	{ "guest_taken_bytes", "counter", "Bytes asked for", get_taken },
	{ "guest_given_bytes", "counter", "Bytes given back", get_given },
	{ "guest_took_back", "counter", "Times the guest took memory by itself", get_pulled },
	{ "guest_stuck", "counter", "Targets that were not followed", get_stuck },
	{ "guest_qmp_errors", "counter", "Error replies and broken sessions", get_errors },
};

static void head(struct textbuf *tb, const char *name, const char *type, const char *help)
{
	textbuf_printf(tb, "# TYPE autoballoon_%s %s\n# HELP autoballoon_%s %s\n", name, type,
		       name, help);
}

static void host_number(struct textbuf *tb, const char *name, const char *help, uint64_t value)
{
	if (value == UNSET)
		return;
	head(tb, name, "gauge", help);
	textbuf_printf(tb, "autoballoon_%s %" PRIu64 "\n", name, value);
}

static void per_guest(struct textbuf *tb, const struct gauge *gauge)
{
	const char *total = gauge->type[0] == 'c' ? "_total" : "";
	unsigned int i;

	head(tb, gauge->name, gauge->type, gauge->help);
	for (i = 0; i < engine.nr; i++) {
		uint64_t value;

		if (!engine.slots[i].guest.used || !engine.slots[i].adopted)
			continue;
		value = gauge->value(i);
		if (value != UNSET)
			textbuf_printf(tb, "autoballoon_%s%s{guest=\"%s\"} %" PRIu64 "\n",
				       gauge->name, total, engine.slots[i].guest.name, value);
	}
}

/**
 * metrics_format - write all numbers
 * @tb: where to
 */
void metrics_format(struct textbuf *tb)
{
	size_t i;
	int level;

	host_number(tb, "level", "Host pressure: 0 none, 1 low, 2 medium, 3 critical",
		    engine.level.now);
	host_number(tb, "host_available_bytes", "MemAvailable", engine.sample.available);
	host_number(tb, "headroom_bytes", "Left until the nearer limit", engine.sample.headroom);
	host_number(tb, "psi_some_microseconds", "Time some task stalled for memory",
		    engine.sample.some_us);
	host_number(tb, "psi_full_microseconds", "Time all tasks stalled for memory",
		    engine.sample.full_us);
	head(tb, "pressure_events", "counter", "Signs of host pressure");
	for (level = LEVEL_LOW; level < NR_LEVELS; level++)
		textbuf_printf(tb, "autoballoon_pressure_events_total{level=\"%s\"} %" PRIu64 "\n",
			       level_name((enum level)level), engine.events[level]);
	for (i = 0; i < ARRAY_SIZE(gauges); i++)
		per_guest(tb, &gauges[i]);
	textbuf_printf(tb, "# EOF\n");
}

/**
 * metrics_write - replace the metrics file
 * @path: the file
 *
 * Return: 0, or -errno.
 */
int metrics_write(const char *path)
{
	struct textbuf tb;

	textbuf_init(&tb, text, sizeof(text));
	metrics_format(&tb);
	return write_file_atomic(path, &tb);
}
