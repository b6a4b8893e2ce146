/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which units to empty, and whether now is the time.
 *
 * Pure: no locks, no pages.  A unit is a pageblock: what a host that backs its
 * guests with huge pages can really take back.  Times are jiffies.
 */
#ifndef _MM_PAGE_REPORTING_EVACUATE_POLICY_H
#define _MM_PAGE_REPORTING_EVACUATE_POLICY_H

#include <linux/types.h>

/* Units looked at in one go. */
#define EVACUATE_WINDOW		512
/* A unit must not have changed for so long. */
#define EVACUATE_QUIET		(2 * HZ)
/* How fine that is measured. */
#define EVACUATE_TICK		max(HZ / 8, 1)
/* The guest must not have had to reclaim for so long. */
#define EVACUATE_CALM		(10 * HZ)
/* Fewer units than this are not worth disturbing anybody. */
#define EVACUATE_WORTH		4
/* Pages that may move in one go. */
#define EVACUATE_BUDGET		16384
/* Looking around when nothing is to be done: from so often to so seldom. */
#define EVACUATE_LOOK_MIN	(2 * HZ)
#define EVACUATE_LOOK_MAX	(60 * HZ)
/* Pages allocated and freed since the last look that make another worth it. */
#define EVACUATE_ACTIVITY	4096

/* In evacuate_unit.free: neither to be emptied nor to be filled. */
#define EVACUATE_LEAVE		U16_MAX

/**
 * struct evacuate_unit - what a look at a unit has shown
 * @free: its free pages, or EVACUATE_LEAVE
 * @quiet: it has not changed for some time, so it may be emptied
 */
struct evacuate_unit {
	u16 free;
	bool quiet;
};

/**
 * struct evacuate_seen - what is remembered of a unit
 * @free: its free pages at the last look, or EVACUATE_LEAVE
 * @since: when they were first seen to be as many, in EVACUATE_TICK
 */
struct evacuate_seen {
	u16 free;
	u16 since;
};

/**
 * struct evacuate_plan - what moves where
 * @nr_sources: units to be emptied
 * @nr_targets: units to be filled
 * @nr_pages: pages that will move
 * @source: their numbers, the emptiest first
 * @target: their numbers, the fullest first
 */
struct evacuate_plan {
	unsigned int nr_sources;
	unsigned int nr_targets;
	unsigned int nr_pages;
	u16 source[EVACUATE_WINDOW];
	u16 target[EVACUATE_WINDOW];
};

void evacuate_plan_make(struct evacuate_plan *plan,
			const struct evacuate_unit *units, unsigned int nr,
			unsigned int unit_pages, unsigned int budget);
bool evacuate_look(struct evacuate_seen *seen, u16 free, unsigned long now);
void evacuate_forget(struct evacuate_seen *seen);
bool evacuate_idle(u64 idle_us, u64 wall_us, unsigned int nr_cpus);
unsigned long evacuate_next_look(unsigned long last, bool active);

#endif /* _MM_PAGE_REPORTING_EVACUATE_POLICY_H */
