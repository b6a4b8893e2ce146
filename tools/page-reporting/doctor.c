// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "doctor": is all well, and if not, what to do.
 *
 * Some things show only over time: it looks twice, some seconds apart.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "snapshot.h"
#include "units.h"
#include "why.h"

#define MIB (1u << 20)

static bool trouble;

static void say(const char *verdict, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(const char *verdict, const char *fmt, ...)
{
	va_list args;

	printf("%-6s", verdict);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	if (!strcmp(verdict, "BAD"))
		trouble = true;
}

/* What keeps a guest from reporting at all; true if nothing does. */
static bool can_report(const struct snapshot *shot)
{
	struct reasons reasons;
	unsigned int i, all = 0;

	why_not(shot, &reasons);
	for (i = 0; i < reasons.nr; i++) {
		if (!reasons.reason[i].all)
			continue;
		say("BAD", "%s: %s", reasons.reason[i].code, reasons.reason[i].text);
		all++;
	}
	if (shot->engine.kind == ENGINE_UPSTREAM)
		say("note", "this kernel reports free pages, but has no counters and no flush to tell by");
	if (!all && shot->engine.kind == ENGINE_FULL)
		say("ok", "free memory is reported to %s", shot->device.name);
	return !all && shot->engine.kind == ENGINE_FULL;
}

static uint64_t grown(const struct snapshot *first, const struct snapshot *last,
		      enum counter counter)
{
	if (!first->engine.counter[counter].known)
		return 0;
	return sub_floor(last->engine.counter[counter].n, first->engine.counter[counter].n);
}

static void check_host(const struct snapshot *first, const struct snapshot *last)
{
	const struct number *flight = &last->engine.counter[IN_FLIGHT_BYTES];
	uint64_t errors = grown(first, last, ERRORS);
	const struct number *stalls = &last->engine.counter[STALLS];

	if (errors)
		say("BAD", "errors: the device refused %" PRIu64 " requests just now", errors);
	if (flight->n && first->engine.counter[IN_FLIGHT_BYTES].n &&
	    !grown(first, last, REQUESTS) && !errors)
		say("BAD", "stall: the host does not answer; what it was sent is missing here until it does");
	else if (stalls->n)
		say("note", "stalls: %" PRIu64 " requests had no answer for 5 s, since boot", stalls->n);
	else if (!errors)
		say("ok", "the host answers");
}

static void check_zones(const struct snapshot *shot)
{
	unsigned int i;

	for (i = 0; i < shot->memory.nr_zones; i++) {
		const struct zone *zone = &shot->memory.zone[i];

		if (zone->whole && zone_is_tight(zone, shot->granule))
			say("note", "tight: zone %s of node %u has too little free memory to report any",
			    zone->name, zone->node);
	}
}

/* What waited all the time, and longer than the delay, is hot. */
static void check_waiting(const struct snapshot *first, const struct snapshot *last,
			  uint64_t seconds)
{
	const struct engine *engine = &last->engine;
	uint64_t waited = min_u64(first->waiting.n, last->waiting.n);
	char text[HUMAN_SIZE];

	if (engine->delay_ms.known && engine->delay_ms.n > 60000)
		say("note", "delay: memory must be free for %" PRIu64
		    " s before it is reported (vm.page_reporting_delay_ms)", engine->delay_ms.n / 1000);
	if (!engine->threshold_bytes.known || waited < engine->threshold_bytes.n)
		return;
	human_bytes(text, waited);
	if (engine->delay_ms.known && seconds * 1000 < engine->delay_ms.n)
		say("note", "young: %s wait for their time (vm.page_reporting_delay_ms)", text);
	else
		say("note", "hot: %s wait longer than the delay, for such memory was needed again soon after it was reported; flush takes it",
		    text);
}

static void check_pace(const struct engine *engine)
{
	uint64_t reused = engine->counter[REUSED].n, soon = engine->counter[REUSED_SOON].n;

	if (soon > 64 && soon > reused / 4)
		say("note", "reuse: %" PRIu64 " of %" PRIu64 " granules that were reported and allocated again were so within 5 s of the report of as much; a larger vm.page_reporting_delay_ms may suit this guest",
		    soon, reused);
}

static void check_pieces(const struct snapshot *shot)
{
	uint64_t free = shot->memory.info[MEM_FREE].n;
	char text[HUMAN_SIZE];

	if (!shot->memory.blocks_known || shot->memory.small < 64 * MIB ||
	    shot->memory.small < free / 4)
		return;
	human_bytes(text, shot->memory.small);
	if (!shot->engine.evacuate.known)
		say("note", "pieces: %s are free in pieces too small to report, and this kernel is built without evacuation",
		    text);
	else if (!shot->engine.evacuate.n)
		say("note", "pieces: %s are free in pieces too small to report; vm.page_reporting_evacuate=1 makes them whole when idle",
		    text);
	else
		say("note", "pieces: %s are free in pieces too small to report; page-reporting flush --compact makes them whole now",
		    text);
}

static void check_order(const struct snapshot *shot)
{
	char text[HUMAN_SIZE];

	if (shot->engine.order.known && shot->granule < 2 * MIB)
		say("note", "order: a granule is %s; a host that backs the guest with huge pages gains nothing by pieces of them",
		    human_bytes(text, shot->granule));
}

static void check_balloon(const struct device *device)
{
	char text[HUMAN_SIZE];

	if (!device->features_known)
		return;
	if (!device->feature[FEATURE_DEFLATE_ON_OOM])
		say("note", "balloon: the guest may not take pages back by itself (QEMU: deflate-on-oom=on)");
	if (device->actual_bytes.n)
		say("note", "balloon: it holds %s",
		    human(text, UNIT_BYTES, device->actual_bytes));
}

static void check_cache(const struct snapshot *shot)
{
	const struct number *info = shot->memory.info;
	uint64_t cache = sub_floor(add_sat(info[CACHED].n, info[BUFFERS].n), info[SHMEM].n);
	char text[HUMAN_SIZE];

	if (cache > info[MEM_TOTAL].n / 4)
		say("note", "page cache: %s are not free, so not reported; page-reporting residual tells more",
		    human_bytes(text, cache));
}

enum exit_status doctor_command(const struct options *options)
{
	struct timespec wait = { .tv_sec = (time_t)options->seconds };
	static struct snapshot first, last;

	snapshot_read(&first);
	if (!can_report(&first)) {
		check_balloon(&first.device);
		fflush(stdout);
		return first.engine.kind == ENGINE_FULL ? STATUS_FAILED : STATUS_UNSUPPORTED;
	}
	fflush(stdout);
	nanosleep(&wait, NULL);
	last = first;
	snapshot_update(&last);

	check_host(&first, &last);
	check_waiting(&first, &last, options->seconds);
	check_zones(&last);
	check_pace(&last.engine);
	check_pieces(&last);
	check_order(&last);
	check_balloon(&last.device);
	check_cache(&last);
	return trouble ? STATUS_FAILED : STATUS_OK;
}
