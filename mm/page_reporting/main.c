// SPDX-License-Identifier: GPL-2.0
/*
 * Life of the engine: the device, the worker that runs passes, and suspend.
 */
#define pr_fmt(fmt) "page_reporting: " fmt

#include <linux/cc_platform.h>
#include <linux/crash_dump.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

#include <trace/events/page_reporting.h>

#include "../page_reporting.h"
#include "internal.h"
#include "policy.h"

/* Draining per-CPU lists disturbs everybody: only after so much was reported, */
#define DRAIN_WORTH_PAGES	(SZ_16M >> PAGE_SHIFT)
/* and not more often than this. */
#define DRAIN_INTERVAL		(5 * HZ)
/* After an error the next try waits so long, and twice as long each time. */
#define BACKOFF_MIN		HZ
#define BACKOFF_MAX		(60 * HZ)
/* A host that has not answered after this time makes a suspend fail. */
#define SUSPEND_TIMEOUT		(10 * HZ)

/* Serialises registration and changes of what is registered. */
static DEFINE_MUTEX(registry_lock);
/* One pass, one evacuation, or one change of the map at a time. */
DEFINE_MUTEX(reporting_pass_lock);

static struct page_reporting_dev_info *the_device;
static struct workqueue_struct *reporting_wq;

/* Who does not want passes now; bits. */
enum { PAUSE_SUSPEND, PAUSE_USER };
static unsigned long paused;

DEFINE_STATIC_KEY_FALSE(page_reporting_enabled);

/*
 * The worker sleeps; has been told to come by and by, for crumbs; or is on its
 * way, and hooks need not call it.
 */
enum { WAKE_NONE, WAKE_LATE, WAKE_SOON };
static int wake;

static void pass_work_func(struct work_struct *work);
static DECLARE_DELAYED_WORK(pass_work, pass_work_func);

/* What the last pass looked at and left dirty. */
static unsigned long left_pages;

/* A pass was asked for after the one that runs has begun. */
static bool kicked;

static unsigned long reported_since_drain;
static unsigned long last_drain;
static unsigned long backoff;

/**
 * reporting_delay - how long a cold granule stays free before it is reported
 *
 * Return: Jiffies; 0 for at once, however hot it is.
 */
unsigned long reporting_delay(void)
{
	return msecs_to_jiffies(READ_ONCE(page_reporting_delay_ms));
}

static unsigned long threshold_pages(void)
{
	return READ_ONCE(page_reporting_threshold_kbytes) >> (PAGE_SHIFT - 10);
}

/**
 * reporting_may_go_on - may a pass send one more request?
 *
 * Return: false once somebody paused the engine or took the device away.
 */
bool reporting_may_go_on(void)
{
	return !READ_ONCE(paused) && READ_ONCE(the_device);
}

/**
 * reporting_device - who takes reports now
 * @err: -ENODEV if nobody, -EBUSY if the engine is paused, else 0
 *
 * Context: The device stays under reporting_pass_lock.
 * Return: The device, if there is no error.
 */
struct page_reporting_dev_info *reporting_device(int *err)
{
	struct page_reporting_dev_info *prdev = READ_ONCE(the_device);

	*err = !prdev ? -ENODEV : READ_ONCE(paused) ? -EBUSY : 0;
	return *err ? NULL : prdev;
}

static void wake_irq_func(struct irq_work *work)
{
	if (!reporting_may_go_on())
		return;
	if (READ_ONCE(wake) == WAKE_SOON)
		reporting_queue(&pass_work, max_t(unsigned long, reporting_delay(),
						  POLICY_MIN_SLEEP));
	else
		queue_delayed_work(reporting_wq, &pass_work, POLICY_CRUMBS);
}

static DEFINE_IRQ_WORK(wake_irq, wake_irq_func);

static void evacuate_irq_func(struct irq_work *work)
{
	evacuate_start();
}

static DEFINE_IRQ_WORK(evacuate_irq, evacuate_irq_func);

/**
 * reporting_wake - see to it that a pass will look at what is dirty
 * @dirty_pages: how much that is
 *
 * Context: Any, under zone->lock too: arming a timer there could allocate, and
 * waking a task could take the lock again, so an interrupt does it.
 */
