// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whether the balloon may let go by itself, and the time afterwards in which it does
 * not inflate: the hold-off.  Otherwise it would take at once what it has just given.
 *
 * A hold-off is bounded: signs of unease make it longer, up to twice its length.  A
 * change of the host's target does not end it: a controller that sets one every few
 * seconds would make the balloon swing.  A target below what the balloon holds is
 * followed all the same.
 *
 * After pressure it ends early when all that came back has been spare again for a moment:
 * the job is over, and a host that is short of memory itself need not wait.  A host that
 * is slow gives back less than was asked for, and reclaim that has just set in makes some
 * memory spare; neither ends the need, so what was asked for last must be spare, too.  A
 * guest that needs memory again and again has longer hold-offs, which want a longer calm.
 */
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

static const char * const relief_names[] = {
	[VB_RELIEF_NONE] = "none",
	[VB_RELIEF_OOM] = "oom",
	[VB_RELIEF_PRESSURE] = "pressure",
};

static enum vb_relief_mode relief_mode = VB_RELIEF_PRESSURE;

static int relief_set(const char *value, const struct kernel_param *kp)
{
	int mode = sysfs_match_string(relief_names, value);

	if (mode < 0)
		return mode;
	WRITE_ONCE(relief_mode, mode);
	return 0;
}

static int relief_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", relief_names[READ_ONCE(relief_mode)]);
}

static const struct kernel_param_ops relief_ops = {
	.set = relief_set,
	.get = relief_get,
};

module_param_cb(relief, &relief_ops, NULL, 0644);
MODULE_PARM_DESC(relief,
		 "When the balloon gives pages back by itself, if the host allows: none, oom or pressure (default)");

static unsigned int holdoff_ms = VB_HOLD_DEFAULT_MS;

static unsigned long first_length(void)
{
	return msecs_to_jiffies(READ_ONCE(holdoff_ms));
}

static int holdoff_set(const char *value, const struct kernel_param *kp)
{
	return param_set_uint_minmax(value, kp, VB_HOLD_MIN_MS, VB_HOLD_MAX_MS);
}

static const struct kernel_param_ops holdoff_ops = {
	.set = holdoff_set,
	.get = param_get_uint,
};

module_param_cb(holdoff_ms, &holdoff_ops, &holdoff_ms, 0644);
MODULE_PARM_DESC(holdoff_ms,
		 "How long the balloon does not inflate after it had to give pages back (default 30000)");

/* The calm that ends a hold-off: one look, and a share of what is longer than the first. */
#define CALM_SHARE	16
#define CALM_LOOK	(HZ / 4)

/**
 * vb_relief_mode() - when may the balloon give pages back by itself?
 * @vb: the balloon
 *
 * Context: Any.
 * Return: the mode the user asked for; none if the host has not agreed.
 */
enum vb_relief_mode vb_relief_mode(struct virtio_balloon *vb)
{
	return vb_may_deflate_on_oom(vb) ? READ_ONCE(relief_mode) : VB_RELIEF_NONE;
}

/**
 * vb_hold() - the guest has to take pages back: start a hold-off
 * @vb: the balloon
 * @reason: why
 * @want: guest pages that are to come back, see vb_hold_got(); with ULONG_MAX the
 *	hold-off does not end early
 *
 * Context: Process context, under oom_lock too.
 */
void vb_hold(struct virtio_balloon *vb, enum vb_reason reason, unsigned long want)
{
	struct vb_relief *relief = &vb->relief;
	unsigned long now = jiffies;
	bool soon, running;

	spin_lock(&relief->lock);
	running = relief->hold && time_before(now, relief->hold_until);
	if (!running) {
		soon = relief->hold_length &&
		       time_before(now, relief->hold_until + relief->hold_length);
		relief->hold_length = vb_hold_next(relief->hold_length, first_length(), soon);
		relief->nr_taken = 0;
	}
	/* Until it is known what comes back, all of it counts as in use. */
	relief->nr_taken = size_add(relief->nr_taken, want);
	relief->nr_wanted = want;
	relief->calm = false;
	relief->hold = true;
	relief->hold_until = now + relief->hold_length;
	relief->hold_limit = now + 2 * relief->hold_length;
	spin_unlock(&relief->lock);

	if (!running)
		trace_virtio_balloon_hold(vb->vdev, reason,
					  jiffies_to_msecs(relief->hold_length));
}

/**
 * vb_hold_got() - what came of a release that a hold-off was started for
 * @vb: the balloon
 * @want: as vb_hold() was told
 * @got: what has come back, in guest pages
 *
 * Context: Process context, under oom_lock too.
 */
void vb_hold_got(struct virtio_balloon *vb, unsigned long want, unsigned long got)
{
	struct vb_relief *relief = &vb->relief;

	spin_lock(&relief->lock);
	/* ULONG_MAX stays: something else will not be spare. */
	if (relief->nr_taken != ULONG_MAX)
		relief->nr_taken += got - min(relief->nr_taken, want);
	spin_unlock(&relief->lock);
}

/**
 * vb_extend_hold() - not yet: a hold-off that is on goes on for a while
 * @vb: the balloon
 *
 * Context: Process context.
 */
void vb_extend_hold(struct virtio_balloon *vb)
{
	struct vb_relief *relief = &vb->relief;
	unsigned long until, now = jiffies;

	spin_lock(&relief->lock);
	until = now + min_t(unsigned long, relief->hold_length, VB_HOLD_EXTRA);
	if (time_after(until, relief->hold_limit))
		until = relief->hold_limit;
	if (relief->hold && time_before(now, relief->hold_until) &&
	    time_before(relief->hold_until, until))
		relief->hold_until = until;
	spin_unlock(&relief->lock);
}

/**
 * vb_holding() - is a hold-off on?
 * @vb: the balloon
 * @spare: guest pages beyond what a guest without need has
 * @look_at: when to ask again, in jiffies, if so
 *
 * Context: Any but interrupts.
 * Return: whether it is.
 */
bool vb_holding(struct virtio_balloon *vb, unsigned long spare, unsigned long *look_at)
{
	struct vb_relief *relief = &vb->relief;
	unsigned long now = jiffies, first = first_length(), calm_end;
	bool hold;

	spin_lock(&relief->lock);
	if (spare <= max(relief->nr_taken, relief->nr_wanted)) {
		relief->calm = false;
	} else if (!relief->calm) {
		relief->calm = true;
		relief->calm_since = now;
	}
	calm_end = relief->calm_since + CALM_LOOK +
		   (relief->hold_length - min(relief->hold_length, first)) / CALM_SHARE;
	if (relief->hold && relief->calm && !time_before(now, calm_end) &&
	    time_before(now, relief->hold_until))
		relief->hold_until = now;
	/* Forgotten at its end, before jiffies wrap. */
	if (relief->hold && !time_before(now, relief->hold_until))
		relief->hold = false;
	hold = relief->hold;
	*look_at = relief->hold_until;
	/* Only one that may end early is worth looks in between. */
	if (relief->nr_taken != ULONG_MAX && time_after(*look_at, now + CALM_LOOK))
		*look_at = now + CALM_LOOK;
	spin_unlock(&relief->lock);
	return hold;
}

/**
 * vb_end_hold() - end a hold-off, because the balloon is gone
 * @vb: the balloon, its device reset
 *
 * Context: Process context.
 */
void vb_end_hold(struct virtio_balloon *vb)
{
	spin_lock(&vb->relief.lock);
	vb->relief.hold = false;
	spin_unlock(&vb->relief.lock);
}
