// SPDX-License-Identifier: GPL-2.0
/*
 * Evacuation: free memory that lies in pieces becomes whole.
 *
 * A host that backs its guests with huge pages cannot take back anything smaller, and
 * a single page in use keeps a whole unit (2 MiB) in the guest.  This file empties the
 * emptiest units into the holes of the fullest ones; a later pass reports them.
 *
 * It runs on a workqueue of its own, and holds nothing that others wait for while
 * it moves pages: should it get stuck, nothing else does.  It does not wait either:
 * pages are migrated in asynchronous mode and without recursion into I/O or file
 * systems, so a locked page or buffer stays where it is.  It neither writes back nor
 * drops anything.  Large folios move into holes of their size, so that migration has
 * no reason to split them.
 *
 * A unit is looked at first, without locks, and begun only if everything in it
 * seems to be movable.  Then all its pages are taken off the LRU lists, and they
 * are moved only if none is missing.
 *
 * While a unit is emptied its pageblock is isolated, so that what becomes free in it
 * stays there and merges.  Targets are picked here, from the free lists: the allocator
 * would take what lies nearest, even in the next unit to be emptied.
 */
#undef pr_fmt
#define pr_fmt(fmt) "page_reporting: " fmt

#include <linux/buffer_head.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/kernel_stat.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/page-isolation.h>
#include <linux/sched.h>
#include <linux/sched/cputime.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/tick.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <trace/events/page_reporting.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "../page_reporting.h"
#include "evacuate.h"
#include "evacuate_policy.h"
#include "map.h"
#include "state.h"
#include "worker.h"

/* Rounds after something has changed: one to remember, one to act, one to tidy up. */
#define ROUNDS		3
/* Blocks taken or put back under one hold of a zone's lock. */
#define HOLD_BLOCKS	32
/* Units that are remembered together. */
#define SEEN_UNITS	64
/* A plan that is older than this is made anew. */
#define PLAN_AGE_MAX	(10 * HZ)

/**
 * struct target_pool - free pages that have been taken off the free lists
 * @list: the blocks, by order, linked by page->lru
 * @nr: how many of each order
 * @nr_pages: pages in all of them
 * @bad: blocks with a page that was found to be bad
 */
struct target_pool {
	struct list_head list[NR_PAGE_ORDERS];
	unsigned int nr[NR_PAGE_ORDERS];
	unsigned int nr_pages;
	struct list_head bad;
};

/**
 * struct evacuation - one look at a window of memory, and what follows
 * @start: first page frame of the window
 * @zone: its zone
 * @nr: units in it
 * @units: what they look like
 * @stranded: free pages in units that are in use in part
 * @blocked: of these, pages in units that cannot be emptied now
 * @looked: page frames that the look has touched
 * @made: when the plan was made, in jiffies
 * @offlines: how often memory had gone offline by then
 * @plan: what moves where
 * @next_source: how much of the plan's sources is done
 * @next_target: how much of the plan's targets is used up
 * @target_pfn: the page frame in the target at hand where to go on; 0: a new one
 * @target_room: how many pages may still be taken from it
 * @closed_type: migratetype of the unit that is isolated
 * @pool: free pages of targets
 */
struct evacuation {
	unsigned long start;
	struct zone *zone;
	unsigned int nr;
	struct evacuate_unit units[EVACUATE_WINDOW];
	unsigned long stranded;
	unsigned long blocked;
	unsigned long looked;
	unsigned long made;
	unsigned long offlines;
	struct evacuate_plan plan;
	unsigned int next_source;
	unsigned int next_target;
	unsigned long target_pfn;
	unsigned int target_room;
	int closed_type;
	struct target_pool pool;
};

/* Only the work uses it. */
static struct evacuation *the_evacuation;

static struct workqueue_struct *evacuate_wq;
static void evacuate_work_func(struct work_struct *work);
static DECLARE_DELAYED_WORK(evacuate_work, evacuate_work_func);

/* Held while pages are looked at and moved. */
static DEFINE_MUTEX(evacuate_running);

/*
 * Memory that goes offline takes its struct pages along, so a plan that is older
 * than that is void.  The lock is held while units of a plan are looked at, and
 * not while pages are moved: a unit that is isolated, or has pages in the pool,
 * does not go.
 */
static DEFINE_MUTEX(offline_lock);
static unsigned long nr_offlines;

/* Where the next window starts, 0 between rounds; and rounds still to be made. */
static unsigned long cursor;
static unsigned int rounds_left;
static unsigned long round_stranded, round_blocked;
/* When blocked units are looked at again, and how long that wait was. */
static unsigned long retry, retry_at;

/* A flush is in a hurry until this time; and how many such rounds are over. */
static unsigned long hurry_until;
static bool hurried;
static unsigned long hurries_done;
static DECLARE_WAIT_QUEUE_HEAD(hurry_wait);

