// SPDX-License-Identifier: GPL-2.0
/*
 * The hot path: what the allocator's hooks do.
 *
 * All of it runs under the lock of the zone, in any context.  Kernels that
 * allocate from NMI try to take that lock there.  So nothing here takes a lock, wakes
 * a task or arms a timer: the worker is called through an interrupt.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include <trace/events/page_reporting.h>

#include "../page_reporting.h"
#include "map.h"
#include "pace.h"
#include "state.h"
#include "worker.h"

/* Pages have become part of a free block that covers whole granules. */
void __page_reporting_freed(unsigned long pfn, unsigned int order,
			    unsigned int merged_order)
{
	struct granule_range range;
	struct granule_map *map;
	unsigned long nr;

	rcu_read_lock();
	map = fpr_map_rcu();
	if (map && merged_order >= map->order && fpr_map_range(map, pfn, order, &range)) {
		nr = fpr_range_set(&range, granule_make(GRANULE_DIRTY, jiffies));
		if (nr)
			fpr_worker_note(nr << map->order);
	}
	rcu_read_unlock();
}

/* A free granule is being allocated: tell the pace how the delay has served it. */
static void note_use(struct granule_map *map, unsigned long pfn, u32 granule)
{
	unsigned long now = jiffies, age = granule_age(granule, now), nr_dirty;
	bool aside = fpr_takes_aside(), soon;

	if (granule_kind(granule) == GRANULE_DIRTY) {
		if (!aside)
			fpr_pace_kept(&fpr_pace, age, fpr_base_delay(), now);
		return;
	}
	nr_dirty = atomic_long_read(&map->nr[GRANULE_DIRTY]) << map->order;
	soon = !aside && fpr_pace_is_mistake(&fpr_pace, nr_dirty, now);
	if (!aside)
		fpr_pace_taken(&fpr_pace, 1UL << map->order, soon, now);
	trace_page_reporting_reuse(pfn, map->order, age, soon);
	fpr_stat_add(FPR_STAT_REUSED, 1);
	fpr_stat_add(FPR_STAT_REUSED_SOON, soon);
	/* Other memory, which the host still backs, might have served. */
	fpr_stat_add(FPR_STAT_REUSED_AVOIDABLE, !!nr_dirty);
}

/* The granules that a block's first pages lie in are in use from now on. */
void __page_reporting_taken(unsigned long pfn, unsigned int order)
{
	struct granule_range range;
	struct granule_map *map;
	unsigned long i;

	rcu_read_lock();
	map = fpr_map_rcu();
	if (!fpr_map_range(map, pfn, order, &range))
		goto out;
	for (i = 0; i < range.nr; i++) {
		u32 granule = range.table->granule[range.first + i];

		if (granule_kind(granule) != GRANULE_NONE)
			note_use(map, ALIGN_DOWN(pfn, 1UL << map->order) + (i << map->order),
				 granule);
	}
	fpr_range_set(&range, granule_make(GRANULE_NONE, jiffies));
out:
	rcu_read_unlock();
}
