// SPDX-License-Identifier: GPL-2.0
/*
 * Free pages to move to, taken from units that are to be filled.
 *
 * They are picked here, off the free lists: the allocator would take what lies nearest,
 * even in the next unit to be emptied.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "../page_reporting.h"
#include "evacuate_look.h"
#include "evacuate_policy.h"
#include "evacuate_targets.h"
#include "map.h"
#include "state.h"
#include "worker.h"

/* Blocks taken or put back under one hold of a zone's lock. */
#define HOLD_BLOCKS	32

/**
 * fpr_zone_can_spare_unit() - can a zone spare what it takes to empty one unit?
 * @zone: the zone
 *
 * The pages to move to and the free pages of the pageblock are off its free lists for a
 * moment.
 *
 * Context: Any.
 * Return: true if so.
 */
bool fpr_zone_can_spare_unit(struct zone *zone)
{
	return fpr_zone_spare(zone) >= pageblock_nr_pages + EVACUATE_UNIT_PAGES;
}

/**
 * fpr_targets_init() - there are no targets
 * @targets: to be initialised
 *
 * Context: Any.
 */
void fpr_targets_init(struct evacuate_targets *targets)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		INIT_LIST_HEAD(&targets->list[order]);
		targets->nr[order] = 0;
	}
	INIT_LIST_HEAD(&targets->bad);
	targets->nr_pages = 0;
}

static void target_add(struct evacuate_targets *targets, struct page *page, unsigned int order)
{
	set_page_private(page, order);
	list_add_tail(&page->lru, &targets->list[order]);
	targets->nr[order]++;
	targets->nr_pages += 1U << order;
}

static struct page *target_del(struct evacuate_targets *targets, unsigned int order)
{
	struct page *page = list_first_entry_or_null(&targets->list[order], struct page, lru);

	if (page) {
		list_del(&page->lru);
		targets->nr[order]--;
		targets->nr_pages -= 1U << order;
	}
	return page;
}

/*
 * Give a list of blocks back.  Like a free: the rest of a granule may have been
 * freed while we had a part of it.
 */
static void blocks_put(struct zone *zone, struct list_head *list)
{
	while (!list_empty(list)) {
		unsigned int held;

		spin_lock_irq(&zone->lock);
		for (held = 0; held < HOLD_BLOCKS && !list_empty(list); held++) {
			struct page *page = list_first_entry(list, struct page, lru);
			unsigned int order = page_private(page);

			list_del(&page->lru);
			set_page_private(page, 0);
			__page_reporting_putback(page, order);
		}
		spin_unlock_irq(&zone->lock);
		cond_resched();
	}
}

/**
 * fpr_targets_put() - give all pages that were not moved to back
 * @targets: the targets; there are none afterwards
 * @zone: the zone that they are of
 *
 * Context: Process context.
 */
void fpr_targets_put(struct evacuate_targets *targets, struct zone *zone)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		blocks_put(zone, &targets->list[order]);
	if (!list_empty(&targets->bad)) {
		blocks_put(zone, &targets->bad);
		/* A pass takes the bad pages off the free lists. */
		fpr_worker_kick();
	}
	fpr_targets_init(targets);
}

/**
 * fpr_targets_from() - name the unit to take free pages from next
 * @targets: the targets
 * @pfn: first page frame of the unit
 * @room: how many of its pages may be taken
 *
 * Context: Any.
 */
void fpr_targets_from(struct evacuate_targets *targets, unsigned long pfn, unsigned int room)
{
	targets->pfn = pfn;
	targets->room = room;
}

/**
 * fpr_targets_take() - take free pages of the unit that was named
 * @targets: the targets
 * @zone: the zone of the unit
 * @need: how many pages there should be
 *
 * Takes a few blocks at a time: the caller asks again.
 *
 * Context: Process context.  The unit's struct pages must stay.
 * Return: false if nothing more is to be had from that unit.
 */
bool fpr_targets_take(struct evacuate_targets *targets, struct zone *zone, unsigned int need)
{
	unsigned long pfn = targets->pfn, end = ALIGN(pfn + 1, EVACUATE_UNIT_PAGES);
	unsigned int held = 0;

	spin_lock_irq(&zone->lock);
	while (pfn < end && targets->nr_pages < need && held < HOLD_BLOCKS) {
		struct page *page = pfn_to_page(pfn);
		unsigned int order;

		if (!PageBuddy(page)) {
			pfn++;
			continue;
		}
		order = buddy_order(page);
		if (order < EVACUATE_UNIT_ORDER && 1U << order > targets->room) {
			pfn += 1UL << order;
			continue;
		}
		if (order >= EVACUATE_UNIT_ORDER || !fpr_type_is_ordinary(page) ||
		    !fpr_zone_can_spare_unit(zone)) {
			/* It has changed, or the zone can spare no more. */
			pfn = end;
			break;
		}
		__page_reporting_isolate(page, order);
		/* In use from now on, or freed when it comes back.  This is no reuse. */
		if (order >= page_reporting_granule_order)
			fpr_map_set(pfn, order, GRANULE_NONE);
		target_add(targets, page, order);
		targets->room -= 1U << order;
		pfn += 1UL << order;
		held++;
	}
	spin_unlock_irq(&zone->lock);
	targets->pfn = pfn;
	return pfn < end;
}

static bool block_is_bad(struct page *page, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < 1U << order; i++)
		if (PageHWPoison(page + i))
			return true;
	return false;
}

static struct page *target_get(struct evacuate_targets *targets, unsigned int order)
{
	struct page *page;
	unsigned int o;

again:
	for (o = order; o < NR_PAGE_ORDERS && !targets->nr[o]; o++)
		;
	if (o == NR_PAGE_ORDERS)
		return NULL;
	page = target_del(targets, o);
	if (block_is_bad(page, o)) {
		list_add(&page->lru, &targets->bad);
		goto again;
	}
	while (o > order) {
		o--;
		target_add(targets, page + (1UL << o), o);
	}
	return page;
}

static struct folio *target_alloc_noprof(struct folio *src, unsigned long private)
{
	struct evacuate_targets *targets = (struct evacuate_targets *)private;
	unsigned int order = folio_order(src);
	struct page *page = target_get(targets, order);

	if (!page)
		return NULL;
	set_page_private(page, 0);
	return __page_reporting_prepare(page, order);
}

/**
 * fpr_target_alloc() - a folio to move another to
 * @src: the folio that moves
 * @private: the targets
 *
 * For migrate_pages().
 *
 * Context: Process context.
 * Return: The folio, or NULL if no block is large enough.
 */
struct folio *fpr_target_alloc(struct folio *src, unsigned long private)
{
	return alloc_hooks(target_alloc_noprof(src, private));
}

/**
 * fpr_target_free() - a folio was not moved to after all
 * @dst: what fpr_target_alloc() has returned
 * @private: the targets
 *
 * For migrate_pages().
 *
 * Context: Process context.
 */
void fpr_target_free(struct folio *dst, unsigned long private)
{
	struct evacuate_targets *targets = (struct evacuate_targets *)private;
	unsigned int order = folio_order(dst);
	struct page *page = folio_page(dst, 0);

	if (__page_reporting_unprepare(dst))
		target_add(targets, page, order);
}
