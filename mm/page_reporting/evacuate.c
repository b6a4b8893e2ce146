// SPDX-License-Identifier: GPL-2.0
/*
 * Evacuation: free memory that lies in pieces becomes whole.
 *
 * A host that backs its guests with huge pages can take back nothing less, and
 * one page in use keeps a whole unit (a pageblock) there.  When the guest has
 * nothing better to do, this empties the emptiest units into the holes of the
 * fullest ones; the next pass reports them.
 *
 * It moves what the kernel can move without waiting for I/O and without
 * reclaim: no process sees a change, and no page cache is dropped.  Units with
 * anything else in them are left alone: unmovable, pinned, locked or huge
 * pages, pages under writeback, and balloon pages, whose moving costs two
 * requests to the host each.
 *
 * Sources are isolated while they are emptied, so that what becomes free in
 * them stays there and merges.  Targets are picked here, from the free lists:
 * the allocator would take what lies nearest, be it in the next source.
 */
#include <linux/cpumask.h>
#include <linux/memory_hotplug.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/tick.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include <trace/events/page_reporting.h>

#include "../internal.h"
#include "../page_reporting.h"
#include "evacuate_policy.h"
#include "internal.h"

/* Units isolated at a time. */
#define BATCH_UNITS	16
/* The guest must have been idle for so long before the first go, */
#define IDLE_BEFORE	HZ
/* after a go that moved something, */
#define IDLE_MOVED	(HZ / 4)
/* and after one that only looked. */
#define IDLE_LOOKED	(HZ / 20 + 1)
/* Between two samples of how idle the guest is. */
#define SAMPLE_AGE_MAX	(3 * HZ)

/**
 * struct evacuation - one look at a window of memory, and what follows
 * @start: first page frame of the window
 * @zone: its zone
 * @nr: units in it
 * @units: what they look like
 * @stranded: free pages in those that are in use in part
 * @plan: what moves where
 * @next_target: how much of the plan's targets is used up
 * @pool: free pages of targets, by order, linked by page->lru
 */
struct evacuation {
	unsigned long start;
	struct zone *zone;
	unsigned int nr;
	struct evacuate_unit units[EVACUATE_WINDOW];
	unsigned long stranded;
	struct evacuate_plan plan;
	unsigned int next_target;
	struct list_head pool[NR_PAGE_ORDERS];
};

static struct evacuation *the_evacuation;

static void evacuate_work_func(struct work_struct *work);
static DECLARE_DELAYED_WORK(evacuate_work, evacuate_work_func);

/* After something has changed: one round to remember, one to act, one to tidy. */
#define ROUNDS		3

/* Where the next window starts, 0 between rounds; and rounds still to be made. */
static unsigned long cursor;
static unsigned int rounds_left;
/* Free pages in pieces, as far as this round has come. */
static unsigned long round_stranded;
/* What CPUs have on lists of their own is as good as none; see settle(). */
static bool settled;

/* How long the worker waits for something to do; hooks end a long wait. */
static unsigned long look_interval = EVACUATE_LOOK_MIN;
static bool dozing;

static bool allowed(void)
{
	return READ_ONCE(page_reporting_evacuate) && reporting_may_go_on();
}

/* Gates */

static u64 cpus_idle_us(u64 *wall_us)
{
	u64 sum = 0, idle;
	int cpu;

	*wall_us = ktime_to_us(ktime_get());
	for_each_online_cpu(cpu) {
		idle = get_cpu_idle_time_us(cpu, NULL);
		if (idle == (u64)-1)
			idle = div_u64(kcpustat_cpu(cpu).cpustat[CPUTIME_IDLE],
				       NSEC_PER_USEC);
		sum += idle;
	}
	return sum;
}

static struct {
	u64 idle_us, wall_us;
	unsigned long when;
} sample;

static void sample_take(void)
{
	sample.idle_us = cpus_idle_us(&sample.wall_us);
	sample.when = jiffies;
}

