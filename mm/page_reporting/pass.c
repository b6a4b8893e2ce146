// SPDX-License-Identifier: GPL-2.0
/*
 * One pass: from the dirty bits to the host and back.
 *
 * A pass walks the granule map upward, so its cost follows what was freed and
 * not the size of the guest, and neighbours meet in one element.  It fills a
 * batch, lets the device send it, puts the blocks back, and goes on where it
 * was until nothing that is due is left.
 *
 * The zone's lock is held to take one block off its free list, and to put back
 * HOLD_BLOCKS.  Records of what has been taken off belong to the pass, so it
 * changes them without the lock.
 */
#undef pr_fmt
#define pr_fmt(fmt) "page_reporting: " fmt

#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/scatterlist.h>
#include <linux/timer.h>

/* The events name its reasons. */
#include "state.h"

#define CREATE_TRACE_POINTS
#include <trace/events/page_reporting.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "../page_reporting.h"
#include "map.h"
#include "pass.h"
#include "policy.h"
#include "request.h"

/* Blocks of one batch. */
#define BATCH_BLOCKS		512
/* Zones that one batch may take from. */
#define BATCH_ZONES		8
/* Blocks put back under one hold of a zone's lock. */
#define HOLD_BLOCKS		32
/* A host that has not answered for this long counts as stalled. */
#define STALL_TIME		(5 * HZ)

/**
 * struct batch_block - a free block that has been taken off the free lists
 * @pfn: its first page frame
 * @order: its order
 */
struct batch_block {
	unsigned long pfn;
	unsigned int order;
};

/**
 * struct batch_element - one range of adjacent blocks
 * @pfn: its first page frame
 * @nr_pages: its pages
 * @youngest: how long the granule freed last has been free, in jiffies
 * @oldest: how long the granule freed first has been free, in jiffies
 */
struct batch_element {
	unsigned long pfn;
	unsigned long nr_pages;
	unsigned long youngest;
	unsigned long oldest;
};

/**
 * struct batch_zone - what may still be taken from a zone
 * @zone: the zone
 * @budget: pages, without contiguous memory
 * @cma_budget: pages of contiguous memory (CMA)
 */
struct batch_zone {
	struct zone *zone;
	unsigned long budget;
	unsigned long cma_budget;
};

/**
 * struct batch - free memory on its way to the host
 * @nr_zones: zones that it takes from
 * @nr_blocks: blocks in it
 * @nr_elements: elements that they make
 * @nr_pages: pages in it
 * @max_pages: pages that it may hold
 * @nr_fresh: of these, pages free for less than GRANULE_LONG_AGO
 * @waited: sum over these of how long they have been free, in jiffies
 * @full: there is no room for the next block
 * @zones: the zones
 * @blocks: the blocks, in the order of their addresses
 * @elements: the elements
 * @sgl: the elements, as the device takes them
 */
struct batch {
	unsigned int nr_zones;
	unsigned int nr_blocks;
	unsigned int nr_elements;
	unsigned long nr_pages;
	unsigned long max_pages;
	unsigned long nr_fresh;
	u64 waited;
	bool full;
	struct batch_zone zones[BATCH_ZONES];
	struct batch_block blocks[BATCH_BLOCKS];
	struct batch_element elements[PAGE_REPORTING_CAPACITY];
	struct scatterlist sgl[PAGE_REPORTING_CAPACITY];
};

/**
 * struct pass - where a pass is
 * @prdev: the device
 * @delay: how long memory must be free before it is reported, in jiffies
 * @slack: what falls due within this time is taken as well, in jiffies
 * @section: the section it is in
 * @index: the next granule in that section
 * @result: what it has done so far
 */
struct pass {
	struct page_reporting_dev_info *prdev;
	unsigned long delay;
	unsigned long slack;
	unsigned long section;
	unsigned long index;
	struct pass_result result;
};

/* Too large for a stack; fpr_pass_lock gives it to one pass at a time. */
static struct batch the_batch;

static void stall_warn(struct timer_list *timer)
{
	fpr_stat_add(FPR_STAT_STALLS, 1);
	pr_warn_once("the host has not answered for %d s; the reported pages are unavailable until it does\n",
		     STALL_TIME / HZ);
}

