// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The moments in which allocations run into the watermarks.
 *
 * A shrinker would be the wrong signal: it is part of each reclaim, page cache included,
 * so an inflating balloon would be told to deflate by its own inflation.  PSI would be
 * wrong, too: it counts the stalls of containers at limits of their own, and the time
 * of kswapd.  What is needed are the tracepoints of reclaim, which cost nothing while
 * nobody uses them.  They are looked up by name, because modules cannot link to them; the
 * compiler still compares our probes with their declarations.
 *
 * Without CONFIG_TRACEPOINTS there are no events, and pressure.c polls.
 */
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/vmscan.h>

#include "balloon.h"

/* Reclaim to make a large block is not a lack of memory. */
static void reclaim_begins(void *data, gfp_t gfp_flags, int order,
			   struct mem_cgroup *memcg)
{
	struct vb_watch *watch = data;

	if (order <= PAGE_ALLOC_COSTLY_ORDER)
		watch->notify(watch, NUMA_NO_NODE);
}

static void kswapd_wakes(void *data, int nid, int zid, int order, gfp_t gfp_flags)
{
	struct vb_watch *watch = data;

	watch->notify(watch, nid);
}

static const struct {
	const char *name;
	void *probe;
} probes[VB_NR_EVENTS] = {
	{ "mm_vmscan_direct_reclaim_begin", reclaim_begins },
	{ "mm_vmscan_wakeup_kswapd", kswapd_wakes },
};

static void find_event(struct tracepoint *tp, void *data)
{
	struct vb_watch *watch = data;
	int i;

	for (i = 0; i < VB_NR_EVENTS; i++)
		if (!strcmp(tp->name, probes[i].name))
			watch->events[i] = tp;
}

static void __maybe_unused check_types(void)
{
	check_trace_callback_type_mm_vmscan_direct_reclaim_begin(reclaim_begins);
	check_trace_callback_type_mm_vmscan_wakeup_kswapd(kswapd_wakes);
}

/**
 * vb_watch_start() - be told when memory gets short
 * @watch: with its notify set
 *
 * Context: Process context, may sleep.
 */
void vb_watch_start(struct vb_watch *watch)
{
	int i;

	watch->active = false;
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		return;

	memset(watch->events, 0, sizeof(watch->events));
	for_each_kernel_tracepoint(find_event, watch);
	for (i = 0; i < VB_NR_EVENTS; i++)
		if (!watch->events[i] ||
		    tracepoint_probe_register(watch->events[i], probes[i].probe, watch))
			break;
	if (i == VB_NR_EVENTS) {
		watch->active = true;
		return;
	}
	while (i--)
		tracepoint_probe_unregister(watch->events[i], probes[i].probe, watch);
	tracepoint_synchronize_unregister();
}

/**
 * vb_watch_stop() - no more events
 * @watch: whether it was started or not
 *
 * Context: Process context; when it returns no call of notify is under way.
 */
void vb_watch_stop(struct vb_watch *watch)
{
	int i;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS) || !watch->active)
		return;
	watch->active = false;
	for (i = 0; i < VB_NR_EVENTS; i++)
		tracepoint_probe_unregister(watch->events[i], probes[i].probe, watch);
	tracepoint_synchronize_unregister();
}