static bool guest_idle(void)
{
	u64 wall_us, idle_us = cpus_idle_us(&wall_us);

	return evacuate_idle(idle_us - sample.idle_us, wall_us - sample.wall_us,
			     num_online_cpus());
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static unsigned long sum_events(const unsigned long *events,
				enum vm_event_item first, int nr)
{
	unsigned long sum = 0;

	while (nr--)
		sum += events[first + nr];
	return sum;
}

/* Has anybody had to wait for memory lately?  And has any been moved about? */
static bool guest_calm(bool *active)
{
	static unsigned long last_stalls, last_traffic, last_stalled;
	unsigned long events[NR_VM_EVENT_ITEMS], stalls, traffic;

	all_vm_events(events);
	stalls = sum_events(events, ALLOCSTALL_NORMAL - ZONE_NORMAL, MAX_NR_ZONES) +
		 events[PGSCAN_DIRECT];
	traffic = events[PGFREE] +
		  sum_events(events, PGALLOC_NORMAL - ZONE_NORMAL, MAX_NR_ZONES);
	if (stalls != last_stalls)
		last_stalled = jiffies | 1;
	last_stalls = stalls;
	*active = traffic - last_traffic >= EVACUATE_ACTIVITY;
	if (*active)
		last_traffic = traffic;
	return !last_stalled || time_after(jiffies, last_stalled + EVACUATE_CALM);
}
#else
static bool guest_calm(bool *active)
{
	*active = true;
	return true;
}
#endif

/* Looking */

/*
 * May this page, seen on an LRU list, be moved at all and at once?  How many
 * pages it stands for, or 0.
 */
static unsigned int movable_pages(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (folio_test_unevictable(folio) || folio_test_writeback(folio) ||
	    folio_maybe_dma_pinned(folio))
		return 0;
	if (likely(!folio_test_large(folio)))
		return 1;
	/* A huge page is whole as it is. */
	if (folio_test_hugetlb(folio) || folio_order(folio) >= pageblock_order)
		return 0;
	return folio_nr_pages(folio) - folio_page_idx(folio, page);
}

/* Is a unit, or the larger block that it is a part of, free? */
static bool unit_is_free(unsigned long start)
{
	unsigned int order;

	for (order = pageblock_order; order <= MAX_PAGE_ORDER; order++) {
		struct page *head = pfn_to_page(ALIGN_DOWN(start, 1UL << order));

		if (PageBuddy(head) && buddy_order_unsafe(head) >= order)
			return true;
	}
	return false;
}

/* Free pages of a unit, or EVACUATE_LEAVE.  Without locks: a good guess. */
static u16 look_at_unit(unsigned long start)
{
	unsigned int i = 0, nr, nr_free = 0;
	struct page *page;

	if (unit_is_free(start))
		return pageblock_nr_pages;

	if (get_pageblock_migratetype(pfn_to_page(start)) != MIGRATE_MOVABLE)
		return EVACUATE_LEAVE;

	while (i < pageblock_nr_pages) {
		page = pfn_to_page(start + i);
		/* Of what is neither free nor on an LRU list: on a CPU's list. */
		nr = 1;
		if (PageLRU(page)) {
			nr = movable_pages(page);
		} else if (PageBuddy(page)) {
			nr = 1 << min_t(unsigned int, buddy_order_unsafe(page),
					pageblock_order);
			nr_free += nr;
		} else if (page_ref_count(page) || PageReserved(page) || PageHWPoison(page)) {
			/* The kernel's own, a balloon's, or not on an LRU list yet. */
			nr = 0;
		}
		if (!nr)
			return EVACUATE_LEAVE;
		i += nr;
	}
	return min_t(unsigned int, nr_free, pageblock_nr_pages);
}

/* What is remembered of a section's units; see struct granule_table. */
static struct granule_table *table_at(unsigned long pfn)
{
	struct granule_map *map = granule_map_get();
	unsigned long section = pfn >> REPORTING_SECTION_SHIFT;

	if (!map || section >= map->nr_sections)
		return NULL;
	return granule_map_table(map, section);
}

static struct evacuate_seen *seen_at(struct granule_table *table, unsigned long pfn)
{
	return &table->seen[(pfn & (REPORTING_SECTION_PAGES - 1)) >> pageblock_order];
}

/*
 * Look at the window that the cursor points to.  It ends where the zone does;
 * at the end of memory it is empty.
 */
static void look_at_window(struct evacuation *ev)
{
	struct granule_table *table = NULL;
	unsigned long pfn;

	ev->zone = NULL;
	ev->nr = 0;
	ev->stranded = 0;
	for (; ev->nr < EVACUATE_WINDOW; ev->nr++) {
		struct evacuate_unit *unit = &ev->units[ev->nr];
		struct page *page;

		pfn = ev->start + ev->nr * pageblock_nr_pages;
		if (pfn >= max_pfn)
			break;
		if (!table || !(pfn & (REPORTING_SECTION_PAGES - 1)))
			table = table_at(pfn);
		unit->free = EVACUATE_LEAVE;
		unit->quiet = false;
		page = table ? pfn_to_online_page(pfn) : NULL;
		if (!page || page_zone(page) != page_zone(page + pageblock_nr_pages - 1))
			continue;
		if (!ev->zone)
			ev->zone = page_zone(page);
		else if (page_zone(page) != ev->zone)
			break;
		unit->free = look_at_unit(pfn);
		if (unit->free == EVACUATE_LEAVE)
			continue;
		unit->quiet = evacuate_look(seen_at(table, pfn), unit->free, jiffies);
		if (unit->free < pageblock_nr_pages)
			ev->stranded += unit->free;
		cond_resched();
	}
}

/* Targets */

static void pool_put_all(struct evacuation *ev)
{
	unsigned int order;

	spin_lock_irq(&ev->zone->lock);
	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		struct page *page, *next;

		list_for_each_entry_safe(page, next, &ev->pool[order], lru) {
			list_del(&page->lru);
			set_page_private(page, 0);
			__putback_isolated_page(page, order,
						get_pageblock_migratetype(page));
		}
	}
	spin_unlock_irq(&ev->zone->lock);
}