static DEFINE_TIMER(stall_timer, stall_warn);

/* Filling a batch */

static void batch_reset(struct batch *batch)
{
	batch->nr_zones = 0;
	batch->nr_blocks = 0;
	batch->nr_elements = 0;
	batch->nr_pages = 0;
	batch->max_pages = fpr_request_pages;
	batch->nr_fresh = 0;
	batch->waited = 0;
	batch->full = false;
}

/* What may still be taken from a zone; NULL if the batch cannot take from another. */
static struct batch_zone *batch_zone(struct batch *batch, struct zone *zone,
				     unsigned long granule)
{
	struct batch_zone *bz;
	unsigned int i;

	for (i = 0; i < batch->nr_zones; i++)
		if (batch->zones[i].zone == zone)
			return &batch->zones[i];
	if (batch->nr_zones == BATCH_ZONES) {
		if (batch->nr_pages)
			return NULL;
		/* Nothing has been taken from any of them: make room for others. */
		batch->nr_zones = 0;
	}

	bz = &batch->zones[batch->nr_zones++];
	bz->zone = zone;
	bz->budget = fpr_policy_budget(fpr_zone_spare(zone), granule);
	bz->cma_budget = 0;
#ifdef CONFIG_CMA
	bz->cma_budget = fpr_policy_budget(zone_page_state(zone, NR_FREE_CMA_PAGES), granule);
#endif
	if (!bz->budget)
		fpr_stat_add(FPR_STAT_TIGHT, 1);
	return bz;
}

/* Put an isolated block into the batch; false when there is no room. */
static bool batch_add(struct batch *batch, const struct pass *pass, unsigned long pfn,
		      unsigned int order)
{
	unsigned long nr = 1UL << order;
	struct batch_element *last = &batch->elements[batch->nr_elements - 1];

	if (batch->nr_blocks == BATCH_BLOCKS)
		return false;
	if (!batch->nr_elements ||
	    !fpr_policy_coalesce(last->pfn + last->nr_pages, pfn, FPR_SECTION_PAGES,
				 last->nr_pages, nr,
				 pass->prdev->max_elem_bytes >> PAGE_SHIFT)) {
		if (batch->nr_elements == pass->prdev->capacity)
			return false;
		last = &batch->elements[batch->nr_elements++];
		*last = (struct batch_element){ .pfn = pfn, .youngest = GRANULE_AGE_MAX };
	}
	last->nr_pages += nr;
	batch->blocks[batch->nr_blocks++] = (struct batch_block){ pfn, order };
	batch->nr_pages += nr;
	return true;
}

/* Take note of how long the last block's granules have been free. */
static void batch_note_ages(struct batch *batch, const struct granule_range *range)
{
	struct batch_element *last = &batch->elements[batch->nr_elements - 1];
	unsigned int order = range->map->order;
	unsigned long i, now = jiffies;

	for (i = range->first; i < range->first + range->nr; i++) {
		unsigned long age = granule_age(range->table->granule[i], now);

		last->youngest = min(last->youngest, age);
		last->oldest = max(last->oldest, age);
		if (age < GRANULE_LONG_AGO) {
			batch->nr_fresh += 1UL << order;
			batch->waited += (u64)age << order;
		}
	}
}

/* The free block that covers a page frame, if it is at least of an order. */
static struct page *covering_block(struct zone *zone, unsigned long pfn,
				   unsigned int min_order, unsigned int *order)
{
	for (*order = min_order; *order <= MAX_PAGE_ORDER; (*order)++) {
		struct page *page = pfn_to_page(ALIGN_DOWN(pfn, 1UL << *order));

		/* The start of a larger block may be another zone's. */
		if (page_zone(page) != zone)
			return NULL;
		if (PageBuddy(page))
			return buddy_order(page) >= *order ? page : NULL;
	}
	return NULL;
}

