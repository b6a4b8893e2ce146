/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the balloon's size should do next, as plain arithmetic: no locks, no
 * pages, no device.  size.c fills in the view and carries out the plan.
 */
#ifndef _DRIVERS_VIRTIO_BALLOON_SIZE_POLICY_H
#define _DRIVERS_VIRTIO_BALLOON_SIZE_POLICY_H

#include <linux/jiffies.h>
#include <linux/types.h>

/* After a failed inflation: first and longest wait before the next try. */
#define VB_BACKOFF_MIN	(HZ / 5)
#define VB_BACKOFF_MAX	(5 * HZ)

/* After the guest had to take pages back: the first hold-off, in ms, and its bounds. */
#define VB_HOLD_DEFAULT_MS	30000
#define VB_HOLD_MIN_MS	1000
#define VB_HOLD_MAX_MS	600000
/* The longest is so many times the first. */
#define VB_HOLD_GROWTH	16
/* It does not end sooner than this after the last sign of unease. */
#define VB_HOLD_EXTRA	(10 * HZ)

enum vb_size_state {
	/* At the target, or nothing can be done about it. */
	VB_IDLE,
	/* Giving pages to the host; includes waiting for memory to do so. */
	VB_INFLATING,
	/* Taking pages back because the host allows it. */
	VB_DEFLATING,
	/* The guest needed pages back; the target is not chased for a while. */
	VB_HOLDOFF,
};

/* Why the size changed; named in trace/events/virtio_balloon.h, as the states. */
enum vb_reason {
	VB_REASON_TARGET,
	VB_REASON_OOM,
	VB_REASON_PRESSURE,
};

/**
 * struct vb_size_view - all that the decision rests on
 * @target: what the host wants, in guest pages
 * @held: what the balloon will hold once all requests are answered, in guest pages
 * @inflating: guest pages in inflate requests without an answer
 * @deflating: guest pages in deflate requests without an answer
 * @headroom: guest pages that can be given away without harm
 * @now: jiffies
 * @hold: a hold-off is on, until @hold_until at least
 * @hold_until: when to look again, in jiffies
 * @retry: the last inflation failed; not again before @retry_at
 * @retry_at: jiffies
 */
struct vb_size_view {
	u64 target;
	u64 held;
	unsigned long inflating;
	unsigned long deflating;
	unsigned long headroom;
	unsigned long now;
	bool hold;
	unsigned long hold_until;
	bool retry;
	unsigned long retry_at;
};

/**
 * struct vb_size_plan - the decision
 * @state: where the machine goes
 * @inflate: guest pages to give now
 * @deflate: guest pages to take back now; never together with @inflate
 * @out_of_puff: more is wanted but there is no memory to give
 * @delay: jiffies until the next look, 0 if only an event brings one
 */
struct vb_size_plan {
	enum vb_size_state state;
	u64 inflate;
	u64 deflate;
	bool out_of_puff;
	unsigned long delay;
};

void vb_size_decide(const struct vb_size_view *view,
		    struct vb_size_plan *plan);
unsigned long vb_backoff_next(unsigned long backoff);
unsigned long vb_hold_next(unsigned long length, unsigned long first, bool soon);

#endif /* _DRIVERS_VIRTIO_BALLOON_SIZE_POLICY_H */