/* Take the free pages of the next target into the pool. */
static bool pool_fill(struct evacuation *ev)
{
	unsigned long pfn, end, spare;
	struct zone *zone = ev->zone;

	if (ev->next_target == ev->plan.nr_targets)
		return false;
	pfn = ev->start + ev->plan.target[ev->next_target++] * pageblock_nr_pages;
	end = pfn + pageblock_nr_pages;

	spin_lock_irq(&zone->lock);
	spare = high_wmark_pages(zone) + pageblock_nr_pages;
	while (pfn < end && zone_page_state(zone, NR_FREE_PAGES) > spare) {
		struct page *page = pfn_to_page(pfn);
		unsigned int order;

		if (!PageBuddy(page)) {
			pfn++;
			continue;
		}
		order = buddy_order(page);
		if (order >= pageblock_order ||
		    get_pageblock_migratetype(page) != MIGRATE_MOVABLE)
			break;
		if (!PageHWPoison(page)) {
			__page_reporting_isolate(page, order);
			set_page_private(page, order);
			list_add_tail(&page->lru, &ev->pool[order]);
		}
		pfn += 1UL << order;
	}
	spin_unlock_irq(&zone->lock);
	return true;
}

static struct page *pool_take(struct evacuation *ev, unsigned int order)
{
	struct page *page;
	unsigned int o;

	do {
		for (o = order; o < NR_PAGE_ORDERS && list_empty(&ev->pool[o]); o++)
			;
		if (o < NR_PAGE_ORDERS)
			break;
	} while (pool_fill(ev));
	if (o == NR_PAGE_ORDERS)
		return NULL;

	page = list_first_entry(&ev->pool[o], struct page, lru);
	list_del(&page->lru);
	while (o > order) {
		struct page *half = page + (1UL << --o);

		set_page_private(half, o);
		list_add(&half->lru, &ev->pool[o]);
	}
	return page;
}

static struct folio *target_alloc_noprof(struct folio *src, unsigned long private)
{
	struct evacuation *ev = (struct evacuation *)private;
	unsigned int order = folio_order(src);
	struct page *page = pool_take(ev, order);

	if (!page)
		return NULL;
	/*
	 * It came past the hook.  No lock: a granule that we have a page of can
	 * become nothing else than in use.
	 */
	page_reporting_taken(page, order, MAX_PAGE_ORDER);
	set_page_private(page, 0);
	post_alloc_hook(page, order, __GFP_MOVABLE);
	set_page_refcounted(page);
	if (order)
		prep_compound_page(page, order);
	return page_rmappable_folio(page);
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
	struct page *page = &dst->page;

	if (folio_put_testzero(dst) && free_pages_prepare(page, order)) {
		set_page_private(page, order);
		list_add(&page->lru, &ev->pool[order]);
	}
}