static void put_block(unsigned long pfn, unsigned int order)
{
	unsigned long end = pfn + (1UL << order);

	/*
	 * Pageblock by pageblock, because one of them may have become isolated
	 * meanwhile, and the allocator keeps count by migratetype.
	 */
	order = min_t(unsigned int, order, pageblock_order);
	for (; pfn < end; pfn += 1UL << order) {
		struct page *page = pfn_to_page(pfn);

		__putback_isolated_page(page, order, get_pageblock_migratetype(page));
	}
}

/*
 * Give back halves of a block that has just been isolated until the rest, which holds
 * the page frame, is no larger than @max.  The zone's lock is held throughout, so nobody
 * sees that they were missing.
 */
static struct page *shrink_block(struct page *page, unsigned int *order,
				 unsigned int min_order, unsigned long pfn, unsigned long max)
{
	while (*order > min_order && 1UL << *order > max) {
		unsigned long half;

		(*order)--;
		half = page_to_pfn(page) + (1UL << *order);
		if (pfn < half) {
			put_block(half, *order);
		} else {
			put_block(page_to_pfn(page), *order);
			page = pfn_to_page(half);
		}
	}
	return page;
}

/* Give a range of isolated pages back, in the largest blocks that it consists of. */
static void put_range(struct zone *zone, unsigned long pfn, unsigned long end)
{
	while (pfn < end) {
		unsigned int held;

		spin_lock_irq(&zone->lock);
		for (held = 0; pfn < end && held < HOLD_BLOCKS; held++) {
			unsigned int order = fpr_policy_piece_order(pfn, end - pfn);

			put_block(pfn, order);
			pfn += 1UL << order;
		}
		spin_unlock_irq(&zone->lock);
	}
}

static bool is_due(const struct pass *pass, u32 granule)
{
	return granule_kind(granule) == GRANULE_DIRTY &&
	       fpr_policy_due(granule, jiffies, pass->delay, pass->slack);
}

/* Pages that the batch has room for: a granule always fits into an empty one. */
static unsigned long batch_room(const struct batch *batch, const struct granule_map *map)
{
	return max(batch->max_pages, 1UL << map->order) - batch->nr_pages;
}

/* The most pages that one block may bring into a batch. */
static unsigned long elem_pages_max(const struct pass *pass, const struct granule_map *map)
{
	unsigned long max = pass->prdev->max_elem_bytes >> PAGE_SHIFT;

	return max ? max(max, 1UL << map->order) : ULONG_MAX;
}

/*
 * Of an isolated range that is due as a whole, take what the batch has room for,
 * and return the page frame after it.
 */
static unsigned long batch_take_range(struct batch *batch, struct pass *pass,
				      struct granule_map *map, unsigned long *budget,
				      unsigned long pfn, unsigned long end)
{
	struct granule_range range;

	while (pfn < end) {
		unsigned long room = min3(end - pfn, *budget, elem_pages_max(pass, map));
		unsigned int order;

		room = min(room, batch_room(batch, map));

		if (room < 1UL << map->order)
			break;
		order = fpr_policy_piece_order(pfn, room);
		if (!batch_add(batch, pass, pfn, order))
			break;
		fpr_map_range(map, pfn, order, &range);
		batch_note_ages(batch, &range);
		/* Nobody else can have it before the host has answered. */
		fpr_range_set(&range, granule_make(GRANULE_REPORTED, jiffies));
		*budget -= 1UL << order;
		pfn += 1UL << order;
	}
	if (pfn < end)
		batch->full = true;
	return pfn;
}

/* Of an isolated block take what is due, and give back the rest. */
static void batch_take_block(struct batch *batch, struct pass *pass,
			     struct granule_range *block, struct zone *zone,
			     unsigned long *budget)
{
	struct granule_map *map = block->map;
	unsigned long i = block->first, last = block->first + block->nr;
	unsigned long start = block->section << FPR_SECTION_SHIFT;

	while (i < last) {
		bool due = !batch->full && is_due(pass, block->table->granule[i]);
		unsigned long first = i, pfn, end;

		do
			i++;
		while (i < last && !batch->full &&
		       is_due(pass, block->table->granule[i]) == due);
		if (batch->full)
			i = last;
		pfn = start + (first << map->order);
		end = start + (i << map->order);
		if (due)
			pfn = batch_take_range(batch, pass, map, budget, pfn, end);
		put_range(zone, pfn, end);
	}
}

