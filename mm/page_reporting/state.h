/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all parts of the engine share: the device, the pause, knobs, counters.
 */
#ifndef _MM_PAGE_REPORTING_STATE_H
#define _MM_PAGE_REPORTING_STATE_H

#include <linux/atomic.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/page_reporting.h>
#include <linux/types.h>

#include "pace.h"

/* Knobs; page_reporting_order is -1 until somebody has asked for one. */
extern unsigned int page_reporting_order;
extern unsigned int page_reporting_delay_ms;
extern unsigned int page_reporting_threshold_kbytes;
extern unsigned int page_reporting_evacuate;

/* One pass, or one change of the map, at a time; held while the host works. */
extern struct mutex fpr_pass_lock;

extern struct pace fpr_pace;

/* Pages that the next request may hold.  Under fpr_pass_lock. */
extern unsigned long fpr_request_pages;

/**
 * enum fpr_pause - reasons for which nothing is reported (bit numbers)
 * @FPR_PAUSE_SUSPEND: the system is being suspended
 * @FPR_PAUSE_USER: the user has asked for it
 */
enum fpr_pause { FPR_PAUSE_SUSPEND, FPR_PAUSE_USER };

struct page_reporting_dev_info *fpr_device(void);
void fpr_device_set(struct page_reporting_dev_info *prdev);
bool fpr_device_is(const struct page_reporting_dev_info *prdev);
bool fpr_may_go_on(void);
void fpr_pause_set(enum fpr_pause who);
bool fpr_pause_clear(enum fpr_pause who);
bool fpr_paused_by(enum fpr_pause who);
unsigned long fpr_base_delay(void);
bool fpr_takes_aside(void);
unsigned long fpr_zone_spare(struct zone *zone);

/**
 * enum fpr_left - why a unit of memory was not made whole by evacuation
 * @FPR_LEFT_NOTHING: it was, or could be
 * @FPR_LEFT_UNMOVABLE: the kernel's own pages, pages locked in memory, or of a
 *	file system that cannot move them
 * @FPR_LEFT_METADATA: buffers that a file system holds on to
 * @FPR_LEFT_PINNED: pages with references that cannot be explained
 * @FPR_LEFT_LOCKED: pages locked, or under writeback
 * @FPR_LEFT_NO_TARGET: no hole to move a page to
 * @FPR_LEFT_RACED: it changed while it was looked at
 * @NR_FPR_LEFT: how many reasons there are
 */
enum fpr_left {
	FPR_LEFT_NOTHING,
	FPR_LEFT_UNMOVABLE,
	FPR_LEFT_METADATA,
	FPR_LEFT_PINNED,
	FPR_LEFT_LOCKED,
	FPR_LEFT_NO_TARGET,
	FPR_LEFT_RACED,
	NR_FPR_LEFT,
};

enum fpr_stat {
	FPR_STAT_REPORTED_PAGES,
	FPR_STAT_IN_FLIGHT_PAGES,
	FPR_STAT_REQUESTS,
	FPR_STAT_ELEMENTS,
	FPR_STAT_HOST_US,
	FPR_STAT_REUSED,
	FPR_STAT_REUSED_SOON,
	FPR_STAT_REUSED_AVOIDABLE,
	FPR_STAT_ERRORS,
	FPR_STAT_STALLS,
	FPR_STAT_TIGHT,
	FPR_STAT_PASSES,
	FPR_STAT_DRAINS,
	FPR_STAT_LAST_PASS_US,
	FPR_STAT_FLUSHES,
	FPR_STAT_LAST_FLUSH_US,
	FPR_STAT_LAST_FLUSH_LEFT_PAGES,
	FPR_STAT_RESYNCS,
	FPR_STAT_STRANDED_PAGES,
	FPR_STAT_BLOCKED_PAGES,
	FPR_STAT_EVACUATED,
	FPR_STAT_EVACUATE_FAILED,
	FPR_STAT_EVACUATE_MOVED,
	FPR_STAT_EVACUATE_CPU_US,
	/* One for each reason; that of FPR_LEFT_NOTHING is not used. */
	FPR_STAT_EVACUATE_LEFT,
	NR_FPR_STATS = FPR_STAT_EVACUATE_LEFT + NR_FPR_LEFT,
};

extern atomic_long_t fpr_stats[NR_FPR_STATS];

static inline void fpr_stat_add(enum fpr_stat stat, long n)
{
	atomic_long_add(n, &fpr_stats[stat]);
}

static inline void fpr_stat_set(enum fpr_stat stat, long n)
{
	atomic_long_set(&fpr_stats[stat], n);
}

static inline unsigned long fpr_stat(enum fpr_stat stat)
{
	return atomic_long_read(&fpr_stats[stat]);
}

#endif /* _MM_PAGE_REPORTING_STATE_H */
