// SPDX-License-Identifier: GPL-2.0
/*
 * Flush: report everything that is free, now, and say when the host has it.
 *
 * For anyone about to snapshot, park or migrate the guest.  A write to
 * vm.page_reporting_flush returns when the last piece is acknowledged; writers
 * that come together share one flush.  A writer that gives up, by timeout or
 * signal, does not cancel the flush.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <trace/events/page_reporting.h>

#include "evacuate.h"
#include "flush.h"
#include "map.h"
#include "pass.h"
#include "state.h"
#include "worker.h"

/* Results that are kept, for writers that wake up late. */
#define FLUSH_RESULTS	16

/**
 * struct flush_state - flushes, which are numbered
 * @lock: guards all of this
 * @asked: the newest flush that was asked for
 * @started: the newest that has begun
 * @done: the newest that is over
 * @flags: what the next one is to do besides
 * @until: when the writers of the next one stop waiting, in jiffies
 * @result: how the latest ones ended
 *
 * A flush that is asked for while one runs starts after it, because that one may
 * have passed the memory that the writer freed.
 */
static struct flush_state {
	spinlock_t lock;	/* see above */
	unsigned long asked;
	unsigned long started;
	unsigned long done;
	unsigned int flags;
	unsigned long until;
	int result[FLUSH_RESULTS];
} flush_state = { .lock = __SPIN_LOCK_UNLOCKED(flush_state.lock) };

static DECLARE_WAIT_QUEUE_HEAD(flush_done);

static void flush_func(struct work_struct *work);
static DECLARE_WORK(flusher, flush_func);

/* Report everything, and say whether that was all. */
static int flush_pass(struct page_reporting_dev_info *prdev, bool resync)
{
	struct pass_result result;

	if (resync) {
		fpr_map_forget();
		fpr_stat_add(FPR_STAT_RESYNCS, 1);
	}
	result = fpr_pass_run(prdev, 0);
	fpr_stat_set(FPR_STAT_LAST_FLUSH_LEFT_PAGES, result.passed_over_pages);
	if (result.err)
		return result.err;
	/* Was it cut short? */
	if (IS_ERR(fpr_device()))
		return PTR_ERR(fpr_device());
	return result.passed_over_pages ? -EAGAIN : 0;
}

static int flush_once(unsigned int flags, unsigned long until)
{
	long time = (long)(until - jiffies);
	struct page_reporting_dev_info *prdev;
	bool drained;
	int err = 0;

	/* A flush also reports what is hot, and drains regardless of the last drain. */
	drained = fpr_drain_lru(until);
	fpr_drain_free();
	if (flags & FPR_FLUSH_EVACUATE && time > 0)
		fpr_evacuate_now(jiffies + time / 2);

	mutex_lock(&fpr_pass_lock);
	prdev = fpr_device();
	if (IS_ERR(prdev)) {
		err = PTR_ERR(prdev);
	} else {
		err = fpr_worker_apply_order();
		if (!err)
			err = flush_pass(prdev, flags & FPR_FLUSH_RESYNC);
		/* A CPU that did not take part keeps more than what was passed over. */
		if (!drained && (!err || err == -EAGAIN))
			err = -ETIMEDOUT;
	}
	mutex_unlock(&fpr_pass_lock);
	return err;
}

static void flush_func(struct work_struct *work)
{
	ktime_t start = ktime_get();
	unsigned long generation, until;
	unsigned int flags;
	s64 us;
	int err;

	spin_lock(&flush_state.lock);
	generation = flush_state.asked;
	flush_state.started = generation;
	flags = flush_state.flags;
	flush_state.flags = 0;
	until = flush_state.until;
	spin_unlock(&flush_state.lock);

	err = flush_once(flags, until);
	us = ktime_us_delta(ktime_get(), start);
	trace_page_reporting_flush(generation, us, err);
	fpr_stat_set(FPR_STAT_LAST_FLUSH_US, us);
	fpr_stat_set(FPR_STAT_FLUSHES, generation);

	spin_lock(&flush_state.lock);
	flush_state.result[generation % FLUSH_RESULTS] = err;
	WRITE_ONCE(flush_state.done, generation);
	if (flush_state.asked != generation)
		queue_work(fpr_wq, &flusher);
	spin_unlock(&flush_state.lock);
	wake_up_all(&flush_done);
}

static bool is_done(unsigned long generation)
{
	return (long)(READ_ONCE(flush_state.done) - generation) >= 0;
}

/* Ask for a flush; returns its number. */
static unsigned long flush_ask(unsigned long timeout, unsigned int flags)
{
	unsigned long mine, until = jiffies + timeout;

	spin_lock(&flush_state.lock);
	/* A flush that has not begun yet serves this writer as well. */
	if (flush_state.asked == flush_state.started) {
		flush_state.asked++;
		flush_state.until = until;
	} else if (time_after(until, flush_state.until)) {
		flush_state.until = until;
	}
	mine = flush_state.asked;
	flush_state.flags |= flags;
	if (flush_state.started == flush_state.done)
		queue_work(fpr_wq, &flusher);
	spin_unlock(&flush_state.lock);
	return mine;
}

/**
 * fpr_flush() - report everything that is free and wait until the host has it
 * @timeout_ms: how long to wait, in milliseconds
 * @flags: FPR_FLUSH_EVACUATE: make free memory whole first, for at most half of
 *	that time; FPR_FLUSH_RESYNC: report all that is free, not only what the
 *	host does not have yet
 *
 * Context: Process context; may be killed or frozen while it waits.
 * Return: 0 when the host has acknowledged the last piece; -ETIMEDOUT or -EINTR
 * if the wait ended before, and the flush goes on; -EAGAIN if memory was passed
 * over because its zone is short of memory or its pageblock isolated; -EBUSY
 * while reporting is paused; -ENODEV without a device; -ENOMEM if there is none for
 * a map of the order that was asked for; or what the device said.
 */
int fpr_flush(unsigned int timeout_ms, unsigned int flags)
{
	unsigned long timeout = msecs_to_jiffies(timeout_ms), mine;
	struct page_reporting_dev_info *prdev = fpr_device();
	long left;
	int err;

	if (IS_ERR(prdev))
		return PTR_ERR(prdev);

	mine = flush_ask(timeout, flags);
	/*
	 * A writer holds the count of writers of proc's file system.  Nobody waits for
	 * that, for proc is never frozen, so the writer may be.
	 */
	left = ___wait_event(flush_done, ___wait_cond_timeout(is_done(mine)),
			     (TASK_KILLABLE | TASK_FREEZABLE_UNSAFE), 0, timeout,
			     __ret = schedule_timeout(__ret));
	if (left < 0)
		return -EINTR;
	if (!left)
		return -ETIMEDOUT;
	spin_lock(&flush_state.lock);
	err = flush_state.result[mine % FLUSH_RESULTS];
	spin_unlock(&flush_state.lock);
	return err;
}

/**
 * fpr_flush_stop() - release waiters after the device has gone
 *
 * Context: Process context, may sleep.  fpr_device() has none already.
 */
void fpr_flush_stop(void)
{
	flush_work(&flusher);
}