void reporting_wake(unsigned long dirty_pages)
{
	unsigned long worth = READ_ONCE(left_pages) + threshold_pages();
	int want = dirty_pages >= worth ? WAKE_SOON : WAKE_LATE;
	int now = READ_ONCE(wake);

	/*
	 * Who ends a pause asks for a pass.  And an interrupt that is on its way
	 * while the image of a hibernating guest is made is lost for ever.
	 */
	if (READ_ONCE(paused))
		return;
	if (now < want && cmpxchg(&wake, now, want) == now)
		irq_work_queue(&wake_irq);
}

/**
 * reporting_stir - memory comes into use: see to it that it will be looked at
 *
 * Context: As reporting_wake().
 */
void reporting_stir(void)
{
	if (evacuate_dozes() && !READ_ONCE(paused))
		irq_work_queue(&evacuate_irq);
}

/**
 * reporting_queue - run a work on the engine's own queue, one at a time
 * @work: the work
 * @delay: in jiffies from now, whatever was asked before
 *
 * Context: Any but under zone->lock.
 */
void reporting_queue(struct delayed_work *work, unsigned long delay)
{
	mod_delayed_work(reporting_wq, work, delay);
}

/**
 * reporting_kick - run a pass now, for conditions have changed
 *
 * Context: Process context.
 */
void reporting_kick(void)
{
	if (!reporting_may_go_on())
		return;
	WRITE_ONCE(kicked, true);
	WRITE_ONCE(wake, WAKE_SOON);
	reporting_queue(&pass_work, 0);
}

/**
 * reporting_wait - wait until a pass that was asked for is over
 *
 * Context: Process context; waits as long as the host does.
 */
void reporting_wait(void)
{
	flush_delayed_work(&pass_work);
	/* The pass that ran may have put off the one that was asked for. */
	flush_delayed_work(&pass_work);
}

/*
 * Sleep until something is to be done, if anything is.  What the pass left is
 * hot, or in a tight zone, and sets the time; hooks call earlier for what is
 * freed from now on.
 */
static void rearm(const struct pass_result *result)
{
	unsigned long base = reporting_delay(), dirty, fresh, sleep;

	if (result->err) {
		/* Hooks cannot make the device work again. */
		backoff = clamp(2 * backoff, (unsigned long)BACKOFF_MIN,
				(unsigned long)BACKOFF_MAX);
		WRITE_ONCE(wake, WAKE_SOON);
		reporting_queue(&pass_work, backoff);
		return;
	}
	backoff = 0;

	WRITE_ONCE(left_pages, result->left_pages);
	WRITE_ONCE(wake, WAKE_NONE);
	/* A hook that saw the worker busy has counted its pages by now. */
	smp_mb();
	dirty = granule_map_pages(GRANULE_DIRTY);
	if (!dirty)
		return;

	sleep = policy_sleep(result->left_pages, threshold_pages(),
			     result->due_in, base);
	fresh = dirty > result->left_pages ? dirty - result->left_pages : 0;
	if (fresh)
		sleep = min(sleep, policy_sleep(fresh, threshold_pages(), base, base));
	if (READ_ONCE(kicked))
		sleep = 0;
	WRITE_ONCE(wake, sleep > base ? WAKE_LATE : WAKE_SOON);
	reporting_queue(&pass_work, sleep);
}

/**
 * reporting_drain - bring what lies on per-CPU lists to where passes look
 * @since: it was freed so long ago at least, in jiffies; not 0
 *
 * CPUs that have gone idle keep freed pages on their own lists, huge ones too,
 * and no hook sees them there.  They count as due at once.
 *
 * Context: From a work of reporting_queue(); may sleep.
 */
void reporting_drain(unsigned long since)
{
	struct zone *zone;

	stat_add(STAT_DRAINS, 1);
	granule_map_backdate(since);
	/* Of one zone, drain_all_pages() waits for others that drain. */
	for_each_populated_zone(zone)
		drain_all_pages(zone);
	granule_map_backdate(0);
}

/* Once a burst has been reported, get the rest of it. */
static bool drain_after_burst(void)
{
	unsigned long dirty = granule_map_pages(GRANULE_DIRTY);

	if (reported_since_drain < DRAIN_WORTH_PAGES ||
	    dirty > reported_since_drain / 8 ||
	    time_before(jiffies, last_drain + DRAIN_INTERVAL))
		return false;

	reported_since_drain = 0;
	last_drain = jiffies;
	reporting_drain(1);
	return true;
}

