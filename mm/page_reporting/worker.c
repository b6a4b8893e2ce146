// SPDX-License-Identifier: GPL-2.0
/*
 * The worker: when a pass runs.
 *
 * It sleeps until the next granule falls due, and without limit when nothing is
 * dirty.  One time says when the next pass runs.  A pass sets it; everybody else
 * can only ask for an earlier one.
 */
#include <linux/buffer_head.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include <trace/events/page_reporting.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "../page_reporting.h"
#include "map.h"
#include "pass.h"
#include "policy.h"
#include "state.h"
#include "worker.h"

/* Draining per-CPU lists disturbs everybody: a pass must have reported this much. */
#define DRAIN_WORTH_PAGES	(SZ_16M >> PAGE_SHIFT)
/* Least time between two drains after bursts, and between two that no flush asked for. */
#define DRAIN_INTERVAL		(5 * HZ)
/* After a burst of this size nobody minds another drain: to free it was more work. */
#define DRAIN_ALWAYS_PAGES	(SZ_512M >> PAGE_SHIFT)
/* The wait after an error; it doubles with each further one, up to the maximum. */
#define BACKOFF_MIN		HZ
#define BACKOFF_MAX		(60 * HZ)

/* Freezable, as nothing may be reported while the system is suspended. */
struct workqueue_struct *fpr_wq;

static void pass_work_func(struct work_struct *work);
static DECLARE_DELAYED_WORK(pass_work, pass_work_func);

/*
 * When the next pass runs, valid if one is scheduled, and the earliest time at
 * which one may; that may lie so far back that jiffies have wrapped.  Under
 * due_lock; hooks read without it.
 */
static DEFINE_SPINLOCK(due_lock);
static bool scheduled;
static unsigned long due;
static u64 not_before;

/* Pages that have become dirty since the last pass began. */
static atomic_long_t fresh_pages;

/* Only the worker uses these. */
static unsigned long backoff;
static unsigned long retry;
static unsigned long reported_since_drain;
static u64 burst_drained;

static u64 last_drain;

static unsigned long threshold_pages(void)
{
	return READ_ONCE(page_reporting_threshold_kbytes) >> (PAGE_SHIFT - 10);
}

/* Make sure that a pass runs within @delay jiffies, or as soon as one may. */
static void schedule_pass(unsigned long delay)
{
	unsigned long flags, when;
	u64 now;

	spin_lock_irqsave(&due_lock, flags);
	now = get_jiffies_64();
	if (not_before > now)
		delay = max_t(unsigned long, delay, not_before - now);
	when = (unsigned long)now + delay;
	if (!scheduled || time_before(when, due)) {
		WRITE_ONCE(scheduled, true);
		WRITE_ONCE(due, when);
		mod_delayed_work(fpr_wq, &pass_work, delay);
	}
	spin_unlock_irqrestore(&due_lock, flags);
}

/* How soon a pass is wanted for so many pages that have become dirty just now. */
static unsigned long wanted_in(unsigned long fresh)
{
	return fpr_policy_sleep(fresh, threshold_pages(), fpr_base_delay());
}

static void wake_irq_func(struct irq_work *work)
{
	if (fpr_may_go_on())
		schedule_pass(wanted_in(atomic_long_read(&fresh_pages)));
}

static DEFINE_IRQ_WORK(wake_irq, wake_irq_func);

/**
 * fpr_worker_note() - memory has become dirty
 * @nr_pages: how much
 *
 * Makes sure that a pass is scheduled.
 *
 * Context: Any, under zone->lock too: arming a timer there could allocate, and
 * waking a task could take the lock again, so an interrupt does it.
 */
void fpr_worker_note(unsigned long nr_pages)
{
	unsigned long fresh = atomic_long_add_return(nr_pages, &fresh_pages);

	/*
	 * Ending a pause schedules a pass.  And an irq_work that is pending while
	 * the hibernation image is written never runs after resume.
	 */
	if (!fpr_may_go_on())
		return;
	if (!READ_ONCE(scheduled) ||
	    time_before(jiffies + wanted_in(fresh), READ_ONCE(due)))
		irq_work_queue(&wake_irq);
}

/**
 * fpr_worker_kick() - run a pass now because conditions have changed
 *
 * Context: Any but under zone->lock.
 */
