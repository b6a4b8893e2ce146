// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's numbers, as OpenMetrics and in the classic text format that
 * node_exporter's textfile collector reads. They differ in how the family of a
 * counter is called, and in the end mark. The file is replaced in one step, so
 * that a reader never sees half of it.
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine.h"
#include "writer.h"


/* A number of a guest. Counters end in "_total", as both text formats have it. */
struct gauge {
	const char *name;
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

GAUGE(min, v->low)
GAUGE(max, v->high)
GAUGE(hold, engine_word(slot)->hold ? engine_word(slot)->hold : UNSET)
GAUGE(set, engine_word(slot)->set ? engine_word(slot)->set : UNSET)
GAUGE(debt, m->debt)
GAUGE(enabled, engine.guests[i].enabled)
GAUGE(needy, v->hurt != WHY_NONE)
GAUGE(age, engine.guests[i].stats_age_ms == UNSET ? UNSET : engine.guests[i].stats_age_ms / 1000)

static const struct gauge gauges[] = {
	{ "guest_up", "1 if QEMU answers", get_up },
	{ "guest_enabled", "1 if it is managed", get_enabled },
	{ "guest_ram_bytes", "Size without a balloon", get_ram },
	{ "guest_actual_bytes", "Size with the balloon", get_actual },
	{ "guest_target_bytes", "Size last asked for", get_target },
	{ "guest_debt_bytes", "Taken by the daemon and not given back", get_debt },
	{ "guest_floor_bytes", "Size below which nothing is taken", get_floor },
	{ "guest_min_bytes", "Smallest size allowed", get_min },
	{ "guest_max_bytes", "Largest size allowed", get_max },
	{ "guest_hold_bytes", "Size it is held at by the administrator", get_hold },
	{ "guest_set_bytes", "Size that was set by the administrator", get_set },
	{ "guest_rss_bytes", "Resident memory of QEMU", get_rss },
	{ "guest_free_bytes", "Free in the guest", get_free },
	{ "guest_cache_bytes", "Page cache the guest could drop", get_cache },
	{ "guest_need_bytes", "In use, without page cache", get_need },
	{ "guest_slack_bytes", "Free in the guest, charged to the host", get_slack },
	{ "guest_needs_memory", "1 if it shows a sign of need", get_needy },
	{ "guest_stats_age_seconds", "Age of its statistics", get_age },
	{ "guest_reporting", "1 if free page reporting is negotiated", get_reporting },
	{ "guest_reported_buffers_total", "Buffers the guest has reported", get_reports },
	{ "guest_takes_total", "Targets that took memory", get_takes },
	{ "guest_gives_total", "Targets that gave memory", get_gives },
	{ "guest_taken_bytes_total", "Bytes asked for", get_taken },
	{ "guest_given_bytes_total", "Bytes given back", get_given },
	{ "guest_took_back_total", "Times the guest took memory by itself", get_pulled },
	{ "guest_stuck_total", "Targets that were not followed", get_stuck },
	{ "guest_qmp_errors_total", "Error replies and broken sessions", get_errors },
};

/* OpenMetrics names the family of a counter without "_total". */
static void head(struct textbuf *tb, enum metrics_form form, const char *name, const char *help)
{
	size_t len = strlen(name);
	bool counter = len > 6 && !strcmp(name + len - 6, "_total");
	int family = (int)(counter && form == METRICS_OPEN ? len - 6 : len);

	textbuf_printf(tb, "# HELP autoballoon_%.*s %s\n# TYPE autoballoon_%.*s %s\n", family,
		       name, help, family, name, counter ? "counter" : "gauge");
}

static void host_number(struct textbuf *tb, enum metrics_form form, const char *name,
			const char *help, uint64_t value)
{
	if (value == UNSET)
		return;
	head(tb, form, name, help);
	textbuf_printf(tb, "autoballoon_%s %" PRIu64 "\n", name, value);
}

static void host_seconds(struct textbuf *tb, enum metrics_form form, const char *name,
			 const char *help, uint64_t microseconds)
{
	if (microseconds == UNSET)
		return;
	head(tb, form, name, help);
	textbuf_printf(tb, "autoballoon_%s %" PRIu64 ".%06" PRIu64 "\n", name,
		       microseconds / 1000000, microseconds % 1000000);
}

static bool is_shown(unsigned int i)
{
	return engine.slots[i].guest.used && engine.slots[i].adopted;
}

static void per_guest(struct textbuf *tb, enum metrics_form form, const struct gauge *gauge)
{
	bool first = true;
	unsigned int i;

	for (i = 0; i < engine.nr; i++) {
		uint64_t value = is_shown(i) ? gauge->value(i) : UNSET;

		if (value == UNSET)
			continue;
		if (first)
			head(tb, form, gauge->name, gauge->help);
		first = false;
		textbuf_printf(tb, "autoballoon_%s{guest=\"%s\"} %" PRIu64 "\n", gauge->name,
			       engine.slots[i].guest.name, value);
	}
}

static void host_numbers(struct textbuf *tb, enum metrics_form form)
{
	unsigned int i, guests = 0;

	for (i = 0; i < engine.nr; i++)
		guests += engine.slots[i].guest.used;
	host_number(tb, form, "level", "Host pressure: 0 none, 1 low, 2 medium, 3 critical",
		    engine.level.now);
	host_number(tb, form, "dry_run", "1 if nothing is sent", engine.dry_run);
	host_number(tb, form, "suspended", "1 if all guests are disabled", engine.said.suspended);
	host_number(tb, form, "guests", "Guests that are managed or observed", guests);
	host_number(tb, form, "guests_without_room", "QMP sockets beyond the largest number of guests",
		    engine.unmanaged);
	host_number(tb, form, "host_available_bytes", "MemAvailable", engine.sample.available);
	host_number(tb, form, "headroom_bytes", "Left until the nearer limit",
		    engine.sample.headroom);
	host_number(tb, form, "headroom_low_bytes", "Headroom below which pressure is low",
		    engine.sample.headroom_low);
	host_seconds(tb, form, "psi_some_seconds_total", "Time some task stalled for memory",
		     engine.sample.some_us);
	host_seconds(tb, form, "psi_full_seconds_total", "Time all tasks stalled for memory",
		     engine.sample.full_us);
	host_number(tb, form, "no_donors_total", "Steps under pressure in which no guest could give",
		    engine.no_donors_ever);
}

static void per_level(struct textbuf *tb, enum metrics_form form, const char *name,
		      const char *help, const uint64_t *values)
{
	int level;

	head(tb, form, name, help);
	for (level = LEVEL_LOW; level < NR_LEVELS; level++)
		textbuf_printf(tb, "autoballoon_%s{level=\"%s\"} %" PRIu64 "\n", name,
			       level_name((enum level)level), values[level]);
}

/* Why each guest is left alone, or what was done: one label that changes. */
static void states(struct textbuf *tb, enum metrics_form form)
{
	unsigned int i;

	head(tb, form, "guest_state", "1 for the state each guest is in");
	for (i = 0; i < engine.nr; i++)
		if (is_shown(i))
			textbuf_printf(tb, "autoballoon_guest_state{guest=\"%s\",why=\"%s\"} 1\n",
				       engine.slots[i].guest.name,
				       why_name(engine.result.verdict[i].why));
}

/**
 * metrics_format - write all numbers
 * @tb: where to
 * @form: for which reader
 */
void metrics_format(struct textbuf *tb, enum metrics_form form)
{
	size_t i;

	head(tb, form, "build_info", "The daemon's version");
	textbuf_printf(tb, "autoballoon_build_info{version=\"1.0\"} 1\n");
	host_numbers(tb, form);
	per_level(tb, form, "pressure_events_total", "Signs of host pressure", engine.events);
	per_level(tb, form, "pressure_ignored_total",
		  "Stalls while the host was not short", engine.ignored);
	states(tb, form);
	for (i = 0; i < ARRAY_SIZE(gauges); i++)
		per_guest(tb, form, &gauges[i]);
	if (form == METRICS_OPEN)
		textbuf_printf(tb, "# EOF\n");
}

/**
 * metrics_write - have the metrics file replaced
 * @path: the file
 *
 * What reads files is node_exporter, which knows the classic format.
 *
 * Return: 0, or -errno.
 */
int metrics_write(const char *path)
{
	static char *text;
	struct textbuf tb;

	if (!text)
		text = big_buffer(METRICS_MAX);
	if (!text)
		return -ENOMEM;
	textbuf_init(&tb, text, METRICS_MAX);
	metrics_format(&tb, METRICS_CLASSIC);
	return writer_put(WRITER_METRICS, path, &tb);
}
