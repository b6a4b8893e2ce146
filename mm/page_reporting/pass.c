// SPDX-License-Identifier: GPL-2.0
/*
 * One pass: from the dirty bits to the host and back.
 *
 * A pass walks the granule map upward, so its cost follows what was freed and
 * not the size of the guest, and neighbours meet in one element.  It fills a
 * request, lets the device send it, puts the blocks back, and goes on where it
 * was until nothing that is due is left.
 */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/timer.h>

#define CREATE_TRACE_POINTS
#include <trace/events/page_reporting.h>

#include "../internal.h"
#include "../page_reporting.h"
#include "internal.h"
#include "policy.h"

/* Blocks of one request, and so of one putback. */
#define REQUEST_BLOCKS		512
/* Granules looked at, and blocks moved, under one hold of zone->lock. */
#define HOLD_GRANULES		32
/* The host is taken to be stuck when it has not answered for so long. */
#define STALL_TIME		(5 * HZ)

struct block {
	unsigned long pfn;
	unsigned int order;
};

/* How long the granules of an element have been free, in jiffies. */
struct ages {
	unsigned long youngest;
	unsigned long oldest;
};

/**
 * struct request - free memory on its way to the host
 * @prdev: the device that takes it
 * @delay: base delay of the pass, in jiffies
 * @section: where the pass is: the section,
 * @index: and the granule in it that comes next
 * @left_pages: pages left dirty behind it,
 * @due_in: and jiffies until some of them fall due
 * @zone: zone of the granules at hand
 * @budget: pages that may still be taken from @zone
 * @tight: @zone can spare nothing in this pass
 * @full: no room for one more block
 * @nr_elements: elements in @sgl
 * @nr_blocks: blocks in @block
 * @nr_pages: their pages
 * @elem_pages: pages of the last element
 * @end_pfn: page frame after the last element
 * @nr_poisoned: poisoned pages in the system before anything was isolated
 * @nr_fresh: granules that had been free for less than HEAT_COLD,
 * @waited: and how long they had, all together, in jiffies
 * @ages: of each element
 * @sgl: what the device gets
 * @block: what goes back to the allocator
 */
struct request {
	struct page_reporting_dev_info *prdev;
	unsigned long delay;
	unsigned long section;
	unsigned long index;
	unsigned long left_pages;
	unsigned long due_in;
	struct zone *zone;
	unsigned long budget;
	bool tight;
	bool full;
	unsigned int nr_elements;
	unsigned int nr_blocks;
	unsigned long nr_pages;
	unsigned long elem_pages;
	unsigned long end_pfn;
	long nr_poisoned;
	unsigned long nr_fresh;
	unsigned long waited;
	struct ages ages[PAGE_REPORTING_CAPACITY];
	struct scatterlist sgl[PAGE_REPORTING_CAPACITY];
	struct block block[REQUEST_BLOCKS];
};

/* Too large for a stack; reporting_pass_lock gives it to one pass at a time. */
static struct request *the_request;

static void stall_warn(struct timer_list *timer)
{
	stat_add(STAT_STALLS, 1);
	pr_warn_once("page_reporting: the host has not answered for %d s; what it was sent is missing until it does\n",
		     STALL_TIME / HZ);
}

static DEFINE_TIMER(stall_timer, stall_warn);

static long poisoned_pages(void)
{
#ifdef CONFIG_MEMORY_FAILURE
	return atomic_long_read(&num_poisoned_pages);
#else
	return 0;
#endif
}

static void request_reset(struct request *rq)
{
	rq->zone = NULL;
	rq->full = false;
	rq->nr_elements = 0;
	rq->nr_blocks = 0;
	rq->nr_pages = 0;
	rq->elem_pages = 0;
	rq->end_pfn = 0;
	rq->nr_poisoned = poisoned_pages();
	rq->nr_fresh = 0;
	rq->waited = 0;
	sg_init_table(rq->sgl, PAGE_REPORTING_CAPACITY);
}

/* Remember that a granule was left dirty, and when to look at it again. */
static void leave(struct request *rq, struct granule_map *map, unsigned long due_in)
{
	rq->left_pages += 1UL << map->order;
	rq->due_in = min(rq->due_in, due_in);
}

/*
 * Look at a zone for the first time in this request.  Its high watermark is
 * raised while kswapd has been asked to make room, so that counts as well.
 */
static void request_enter_zone(struct request *rq, struct zone *zone,
			       unsigned long granule)
{
	rq->zone = zone;
	rq->budget = policy_request_budget(zone_page_state(zone, NR_FREE_PAGES),
					   high_wmark_pages(zone), granule);
	rq->tight = !rq->budget;
	if (rq->tight)
		stat_add(STAT_TIGHT, 1);
}

