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
#include "hog.h"
#include "snapshot.h"
#include "units.h"
#include "why.h"

#define MIB (1u << 20)

/* On average; a host with huge pages takes a few us. */
#define COST_OF_SMALL_US	20

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
		say("note", "this kernel reports free pages, but has no counters and no flush");
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
		say("BAD", "stall: the host does not answer; the memory that was reported is unavailable until it does");
	else if (stalls->n)
		say("note", "stalls: %" PRIu64 " requests had no answer for 5 s, since boot", stalls->n);
	else if (!errors)
		say("ok", "the host answers");
}

static void check_zones(const struct snapshot *shot)
{
	char high[HUMAN_SIZE];
	unsigned int i;

	for (i = 0; i < shot->memory.nr_zones; i++) {
		const struct zone *zone = &shot->memory.zone[i];

		if (zone->whole && zone_is_tight(zone, shot->granule))
			say("note", "tight: zone %s of node %u has too little free memory to report any; its high watermark is %s (vm.min_free_kbytes)",
			    zone->name, zone->node, human(high, UNIT_BYTES, zone->high));
	}
}

/* What waited all the time waits longer than the delay, or was passed over. */
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
		say("note", "young: %s have not been free for long enough (vm.page_reporting_delay_ms)", text);
	else
		say("note", "waiting: %s wait longer than the delay: it grows, up to 16 times, while reported memory is needed again soon; or they were passed over; page-reporting flush reports them or says why not",
		    text);
}

static void check_pace(const struct engine *engine)
{
	uint64_t reused = engine->counter[REUSED].n, soon = engine->counter[REUSED_SOON].n;

	if (soon > 64 && soon > reused / 4)
		say("note", "reuse: %" PRIu64 " of the %" PRIu64 " granules that were allocated again after their report were needed within 5 s of it; a larger vm.page_reporting_delay_ms may suit this guest",
		    soon, reused);
}

/* The last flush, if it could not report all. */
static void check_flush(const struct snapshot *shot)
{
	const struct number *left = &shot->engine.counter[LAST_FLUSH_LEFT_BYTES];
	char text[HUMAN_SIZE];

	if (left->n)
		say("note", "flush: the last one passed over %s: a zone was short of memory, or a block isolated",
		    human(text, UNIT_BYTES, *left));
}

/* What can be done about units that cannot be emptied, by what is in them. */
static const struct {
	enum counter counter;
	const char *what;
} blockers[] = {
	{ EVACUATE_LEFT_UNMOVABLE, "most often unmovable: pages of the kernel, or locked in memory (mlock), which stay where they are" },
	{ EVACUATE_LEFT_METADATA, "most often metadata: buffers that a file system's journal holds; try page-reporting flush --compact --checkpoint" },
	{ EVACUATE_LEFT_PINNED, "most often pinned: pages that a device, a pipe or a driver has references to; they can move when these end" },
	{ EVACUATE_LEFT_LOCKED, "most often locked: pages that were under I/O; they are tried again later" },
	{ EVACUATE_LEFT_NO_TARGET, "most often no_target: no room in other units to move their pages to" },
	{ EVACUATE_LEFT_RACED, "most often raced: they were in use while evacuation looked; page-reporting flush --compact in a quiet moment" },
};

/* The commonest reason for which units were left; NULL if none was. */
static const char *main_blocker(const struct engine *engine)
{
	const char *what = NULL;
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < sizeof(blockers) / sizeof(blockers[0]); i++) {
		uint64_t n = engine->counter[blockers[i].counter].n;

		if (n > most) {
			most = n;
			what = blockers[i].what;
		}
	}
	return what;
}

static void check_pieces(const struct snapshot *shot)
{
	const struct engine *engine = &shot->engine;
	const struct number *blocked = &engine->counter[BLOCKED_BYTES];
	uint64_t free = shot->memory.info[MEM_FREE].n;
	const char *what = main_blocker(engine);
	char text[HUMAN_SIZE];

	if (!shot->memory.blocks_known || shot->memory.small < 64 * MIB ||
	    shot->memory.small < free / 4)
		return;
	human_bytes(text, shot->memory.small);
	if (engine->kind == ENGINE_UPSTREAM)
		say("note", "pieces: %s are free in pieces too small to report; vm.compact_memory=1 makes some of them whole, on ext4 after page-reporting flush --checkpoint",
		    text);
	else if (!engine->evacuate.known)
		say("note", "pieces: %s are free in pieces too small to report, and this kernel is built without evacuation",
		    text);
	else if (!engine->evacuate.n)
		say("note", "pieces: %s are free in pieces too small to report; vm.page_reporting_evacuate=1 makes them whole",
		    text);
	else
		say("note", "pieces: %s are free in pieces too small to report; page-reporting flush --compact makes whole what can be, now",
		    text);
	if (blocked->n >= 16 * MIB)
		say("note", "blocked: %s of them lie in units that cannot be emptied; %s",
		    human(text, UNIT_BYTES, *blocked),
		    what ? what : "where file systems are ext4, page-reporting flush --compact --checkpoint may help");
}

static void check_hogs(const struct hogs *first, const struct hogs *last, uint64_t seconds)
{
	const struct hog *hog = hogs_find(first, last, mul_sat(seconds, 1000));

	if (hog)
		say("note", "real-time: task %d (%s) never sleeps on CPU %u; a flush that needs this CPU ends at its time limit",
		    hog->tid, hog->name, hog->cpu);
}

static void check_order(const struct snapshot *shot)
{
	uint64_t mib = shot->engine.counter[REPORTED_BYTES_TOTAL].n / MIB;
	char text[HUMAN_SIZE];

	if (shot->engine.order.known && shot->granule < 2 * MIB)
		say("note", "order: a granule is %s; a host that backs the guest with huge pages gains nothing from parts of them; page-reporting tune looks which it has",
		    human_bytes(text, shot->granule));
	else if (mib && shot->engine.counter[HOST_US].n / mib >= COST_OF_SMALL_US)
		say("note", "order: the host takes %" PRIu64 " us for a MiB; if its pages are small, smaller granules give more back: page-reporting tune looks, and chooses",
		    shot->engine.counter[HOST_US].n / mib);
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
	static struct hogs hogs_first, hogs_last;

	snapshot_read(&first);
	if (!can_report(&first)) {
		if (first.engine.kind == ENGINE_UPSTREAM)
			check_pieces(&first);
		check_balloon(&first.device);
		fflush(stdout);
		return first.engine.kind == ENGINE_FULL ? STATUS_FAILED : STATUS_UNSUPPORTED;
	}
	fflush(stdout);
	hogs_read(&hogs_first);
	nanosleep(&wait, NULL);
	hogs_read(&hogs_last);
	last = first;
	snapshot_update(&last);

	check_host(&first, &last);
	check_waiting(&first, &last, options->seconds);
	check_zones(&last);
	check_flush(&last);
	check_hogs(&hogs_first, &hogs_last, options->seconds);
	check_pace(&last.engine);
	check_pieces(&last);
	check_order(&last);
	check_balloon(&last.device);
	check_cache(&last);
	return trouble ? STATUS_FAILED : STATUS_OK;
}