/* Remember that a granule was left dirty although it is due. */
static void pass_over(struct pass *pass, struct granule_map *map, unsigned long pfn,
		      enum page_reporting_skip reason)
{
	pass->result.passed_over_pages += 1UL << map->order;
	trace_page_reporting_skip(pfn, reason);
}

/*
 * May blocks of this pageblock be off the free lists for a moment?  If not, this
 * also decides what becomes of the granule.
 */
static bool may_isolate(struct pass *pass, struct granule_range *granule,
			struct page *page, unsigned long pfn)
{
	int mt = get_pageblock_migratetype(page);

	if (is_migrate_isolate(mt)) {
		/* Offlining and contiguous allocation rely on what they isolated. */
		pass_over(pass, granule->map, pfn, PAGE_REPORTING_SKIP_ISOLATED);
	} else if (mt == MIGRATE_HIGHATOMIC) {
		/* A reserve must stay available; the granule stays dirty until it ends. */
		trace_page_reporting_skip(pfn, PAGE_REPORTING_SKIP_RESERVED);
	} else if (PageHWPoison(page)) {
		fpr_range_set(granule, granule_make(GRANULE_NONE, jiffies));
		trace_page_reporting_skip(pfn, PAGE_REPORTING_SKIP_POISONED);
	} else {
		return true;
	}
	return false;
}

/* Isolate the free block that a granule is in and take what is due of it. */
static void batch_take(struct batch *batch, struct pass *pass,
		       struct granule_range *granule, struct zone *zone, unsigned long pfn)
{
	struct granule_map *map = granule->map;
	unsigned long *budget = NULL, spare;
	struct granule_range block;
	struct batch_zone *bz;
	struct page *page;
	unsigned int order;

	bz = batch_zone(batch, zone, 1UL << map->order);
	if (!bz || batch_room(batch, map) < 1UL << map->order) {
		batch->full = true;
		return;
	}
	if (max(bz->budget, bz->cma_budget) < 1UL << map->order && !batch->nr_pages) {
		pass_over(pass, map, pfn, PAGE_REPORTING_SKIP_TIGHT);
		return;
	}

	spin_lock_irq(&zone->lock);
	if (granule_kind(granule->table->granule[granule->first]) != GRANULE_DIRTY)
		goto unlock;
	page = covering_block(zone, pfn, map->order, &order);
	if (!page) {
		/* When it becomes whole, that free makes it dirty again. */
		fpr_range_set(granule, granule_make(GRANULE_NONE, jiffies));
		trace_page_reporting_skip(pfn, PAGE_REPORTING_SKIP_IN_USE);
		goto unlock;
	}
	if (!may_isolate(pass, granule, page, pfn))
		goto unlock;

	order = buddy_order(page);
	budget = is_migrate_cma(get_pageblock_migratetype(page)) ? &bz->cma_budget : &bz->budget;
	/* What has just been given back may not be spare any more. */
	spare = budget == &bz->budget ? fpr_zone_spare(zone) : ULONG_MAX;
	if (min(*budget, spare) < 1UL << map->order) {
		if (batch->nr_pages)
			batch->full = true;
		else
			pass_over(pass, map, pfn, PAGE_REPORTING_SKIP_TIGHT);
		goto unlock;
	}
	__page_reporting_isolate(page, order);
	/*
	 * The guest lacks all that is isolated for a moment, however little is taken of it.
	 * The largest block is 512 MiB with 64 KiB pages.
	 */
	page = shrink_block(page, &order, map->order, pfn,
			    min3(*budget, spare, batch_room(batch, map)));
	spin_unlock_irq(&zone->lock);

	fpr_map_range(map, page_to_pfn(page), order, &block);
	batch_take_block(batch, pass, &block, zone, budget);
	return;

unlock:
	spin_unlock_irq(&zone->lock);
}