static bool may_evacuate(void)
{
	return the_evacuation && fpr_may_go_on() &&
	       (READ_ONCE(page_reporting_evacuate) || READ_ONCE(hurried));
}

/* What else is going on */

static DEFINE_PER_CPU(u64, idle_before);

static u64 cpu_idle_us(int cpu)
{
	u64 idle = get_cpu_idle_time_us(cpu, NULL), iowait;

	if (idle == (u64)-1)
		return div_u64(kcpustat_cpu(cpu).cpustat[CPUTIME_IDLE] +
			       kcpustat_cpu(cpu).cpustat[CPUTIME_IOWAIT], NSEC_PER_USEC);
	iowait = get_cpu_iowait_time_us(cpu, NULL);
	return idle + (iowait == (u64)-1 ? 0 : iowait);
}

/* The share of a CPU that evacuation may use, judged from the time since the last call. */
static unsigned int cpu_share(void)
{
	static u64 wall_before;
	u64 wall = ktime_to_us(ktime_get()), passed = wall - wall_before, sum = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		u64 idle = cpu_idle_us(cpu), before = per_cpu(idle_before, cpu);

		/* A CPU that was offline meanwhile says nothing. */
		if (before && idle > before && idle - before <= passed)
			sum += idle - before;
		per_cpu(idle_before, cpu) = idle;
	}
	wall_before = wall;
	return fpr_evacuate_share(sum, passed);
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static unsigned long sum_events(const unsigned long *events, enum vm_event_item first,
				int nr)
{
	unsigned long sum = 0;

	while (nr--)
		sum += events[first + nr];
	return sum;
}

/* Has much memory been allocated or freed since this last said so? */
static bool memory_was_active(void)
{
	unsigned long events[NR_VM_EVENT_ITEMS], traffic;
	static unsigned long before;

	all_vm_events(events);
	traffic = events[PGFREE] +
		  sum_events(events, PGALLOC_NORMAL - ZONE_NORMAL, MAX_NR_ZONES);
	if (traffic - before < EVACUATE_ACTIVITY)
		return false;
	before = traffic;
	return true;
}

/* Has nobody had to wait for memory lately? */
static bool memory_is_calm(void)
{
	unsigned long events[NR_VM_EVENT_ITEMS], stalls;
	static unsigned long before;
	static u64 stalled_at;

	all_vm_events(events);
	stalls = global_node_page_state(PGSCAN_DIRECT) +
		 sum_events(events, ALLOCSTALL_NORMAL - ZONE_NORMAL, MAX_NR_ZONES);
	if (stalls != before)
		stalled_at = get_jiffies_64();
	before = stalls;
	return get_jiffies_64() - stalled_at >= EVACUATE_CALM;
}
#else
static bool memory_was_active(void)
{
	return true;
}

static bool memory_is_calm(void)
{
	return true;
}
#endif

/* Looking */

/* What is remembered of a unit; NULL if there is no memory for that. */
static struct evacuate_seen *seen_at(unsigned long pfn)
{
	static DEFINE_XARRAY(chunks);
	unsigned long unit = pfn >> EVACUATE_UNIT_ORDER, chunk = unit / SEEN_UNITS;
	struct evacuate_seen *seen = xa_load(&chunks, chunk);

	if (!seen) {
		seen = kcalloc(SEEN_UNITS, sizeof(*seen), GFP_KERNEL);
		if (!seen || xa_err(xa_store(&chunks, chunk, seen, GFP_KERNEL))) {
			kfree(seen);
			return NULL;
		}
	}
	return &seen[unit % SEEN_UNITS];
}

/*
 * Does a file system hold on to the buffers of a locked folio in its page cache?
 * A journal does so until its next commits, be that in seconds or in hours, and
 * no mode of migration moves them until then.
 */
static enum fpr_left buffers_left(struct folio *folio)
{
#ifdef CONFIG_BUFFER_HEAD
	struct address_space *mapping = folio_mapping(folio);
	bool norefs = mapping->a_ops->migrate_folio == buffer_migrate_folio_norefs;
	enum fpr_left left = FPR_LEFT_NOTHING;
	struct buffer_head *head, *bh;

	/* Private data of other file systems are no buffers. */
	if (!norefs && mapping->a_ops->migrate_folio != buffer_migrate_folio)
		return FPR_LEFT_NOTHING;
	head = folio_buffers(folio);
	if (!head)
		return FPR_LEFT_NOTHING;
	bh = head;
	spin_lock(&mapping->i_private_lock);
	do {
		if (norefs && atomic_read(&bh->b_count))
			left = FPR_LEFT_METADATA;
		else if (buffer_locked(bh) && !left)
			left = FPR_LEFT_LOCKED;
		bh = bh->b_this_page;
	} while (bh != head);
	spin_unlock(&mapping->i_private_lock);
	return left;
#else
	return FPR_LEFT_NOTHING;
#endif
}