static struct pass_result run_once(struct page_reporting_dev_info *prdev)
{
	ktime_t start = ktime_get();
	struct pass_result result;

	trace_page_reporting_pass_start(granule_map_pages(GRANULE_DIRTY));
	result = pass_run(prdev, reporting_delay());
	trace_page_reporting_pass_end(result.nr_pages,
				      granule_map_pages(GRANULE_DIRTY),
				      result.due_in, result.err);
	reported_since_drain += result.nr_pages;
	stat_add(STAT_PASSES, 1);
	atomic_long_set(&reporting_stats[STAT_LAST_PASS_US],
			ktime_us_delta(ktime_get(), start));
	return result;
}

/* Bring the map to the order that is asked for.  Under reporting_pass_lock. */
static int apply_order(void)
{
	unsigned int order = min_t(unsigned int, READ_ONCE(page_reporting_order),
				   pageblock_order);

	lockdep_assert_held(&reporting_pass_lock);
	if (READ_ONCE(page_reporting_granule_order) == order)
		return 0;
	return granule_map_replace(order);
}

static void pass_work_func(struct work_struct *work)
{
	struct page_reporting_dev_info *prdev;
	struct pass_result result = {};
	int err;

	mutex_lock(&reporting_pass_lock);
	prdev = reporting_device(&err);
	if (prdev) {
		WRITE_ONCE(kicked, false);
		WRITE_ONCE(wake, WAKE_SOON);
		/* hv_balloon changes the order from within its report(). */
		result.err = apply_order();
		if (!result.err)
			result = run_once(prdev);
		if (!result.err && drain_after_burst())
			result = run_once(prdev);
		if (reporting_may_go_on())
			rearm(&result);
	}
	mutex_unlock(&reporting_pass_lock);
}

/**
 * reporting_set_order - change the order of a granule
 * @order: the new one, at most pageblock_order
 *
 * Everything free will be reported again.
 *
 * Context: Process context; waits for a request that is under way.
 * Return: 0, -EINTR if killed while waiting, or -ENOMEM; then nothing changed.
 */
int reporting_set_order(unsigned int order)
{
	unsigned int was;
	int err = 0;

	if (mutex_lock_killable(&registry_lock))
		return -EINTR;
	if (mutex_lock_killable(&reporting_pass_lock)) {
		mutex_unlock(&registry_lock);
		return -EINTR;
	}
	was = page_reporting_order;
	WRITE_ONCE(page_reporting_order, order);
	if (the_device)
		err = apply_order();
	if (err)
		WRITE_ONCE(page_reporting_order, was);
	mutex_unlock(&reporting_pass_lock);
	mutex_unlock(&registry_lock);
	reporting_kick();
	return err;
}

/**
 * page_reporting_register - start to report free memory to a device
 * @prdev: the device; stays in use until page_reporting_unregister()
 *
 * All that is free now is reported once, as the host may still hold what an
 * earlier kernel or driver left.
 *
 * Context: Process context, may sleep.  The device must be ready to take
 * requests.
 * Return: 0; -EBUSY if there is a device already; -EOPNOTSUPP where discarding
 * memory would break the guest (memory encryption) or be of no use (a kernel
 * that only saves a crash dump); -ENOMEM.
 */
int page_reporting_register(struct page_reporting_dev_info *prdev)
{
	int err = 0;

	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT) || is_kdump_kernel()) {
		pr_info("not used in an encrypted guest or a crash kernel\n");
		return -EOPNOTSUPP;
	}

	mutex_lock(&registry_lock);
	if (the_device) {
		err = -EBUSY;
		goto out;
	}

	if (page_reporting_order == -1)
		WRITE_ONCE(page_reporting_order,
			   prdev->order && prdev->order < pageblock_order ?
			   prdev->order : pageblock_order);

	mutex_lock(&reporting_pass_lock);
	err = apply_order();
	mutex_unlock(&reporting_pass_lock);
	if (err)
		goto out;

	static_branch_enable(&page_reporting_enabled);
	WRITE_ONCE(the_device, prdev);
	WRITE_ONCE(wake, WAKE_SOON);
	reporting_queue(&pass_work, reporting_delay());
	evacuate_start();
	pr_info("Free page reporting enabled, %lu KiB a granule\n",
		PAGE_SIZE / 1024 << page_reporting_granule_order);
