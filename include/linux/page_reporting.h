/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page reporting: what a device driver sees of it.
 *
 * A driver that can hand free guest memory to its host registers here.  The
 * engine (mm/page_reporting/) decides what is reported and when.
 */
#ifndef __LINUX_PAGE_REPORTING_H
#define __LINUX_PAGE_REPORTING_H

#include <linux/jump_label.h>
#include <linux/types.h>

struct scatterlist;

/* The most elements of one request; a power of two. */
#define PAGE_REPORTING_CAPACITY		32

/* The engine's default order. */
#define PAGE_REPORTING_ORDER_UNSPECIFIED	-1

/**
 * struct page_reporting_dev_info - a device that takes reports of free memory
 * @report: Hand @nents ranges of free guest memory to the host and sleep until
 *	the host has answered.  Called from a workqueue of the engine, one
 *	request at a time, not between the suspend and the resume of the
 *	system.  Returns 0, or a negative errno.  On error the device must not
 *	touch the pages again: they return to the free lists at once.
 * @order: Smallest order of a page block that the device takes, or
 *	PAGE_REPORTING_ORDER_UNSPECIFIED.  A page_reporting_order set by the user
 *	takes precedence.
 * @capacity: Most elements that the device takes in one request; 0 stands for
 *	PAGE_REPORTING_CAPACITY, which is also the maximum.
 * @max_elem_bytes: Largest element that the device takes; adjacent blocks are put
 *	into one element up to this size.  0: one buddy block in each element.
 * @host_ns: How long the host took for the last request, in nanoseconds, for @report to
 *	set; 0 if it does not know, then the duration of the call counts.
 */
struct page_reporting_dev_info {
	int (*report)(struct page_reporting_dev_info *prdev,
		      struct scatterlist *sgl, unsigned int nents);
	unsigned int order;
	unsigned int capacity;
	unsigned int max_elem_bytes;
	u64 host_ns;
};

int page_reporting_register(struct page_reporting_dev_info *prdev);
void page_reporting_unregister(struct page_reporting_dev_info *prdev);
void page_reporting_aside_begin(void);
void page_reporting_aside_end(void);

#ifdef CONFIG_PAGE_REPORTING
DECLARE_STATIC_KEY_FALSE(page_reporting_in_use);

/**
 * page_reporting_active() - is free memory reported to a host?
 *
 * For allocations that choose where kernel pages lie: evacuation cannot make a pageblock
 * whole that they keep to themselves.
 *
 * Context: Any.  A patched-out branch while no device is registered.
 * Return: true from the first registration of a device to the last removal.
 */
static inline bool page_reporting_active(void)
{
	return static_branch_unlikely(&page_reporting_in_use);
}
#else
static inline bool page_reporting_active(void)
{
	return false;
}
#endif

#endif /* __LINUX_PAGE_REPORTING_H */