/*
 * Can a folio be moved at once?  The caller has a reference to it, and the LRU
 * lists have none.  Exact, except for what happens after the look.
 */
static enum fpr_left folio_left(struct folio *folio)
{
	struct address_space *mapping;
	enum fpr_left left;

	if (folio_test_writeback(folio))
		return FPR_LEFT_LOCKED;
	if (folio_test_large(folio) && folio_order(folio) > 1 &&
	    folio_test_partially_mapped(folio))
		/* Migration would split it. */
		return FPR_LEFT_UNMOVABLE;
	if (folio_ref_count(folio) != folio_expected_ref_count(folio) + 1)
		return FPR_LEFT_PINNED;
	if (!folio_trylock(folio))
		return FPR_LEFT_LOCKED;
	left = FPR_LEFT_NOTHING;
	mapping = folio_mapping(folio);
	if (folio_test_anon(folio) || folio_test_swapcache(folio))
		left = FPR_LEFT_NOTHING;
	else if (!mapping)
		left = FPR_LEFT_RACED;
	else if (!mapping->a_ops->migrate_folio && folio_test_private(folio))
		left = FPR_LEFT_UNMOVABLE;
	else if (!mapping->a_ops->migrate_folio && folio_test_dirty(folio))
		left = FPR_LEFT_UNMOVABLE;
	else if (folio_test_private(folio))
		left = buffers_left(folio);
	folio_unlock(folio);
	return left;
}

/* A page whose private data only a look with a reference and a lock can judge. */
static enum fpr_left doubtful_left(struct page *page)
{
	struct folio *folio = page_folio(page);
	enum fpr_left left = FPR_LEFT_RACED;

	if (!folio_try_get(folio))
		return FPR_LEFT_RACED;
	if (page_folio(page) == folio && folio_test_lru(folio))
		left = folio_left(folio);
	folio_put(folio);
	return left;
}

/* References that an unlocked folio on an LRU list should have, if it is of this order. */
static int expected_refs(const struct folio *folio, unsigned long flags, unsigned int order)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);
	unsigned long nr = 1UL << order;
	int refs = 1 + (flags & BIT(PG_head) ? atomic_read(&folio->_large_mapcount) :
					       atomic_read(&folio->_mapcount));

	if (flags & BIT(PG_swapbacked) && flags & BIT(PG_swapcache))
		refs += nr;
	if (!(mapping & FOLIO_MAPPING_ANON)) {
		refs += mapping ? nr : 0;
		refs += !!(flags & BIT(PG_private));
	}
	return refs;
}

/*
 * A page that was seen on an LRU list: how many pages it stands for, and whether
 * they can be moved at once.  Without a reference: flags are read raw, as the
 * page may become anything meanwhile.
 */
static unsigned int lru_page_look(struct page *page, enum fpr_left *left)
{
	struct folio *folio = page_folio(page);
	unsigned long flags = READ_ONCE(*(unsigned long *)&folio->flags);
	unsigned int order = compound_order((struct page *)folio);

	/* A huge page is whole as it is. */
	if (order >= EVACUATE_UNIT_ORDER) {
		*left = FPR_LEFT_UNMOVABLE;
		return 0;
	}
	if (flags & (BIT(PG_unevictable) | BIT(PG_mlocked)))
		*left = FPR_LEFT_UNMOVABLE;
	else if (flags & (BIT(PG_writeback) | BIT(PG_locked)))
		*left = FPR_LEFT_LOCKED;
	else if (folio_ref_count(folio) > expected_refs(folio, flags, order))
		*left = FPR_LEFT_PINNED;
	else if (flags & BIT(PG_private))
		*left = doubtful_left(page);
	return (1U << order) - min_t(unsigned int, folio_page_idx(folio, page), (1U << order) - 1);
}

/* Is a unit, or the larger block that it is a part of, free? */
static bool unit_is_free(unsigned long start)
{
	unsigned int order;

	for (order = EVACUATE_UNIT_ORDER; order <= MAX_PAGE_ORDER; order++) {
		struct page *head = pfn_to_page(ALIGN_DOWN(start, 1UL << order));

		if (PageBuddy(head) && buddy_order_unsafe(head) >= order)
			return true;
	}
	return false;
}

/*
 * Is a page that is not on the free lists in use?  Slabs have a type and need no
 * references.
 */
static bool page_in_use(struct page *page)
{
	return page_ref_count(page) || page_has_type(page);
}

/*
 * Count the free pages of a unit that is in use in part, and tell why it cannot
 * be emptied now, if it cannot.  Without locks: a good guess.
 */
static enum fpr_left unit_look(unsigned long start, u16 *nr_free, unsigned long *looked)
{
	enum fpr_left left = FPR_LEFT_NOTHING;
	unsigned int i = 0;

