// SPDX-License-Identifier: GPL-2.0
/*
 * A sensor of memory pressure for balloon drivers.
 *
 * A balloon gives memory back when the guest needs it.  The shrinker interface is
 * the wrong signal for that: it runs as part of every reclaim, page cache included,
 * so an inflating balloon would be told to deflate by its own inflation.  This file
 * offers the two things that tell need from housekeeping and that a module cannot
 * get by itself:
 *
 *   - the moments when an allocation runs into the watermarks.  They are the
 *     tracepoints mm_vmscan_wakeup_kswapd and mm_vmscan_direct_reclaim_begin, which
 *     cost nothing while nobody watches and need no change in vmscan;
 *   - the totals of the pressure stall information, in microseconds since boot.
 *     They are up to two seconds old, so they tell how bad it is, not when it began.
 *
 * Without tracepoints there are no events, and without PSI no totals; a watcher has
 * to poll then.
 */
#include <linux/balloon_pressure.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/psi.h>
#include <linux/rculist.h>
#include <linux/time64.h>
#include <linux/tracepoint.h>
#include <trace/events/vmscan.h>

static DEFINE_MUTEX(watches_lock);	/* writers of watches; the probes' state */
static LIST_HEAD(watches);

static void notify_all(enum balloon_pressure_event event)
{
	struct balloon_pressure_watch *watch;

	rcu_read_lock();
	list_for_each_entry_rcu(watch, &watches, node)
		watch->notify(watch, event);
	rcu_read_unlock();
}

static void __maybe_unused probe_wakeup_kswapd(void *data, int nid, int zid, int order,
					       gfp_t gfp_flags)
{
	notify_all(BALLOON_PRESSURE_LOW);
}

static void __maybe_unused probe_direct_reclaim(void *data, int order, gfp_t gfp_flags)
{
	notify_all(BALLOON_PRESSURE_STALL);
}

static int attach_probes(void)
{
	int err;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		return -EOPNOTSUPP;

	err = register_trace_mm_vmscan_wakeup_kswapd(probe_wakeup_kswapd, NULL);
	if (err)
		return err;
	err = register_trace_mm_vmscan_direct_reclaim_begin(probe_direct_reclaim, NULL);
	if (err)
		unregister_trace_mm_vmscan_wakeup_kswapd(probe_wakeup_kswapd, NULL);
	return err;
}

static void detach_probes(void)
{
	unregister_trace_mm_vmscan_direct_reclaim_begin(probe_direct_reclaim, NULL);
	unregister_trace_mm_vmscan_wakeup_kswapd(probe_wakeup_kswapd, NULL);
}

/**
 * balloon_pressure_register() - be told when memory gets short
 * @watch: with its notify set; stays until unregistered
 *
 * Context: Process context, may sleep.
 * Return: 0; -EOPNOTSUPP or another -errno if there will be no events, and then
 * @watch is not registered.
 */
int balloon_pressure_register(struct balloon_pressure_watch *watch)
{
	int err = 0;

	mutex_lock(&watches_lock);
	if (list_empty(&watches))
		err = attach_probes();
	if (!err)
		list_add_rcu(&watch->node, &watches);
	mutex_unlock(&watches_lock);
	return err;
}
EXPORT_SYMBOL_GPL(balloon_pressure_register);

/**
 * balloon_pressure_unregister() - no more events
 * @watch: registered
 *
 * Context: Process context; when it returns no call of notify is under way.
 */
void balloon_pressure_unregister(struct balloon_pressure_watch *watch)
{
	mutex_lock(&watches_lock);
	list_del_rcu(&watch->node);
	if (list_empty(&watches))
		detach_probes();
	mutex_unlock(&watches_lock);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(balloon_pressure_unregister);

/**
 * balloon_pressure_psi() - how long tasks have waited for memory since boot
 * @some_us: microseconds in which at least one task waited
 * @full_us: microseconds in which all runnable tasks waited
 *
 * Context: Any.
 * Return: false if the kernel does not account for it.
 */
bool balloon_pressure_psi(u64 *some_us, u64 *full_us)
{
#ifdef CONFIG_PSI
	const u64 *total = psi_system.total[PSI_AVGS];

	if (static_branch_likely(&psi_disabled))
		return false;
	/* The totals of a resource stand side by side: some, then full. */
	*some_us = div_u64(READ_ONCE(total[PSI_MEM_SOME]), NSEC_PER_USEC);
	*full_us = div_u64(READ_ONCE(total[PSI_MEM_FULL]), NSEC_PER_USEC);
	return true;
#else
	return false;
#endif
}
EXPORT_SYMBOL_GPL(balloon_pressure_psi);
