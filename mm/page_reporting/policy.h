/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When to report, how much at once, and when to look again.
 *
 * Pure: no locks, no pages, no state.  Times are jiffies, sizes are pages.
 */
#ifndef _MM_PAGE_REPORTING_POLICY_H
#define _MM_PAGE_REPORTING_POLICY_H

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/types.h>

/* How long less than the threshold waits at most. */
#define POLICY_CRUMBS		(30 * HZ)
/* The least time between two passes, whatever falls due. */
#define POLICY_MIN_SLEEP	max(HZ / 50, 1)
/* The shortest and the longest wait before what was passed over is looked at again. */
#define POLICY_RETRY_MIN	(30 * HZ)
#define POLICY_RETRY_MAX	(15 * 60 * HZ)

/**
 * struct policy_zone - what decides how much of a zone may be missing
 * @free: all free pages
 * @cma: of these, pages that only movable allocations can use
 * @highatomic: of these, pages that only high-order atomic allocations can use
 * @high: the high watermark
 * @reserve: pages kept from allocations that another zone could serve
 */
struct policy_zone {
	unsigned long free;
	unsigned long cma;
	unsigned long highatomic;
	unsigned long high;
	unsigned long reserve;
};

bool fpr_policy_due(u32 granule, unsigned long now, unsigned long delay,
		    unsigned long slack);
unsigned long fpr_policy_due_in(u32 granule, unsigned long now, unsigned long delay);
unsigned long fpr_policy_spare(const struct policy_zone *zone);
unsigned long fpr_policy_budget(unsigned long spare, unsigned long granule);
unsigned long fpr_policy_sleep(unsigned long dirty, unsigned long threshold,
			       unsigned long due_in);
unsigned long fpr_policy_retry(unsigned long last);
bool fpr_policy_coalesce(unsigned long end_pfn, unsigned long pfn,
			 unsigned long section_pages, unsigned long elem_pages,
			 unsigned long nr_pages, unsigned long max_elem_pages);
unsigned int fpr_policy_piece_order(unsigned long pfn, unsigned long nr_pages);

#endif /* _MM_PAGE_REPORTING_POLICY_H */