	*nr_free = 0;
	while (i < EVACUATE_UNIT_PAGES) {
		struct page *page = pfn_to_page(start + i);
		enum fpr_left why = FPR_LEFT_NOTHING;
		unsigned int nr = 1;

		(*looked)++;
		if (PageBuddy(page)) {
			nr = 1 << min_t(unsigned int, buddy_order_unsafe(page),
					EVACUATE_UNIT_ORDER);
			*nr_free += min_t(unsigned int, nr, EVACUATE_UNIT_PAGES - i);
		} else if (PageLRU(page)) {
			/* Pages are costly to judge, and one that stays is enough. */
			if (left)
				nr = 1;
			else
				nr = lru_page_look(page, &why);
			if (!nr)
				return FPR_LEFT_UNMOVABLE;
		} else if (page_has_movable_ops(page) && !PageOffline(page)) {
			/* Compressed swap; not a balloon's, which two requests move. */
		} else if (page_in_use(page) || PageReserved(page) || PageHWPoison(page)) {
			/* The kernel's own, or not on an LRU list yet. */
			why = FPR_LEFT_UNMOVABLE;
		}
		/* A page that is neither is on its way to the free lists. */
		if (!left)
			left = why;
		i += nr;
	}
	return left;
}

/* May its pages be moved, or its holes be filled?  Not those of reserves. */
static bool type_is_ordinary(struct page *page)
{
	return get_pageblock_migratetype(page) < MIGRATE_PCPTYPES;
}

/*
 * Is the pageblock of a unit in one zone?  Page frame 0 is in none, and the kernel does
 * not tell the type of its pageblock.
 */
static bool within_zone(struct page *page, unsigned long pfn)
{
	unsigned long first = pageblock_start_pfn(pfn), last = pageblock_end_pfn(pfn) - 1;
	struct zone *zone = page_zone(page);

	return zone_spans_pfn(zone, first) && zone_spans_pfn(zone, last) &&
	       page_zone(pfn_to_page(first)) == zone && page_zone(pfn_to_page(last)) == zone;
}

/*
 * Can a zone spare what it takes to empty one unit?  The pages to move to and the free
 * pages of the pageblock are off its free lists for a moment.
 */
static bool zone_can_spare_unit(struct zone *zone)
{
	return fpr_zone_spare(zone) >= pageblock_nr_pages + EVACUATE_UNIT_PAGES;
}

/*
 * Look at the window that starts at @start.  It ends where the zone does; at the
 * end of memory it is empty.  In a hurry, what changed a moment ago is a source
 * as well.
 */
static void window_look(struct evacuation *ev, unsigned long start, bool hurry)
{
	ev->start = start;
	ev->zone = NULL;
	ev->stranded = 0;
	ev->blocked = 0;
	ev->looked = 0;

	get_online_mems();
	ev->offlines = nr_offlines;
	for (ev->nr = 0; ev->nr < EVACUATE_WINDOW; ev->nr++) {
		struct evacuate_unit *unit = &ev->units[ev->nr];
		unsigned long pfn = start + ev->nr * EVACUATE_UNIT_PAGES;
		struct evacuate_seen *seen;
		enum fpr_left left;
		struct page *page;
		bool quiet;

		if (pfn >= max_pfn)
			break;
		*unit = (struct evacuate_unit){};
		page = pfn_to_online_page(pfn);
		if (!page || !within_zone(page, pfn))
			continue;
		if (!ev->zone)
			ev->zone = page_zone(page);
		else if (page_zone(page) != ev->zone)
			break;
		cond_resched();
		if (unit_is_free(pfn) || !type_is_ordinary(page))
			continue;

		left = unit_look(pfn, &unit->free, &ev->looked);
		if (!unit->free || unit->free >= EVACUATE_UNIT_PAGES)
			continue;
		if (left && get_pageblock_migratetype(page) != MIGRATE_MOVABLE) {
			unit->free -= min_t(u16, unit->free, EVACUATE_KERNEL_KEEPS);
			unit->target = true;
			unit->kernel = true;
			continue;
		}
		ev->stranded += unit->free;
		unit->target = true;
		seen = seen_at(pfn);
		quiet = seen && fpr_evacuate_look(seen, unit->free, jiffies);
		unit->source = !left && (quiet || hurry);
		if (left && unit->free >= EVACUATE_UNIT_PAGES / 8) {
			ev->blocked += unit->free;
			fpr_stat_add(FPR_STAT_EVACUATE_LEFT + left, 1);
		}
	}
	put_online_mems();
}

/* Targets */

static void pool_init(struct target_pool *pool)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		INIT_LIST_HEAD(&pool->list[order]);
		pool->nr[order] = 0;
	}
	INIT_LIST_HEAD(&pool->bad);
	pool->nr_pages = 0;
}

static void pool_add(struct target_pool *pool, struct page *page, unsigned int order)
{
	set_page_private(page, order);
	list_add_tail(&page->lru, &pool->list[order]);
	pool->nr[order]++;
	pool->nr_pages += 1U << order;
}

