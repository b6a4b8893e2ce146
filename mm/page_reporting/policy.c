// SPDX-License-Identifier: GPL-2.0
/*
 * When to report, how much at once, and when to look again.
 *
 * Free memory is worth reporting when it is cold: nobody has needed it for a
 * while.  pace.c decides how long that is.
 */
#include <linux/bitops.h>
#include <linux/log2.h>

#include "granule.h"
#include "policy.h"

/**
 * fpr_policy_due() - should a pass that runs now take this granule?
 * @granule: its record
 * @now: jiffies
 * @delay: how long it must be free before it is reported
 * @slack: what falls due within this time is taken as well, so that what was
 *	freed together goes together
 *
 * Context: Any.
 * Return: true if so.
 */
bool fpr_policy_due(u32 granule, unsigned long now, unsigned long delay,
		    unsigned long slack)
{
	return fpr_policy_due_in(granule, now, delay) <= min(slack, delay);
}

/**
 * fpr_policy_due_in() - time until a granule is to be reported
 * @granule: its record
 * @now: jiffies
 * @delay: how long it is to be free before it is reported
 *
 * Context: Any.
 * Return: Jiffies to go; 0 when it is due.
 */
unsigned long fpr_policy_due_in(u32 granule, unsigned long now, unsigned long delay)
{
	unsigned long age = granule_age(granule, now);

	return age < delay ? delay - age : 0;
}

/**
 * fpr_policy_spare() - how many pages may be missing from a zone for a moment
 * @zone: its state
 *
 * An ordinary allocation can use neither contiguous nor atomic reserves, so
 * they are not spare; and the zone stays above its high watermark, or kswapd
 * would begin to reclaim.  What lowmem_reserve keeps back is not spare either, up to
 * half of the free pages: otherwise a small zone that others may not use at all
 * would never have anything to spare.
 *
 * Context: Any.
 * Return: Pages.
 */
unsigned long fpr_policy_spare(const struct policy_zone *zone)
{
	unsigned long usable = zone->free - min(zone->free, zone->cma + zone->highatomic);
	unsigned long kept = zone->high + min(zone->reserve, usable / 2);

	return usable > kept ? usable - kept : 0;
}

/**
 * fpr_policy_budget() - how much of a zone one request may hold
 * @spare: what the zone may miss, from fpr_policy_spare()
 * @granule: the least that can be reported
 *
 * The guest lacks what is on its way to the host.  An eighth of what the zone can
 * spare leaves it far from reclaim even if the host is slow.
 *
 * Context: Any.
 * Return: Pages, at least @granule; 0 when the zone can spare less than two.
 */
unsigned long fpr_policy_budget(unsigned long spare, unsigned long granule)
{
	return spare < 2 * granule ? 0 : max(spare / 8, granule);
}

/**
 * fpr_policy_sleep() - how long the next pass may be put off
 * @dirty: pages that wait for it
 * @threshold: what a pass is worth
 * @due_in: jiffies until the first of them falls due
 *
 * Context: Any.
 * Return: Jiffies.
 */
unsigned long fpr_policy_sleep(unsigned long dirty, unsigned long threshold,
			       unsigned long due_in)
{
	unsigned long least = dirty < threshold ? POLICY_CRUMBS : POLICY_MIN_SLEEP;

	return max(due_in, least);
}

/**
 * fpr_policy_retry() - when to look again at what could not be reported
 * @last: how long the last wait was; 0 for the first
 *
 * A zone may stay short of memory, or a pageblock isolated, for as long as the
 * guest runs.
 *
 * Context: Any.
 * Return: Jiffies.
 */
unsigned long fpr_policy_retry(unsigned long last)
{
	return clamp(2 * last, (unsigned long)POLICY_RETRY_MIN,
		     (unsigned long)POLICY_RETRY_MAX);
}

/**
 * fpr_policy_coalesce() - may a block join the element before it?
 * @end_pfn: page frame after the element's last
 * @pfn: the block's first page frame
 * @section_pages: pages of a memory section, a power of two
 * @elem_pages: pages in the element so far
 * @nr_pages: pages of the block
 * @max_elem_pages: what the device takes in one element; 0: one block
 *
 * An element stays within a memory section: hotplugged memory, which the host
 * may back with another object, starts at a section's boundary.
 *
 * Context: Any.
 * Return: true if it may.
 */
bool fpr_policy_coalesce(unsigned long end_pfn, unsigned long pfn,
			 unsigned long section_pages, unsigned long elem_pages,
			 unsigned long nr_pages, unsigned long max_elem_pages)
{
	return pfn == end_pfn && (pfn & (section_pages - 1)) &&
	       elem_pages + nr_pages <= max_elem_pages;
}

/**
 * fpr_policy_piece_order() - the largest block that a range starts with
 * @pfn: first page frame of the range
 * @nr_pages: its pages, not 0
 *
 * Context: Any.
 * Return: An order: the block is naturally aligned and within the range.
 */
unsigned int fpr_policy_piece_order(unsigned long pfn, unsigned long nr_pages)
{
	unsigned int order = ilog2(nr_pages);

	return pfn ? min_t(unsigned int, order, __ffs(pfn)) : order;
}
