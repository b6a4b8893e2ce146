// SPDX-License-Identifier: GPL-2.0
/*
 * When to report, how much at once, and when to look again.
 *
 * Free memory is worth reporting when it is cold.  How long it stays free before
 * that is known follows from its heat; see heat.c.
 */
#include <linux/jiffies.h>
#include <linux/math.h>

#include "granule.h"
#include "policy.h"

/**
 * policy_delay - how long a granule stays free before it is reported
 * @base: delay of a cold granule
 * @heat: the granule's heat
 *
 * Return: @base, doubled for each heat; a @base that no age could reach then is
 * cut.
 */
unsigned long policy_delay(unsigned long base, unsigned int heat)
{
	return min_t(unsigned long, base, GRANULE_AGE_MAX >> GRANULE_HEAT_MAX) << heat;
}

/**
 * policy_due_in - time until a dirty granule is to be reported
 * @granule: its record
 * @now: jiffies
 * @base: delay of a cold granule
 *
 * Return: Jiffies to go; 0 when it is due.
 */
unsigned long policy_due_in(u32 granule, unsigned long now, unsigned long base)
{
	unsigned long delay = policy_delay(base, granule_heat(granule));
	unsigned long age = granule_age(granule, now);

	return age < delay ? delay - age : 0;
}

/**
 * policy_earliest - how long a granule stays free at least
 * @base: delay of a cold granule
 * @heat: the granule's heat
 *
 * A pass takes what falls due within the next quarter of the base delay as
 * well: what was freed together then goes in one pass and in large pieces.
 *
 * Return: Jiffies; less than the delay.
 */
unsigned long policy_earliest(unsigned long base, unsigned int heat)
{
	return policy_delay(base, heat) - policy_delay(base, 0) / 4;
}

/**
 * policy_due - should a pass that runs now take this granule?
 * @granule: its record
 * @now: jiffies
 * @base: delay of a cold granule
 *
 * Return: true if so; see policy_earliest().
 */
bool policy_due(u32 granule, unsigned long now, unsigned long base)
{
	return granule_age(granule, now) >= policy_earliest(base, granule_heat(granule));
}

/**
 * policy_request_budget - how much of a zone one request may hold
 * @free: free pages of the zone
 * @high: its high watermark
 * @block: the least that a request may hold
 *
 * What is on its way to the host is missing to the guest.  An eighth of what
 * the zone can spare leaves it far from reclaim even if the host is slow.
 *
 * Return: Pages, at least @block; 0 when the zone is too tight to report at
 * all.
 */
unsigned long policy_request_budget(unsigned long free, unsigned long high,
				    unsigned long block)
{
	unsigned long spare = free > high ? free - high : 0;

	if (spare < 4 * block)
		return 0;
	return max(spare / 8, block);
}

/**
 * policy_sleep - how long a pass may be put off
 * @dirty: pages that wait for it
 * @threshold: what a wake-up is worth
 * @due_in: jiffies until the first of them falls due
 * @base: delay of a cold granule
 *
 * Return: Jiffies; a very long time when nothing waits.
 */
unsigned long policy_sleep(unsigned long dirty, unsigned long threshold,
			   unsigned long due_in, unsigned long base)
{
	if (!dirty)
		return MAX_JIFFY_OFFSET;
	if (dirty < threshold)
		return max_t(unsigned long, due_in, POLICY_CRUMBS);
	return max3(due_in, base / 4, (unsigned long)POLICY_MIN_SLEEP);
}

/**
 * policy_coalesce - may a block join the element before it?
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
 * Return: true if it may.
 */
bool policy_coalesce(unsigned long end_pfn, unsigned long pfn,
		     unsigned long section_pages, unsigned long elem_pages,
		     unsigned long nr_pages, unsigned long max_elem_pages)
{
	return pfn == end_pfn && (pfn & (section_pages - 1)) &&
	       elem_pages + nr_pages <= max_elem_pages;
}