static struct page *pool_del(struct target_pool *pool, unsigned int order)
{
	struct page *page = list_first_entry_or_null(&pool->list[order], struct page, lru);

	if (page) {
		list_del(&page->lru);
		pool->nr[order]--;
		pool->nr_pages -= 1U << order;
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

static void pool_put_all(struct zone *zone, struct target_pool *pool)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		blocks_put(zone, &pool->list[order]);
	if (!list_empty(&pool->bad)) {
		blocks_put(zone, &pool->bad);
		/* A pass takes the bad pages off the free lists. */
		fpr_worker_kick();
	}
	pool_init(pool);
}

/* Take free pages of the target at hand, up to @need in the pool. */
static void target_take(struct evacuation *ev, unsigned int need)
{
	unsigned long pfn = ev->target_pfn, end = ALIGN(pfn + 1, EVACUATE_UNIT_PAGES);
	struct zone *zone = ev->zone;
	unsigned int held = 0;

	spin_lock_irq(&zone->lock);
	while (pfn < end && ev->pool.nr_pages < need && held < HOLD_BLOCKS) {
		struct page *page = pfn_to_page(pfn);
		unsigned int order;

		if (!PageBuddy(page)) {
			pfn++;
			continue;
		}
		order = buddy_order(page);
		if (order < EVACUATE_UNIT_ORDER && 1U << order > ev->target_room) {
			pfn += 1UL << order;
			continue;
		}
		if (order >= EVACUATE_UNIT_ORDER || !type_is_ordinary(page) ||
		    !zone_can_spare_unit(zone)) {
			/* It has changed, or the zone can spare no more. */
			pfn = end;
			break;
		}
		__page_reporting_isolate(page, order);
		/* In use from now on, or freed when it comes back.  This is no reuse. */
		if (order >= page_reporting_granule_order)
			fpr_map_set(pfn, order, GRANULE_NONE);
		pool_add(&ev->pool, page, order);
		ev->target_room -= 1U << order;
		pfn += 1UL << order;
		held++;
	}
	spin_unlock_irq(&zone->lock);
	ev->target_pfn = pfn < end ? pfn : 0;
}

/* Make sure that the pool has @need pages; false if there are no more targets. */
static bool pool_fill(struct evacuation *ev, unsigned int need)
{
	while (ev->pool.nr_pages < need) {
		if (!ev->target_pfn) {
			unsigned int unit;

			if (ev->next_target == ev->plan.nr_targets)
				return false;
			unit = ev->plan.target[ev->next_target++];
			ev->target_pfn = ev->start + EVACUATE_UNIT_PAGES * unit;
			ev->target_room = ev->units[unit].free;
		}
		target_take(ev, need);
		cond_resched();
	}
	return true;
}

static bool block_is_bad(struct page *page, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < 1U << order; i++)
		if (PageHWPoison(page + i))
			return true;
	return false;
}

static struct page *pool_take(struct target_pool *pool, unsigned int order)
{
	struct page *page;
	unsigned int o;

again:
	for (o = order; o < NR_PAGE_ORDERS && !pool->nr[o]; o++)
		;
	if (o == NR_PAGE_ORDERS)
		return NULL;
	page = pool_del(pool, o);
	if (block_is_bad(page, o)) {
		list_add(&page->lru, &pool->bad);
		goto again;
	}
	while (o > order) {
		o--;
		pool_add(pool, page + (1UL << o), o);
	}
	return page;
}

static struct folio *target_alloc_noprof(struct folio *src, unsigned long private)
{
	struct evacuation *ev = (struct evacuation *)private;
	unsigned int order = folio_order(src);
	struct page *page = pool_take(&ev->pool, order);

	if (!page)
		return NULL;
	set_page_private(page, 0);
	return __page_reporting_prepare(page, order);
}

static struct folio *target_alloc(struct folio *src, unsigned long private)
{
	return alloc_hooks(target_alloc_noprof(src, private));
}

/* A target that was not needed after all. */
static void target_free(struct folio *dst, unsigned long private)
{
	struct evacuation *ev = (struct evacuation *)private;
	unsigned int order = folio_order(dst);
	struct page *page = folio_page(dst, 0);

	if (__page_reporting_unprepare(dst))
		pool_add(&ev->pool, page, order);
}

/* Moving */

/* How many pages of a unit are in use; a folio counts as one. */
static unsigned int nr_in_use(unsigned long start)
{
	unsigned int i = 0, nr = 0;

	while (i < EVACUATE_UNIT_PAGES) {
		struct page *page = pfn_to_page(start + i);

		if (PageBuddy(page)) {
			i += 1U << min_t(unsigned int, buddy_order_unsafe(page),
					 EVACUATE_UNIT_ORDER);
			continue;
		}
		nr += page_in_use(page);
		i++;
	}
	return nr;
}