/* Go through one section from where the pass is, until its end or a full batch. */
static void collect_section(struct batch *batch, struct pass *pass,
			    struct granule_map *map, struct granule_table *table)
{
	struct granule_range granule = {
		.map = map,
		.table = table,
		.section = pass->section,
		.nr = 1,
	};
	unsigned long nr = granules_in_section(map);

	for (;; pass->index++) {
		unsigned long pfn, due_in;
		struct page *page;

		pass->index = find_next_bit(table->dirty, nr, pass->index);
		if (pass->index >= nr)
			return;
		cond_resched();

		due_in = fpr_policy_due_in(READ_ONCE(table->granule[pass->index]), jiffies,
					   pass->delay);
		if (due_in > min(pass->slack, pass->delay)) {
			pass->result.young_pages += 1UL << map->order;
			pass->result.due_in = min(pass->result.due_in, due_in);
			continue;
		}

		granule.first = pass->index;
		pfn = (pass->section << FPR_SECTION_SHIFT) + (pass->index << map->order);
		page = pfn_to_online_page(pfn);
		if (page)
			batch_take(batch, pass, &granule, page_zone(page), pfn);
		else
			fpr_range_set(&granule, granule_make(GRANULE_NONE, jiffies));
		/* The next batch begins with this granule. */
		if (batch->full)
			return;
	}
}

/* Fill a batch from where the pass is. */
static void batch_collect(struct batch *batch, struct pass *pass)
{
	struct granule_map *map;

	batch_reset(batch);
	get_online_mems();
	map = fpr_map();
	while (map && !batch->full) {
		struct granule_table *table;
		unsigned long section;

		section = find_next_bit(map->dirty, map->nr_sections, pass->section);
		if (section >= map->nr_sections)
			break;
		if (section != pass->section)
			pass->index = 0;
		pass->section = section;
		clear_bit(section, map->dirty);
		/* A hook sets the section's bit after the granule's. */
		smp_mb__after_atomic();

		table = fpr_map_table(map, section);
		if (table)
			collect_section(batch, pass, map, table);
		if (table && !bitmap_empty(table->dirty, granules_in_section(map)))
			set_bit(section, map->dirty);
		if (!batch->full) {
			pass->section++;
			pass->index = 0;
		}
	}
	put_online_mems();
}

/* Sending a batch */

#ifdef CONFIG_MEMORY_FAILURE
/* Poisoned pages in the system when their blocks were last known to be clean. */
static long poisoned_seen;

static void section_take_poisoned_off(unsigned long pfn)
{
	unsigned long end = pfn + FPR_SECTION_PAGES;

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		/* With the reference that whoever unpoisons it expects. */
		if (page && PageHWPoison(page) && take_page_off_buddy(page))
			page_ref_inc(page);
		if (!(pfn % SZ_1K))
			cond_resched();
	}
}

/**
 * fpr_take_poisoned_off() - keep bad pages from being allocated
 *
 * A page that was found bad while its block was off the free lists could not be
 * taken off them then.  So whenever the number of bad pages has changed, look at
 * all memory; that is a rare event.
 *
 * Context: Under fpr_pass_lock; may sleep.  Nothing may be in flight.
 */
void fpr_take_poisoned_off(void)
{
	long now = atomic_long_read(&num_poisoned_pages);
	struct granule_map *map;
	unsigned long section;

	if (now == poisoned_seen)
		return;
	poisoned_seen = now;
	get_online_mems();
	map = fpr_map();
	for (section = 0; map && section < map->nr_sections; section++)
		if (fpr_map_table(map, section))
			section_take_poisoned_off(section << FPR_SECTION_SHIFT);
	put_online_mems();
}
#else
void fpr_take_poisoned_off(void)
{
}
#endif

/* Give all blocks back to the allocator. */
static void batch_put_back(struct batch *batch, bool reported)
{
	unsigned int b = 0;

	while (b < batch->nr_blocks) {
		struct zone *zone = page_zone(pfn_to_page(batch->blocks[b].pfn));
		unsigned int held = 0;

		if (!reported)
			fpr_map_set(batch->blocks[b].pfn, batch->blocks[b].order,
				    GRANULE_DIRTY);
		spin_lock_irq(&zone->lock);
		do {
			put_block(batch->blocks[b].pfn, batch->blocks[b].order);
			b++;
		} while (reported && b < batch->nr_blocks && ++held < HOLD_BLOCKS &&
			 page_zone(pfn_to_page(batch->blocks[b].pfn)) == zone);
		spin_unlock_irq(&zone->lock);
		cond_resched();
	}
}