void fpr_worker_kick(void)
{
	unsigned long flags;

	if (!fpr_may_go_on())
		return;
	spin_lock_irqsave(&due_lock, flags);
	not_before = get_jiffies_64();
	spin_unlock_irqrestore(&due_lock, flags);
	schedule_pass(0);
}

/**
 * fpr_worker_start() - begin to run passes
 *
 * Context: Process context; there is a device now.
 */
void fpr_worker_start(void)
{
	unsigned long flags;

	spin_lock_irqsave(&due_lock, flags);
	not_before = get_jiffies_64();
	spin_unlock_irqrestore(&due_lock, flags);
	/* What another device has refused says nothing about this one. */
	backoff = 0;
	schedule_pass(fpr_base_delay());
}

/**
 * fpr_worker_stop() - run no more passes
 *
 * Context: Process context; waits for a request that is under way.  There is no
 * device any more.
 */
void fpr_worker_stop(void)
{
	unsigned long flags;

	irq_work_sync(&wake_irq);
	cancel_delayed_work_sync(&pass_work);
	spin_lock_irqsave(&due_lock, flags);
	WRITE_ONCE(scheduled, false);
	spin_unlock_irqrestore(&due_lock, flags);
}

/* Sleep until something is to be done, if anything is. */
static void schedule_next(const struct pass_result *result)
{
	unsigned long flags;

	if (result->err) {
		/* Hooks cannot make the device work again. */
		backoff = clamp(2 * backoff, (unsigned long)BACKOFF_MIN,
				(unsigned long)BACKOFF_MAX);
		spin_lock_irqsave(&due_lock, flags);
		not_before = get_jiffies_64() + backoff;
		spin_unlock_irqrestore(&due_lock, flags);
		schedule_pass(backoff);
		return;
	}
	backoff = 0;

	if (result->young_pages)
		schedule_pass(fpr_policy_sleep(result->young_pages, threshold_pages(),
					       result->due_in));
	if (!result->passed_over_pages) {
		retry = 0;
	} else {
		retry = fpr_policy_retry(result->nr_pages ? 0 : retry);
		schedule_pass(retry);
	}
}

/* Free pages on lists of single CPUs */

/**
 * fpr_drain_free() - bring free pages from per-CPU lists to where passes look
 *
 * CPUs that have gone idle keep freed pages on their own lists, huge ones too,
 * and no hook sees them there.
 *
 * Context: Process context; may sleep, for no CPU longer than it takes a
 * spinlock.
 */
void fpr_drain_free(void)
{
	struct zone *zone;

	fpr_stat_add(FPR_STAT_DRAINS, 1);
	WRITE_ONCE(last_drain, get_jiffies_64());
	/* Of one zone, drain_all_pages() waits for others that drain. */
	for_each_populated_zone(zone)
		drain_all_pages(zone);
}

static void drain_and_report(void)
{
	fpr_drain_free();
	/* Even a little counts: it is the rest of what was freed before. */
	if (fpr_may_go_on())
		schedule_pass(fpr_base_delay());
}

/**
 * fpr_drain_free_if_due() - the same, unless it was done a short time ago
 *
 * Context: As fpr_drain_free().
 * Return: true if the lists were drained.
 */
bool fpr_drain_free_if_due(void)
{
	if (get_jiffies_64() - READ_ONCE(last_drain) < DRAIN_INTERVAL)
		return false;
	drain_and_report();
	return true;
}

static struct pass_result run_pass(struct page_reporting_dev_info *prdev)
{
	unsigned long delay = fpr_pace_delay(&fpr_pace, fpr_base_delay(), jiffies);
	ktime_t start = ktime_get();
	struct pass_result result;

	trace_page_reporting_pass_start(fpr_map_pages(GRANULE_DIRTY));
	result = fpr_pass_run(prdev, delay);
	trace_page_reporting_pass_end(result.nr_pages, fpr_map_pages(GRANULE_DIRTY), delay,
				      result.err);
	reported_since_drain += result.nr_pages;
	fpr_stat_add(FPR_STAT_PASSES, 1);
	fpr_stat_set(FPR_STAT_LAST_PASS_US, ktime_us_delta(ktime_get(), start));
	return result;
}