/* Take all pages of an isolated unit off the LRU lists, or find out why not. */
static enum fpr_left unit_collect(struct evacuation *ev, unsigned long start,
				  struct compact_control *cc)
{
	unsigned long pfn = start, end = start + EVACUATE_UNIT_PAGES;
	unsigned int need[NR_PAGE_ORDERS] = {}, nr_folios = 0;
	struct folio *folio, *next;

	while (pfn < end) {
		cc->nr_migratepages = 0;
		cc->migrate_pfn = end;
		if (isolate_migratepages_range(cc, pfn, end))
			return FPR_LEFT_RACED;
		pfn = cc->migrate_pfn;
	}

	list_for_each_entry_safe(folio, next, &cc->migratepages, lru) {
		enum fpr_left left = FPR_LEFT_NOTHING;

		if (!page_has_movable_ops(folio_page(folio, 0)))
			left = folio_left(folio);
		if (left)
			return left;
		nr_folios++;
		need[folio_order(folio)]++;
		/* The largest first: none of their holes goes to the smaller ones. */
		if (folio_test_large(folio))
			list_move(&folio->lru, &cc->migratepages);
	}
	if (!fpr_evacuate_fits(ev->pool.nr, need))
		return FPR_LEFT_NO_TARGET;
	return nr_in_use(start) > nr_folios ? FPR_LEFT_RACED : FPR_LEFT_NOTHING;
}

/* Why are these still here? */
static enum fpr_left folios_left(struct list_head *folios)
{
	enum fpr_left left = FPR_LEFT_NOTHING;
	struct folio *folio;

	list_for_each_entry(folio, folios, lru) {
		left = page_has_movable_ops(folio_page(folio, 0)) ? FPR_LEFT_UNMOVABLE :
								   folio_left(folio);
		if (left)
			break;
	}
	return left ?: FPR_LEFT_RACED;
}

/* The first page of what is isolated for a unit. */
static struct page *unit_pageblock(unsigned long pfn)
{
	return pfn_to_page(pageblock_start_pfn(pfn));
}

/*
 * Get ready to empty a unit of the plan: look again, take room for all that is in
 * it, and isolate it.  *go_on is false if no other unit is worth a try.
 */
static enum fpr_left unit_prepare(struct evacuation *ev, unsigned int unit, bool *go_on)
{
	unsigned long pfn = ev->start + unit * EVACUATE_UNIT_PAGES, looked = 0;
	enum fpr_left left;
	u16 nr_free;

	mutex_lock(&offline_lock);
	*go_on = ev->offlines == nr_offlines;
	left = *go_on ? unit_look(pfn, &nr_free, &looked) : FPR_LEFT_RACED;
	if (!left && nr_free != ev->units[unit].free)
		left = FPR_LEFT_RACED;
	if (!left && !pool_fill(ev, EVACUATE_UNIT_PAGES - nr_free)) {
		left = FPR_LEFT_NO_TARGET;
		*go_on = false;
	}
	if (!left && !__page_reporting_close(unit_pageblock(pfn), &ev->closed_type))
		left = FPR_LEFT_RACED;
	mutex_unlock(&offline_lock);
	return left;
}

/*
 * Empty an isolated unit, and end its isolation.  Returns how many pages moved;
 * *left says why it is not whole, and *begun whether any page was tried.
 */
static unsigned int unit_empty(struct evacuation *ev, unsigned long pfn,
			       enum fpr_left *left, bool *begun)
{
	struct compact_control cc = {
		.order = -1,
		.zone = ev->zone,
		.mode = MIGRATE_ASYNC,
		.ignore_skip_hint = true,
		.no_set_skip_hint = true,
		/* Not to be allocated with: pages of files are skipped without. */
		.gfp_mask = GFP_KERNEL,
	};
	unsigned int flags, moved = 0;

	INIT_LIST_HEAD(&cc.migratepages);
	*left = unit_collect(ev, pfn, &cc);
	if (!*left) {
		*begun = true;
		flags = memalloc_noio_save();
		if (!list_empty(&cc.migratepages))
			migrate_pages(&cc.migratepages, target_alloc, target_free,
				      (unsigned long)ev, cc.mode, MR_COMPACTION, &moved);
		memalloc_noio_restore(flags);
		if (!list_empty(&cc.migratepages))
			*left = folios_left(&cc.migratepages);
	}
	if (!list_empty(&cc.migratepages))
		putback_movable_pages(&cc.migratepages);

	/* What was freed before the unit was isolated may lie on a per-CPU list. */
	if (!*left && !unit_is_free(pfn))
		drain_all_pages(ev->zone);
	if (!*left && !unit_is_free(pfn))
		*left = FPR_LEFT_RACED;
	__page_reporting_open(unit_pageblock(pfn), ev->closed_type);
	return moved;
}

/*
 * Try one source of the plan.  Returns how many pages moved; *go_on is false if
 * there is nothing to move to, or nothing to spare.
 */
