// SPDX-License-Identifier: GPL-2.0
/*
 * Evacuation: free memory that lies in pieces becomes whole.
 *
 * A host that backs its guests with huge pages cannot take back anything smaller, and
 * a single page in use keeps a whole unit (2 MiB) in the guest.  This file empties the
 * emptiest units into the holes of the fullest ones; a later pass reports them.
 *
 * It runs on a workqueue of its own, and holds nothing that others wait for while
 * it moves pages: should it get stuck, nothing else does.
 *
 * A round goes over all memory, window by window: look at its units (evacuate_look.c),
 * plan (evacuate_policy.c), take room from targets (evacuate_targets.c), and empty sources
 * (evacuate_unit.c).  A unit is begun only if everything in it seems to be movable.  While
 * it is emptied its pageblock is isolated, so that what becomes free in it stays there and
 * merges.
 */
#undef pr_fmt
#define pr_fmt(fmt) "page_reporting: " fmt

#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/page-isolation.h>
#include <linux/sched.h>
#include <linux/sched/cputime.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <trace/events/page_reporting.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "../page_reporting.h"
#include "evacuate.h"
#include "evacuate_load.h"
#include "evacuate_look.h"
#include "evacuate_policy.h"
#include "evacuate_targets.h"
#include "evacuate_unit.h"
#include "state.h"
#include "worker.h"

/* Rounds after something has changed: one to remember, one to act, one to tidy up. */
#define ROUNDS		3
/* Units that are remembered together. */
#define SEEN_UNITS	64
/* A plan that is older than this is made anew. */
#define PLAN_AGE_MAX	(10 * HZ)

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
 * @filling: the target last begun has more to take
 * @closed_type: migratetype of the unit that is isolated
 * @targets: what was taken from targets
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
	bool filling;
	int closed_type;
	struct evacuate_targets targets;
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
 * not while pages are moved: a unit that is isolated, or that pages were taken from,
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
		if (fpr_unit_is_free(pfn) || !fpr_type_is_ordinary(page))
			continue;

		left = fpr_unit_look(pfn, &unit->free, &ev->looked);
		/* What is full can only be emptied. */
		if (unit->free >= EVACUATE_UNIT_PAGES || (left && !unit->free))
			continue;
		if (left && get_pageblock_migratetype(page) != MIGRATE_MOVABLE) {
			unit->free -= min_t(u16, unit->free, EVACUATE_KERNEL_KEEPS);
			unit->target = true;
			unit->kernel = true;
			continue;
		}
		ev->stranded += unit->free;
		unit->target = unit->free;
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

/* Carrying it out */

/* Take room for @need pages; false if the plan has no more targets. */
static bool targets_fill(struct evacuation *ev, unsigned int need)
{
	while (ev->targets.nr_pages < need) {
		if (!ev->filling) {
			unsigned int unit;

			if (ev->next_target == ev->plan.nr_targets)
				return false;
			unit = ev->plan.target[ev->next_target++];
			fpr_targets_from(&ev->targets, ev->start + EVACUATE_UNIT_PAGES * unit,
					 ev->units[unit].free);
		}
		ev->filling = fpr_targets_take(&ev->targets, ev->zone, need);
		cond_resched();
	}
	return true;
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
	left = *go_on ? fpr_unit_look(pfn, &nr_free, &looked) : FPR_LEFT_RACED;
	if (!left && nr_free != ev->units[unit].free)
		left = FPR_LEFT_RACED;
	if (!left && !targets_fill(ev, EVACUATE_UNIT_PAGES - nr_free)) {
		left = FPR_LEFT_NO_TARGET;
		*go_on = false;
	}
	if (!left && !__page_reporting_close(unit_pageblock(pfn), &ev->closed_type))
		left = FPR_LEFT_RACED;
	mutex_unlock(&offline_lock);
	return left;
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

	*go_on = fpr_zone_can_spare_unit(ev->zone);
	if (!*go_on)
		return 0;
	left = unit_prepare(ev, unit, go_on);
	if (!left) {
		moved = fpr_unit_empty(pfn, ev->zone, &ev->targets, &left, &begun);
		__page_reporting_open(unit_pageblock(pfn), ev->closed_type);
	}

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
	fpr_targets_put(&ev->targets, ev->zone);
	ev->filling = false;
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
	ev->filling = false;
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
		if (!fpr_memory_is_calm()) {
			plan_drop(ev);
			return HZ;
		}
		if (!rounds_left && fpr_memory_was_active()) {
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
	share = fpr_evacuate_cpu_share();
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
		fpr_targets_init(&the_evacuation->targets);
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