/* Let the device send the batch, and give the blocks back. */
static int batch_send(struct batch *batch, struct pass *pass)
{
	unsigned int i;
	ktime_t start;
	u64 host_ns;
	int err;

	sg_init_table(batch->sgl, batch->nr_elements);
	for (i = 0; i < batch->nr_elements; i++) {
		const struct batch_element *e = &batch->elements[i];

		sg_set_page(&batch->sgl[i], pfn_to_page(e->pfn), e->nr_pages << PAGE_SHIFT, 0);
		trace_page_reporting_element(e->pfn, e->nr_pages, e->youngest, e->oldest);
	}
	trace_page_reporting_request(batch->nr_elements, batch->nr_pages);

	fpr_stat_set(FPR_STAT_IN_FLIGHT_PAGES, batch->nr_pages);
	start = ktime_get();
	mod_timer(&stall_timer, jiffies + STALL_TIME);
	pass->prdev->host_ns = 0;
	err = pass->prdev->report(pass->prdev, batch->sgl, batch->nr_elements);
	host_ns = pass->prdev->host_ns ?: ktime_to_ns(ktime_sub(ktime_get(), start));
	timer_delete_sync(&stall_timer);
	trace_page_reporting_done(batch->nr_elements, batch->nr_pages,
				  ktime_us_delta(ktime_get(), start), err);

	/* A report without delay says nothing about how cold the memory was. */
	if (!err && pass->delay && batch->nr_fresh)
		fpr_pace_reported(&fpr_pace, batch->nr_fresh,
				  div64_u64(batch->waited, batch->nr_fresh), jiffies);
	batch_put_back(batch, !err);
	fpr_stat_set(FPR_STAT_IN_FLIGHT_PAGES, 0);
	fpr_take_poisoned_off();

	fpr_stat_add(FPR_STAT_REQUESTS, 1);
	if (err) {
		fpr_stat_add(FPR_STAT_ERRORS, 1);
		return err;
	}
	fpr_stat_add(FPR_STAT_ELEMENTS, batch->nr_elements);
	fpr_stat_add(FPR_STAT_REPORTED_PAGES, batch->nr_pages);
	fpr_stat_add(FPR_STAT_HOST_US, div_u64(host_ns, NSEC_PER_USEC));
	WRITE_ONCE(fpr_request_pages,
		   fpr_request_limit(batch->max_pages, batch->nr_pages, host_ns));
	return 0;
}

/**
 * fpr_pass_run() - report all that is due
 * @prdev: the device
 * @delay: how long memory must have been free, in jiffies
 *
 * Context: Process context, may sleep as long as the host does.  The caller
 * holds fpr_pass_lock.
 * Return: What was done and left; see struct pass_result.
 */
struct pass_result fpr_pass_run(struct page_reporting_dev_info *prdev,
				unsigned long delay)
{
	struct batch *batch = &the_batch;
	struct pass pass = {
		.prdev = prdev,
		.delay = delay,
		.slack = min(delay, fpr_base_delay()) / 4,
		.result.due_in = MAX_JIFFY_OFFSET,
	};

	lockdep_assert_held(&fpr_pass_lock);
	fpr_take_poisoned_off();
	/* The last pass may have met what costs the host little: memory it had not backed. */
	WRITE_ONCE(fpr_request_pages, min_t(unsigned long, fpr_request_pages, REQUEST_FIRST));
	while (fpr_may_go_on()) {
		batch_collect(batch, &pass);
		if (!batch->nr_blocks)
			break;
		pass.result.err = batch_send(batch, &pass);
		if (pass.result.err)
			break;
		pass.result.nr_pages += batch->nr_pages;
	}
	return pass.result;
}