static unsigned int source_try(struct evacuation *ev, unsigned int unit, bool *go_on)
{
	unsigned long pfn = ev->start + unit * EVACUATE_UNIT_PAGES;
	struct evacuate_seen *seen;
	unsigned int moved = 0;
	enum fpr_left left;
	bool begun = false;

	*go_on = zone_can_spare_unit(ev->zone);
	if (!*go_on)
		return 0;
	left = unit_prepare(ev, unit, go_on);
	if (!left)
		moved = unit_empty(ev, pfn, &left, &begun);

	seen = seen_at(pfn);
	if (left && seen)
		fpr_evacuate_failed(seen, jiffies);
	else if (seen)
		seen->failures = 0;
	if (left)
		fpr_stat_add(FPR_STAT_EVACUATE_LEFT + left, 1);
	if (begun)
		fpr_stat_add(left ? FPR_STAT_EVACUATE_FAILED : FPR_STAT_EVACUATED, 1);
	fpr_stat_add(FPR_STAT_EVACUATE_MOVED, moved);
	trace_page_reporting_evacuate(pfn, moved, left);
	return moved;
}

static bool plan_is_left(const struct evacuation *ev)
{
	return ev->next_source < ev->plan.nr_sources;
}

/* Carry a part of the plan out; returns how many units have become whole. */
static unsigned int plan_go_on(struct evacuation *ev, unsigned int budget)
{
	unsigned long whole = fpr_stat(FPR_STAT_EVACUATED);
	unsigned int moved = 0;
	bool go_on = true;

	while (go_on && plan_is_left(ev) && moved < budget && may_evacuate()) {
		moved += source_try(ev, ev->plan.source[ev->next_source++], &go_on);
		cond_resched();
	}
	if (!go_on)
		ev->next_source = ev->plan.nr_sources;
	pool_put_all(ev->zone, &ev->pool);
	ev->target_pfn = 0;
	return fpr_stat(FPR_STAT_EVACUATED) - whole;
}

/* The work */

static void plan_drop(struct evacuation *ev)
{
	ev->plan.nr_sources = 0;
	ev->next_source = 0;
}

/* Look at the next window and plan for it; false at the end of memory. */
static bool window_next(struct evacuation *ev, bool hurry)
{
	plan_drop(ev);
	window_look(ev, cursor, hurry);
	if (!ev->nr)
		return false;
	cursor += ev->nr * EVACUATE_UNIT_PAGES;
	round_stranded += ev->stranded;
	round_blocked += ev->blocked;
	if (!ev->zone)
		return true;

	fpr_evacuate_plan_make(&ev->plan, ev->units, ev->nr, EVACUATE_UNIT_PAGES);
	ev->next_target = 0;
	ev->target_pfn = 0;
	ev->made = jiffies;
	if (ev->plan.nr_sources < EVACUATE_WORTH && !hurry)
		plan_drop(ev);
	return true;
}

static void round_start(struct evacuation *ev)
{
	plan_drop(ev);
	cursor = 0;
	round_stranded = 0;
	round_blocked = 0;
}

static void round_end(struct evacuation *ev, bool hurry)
{
	fpr_stat_set(FPR_STAT_STRANDED_PAGES, round_stranded);
	fpr_stat_set(FPR_STAT_BLOCKED_PAGES, round_blocked);
	/* A commit of a journal or the end of an I/O may unblock units. */
	if (!rounds_left || !--rounds_left) {
		retry = clamp(2 * retry, (unsigned long)EVACUATE_RETRY_MIN,
			      (unsigned long)EVACUATE_RETRY_MAX);
		retry_at = jiffies + retry;
	}
	if (round_blocked < EVACUATE_WORTH * EVACUATE_UNIT_PAGES)
		retry = 0;
	round_start(ev);
	if (hurry) {
		WRITE_ONCE(hurries_done, hurries_done + 1);
		WRITE_ONCE(hurried, false);
		wake_up_all(&hurry_wait);
	}
}

/*
 * A unit with a page on a per-CPU list or batch is neither quiet nor movable, and
 * such pages return one at a time; so drain the lists before a round.
 */
static void drain_lists(bool hurry)
{
	/* A flush has drained them already. */
	if (!hurry && fpr_drain_free_if_due())
		fpr_drain_lru(jiffies + HZ);
}

/*
 * Do a little; returns after how many jiffies to go on, and in *looked how many
 * page frames were looked at.
 */
