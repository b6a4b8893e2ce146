/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The allocator's side of free page reporting: hooks in mm/page_alloc.c.
 *
 * They run under zone->lock and only note state; see mm/page_reporting/hooks.c.
 * While no device is registered each is a patched-out branch.
 */
#ifndef _MM_PAGE_REPORTING_H
#define _MM_PAGE_REPORTING_H

#include <linux/mm.h>
#include <linux/page_reporting.h>
/* This file does not need it; mm/page_alloc.c gets it from here. */
#include <linux/page-isolation.h>

/* State lives in the granule map: no page flag says that a block is reported. */
static inline bool page_reported(const struct page *page)
{
	return false;
}

#ifdef CONFIG_PAGE_REPORTING
extern unsigned int page_reporting_granule_order;

void __page_reporting_freed(unsigned long pfn, unsigned int order,
			    unsigned int merged_order);
void __page_reporting_taken(unsigned long pfn, unsigned int order);
void __page_reporting_isolate(struct page *page, unsigned int order);
void __page_reporting_putback(struct page *page, unsigned int order);
struct folio *__page_reporting_prepare(struct page *page, unsigned int order);
bool __page_reporting_unprepare(struct folio *folio);
bool __page_reporting_close(struct page *page, int *migratetype);
void __page_reporting_open(struct page *page, int migratetype);

/**
 * page_reporting_freed() - note that pages have come to the free lists
 * @pfn: first page frame freed
 * @order: order of the freed range
 * @merged_order: order of the free block that it has become part of
 *
 * Context: Any context, under the lock of the pages' zone.
 */
static inline void page_reporting_freed(unsigned long pfn, unsigned int order,
					unsigned int merged_order)
{
	if (page_reporting_active() &&
	    merged_order >= READ_ONCE(page_reporting_granule_order))
		__page_reporting_freed(pfn, order, merged_order);
}

/**
 * page_reporting_taken() - note that a free block loses its first pages
 * @page: first page of the block
 * @order: order of the range that is taken from its start
 * @block_order: order of the block
 *
 * Context: Any context, under the lock of the page's zone.
 */
static inline void page_reporting_taken(struct page *page, unsigned int order,
					unsigned int block_order)
{
	if (page_reporting_active() &&
	    block_order >= READ_ONCE(page_reporting_granule_order))
		__page_reporting_taken(page_to_pfn(page), order);
}
#else
static inline void page_reporting_freed(unsigned long pfn, unsigned int order,
					unsigned int merged_order)
{
}

static inline void page_reporting_taken(struct page *page, unsigned int order,
					unsigned int block_order)
{
}
#endif /* CONFIG_PAGE_REPORTING */
#endif /* _MM_PAGE_REPORTING_H */
