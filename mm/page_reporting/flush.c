// SPDX-License-Identifier: GPL-2.0
/*
 * Flush: report everything that is free, now, and say when the host has it.
 *
 * For who is about to snapshot, park or migrate the guest.  A write to
 * vm.page_reporting_flush returns when the last piece is acknowledged; writers
 * that come together share one flush.  Who gives up, by time limit or signal,
 * leaves the work to be finished: nothing is undone.
 */
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <trace/events/page_reporting.h>

#include "internal.h"

/*
 * A flush that is asked for while one runs starts after it, for that one may
 * have passed what the asker freed.  Under flush_lock.
 */
static DEFINE_SPINLOCK(flush_lock);
static unsigned long asked;		/* the newest flush that was asked for */
static unsigned long started;		/* the newest that has begun */
static unsigned long done;		/* the newest that is over */
static unsigned long deadline;		/* of evacuation, in jiffies */
static bool evacuate_first;
static int last_err;

static DECLARE_WAIT_QUEUE_HEAD(flush_done);

static void flush_func(struct work_struct *work);
static DECLARE_DELAYED_WORK(flusher, flush_func);

/*
 * Bring what lies on per-CPU lists to where passes look.  It was free before,
 * and who flushes does not ask how cold it is.
 */
static void drain_everything(void)
{
	lru_add_drain_all();
	reporting_drain(1);
}

static int flush_once(bool evacuate, unsigned long until)
{
	struct page_reporting_dev_info *prdev;
	struct pass_result result;
	int err;

	drain_everything();
	if (evacuate)
		evacuate_now(until);

	mutex_lock(&reporting_pass_lock);
	prdev = reporting_device(&err);
	if (!err) {
		result = pass_run(prdev, 0);
		/* Cut short? */
		reporting_device(&err);
		err = err ?: result.err;
	}
	mutex_unlock(&reporting_pass_lock);
	return err;
}

static void flush_func(struct work_struct *work)
{
	ktime_t start = ktime_get();
	unsigned long generation, until;
	bool evacuate;
	s64 us;
	int err;

	spin_lock(&flush_lock);
	started = asked;
	generation = started;
	evacuate = evacuate_first;
	until = deadline;
	evacuate_first = false;
	spin_unlock(&flush_lock);

	err = flush_once(evacuate, until);
	us = ktime_us_delta(ktime_get(), start);
	trace_page_reporting_flush(generation, us, err);
	atomic_long_set(&reporting_stats[STAT_LAST_FLUSH_US], us);
	atomic_long_set(&reporting_stats[STAT_FLUSHES], generation);

	spin_lock(&flush_lock);
	done = generation;
	last_err = err;
	if (asked != generation)
		reporting_queue(&flusher, 0);
	spin_unlock(&flush_lock);
	wake_up_all(&flush_done);
}

static bool is_done(unsigned long generation)
{
	return (long)(READ_ONCE(done) - generation) >= 0;
}

/**
 * flush_run - report everything that is free and wait until the host has it
 * @timeout_ms: how long to wait, in milliseconds
 * @evacuate: make free memory whole first, for at most half of that time
 *
 * Context: Process context; may be killed or frozen while it waits.
 * Return: 0 when the host has acknowledged the last piece; -ETIMEDOUT or -EINTR
 * if the wait ended before, and the flush goes on; -EBUSY while reporting is
 * paused; -ENODEV without a device; or what the device said.
 */
int flush_run(unsigned int timeout_ms, bool evacuate)
{
	unsigned long timeout = msecs_to_jiffies(timeout_ms), mine;
	long left;
	int err;

	reporting_device(&err);
	if (err)
		return err;

	spin_lock(&flush_lock);
	/* One that has not begun yet serves us as well. */
	if (asked == started)
		asked++;
	mine = asked;
	if (evacuate) {
		evacuate_first = true;
		deadline = jiffies + timeout / 2;
	}
	if (started == done)
		reporting_queue(&flusher, 0);
	spin_unlock(&flush_lock);

	left = ___wait_event(flush_done, ___wait_cond_timeout(is_done(mine)),
			     (TASK_KILLABLE | TASK_FREEZABLE), 0, timeout,
			     __ret = schedule_timeout(__ret));
	if (left < 0)
		return -EINTR;
	if (!left)
		return -ETIMEDOUT;
	return READ_ONCE(last_err);
}

/**
 * flush_stop - let who waits know that the device has gone
 *
 * Context: Process context, may sleep.  reporting_device() has none already.
 */
void flush_stop(void)
{
	flush_delayed_work(&flusher);
}