static unsigned long evacuate_a_little(struct evacuation *ev, bool hurry,
				       unsigned long *looked)
{
	unsigned int whole;

	*looked = 0;
	if (!hurry) {
		if (!memory_is_calm()) {
			plan_drop(ev);
			return HZ;
		}
		if (!rounds_left && memory_was_active()) {
			rounds_left = ROUNDS;
			retry = 0;
		}
		if (!rounds_left && retry && time_after_eq(jiffies, retry_at))
			rounds_left = 1;
		if (!rounds_left)
			return EVACUATE_POLL;
	}

	if (plan_is_left(ev) && (hurry || time_before(jiffies, ev->made + PLAN_AGE_MAX))) {
		whole = plan_go_on(ev, hurry ? EVACUATE_BUDGET_HURRY : EVACUATE_BUDGET);
		if (whole) {
			/* Look once more: one plan does not find everything. */
			rounds_left = ROUNDS;
			/* A pass may have passed it over while it was isolated. */
			fpr_worker_note(whole * EVACUATE_UNIT_PAGES);
		}
		return 0;
	}
	if (!cursor)
		drain_lists(hurry);
	if (!window_next(ev, hurry)) {
		round_end(ev, hurry);
		return EVACUATE_QUIET;
	}
	*looked = ev->looked;
	return 0;
}

static void evacuate_work_func(struct work_struct *work)
{
	u64 begun = task_sched_runtime(current), spent_us;
	bool hurry = READ_ONCE(hurried);
	static bool hurrying;
	unsigned long delay, looked;
	unsigned int share;

	if (!may_evacuate())
		return;
	mutex_lock(&evacuate_running);
	if (hurry && time_after(jiffies, READ_ONCE(hurry_until))) {
		/* Nobody waits any more. */
		round_end(the_evacuation, true);
		hurry = false;
	}
	if (hurry && !hurrying) {
		/* A round that has begun may have passed what the flusher freed. */
		round_start(the_evacuation);
	}
	hurrying = hurry;
	delay = evacuate_a_little(the_evacuation, hurry, &looked);
	mutex_unlock(&evacuate_running);

	spent_us = div_u64(task_sched_runtime(current) - begun, NSEC_PER_USEC);
	fpr_stat_add(FPR_STAT_EVACUATE_CPU_US, spent_us);
	share = cpu_share();
	if (READ_ONCE(hurried))
		delay = 0;
	else
		delay = max(delay, fpr_evacuate_pause(spent_us, share, looked));
	queue_delayed_work(evacuate_wq, &evacuate_work, delay);
}

/**
 * fpr_evacuate_start() - begin to look around, after a change of conditions
 *
 * Context: Process context.
 */
void fpr_evacuate_start(void)
{
	if (may_evacuate())
		mod_delayed_work(evacuate_wq, &evacuate_work, EVACUATE_QUIET);
}

/**
 * fpr_evacuate_now() - make whole what can be, at once
 * @until: when to stop, in jiffies
 *
 * Used by flush: a unit need not be quiet, and no CPU idle.
 *
 * Context: Process context; sleeps until @until at most.
 */
void fpr_evacuate_now(unsigned long until)
{
	unsigned long before = READ_ONCE(hurries_done);

	if (!the_evacuation || !fpr_evacuate_wait(until))
		return;
	WRITE_ONCE(hurry_until, until);
	WRITE_ONCE(hurried, true);
	mod_delayed_work(evacuate_wq, &evacuate_work, 0);
	while (READ_ONCE(hurries_done) == before && time_before(jiffies, until) &&
	       fpr_may_go_on())
		wait_event_timeout(hurry_wait, READ_ONCE(hurries_done) != before,
				   min_t(unsigned long, until - jiffies, HZ / 10 + 1));
}

/**
 * fpr_evacuate_wait() - wait until no page is being moved
 * @until: give up then, in jiffies
 *
 * Context: Process context; sleeps.
 * Return: true if nothing is being moved; nothing will be, if the engine was paused
 * before.
 */
bool fpr_evacuate_wait(unsigned long until)
{
	while (!mutex_trylock(&evacuate_running)) {
		if (time_after(jiffies, until))
			return false;
		schedule_timeout_uninterruptible(max(HZ / 100, 1));
	}
	mutex_unlock(&evacuate_running);
	return true;
}

static int note_offline(struct notifier_block *nb, unsigned long action, void *arg)
{
	if (action == MEM_GOING_OFFLINE) {
		mutex_lock(&offline_lock);
		nr_offlines++;
		mutex_unlock(&offline_lock);
	}
	return NOTIFY_OK;
}

static int __init evacuate_init(void)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	int err = -ENOMEM;

	the_evacuation = kvzalloc_obj(*the_evacuation, GFP_KERNEL);
	evacuate_wq = alloc_workqueue("page_evacuation", WQ_UNBOUND | WQ_FREEZABLE, 1);
	if (attrs && the_evacuation && evacuate_wq) {
		pool_init(&the_evacuation->pool);
		attrs->nice = MAX_NICE;
		err = apply_workqueue_attrs(evacuate_wq, attrs);
	}
	if (!err)
		err = hotplug_memory_notifier(note_offline, DEFAULT_CALLBACK_PRI);
	free_workqueue_attrs(attrs);
	if (err)
		pr_err("cannot evacuate: %d\n", err);
	return err;
}
core_initcall(evacuate_init);