/* The free block that covers a page frame, if it is at least of an order. */
static struct page *covering_block(unsigned long pfn, unsigned int min_order,
				   unsigned int *order)
{
	unsigned int o;

	for (o = min_order; o <= MAX_PAGE_ORDER; o++) {
		struct page *page = pfn_to_page(ALIGN_DOWN(pfn, 1UL << o));

		if (!PageBuddy(page))
			continue;
		*order = buddy_order(page);
		if (*order >= o)
			return page;
		return NULL;
	}
	return NULL;
}

/* Put an isolated block into the request; false when there is no room. */
static bool request_add(struct request *rq, unsigned long pfn, unsigned int order)
{
	unsigned long nr = 1UL << order;
	struct scatterlist *sg;
	bool join;

	join = rq->nr_elements &&
	       policy_coalesce(rq->end_pfn, pfn, REPORTING_SECTION_PAGES,
			       rq->elem_pages, nr,
			       rq->prdev->max_elem_bytes >> PAGE_SHIFT);
	if (rq->nr_blocks == REQUEST_BLOCKS || rq->budget < nr ||
	    (!join && rq->nr_elements == PAGE_REPORTING_CAPACITY)) {
		rq->full = true;
		return false;
	}

	if (!join) {
		rq->ages[rq->nr_elements++] = (struct ages){ GRANULE_AGE_MAX, 0 };
		rq->elem_pages = 0;
		rq->end_pfn = pfn;
	}
	rq->elem_pages += nr;
	rq->end_pfn += nr;
	sg = &rq->sgl[rq->nr_elements - 1];
	sg_set_page(sg, pfn_to_page(rq->end_pfn - rq->elem_pages),
		    rq->elem_pages << PAGE_SHIFT, 0);
	rq->block[rq->nr_blocks++] = (struct block){ pfn, order };
	rq->nr_pages += nr;
	rq->budget -= nr;
	return true;
}

/* Take note of how long the granules of the last block have been free. */
static void note_ages(struct request *rq, struct granule_table *table,
		      unsigned long first, unsigned long nr)
{
	struct ages *ages = &rq->ages[rq->nr_elements - 1];
	unsigned long i, age;

	for (i = first; i < first + nr; i++) {
		age = granule_age(table->granule[i], jiffies);
		ages->youngest = min(ages->youngest, age);
		ages->oldest = max(ages->oldest, age);
		if (age < HEAT_COLD) {
			rq->nr_fresh++;
			rq->waited += age;
		}
	}
}

static void put_block(unsigned long pfn, unsigned int order)
{
	unsigned long end = pfn + (1UL << order);

	/*
	 * Pageblock by pageblock, for one of them may have become isolated
	 * meanwhile, and the allocator keeps count by migratetype.
	 */
	order = min_t(unsigned int, order, pageblock_order);
	for (; pfn < end; pfn += 1UL << order) {
		struct page *page = pfn_to_page(pfn);

		__putback_isolated_page(page, order, get_pageblock_migratetype(page));
	}
}

/*
 * Of an isolated block, take what is due and give back the rest, in pieces as
 * large as they come.
 */
static void take_due(struct request *rq, struct granule_map *map,
		     struct granule_table *table, unsigned long pfn,
		     unsigned int order)
{
	unsigned long i, first = granule_index(map, pfn);
	unsigned long nr = 1UL << (order - map->order), nr_due = 0;

	for (i = first; i < first + nr; i++)
		nr_due += granule_kind(table->granule[i]) == GRANULE_DIRTY &&
			  policy_due(table->granule[i], jiffies, rq->delay);

	if (!nr_due || rq->full) {
		put_block(pfn, order);
	} else if (order == map->order ||
		   (nr_due == nr && 1UL << order <= rq->budget)) {
		if (!request_add(rq, pfn, order)) {
			put_block(pfn, order);
			return;
		}
		note_ages(rq, table, first, nr);
		granule_set_range(pfn, order, GRANULE_FLIGHT);
	} else {
		take_due(rq, map, table, pfn, order - 1);
		take_due(rq, map, table, pfn + (1UL << (order - 1)), order - 1);
	}
}