/* Moving */

static bool must_stay(struct list_head *folios)
{
	struct folio *folio;

	list_for_each_entry(folio, folios, lru)
		if (folio_test_mlocked(folio) || folio_test_unevictable(folio) ||
		    folio_test_writeback(folio))
			return true;
	return false;
}

/* Move everything out of an isolated unit; returns how many pages moved. */
static unsigned int move_unit(struct evacuation *ev, unsigned long start)
{
	struct compact_control cc = {
		.order = -1,
		.zone = ev->zone,
		.mode = MIGRATE_SYNC_LIGHT,
		.ignore_skip_hint = true,
		.no_set_skip_hint = true,
		/* Not to be allocated with: mapped pages are skipped without. */
		.gfp_mask = GFP_KERNEL,
	};
	unsigned long pfn = start, end = start + pageblock_nr_pages;
	unsigned int moved = 0;
	int err = 0;

	INIT_LIST_HEAD(&cc.migratepages);
	while (pfn < end && !err) {
		unsigned int nr = 0;

		cc.nr_migratepages = 0;
		err = isolate_migratepages_range(&cc, pfn, end);
		pfn = cc.migrate_pfn;
		if (!err && must_stay(&cc.migratepages))
			err = -EBUSY;
		if (!err && !list_empty(&cc.migratepages))
			err = migrate_pages(&cc.migratepages, target_alloc, target_free,
					    (unsigned long)ev, cc.mode, MR_COMPACTION, &nr);
		moved += nr;
		if (!list_empty(&cc.migratepages))
			putback_movable_pages(&cc.migratepages);
	}
	return moved;
}

static bool unit_whole(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);

	return PageBuddy(page) && buddy_order_unsafe(page) >= pageblock_order;
}

/* Empty some units; returns how many pages moved. */
static unsigned int evacuate_batch(struct evacuation *ev, const u16 *source,
				   unsigned int nr)
{
	unsigned int i, moved = 0;
	DECLARE_BITMAP(isolated, BATCH_UNITS) = {};

	for (i = 0; i < nr; i++) {
		unsigned long pfn = ev->start + source[i] * pageblock_nr_pages;

		if (look_at_unit(pfn) != ev->units[source[i]].free)
			continue;
		if (!start_isolate_page_range(pfn, pfn + pageblock_nr_pages,
					      MIGRATE_MOVABLE, 0, GFP_NOWAIT))
			__set_bit(i, isolated);
	}
	/* What lies on per-CPU lists belongs to the units as well. */
	drain_all_pages(ev->zone);

	/* What becomes whole is cold: nobody has touched it for long. */
	granule_map_backdate(HEAT_COLD);
	for_each_set_bit(i, isolated, nr) {
		unsigned long pfn = ev->start + source[i] * pageblock_nr_pages;
		unsigned int n = move_unit(ev, pfn);
		bool whole = unit_whole(pfn);

		if (!whole)
			evacuate_forget(seen_at(table_at(pfn), pfn));
		/* The type it had, as only such are sources. */
		undo_isolate_page_range(pfn, pfn + pageblock_nr_pages, MIGRATE_MOVABLE);
		trace_page_reporting_evacuate(pfn, n, whole);
		stat_add(whole ? STAT_EVACUATED : STAT_EVACUATE_FAILED, 1);
		stat_add(STAT_EVACUATE_MOVED, n);
		moved += n;
		cond_resched();
	}
	granule_map_backdate(0);
	return moved;
}

/* Carry the plan out; returns how many pages moved. */
static unsigned int evacuate(struct evacuation *ev)
{
	unsigned int done = 0, moved = 0, order;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		INIT_LIST_HEAD(&ev->pool[order]);
	ev->next_target = 0;

	while (done < ev->plan.nr_sources && reporting_may_go_on()) {
		unsigned int nr = min(ev->plan.nr_sources - done, BATCH_UNITS);

		moved += evacuate_batch(ev, &ev->plan.source[done], nr);
		done += nr;
	}
	pool_put_all(ev);
	return moved;
}

/* The worker */

static void look_again(unsigned long delay)
{
	WRITE_ONCE(dozing, delay > EVACUATE_LOOK_MIN);
	reporting_queue(&evacuate_work, delay);
}

/*
 * Look at one window and do what can be done there; returns the pages moved.
 * In a hurry, what changed a moment ago is moved as well.
 */
