// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest needs memory: what is given back, in which order, and what follows.
 * oom.c and pressure.c say when and how much.
 */
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/**
 * vb_release() - give memory back to the guest because it needs it
 * @vb: the balloon
 * @reason: who asks
 * @want: guest pages
 * @nid: the node that needs them, or NUMA_NO_NODE
 * @timeout: how long to wait for the host at most, in jiffies
 *
 * Hinted blocks come first, because they cost nothing.  Pages of the balloon come only
 * as far as the host and the user allow it.  Inflation pauses in any case.
 *
 * Context: Process context, under oom_lock too: allocates nothing.
 * Return: guest pages that came back.
 */
unsigned long vb_release(struct virtio_balloon *vb, enum vb_reason reason,
			 unsigned long want, int nid, unsigned long timeout)
{
	enum vb_relief_mode mode = vb_relief_mode(vb);
	bool hold = vb_may_deflate_on_oom(vb) || reason == VB_REASON_OOM;
	/* The need of a node or of a zone does not show in what all have to spare. */
	bool shows = reason == VB_REASON_PRESSURE && nid == NUMA_NO_NODE;
	unsigned long got;

	got = vb_hints_release(vb, want);
	got += vb_cushion_drop(vb);
	/* A guest that must obey has no choice, unless it would die of it. */
	if (hold)
		vb_hold(vb, reason, shows ? want : ULONG_MAX);

	if (got < want && mode >= (reason == VB_REASON_OOM ? VB_RELIEF_OOM : VB_RELIEF_PRESSURE))
		got += vb_relieve(vb, want - got, nid, timeout);
	if (hold && shows)
		vb_hold_got(vb, want, got);

	trace_virtio_balloon_relief(vb->vdev, reason, want, got,
				    atomic_long_read(&vb->nr_pages));
	vb_size_kick(vb);
	return got;
}