out:
	mutex_unlock(&registry_lock);
	return err;
}
EXPORT_SYMBOL_GPL(page_reporting_register);

/**
 * page_reporting_unregister - stop to report to a device
 * @prdev: the device; nothing happens if it is not the registered one
 *
 * What was known of the memory is forgotten: the next device may be another
 * host's.
 *
 * Context: Process context; waits for the device to answer a request that is
 * under way.
 */
void page_reporting_unregister(struct page_reporting_dev_info *prdev)
{
	mutex_lock(&registry_lock);
	if (prdev == the_device) {
		WRITE_ONCE(the_device, NULL);
		irq_work_sync(&wake_irq);
		irq_work_sync(&evacuate_irq);
		cancel_delayed_work_sync(&pass_work);
		evacuate_stop();
		flush_stop();
		static_branch_disable(&page_reporting_enabled);
		mutex_lock(&reporting_pass_lock);
		granule_map_drop();
		mutex_unlock(&reporting_pass_lock);
	}
	mutex_unlock(&registry_lock);
}
EXPORT_SYMBOL_GPL(page_reporting_unregister);

static void pause_clear(int who)
{
	clear_bit(who, &paused);
	reporting_kick();
	evacuate_start();
}

/**
 * reporting_set_pause - stop reporting, or go on
 * @on: stop
 *
 * Context: Process context; to stop, waits for a request that is under way.
 * Return: 0; or -EINTR if killed while waiting: reporting is paused, but the
 * last request may still be at the host.
 */
int reporting_set_pause(bool on)
{
	if (!on) {
		if (test_bit(PAUSE_USER, &paused))
			pause_clear(PAUSE_USER);
		return 0;
	}
	set_bit(PAUSE_USER, &paused);
	if (mutex_lock_killable(&reporting_pass_lock))
		return -EINTR;
	mutex_unlock(&reporting_pass_lock);
	return 0;
}

/**
 * reporting_paused - has the user paused reporting?
 *
 * Return: true if so; a suspend under way does not count.
 */
bool reporting_paused(void)
{
	return test_bit(PAUSE_USER, &paused);
}

/*
 * Hibernation counts and copies free memory before it freezes workqueues, so
 * nothing may be away by then.
 */
static int pause_for_suspend(void)
{
	unsigned long end = jiffies + SUSPEND_TIMEOUT;

	set_bit(PAUSE_SUSPEND, &paused);
	cancel_delayed_work(&pass_work);
	while (!mutex_trylock(&reporting_pass_lock)) {
		if (time_after(jiffies, end)) {
			pr_warn("the host does not answer: no suspend now\n");
			pause_clear(PAUSE_SUSPEND);
			return -EBUSY;
		}
		schedule_timeout_uninterruptible(max(HZ / 100, 1));
	}
	mutex_unlock(&reporting_pass_lock);
	return 0;
}

static int pm_notify(struct notifier_block *nb, unsigned long event, void *arg)
{
	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		return notifier_from_errno(pause_for_suspend());
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		/* The image came back into memory that the host had dropped. */
		mutex_lock(&reporting_pass_lock);
		granule_map_forget();
		mutex_unlock(&reporting_pass_lock);
		fallthrough;
	case PM_POST_SUSPEND:
		pause_clear(PAUSE_SUSPEND);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block pm_nb = { .notifier_call = pm_notify };

static int __init page_reporting_init(void)
{
	int err;

	reporting_wq = alloc_ordered_workqueue("page_reporting", WQ_FREEZABLE);
	if (!reporting_wq)
		return -ENOMEM;
	last_drain = jiffies - DRAIN_INTERVAL;
	err = pass_init();
	if (!err)
		err = evacuate_init();
	if (!err)
		err = granule_map_init();
	if (!err)
		err = stats_init();
	if (!err)
		err = reporting_sysctl_init();
	if (!err)
		err = register_pm_notifier(&pm_nb);
	if (err)
		pr_err("cannot start: %d\n", err);
	return err;
}

/* Before any driver registers. */
subsys_initcall(page_reporting_init);
