/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which units to empty, when, and at what pace.
 *
 * Pure: no locks, no pages.  A unit is what a host that backs its guests with huge
 * pages can really take back.  Times are jiffies unless said.
 */
#ifndef _MM_PAGE_REPORTING_EVACUATE_POLICY_H
#define _MM_PAGE_REPORTING_EVACUATE_POLICY_H

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sizes.h>
#include <linux/types.h>

/*
 * Order of a unit: 2 MiB are a huge page of most hosts, whatever the guest's own page
 * size is.  A pageblock is as large with 4 KiB pages, and 512 MiB with 64 KiB pages.
 */
#define EVACUATE_UNIT_ORDER	min_t(unsigned int, pageblock_order, get_order(SZ_2M))
#define EVACUATE_UNIT_PAGES	BIT(EVACUATE_UNIT_ORDER)
/* The most units that are looked at, and planned for, together: 4 GiB of 2 MiB each. */
#define EVACUATE_WINDOW		2048
/* The most page frames to look at in a second; a flush does not ask. */
#define EVACUATE_LOOK_PAGES	(SZ_1G >> PAGE_SHIFT)
/* How long a unit must not have changed; it doubles with each failure. */
#define EVACUATE_QUIET		(2 * HZ)
/* The failures after which that doubles no further. */
#define EVACUATE_BACKOFF_MAX	10
/* The unit in which that time is measured. */
#define EVACUATE_TICK		max(HZ / 8, 1)
/* How long no task must have had to reclaim memory. */
#define EVACUATE_CALM		(10 * HZ)
/* Fewer units than this are not worth disturbing anybody. */
#define EVACUATE_WORTH		4
/* Free pages that are left in a unit of the kernel's own for its next allocations. */
#define EVACUATE_KERNEL_KEEPS	(EVACUATE_UNIT_PAGES / 8)
/* When this many pages have moved, the work rests. */
#define EVACUATE_BUDGET		(SZ_8M >> PAGE_SHIFT)
/* The same for a flush, which is in a hurry. */
#define EVACUATE_BUDGET_HURRY	(SZ_64M >> PAGE_SHIFT)
/* How often to see whether memory has been allocated or freed. */
#define EVACUATE_POLL		(5 * HZ)
/* The shortest and the longest wait before blocked units are looked at again. */
#define EVACUATE_RETRY_MIN	(8 * HZ)
#define EVACUATE_RETRY_MAX	(120 * HZ)
/* Pages allocated and freed since the last round that make another worth it. */
#define EVACUATE_ACTIVITY	(SZ_64M >> PAGE_SHIFT)
/* Percent of one CPU: with at least half a CPU's worth of time idle, and with less. */
#define EVACUATE_SHARE_IDLE	25
#define EVACUATE_SHARE_BUSY	2

/**
 * struct evacuate_unit - what a look at a unit has shown
 * @free: its free pages
 * @target: it may be filled
 * @source: it may be emptied: it can, and has not changed for some time
 * @kernel: a target among the kernel's own pages, of which @free may be filled
 */
struct evacuate_unit {
	u16 free;
	bool target;
	bool source;
	bool kernel;
};

/**
 * struct evacuate_seen - what is remembered of a unit
 * @free: its free pages at the last look
 * @since: when they were first seen to be as many, in units of EVACUATE_TICK
 * @failures: how often it could not be emptied since it last was
 */
struct evacuate_seen {
	u16 free;
	u16 since;
	u8 failures;
};

/**
 * struct evacuate_plan - what moves where
 * @nr_sources: units to be emptied
 * @nr_targets: units to be filled
 * @nr_pages: pages that will move
 * @source: their numbers, the emptiest first
 * @target: their numbers: those that cannot be emptied first, then the fullest, then
 *	those of the kernel
 * @sorted: used while it is made
 */
struct evacuate_plan {
	unsigned int nr_sources;
	unsigned int nr_targets;
	unsigned int nr_pages;
	u16 source[EVACUATE_WINDOW];
	u16 target[EVACUATE_WINDOW];
	u16 sorted[EVACUATE_WINDOW];
};

void fpr_evacuate_plan_make(struct evacuate_plan *plan,
			    const struct evacuate_unit *units, unsigned int nr,
			    unsigned int unit_pages);
bool fpr_evacuate_look(struct evacuate_seen *seen, u16 free, unsigned long now);
void fpr_evacuate_failed(struct evacuate_seen *seen, unsigned long now);
bool fpr_evacuate_fits(const unsigned int *have, const unsigned int *need);
unsigned int fpr_evacuate_share(u64 idle_us, u64 wall_us);
unsigned long fpr_evacuate_pause(u64 spent_us, unsigned int share,
				 unsigned long looked_pages);

#endif /* _MM_PAGE_REPORTING_EVACUATE_POLICY_H */
