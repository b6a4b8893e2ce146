/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page reporting, inside: who offers what.
 *
 * The model
 *
 *   A granule is 2^page_reporting_order pages, naturally aligned; a pageblock
 *   by default and never more.  The granule map (map.c) remembers for each
 *   whether it was freed since the host last took it (dirty), and when.  The
 *   allocator's two hooks keep it true:
 *
 *	freed:	pages came to the free lists and have become part of a free
 *		block that covers whole granules.  Those that the freed range
 *		touches are dirty from now; merging changes nothing else.
 *	taken:	a block loses its first pages.  The granules they are in are in
 *		use; what is split off stays what it was.
 *
 *   A pass (pass.c) follows the dirty bits upward through memory, isolates the
 *   free blocks of what has been dirty long enough, hands them to the device
 *   in one request after another, and puts them back as reported.  policy.c
 *   says what is due, how much a request may hold and when to look again;
 *   main.c owns the device, the worker, and suspend.
 *
 *   A dirty bit is a promise to look, not a fact: what was free before there
 *   was a map passed no hook, so all memory starts dirty, and a pass that
 *   finds a granule in use drops the bit.
 *
 * Locking
 *
 *   registry_lock > reporting_pass_lock > mem_hotplug_lock (read) > zone->lock >
 *   heat_lock
 *
 *   zone->lock	the kind of a granule changes only under the lock of its zone,
 *		but for granule_map_forget(), which only makes it dirty
 *   reporting_pass_lock  one pass, one evacuation, or one change of the map at
 *		a time; held while the host works
 *   RCU	the hooks' view of the map and of its tables
 *   mem_hotplug_lock  a table lives as long as its section is online; never
 *		held while the host works
 *
 * Failure
 *
 *   Isolated blocks are missing to the guest until the device answers.  What a
 *   request holds is bounded, and there is one at a time: a host that never
 *   answers costs the guest that much and is counted as a stall.  An error
 *   makes the blocks dirty again and the engine tries again later.
 */
#ifndef _MM_PAGE_REPORTING_INTERNAL_H
#define _MM_PAGE_REPORTING_INTERNAL_H

#include <linux/atomic.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/page_reporting.h>
#include <linux/pageblock-flags.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "evacuate_policy.h"
#include "granule.h"
#include "heat.h"

#ifdef CONFIG_SPARSEMEM
#define REPORTING_SECTION_SHIFT	PFN_SECTION_SHIFT
#else
#define REPORTING_SECTION_SHIFT	(MAX_PAGE_ORDER + 5)
#endif
#define REPORTING_SECTION_PAGES	BIT(REPORTING_SECTION_SHIFT)

/**
 * struct granule_table - the granules of one memory section
 * @dirty: one bit a granule: of kind GRANULE_DIRTY
 * @seen: what evacuation noted of each pageblock
 * @granule: the records
 */
struct granule_table {
	unsigned long *dirty;
	struct evacuate_seen *seen;
	u32 granule[];
};

/**
 * struct granule_map - all granules of one order
 * @order: order of a granule
 * @nr_sections: sections that the map can have
 * @nr: granules of each kind, GRANULE_NONE not counted
 * @heat: what is known of soon needed memory
 * @heat_lock: of @heat; inside zone->lock
 * @dirty: one bit a section: its table may have dirty bits
 * @table: tables of the sections that are online
 */
struct granule_map {
	unsigned int order;
	unsigned long nr_sections;
	atomic_long_t nr[GRANULE_REPORTED + 1];
	struct heat heat;
	/* Of heat; inside zone->lock. */
	spinlock_t heat_lock;
	unsigned long *dirty;
	struct granule_table __rcu *table[];
};

/* map.c */
int granule_map_replace(unsigned int order);
void granule_map_drop(void);
void granule_map_forget(void);
struct granule_map *granule_map_get(void);
struct granule_table *granule_map_table(struct granule_map *map,
					unsigned long section);
void granule_set(struct granule_map *map, unsigned long pfn,
		 enum granule_kind kind);
void granule_set_range(unsigned long pfn, unsigned int order,
		       enum granule_kind kind);
void granule_map_heat(unsigned long nr, unsigned long waited);
unsigned long granule_map_pages(enum granule_kind kind);
void granule_map_backdate(unsigned long by);
int granule_map_init(void);

static inline unsigned long granules_in_section(const struct granule_map *map)
{
	return REPORTING_SECTION_PAGES >> map->order;
}

static inline unsigned long granule_index(const struct granule_map *map,
					  unsigned long pfn)
{
	return (pfn & (REPORTING_SECTION_PAGES - 1)) >> map->order;
}

/* pass.c */

/**
 * struct pass_result - what a pass has done and left
 * @nr_pages: pages that the host took
 * @left_pages: pages that it looked at and left dirty
 * @due_in: jiffies until some of them fall due
 * @err: what the device said, if it refused
 */
struct pass_result {
	unsigned long nr_pages;
	unsigned long left_pages;
	unsigned long due_in;
	int err;
};

int pass_init(void);
struct pass_result pass_run(struct page_reporting_dev_info *prdev,
			    unsigned long delay);

/* main.c */
extern unsigned int page_reporting_order;
extern unsigned int page_reporting_delay_ms;
extern unsigned int page_reporting_threshold_kbytes;

extern unsigned int page_reporting_evacuate;
extern struct mutex reporting_pass_lock;

void reporting_wake(unsigned long dirty_pages);
void reporting_stir(void);
void reporting_queue(struct delayed_work *work, unsigned long delay);
void reporting_kick(void);
void reporting_wait(void);
void reporting_drain(unsigned long since);
int reporting_set_order(unsigned int order);
int reporting_set_pause(bool on);
bool reporting_paused(void);
struct page_reporting_dev_info *reporting_device(int *err);
bool reporting_may_go_on(void);
unsigned long reporting_delay(void);

/* evacuate.c */
#ifdef CONFIG_PAGE_REPORTING_EVACUATE
void evacuate_start(void);
void evacuate_stop(void);
void evacuate_now(unsigned long until);
bool evacuate_dozes(void);
int evacuate_init(void);
#else
static inline void evacuate_start(void) { }
static inline void evacuate_stop(void) { }
static inline void evacuate_now(unsigned long until) { }
static inline bool evacuate_dozes(void) { return false; }
static inline int evacuate_init(void) { return 0; }
#endif

/* flush.c */
int flush_run(unsigned int timeout_ms, bool evacuate);
void flush_stop(void);

/* stats.c */
enum reporting_stat {
	STAT_REPORTED_PAGES,
	STAT_REQUESTS,
	STAT_ELEMENTS,
	STAT_REUSED,
	STAT_REUSED_SOON,
	STAT_REUSED_AVOIDABLE,
	STAT_ERRORS,
	STAT_STALLS,
	STAT_TIGHT,
	STAT_PASSES,
	STAT_DRAINS,
	STAT_LAST_PASS_US,
	STAT_FLUSHES,
	STAT_LAST_FLUSH_US,
	STAT_STRANDED_PAGES,
	STAT_EVACUATED,
	STAT_EVACUATE_FAILED,
	STAT_EVACUATE_MOVED,
	NR_REPORTING_STATS,
};

extern atomic_long_t reporting_stats[NR_REPORTING_STATS];

static inline void stat_add(enum reporting_stat stat, long n)
{
	atomic_long_add(n, &reporting_stats[stat]);
}

int stats_init(void);

/* sysctl.c */
int reporting_sysctl_init(void);

#endif /* _MM_PAGE_REPORTING_INTERNAL_H */