/* May blocks of this pageblock be away for a moment? */
static bool may_isolate(struct granule_map *map, struct page *page,
			unsigned long pfn, struct request *rq)
{
	enum page_reporting_skip reason;
	int mt = get_pageblock_migratetype(page);

	if (is_migrate_isolate(mt)) {
		/*
		 * Offlining and contiguous allocation rely on what they have
		 * isolated.  It comes back without passing a hook: look again,
		 * by and by.
		 */
		reason = PAGE_REPORTING_SKIP_ISOLATED;
		granule_set(map, pfn, GRANULE_DIRTY);
		leave(rq, map, POLICY_CRUMBS);
	} else if (is_migrate_cma(mt) || is_migrate_highatomic(mt)) {
		/* Reserves that are missed even for a moment. */
		reason = PAGE_REPORTING_SKIP_RESERVED;
		granule_set(map, pfn, GRANULE_NONE);
	} else if (PageHWPoison(page)) {
		reason = PAGE_REPORTING_SKIP_POISONED;
		granule_set(map, pfn, GRANULE_NONE);
	} else {
		return true;
	}
	trace_page_reporting_skip(pfn, reason);
	return false;
}

/* Under zone->lock: isolate what is due of the block that a granule is in. */
static void take_granule(struct request *rq, struct granule_map *map,
			 struct granule_table *table, unsigned long pfn)
{
	unsigned int order;
	struct page *page;

	if (granule_kind(table->granule[granule_index(map, pfn)]) != GRANULE_DIRTY)
		return;

	page = covering_block(pfn, map->order, &order);
	if (!page) {
		/* When it becomes whole, that free makes it dirty again. */
		granule_set(map, pfn, GRANULE_NONE);
		trace_page_reporting_skip(pfn, PAGE_REPORTING_SKIP_IN_USE);
		return;
	}
	if (!may_isolate(map, page, pfn, rq))
		return;

	__page_reporting_isolate(page, order);
	take_due(rq, map, table, page_to_pfn(page), order);
}

/*
 * Go on to the next granule of a section that is due and in a zone that can
 * spare memory; rq->zone is then its zone.  Takes no lock: take_granule() looks
 * again.
 */
static bool next_due(struct request *rq, struct granule_map *map,
		     struct granule_table *table, unsigned long *pfn)
{
	unsigned long nr = granules_in_section(map);

	for (;; rq->index++) {
		struct page *page;
		u32 granule;

		rq->index = find_next_bit(table->dirty, nr, rq->index);
		if (rq->index >= nr)
			return false;
		granule = READ_ONCE(table->granule[rq->index]);
		if (!policy_due(granule, jiffies, rq->delay)) {
			leave(rq, map, policy_due_in(granule, jiffies, rq->delay));
			continue;
		}

		*pfn = (rq->section << REPORTING_SECTION_SHIFT) +
		       (rq->index << map->order);
		page = pfn_to_online_page(*pfn);
		if (!page) {
			granule_set(map, *pfn, GRANULE_NONE);
			continue;
		}
		if (page_zone(page) != rq->zone)
			request_enter_zone(rq, page_zone(page), 1UL << map->order);
		if (!rq->tight)
			return true;
		trace_page_reporting_skip(*pfn, PAGE_REPORTING_SKIP_TIGHT);
		leave(rq, map, POLICY_CRUMBS);
	}
}

/* Go through one section from where the pass is, until its end or a full request. */
static void collect_section(struct request *rq, struct granule_map *map,
			    struct granule_table *table)
{
	unsigned long pfn;
	bool more = next_due(rq, map, table, &pfn);

	while (more && !rq->full) {
		struct zone *zone = rq->zone;
		unsigned int held = 0;

		spin_lock_irq(&zone->lock);
		do {
			take_granule(rq, map, table, pfn);
			/* A full request comes back to this granule. */
			if (rq->full)
				break;
			rq->index++;
			more = next_due(rq, map, table, &pfn);
		} while (more && rq->zone == zone && ++held < HOLD_GRANULES);
		spin_unlock_irq(&zone->lock);
		cond_resched();
	}
}

/* Fill a request from where the pass is. */
static void collect(struct request *rq)
{
	struct granule_map *map;

	request_reset(rq);
	get_online_mems();
	map = granule_map_get();
	while (map && !rq->full) {
		struct granule_table *table;
		unsigned long section;

		section = find_next_bit(map->dirty, map->nr_sections, rq->section);
		if (section >= map->nr_sections)
			break;
		if (section != rq->section)
			rq->index = 0;
		rq->section = section;
		clear_bit(section, map->dirty);
		/* A hook sets the section's bit after the granule's. */
		smp_mb__after_atomic();

		table = granule_map_table(map, section);
		if (table)
			collect_section(rq, map, table);
		if (table && !bitmap_empty(table->dirty, granules_in_section(map)))
			set_bit(section, map->dirty);
		if (!rq->full) {
			rq->section++;
			rq->index = 0;
		}
		cond_resched();
	}
	put_online_mems();
}