static unsigned int go(struct evacuation *ev, unsigned long start,
		       unsigned int budget, bool hurry)
{
	unsigned int moved = 0, i;

	get_online_mems();
	ev->start = start;
	look_at_window(ev);
	for (i = 0; hurry && i < ev->nr; i++)
		ev->units[i].quiet = true;
	evacuate_plan_make(&ev->plan, ev->units, ev->nr, pageblock_nr_pages, budget);
	if (ev->plan.nr_sources >= EVACUATE_WORTH) {
		lru_add_drain_all();
		moved = evacuate(ev);
	}
	put_online_mems();
	return moved;
}

/*
 * Pages on the CPUs' own lists belong to units, of which they would trickle
 * back one by one, and no unit with such a page is quiet, or movable.
 */
static void settle(void)
{
	lru_add_drain_all();
	reporting_drain(HEAT_COLD);
	settled = true;
}

static void evacuate_work_func(struct work_struct *work)
{
	struct evacuation *ev = the_evacuation;
	unsigned int moved;
	bool active, calm;

	if (!allowed())
		return;

	calm = guest_calm(&active);
	if (active) {
		rounds_left = ROUNDS;
		settled = false;
	}
	if (!rounds_left) {
		look_interval = evacuate_next_look(look_interval, active);
		look_again(look_interval);
		return;
	}
	look_interval = EVACUATE_LOOK_MIN;
	/* Only a fresh sample tells whether the guest is idle now. */
	if (!calm || time_after(jiffies, sample.when + SAMPLE_AGE_MAX) || !guest_idle()) {
		sample_take();
		look_again(IDLE_BEFORE);
		return;
	}

	if (!cursor && !settled)
		settle();
	mutex_lock(&reporting_pass_lock);
	moved = go(ev, cursor, EVACUATE_BUDGET, false);
	mutex_unlock(&reporting_pass_lock);

	if (moved) {
		/* Once more here: there may be more than the budget allowed. */
		rounds_left = ROUNDS;
		reporting_kick();
	} else if (ev->nr) {
		round_stranded += ev->stranded;
		cursor += ev->nr * pageblock_nr_pages;
	} else {
		cursor = 0;
		rounds_left--;
		atomic_long_set(&reporting_stats[STAT_STRANDED_PAGES], round_stranded);
		round_stranded = 0;
	}
	sample_take();
	look_again(moved ? IDLE_MOVED : cursor ? IDLE_LOOKED : EVACUATE_QUIET);
}

/**
 * evacuate_start - begin to look around, after a change of conditions
 *
 * Context: Process context.
 */
void evacuate_start(void)
{
	if (!allowed())
		return;
	look_again(EVACUATE_LOOK_MIN);
}

/**
 * evacuate_now - make whole what can be, at once
 * @until: when to stop, in jiffies
 *
 * For who flushes: without regard to how idle the guest is, or how quiet a
 * unit.
 *
 * Context: From a work of reporting_queue(); may sleep.
 */
void evacuate_now(unsigned long until)
{
	struct evacuation *ev = the_evacuation;
	unsigned long start = 0;

	do {
		mutex_lock(&reporting_pass_lock);
		if (reporting_may_go_on())
			go(ev, start, U32_MAX, true);
		else
			ev->nr = 0;
		start += ev->nr * pageblock_nr_pages;
		mutex_unlock(&reporting_pass_lock);
	} while (ev->nr && time_before(jiffies, until));
}

/**
 * evacuate_stop - make sure that nothing is moved, now or later
 *
 * Context: Process context, may sleep.  The caller has made allowed() false.
 */
void evacuate_stop(void)
{
	cancel_delayed_work_sync(&evacuate_work);
}

/**
 * evacuate_dozes - does the worker look around only seldom?
 *
 * Return: true if a hook should call evacuate_start(), through an interrupt.
 */
bool evacuate_dozes(void)
{
	return READ_ONCE(dozing);
}

/**
 * evacuate_init - get ready
 *
 * Context: Once, at boot.
 * Return: 0 or -ENOMEM.
 */
int __init evacuate_init(void)
{
	the_evacuation = kvzalloc(sizeof(*the_evacuation), GFP_KERNEL);
	return the_evacuation ? 0 : -ENOMEM;
}
