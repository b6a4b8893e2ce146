/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When to report, how much at once, and when to look again.
 *
 * Pure: no locks, no pages, no state.  Times are jiffies, sizes are pages.
 */
#ifndef _MM_PAGE_REPORTING_POLICY_H
#define _MM_PAGE_REPORTING_POLICY_H

#include <linux/types.h>

/* Crumbs below the threshold wait no longer than this. */
#define POLICY_CRUMBS		(30 * HZ)
/* Passes are at least this far apart, whatever falls due. */
#define POLICY_MIN_SLEEP	max(HZ / 50, 1)

unsigned long policy_delay(unsigned long base, unsigned int heat);
unsigned long policy_earliest(unsigned long base, unsigned int heat);
bool policy_due(u32 granule, unsigned long now, unsigned long base);
unsigned long policy_due_in(u32 granule, unsigned long now, unsigned long base);
unsigned long policy_request_budget(unsigned long free, unsigned long high,
				    unsigned long block);
unsigned long policy_sleep(unsigned long dirty, unsigned long threshold,
			   unsigned long due_in, unsigned long base);
bool policy_coalesce(unsigned long end_pfn, unsigned long pfn,
		     unsigned long section_pages, unsigned long elem_pages,
		     unsigned long nr_pages, unsigned long max_elem_pages);

#endif /* _MM_PAGE_REPORTING_POLICY_H */