/*
 * A page that was found bad while its block was away could not be taken off
 * the free lists.  Do it now.
 */
static void take_poisoned_off(const struct request *rq)
{
#ifdef CONFIG_MEMORY_FAILURE
	unsigned int b;

	if (poisoned_pages() == rq->nr_poisoned)
		return;
	for (b = 0; b < rq->nr_blocks; b++) {
		unsigned long pfn = rq->block[b].pfn;
		unsigned long end = pfn + (1UL << rq->block[b].order);

		for (; pfn < end; pfn++)
			if (PageHWPoison(pfn_to_page(pfn)))
				take_page_off_buddy(pfn_to_page(pfn));
	}
#endif
}

/* Give all blocks back to the allocator, as reported or as dirty. */
static void putback(struct request *rq, enum granule_kind kind)
{
	unsigned int b = 0;

	while (b < rq->nr_blocks) {
		struct zone *zone = page_zone(pfn_to_page(rq->block[b].pfn));

		spin_lock_irq(&zone->lock);
		do {
			const struct block *block = &rq->block[b];

			granule_set_range(block->pfn, block->order, kind);
			put_block(block->pfn, block->order);
		} while (++b < rq->nr_blocks && b % HOLD_GRANULES &&
			 page_zone(pfn_to_page(rq->block[b].pfn)) == zone);
		spin_unlock_irq(&zone->lock);
		cond_resched();
	}
	take_poisoned_off(rq);
}

/* Let the device send the request, and give the blocks back. */
static int send(struct request *rq)
{
	unsigned int i;
	ktime_t start;
	int err;

	if (trace_page_reporting_element_enabled())
		for (i = 0; i < rq->nr_elements; i++)
			trace_page_reporting_element(page_to_pfn(sg_page(&rq->sgl[i])),
						     rq->sgl[i].length >> PAGE_SHIFT,
						     rq->ages[i].youngest,
						     rq->ages[i].oldest);
	trace_page_reporting_request(rq->nr_elements, rq->nr_pages);

	sg_mark_end(&rq->sgl[rq->nr_elements - 1]);
	start = ktime_get();
	mod_timer(&stall_timer, jiffies + STALL_TIME);
	err = rq->prdev->report(rq->prdev, rq->sgl, rq->nr_elements);
	timer_delete_sync(&stall_timer);
	trace_page_reporting_done(rq->nr_elements, rq->nr_pages,
				  ktime_us_delta(ktime_get(), start), err);

	/* What is reported without delay was not taken for cold. */
	if (!err && rq->delay && rq->nr_fresh)
		granule_map_heat(rq->nr_fresh, rq->waited / rq->nr_fresh);
	putback(rq, err ? GRANULE_DIRTY : GRANULE_REPORTED);

	stat_add(STAT_REQUESTS, 1);
	if (err) {
		stat_add(STAT_ERRORS, 1);
		return err;
	}
	stat_add(STAT_ELEMENTS, rq->nr_elements);
	stat_add(STAT_REPORTED_PAGES, rq->nr_pages);
	return 0;
}

/**
 * pass_run - report all that is due
 * @prdev: the device
 * @delay: how long a cold granule must have been free, in jiffies
 *
 * Context: Process context, may sleep as long as the host does.  The caller
 * holds reporting_pass_lock.
 * Return: What was done and left; see struct pass_result.
 */
struct pass_result pass_run(struct page_reporting_dev_info *prdev,
			    unsigned long delay)
{
	struct request *rq = the_request;
	struct pass_result result = {};

	rq->prdev = prdev;
	rq->delay = delay;
	rq->section = 0;
	rq->index = 0;
	rq->left_pages = 0;
	rq->due_in = MAX_JIFFY_OFFSET;

	while (reporting_may_go_on()) {
		collect(rq);
		if (!rq->nr_blocks)
			break;
		result.err = send(rq);
		if (result.err)
			break;
		result.nr_pages += rq->nr_pages;
	}
	result.left_pages = rq->left_pages;
	result.due_in = rq->due_in;
	return result;
}

/**
 * pass_init - get ready
 *
 * Context: Once, at boot.
 * Return: 0 or -ENOMEM.
 */
int __init pass_init(void)
{
	the_request = kvzalloc(sizeof(*the_request), GFP_KERNEL);
	return the_request ? 0 : -ENOMEM;
}