/**
 * fpr_worker_apply_order() - bring the map to the order that is asked for
 *
 * Context: Process context, under fpr_pass_lock.
 * Return: 0, or -ENOMEM and the map is what it was.
 */
int fpr_worker_apply_order(void)
{
	unsigned int order = min_t(unsigned int, READ_ONCE(page_reporting_order),
				   pageblock_order);

	lockdep_assert_held(&fpr_pass_lock);
	if (READ_ONCE(page_reporting_granule_order) == order)
		return 0;
	return fpr_map_replace(order);
}

/* Has much been reported, all but little of what there was? */
static bool burst_is_over(void)
{
	return reported_since_drain >= DRAIN_WORTH_PAGES &&
	       fpr_map_pages(GRANULE_DIRTY) <= reported_since_drain / 8;
}

/*
 * Get the rest of the burst, which lies on per-CPU lists.  Do not wait because evacuation
 * drained them a moment before the burst.
 */
static void drain_after_burst(void)
{
	u64 now = get_jiffies_64();

	if (now - burst_drained < DRAIN_INTERVAL && reported_since_drain < DRAIN_ALWAYS_PAGES) {
		/* There may be no other pass at the end of that time. */
		if (fpr_may_go_on())
			schedule_pass(burst_drained + DRAIN_INTERVAL - now);
		return;
	}
	burst_drained = now;
	reported_since_drain = 0;
	drain_and_report();
}

static void pass_work_func(struct work_struct *work)
{
	struct page_reporting_dev_info *prdev;
	struct pass_result result = {};
	unsigned long flags;

	mutex_lock(&fpr_pass_lock);
	spin_lock_irqsave(&due_lock, flags);
	WRITE_ONCE(scheduled, false);
	spin_unlock_irqrestore(&due_lock, flags);
	/* What is freed from now on counts for the next pass. */
	atomic_long_set(&fresh_pages, 0);
	/*
	 * A hook makes memory dirty and then looks whether a pass is scheduled: either
	 * it sees that none is, or this pass sees the memory.
	 */
	smp_mb();

	prdev = fpr_device();
	if (!IS_ERR(prdev)) {
		/* hv_balloon changes the order from within its report(). */
		result.err = fpr_worker_apply_order();
		if (!result.err)
			result = run_pass(prdev);
		schedule_next(&result);
	}
	mutex_unlock(&fpr_pass_lock);

	if (burst_is_over())
		drain_after_burst();
}

/* Pages on their way to the LRU lists */

static void lru_drain_func(struct work_struct *work)
{
	lru_add_drain();
#ifdef CONFIG_BUFFER_HEAD
	invalidate_bh_lrus_cpu();
#endif
}

static DEFINE_PER_CPU(struct work_struct, lru_drain_work);

/**
 * fpr_drain_lru() - bring pages from per-CPU batches to the LRU lists
 * @until: give up waiting then, in jiffies
 *
 * Like lru_add_drain_all(), which would wait for ever for a CPU on which a
 * real-time task never sleeps.  Such a CPU does its part when it can.
 *
 * Context: Process context; sleeps until @until at most.
 * Return: true if all CPUs have done so, false if not.
 */
bool fpr_drain_lru(unsigned long until)
{
	static cpumask_t asked;
	static DEFINE_MUTEX(lock);
	bool all = true;
	int cpu;

	mutex_lock(&lock);
	cpus_read_lock();
	cpumask_clear(&asked);
	for_each_online_cpu(cpu)
		if (queue_work_on(cpu, system_highpri_wq, per_cpu_ptr(&lru_drain_work, cpu)))
			cpumask_set_cpu(cpu, &asked);
		else
			all = false;
	cpus_read_unlock();
	for_each_cpu(cpu, &asked) {
		struct work_struct *work = per_cpu_ptr(&lru_drain_work, cpu);

		while (work_busy(work) && time_before(jiffies, until) && fpr_may_go_on())
			schedule_timeout_uninterruptible(1);
		all &= !work_busy(work);
	}
	mutex_unlock(&lock);
	return all;
}

static int __init worker_init(void)
{
	int cpu;

	fpr_wq = alloc_workqueue("page_reporting", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!fpr_wq)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&lru_drain_work, cpu), lru_drain_func);
	return 0;
}

/* Before any driver registers. */
core_initcall(worker_init);
