// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Decides what the balloon's size does next.  Pure: see size_policy.h.
 *
 * One direction at a time.  While requests of one direction are out, the other
 * one waits for their answers; so a target that flips faster than the host
 * answers makes the balloon slow, but never makes it spin.
 */
#include <linux/minmax.h>

#include "size_policy.h"

static unsigned long time_until(unsigned long when, unsigned long now)
{
	return time_after(when, now) ? when - now : 1;
}

/**
 * vb_size_decide() - what to do next about the balloon's size
 * @view: the situation
 * @plan: filled in
 *
 * A target below what is held is followed at once, in any state: the host gives
 * memory back.  A target above it is followed as far as memory allows, unless a
 * hold-off is on (virtio 1.2, 5.5.6.1: the driver SHOULD follow the target).
 *
 * Context: Any; touches nothing but its arguments.
 */
void vb_size_decide(const struct vb_size_view *view,
		    struct vb_size_plan *plan)
{
	*plan = (struct vb_size_plan){ };

	if (view->held == view->target) {
		plan->state = VB_IDLE;
		return;
	}

	if (view->held > view->target) {
		plan->state = VB_DEFLATING;
		if (!view->inflating)
			plan->deflate = view->held - view->target;
		return;
	}

	if (view->hold && time_before(view->now, view->hold_until)) {
		plan->state = VB_HOLDOFF;
		plan->delay = time_until(view->hold_until, view->now);
		return;
	}

	plan->state = VB_INFLATING;
	if (view->deflating)
		return;

	if (view->retry && time_before(view->now, view->retry_at)) {
		plan->delay = time_until(view->retry_at, view->now);
		return;
	}

	plan->inflate = min_t(u64, view->target - view->held, view->headroom);
	plan->out_of_puff = !plan->inflate;
}

/**
 * vb_backoff_next() - how long to wait after one more failed inflation
 * @backoff: the last wait, in jiffies; 0 if the inflation before succeeded
 *
 * Return: the wait, in jiffies; doubles up to %VB_BACKOFF_MAX.
 */
unsigned long vb_backoff_next(unsigned long backoff)
{
	return clamp_t(unsigned long, 2 * backoff, VB_BACKOFF_MIN,
		       VB_BACKOFF_MAX);
}

/**
 * vb_hold_next() - how long not to inflate after the guest took pages back
 * @length: length of the hold-off before, in jiffies; 0 if there was none
 * @first: length of a first hold-off, in jiffies
 * @soon: the guest needed pages again soon after that hold-off had ended
 *
 * Return: the new length, in jiffies; doubles, within bounds, while pressure keeps
 * coming back.
 */
unsigned long vb_hold_next(unsigned long length, unsigned long first, bool soon)
{
	if (!soon)
		return first;
	return clamp(2 * length, first, VB_HOLD_GROWTH * first);
}
