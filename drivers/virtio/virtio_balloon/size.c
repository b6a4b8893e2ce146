// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The size state machine.  One work item, never running twice at a time, is the
 * only place that gives pages away, follows the host's target and tells the host
 * what the balloon holds.  It never waits: it takes the answers that are there,
 * asks size_policy.c what is next, sends that, and runs again on the next answer,
 * config change or delay.
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/* How many requests one run of the work may send before it yields. */
#define BALLOON_SIZE_BATCH	16

/* A look at requests in flight now and then, for a host that does not answer. */
#define BALLOON_STALL_LOOK	(10 * HZ)

static unsigned int holdoff_ms = BALLOON_HOLD_DEFAULT_MS;

static int holdoff_set(const char *value, const struct kernel_param *kp)
{
	return param_set_uint_minmax(value, kp, BALLOON_HOLD_MIN_MS, BALLOON_HOLD_MAX_MS);
}

static const struct kernel_param_ops holdoff_ops = {
	.set = holdoff_set,
	.get = param_get_uint,
};

module_param_cb(holdoff_ms, &holdoff_ops, &holdoff_ms, 0644);
MODULE_PARM_DESC(holdoff_ms,
		 "How long the balloon does not inflate after it had to give pages back (default 30000)");

static void set_state(struct virtio_balloon *vb, enum balloon_size_state state)
{
	struct balloon_size *size = &vb->size;

	if (size->state == state)
		return;
	trace_virtio_balloon_state(vb->vdev, size->state, state,
				   atomic_long_read(&vb->nr_pages), size->target);
	WRITE_ONCE(size->state, state);
}

/*
 * Config fields of this device are little-endian even on a legacy transport
 * (virtio 1.2, 5.5.4.0.0.1).  Rounded up to guest pages, for a target that is no
 * multiple could never be met and would be chased for ever.
 */
static void read_target(struct virtio_balloon *vb)
{
	struct balloon_size *size = &vb->size;
	u64 target;
	u32 pfns;

	virtio_cread_le(vb->vdev, struct virtio_balloon_config, num_pages, &pfns);
	target = DIV_ROUND_UP_ULL((u64)pfns, BALLOON_PFNS_PER_PAGE);
	if (target == size->target)
		return;

	WRITE_ONCE(size->target, target);
	size->target_changes++;

	/* A new wish is a new chance, though not a licence to spin. */
	size->backoff = min_t(unsigned long, size->backoff, BALLOON_BACKOFF_MIN);
	if (time_after(size->retry_at, jiffies + BALLOON_BACKOFF_MIN))
		size->retry_at = jiffies + BALLOON_BACKOFF_MIN;

	spin_lock(&size->lock);
	size->hold = false;
	spin_unlock(&size->lock);
}

/**
 * balloon_size_actual() - tell the host what the balloon holds
 * @vb: the balloon, online
 *
 * The device MUST learn the number after each change; one write may cover several
 * (virtio 1.2, 5.5.6.1).
 *
 * Context: The size work, or after it was cancelled; may sleep on some transports.
 */
void balloon_size_actual(struct virtio_balloon *vb)
{
	struct balloon_size *size = &vb->size;
	u32 actual = atomic_long_read(&vb->nr_pages) * BALLOON_PFNS_PER_PAGE;

	if (size->actual_known && size->actual_written == actual)
		return;
	virtio_cwrite_le(vb->vdev, struct virtio_balloon_config, actual, &actual);
	trace_virtio_balloon_actual(vb->vdev, actual / BALLOON_PFNS_PER_PAGE, size->target);
	size->actual_written = actual;
	size->actual_known = true;
}

static void look(struct virtio_balloon *vb, struct balloon_size_view *view)
{
	struct balloon_size *size = &vb->size;

	*view = (struct balloon_size_view){
		.state = size->state,
		.target = size->target,
		.inflating = READ_ONCE(vb->inflate.pages_in_flight),
		.deflating = READ_ONCE(vb->deflate.pages_in_flight),
		.now = jiffies,
		.retry = size->backoff,
		.retry_at = size->retry_at,
	};
	view->held = atomic_long_read(&vb->nr_pages);
	view->held -= min_t(u64, view->held, view->deflating);

	spin_lock(&size->lock);
	view->hold = size->hold;
	view->hold_until = size->hold_until;
	spin_unlock(&size->lock);

	if (vb->no_inflate)
		view->target = min(view->target, view->held);
	if (view->target > view->held) {
		unsigned long spare = balloon_spare(vb), reserve = balloon_reserve(vb);

		view->headroom = spare > reserve ? spare - reserve : 0;
	}
}

static void out_of_puff(struct virtio_balloon *vb, u64 missing)
{
	struct balloon_size *size = &vb->size;

	dev_info_ratelimited(&vb->vdev->dev, "Out of puff! Can't get %u pages\n",
			     (unsigned int)min_t(u64, missing * BALLOON_PFNS_PER_PAGE, U32_MAX));
	size->backoff = balloon_backoff_next(size->backoff);
	size->retry_at = jiffies + size->backoff;
	trace_virtio_balloon_puff(vb->vdev, missing, jiffies_to_msecs(size->backoff));
}

/* One step of the machine.  Returns whether another one makes sense right away. */
static bool step(struct virtio_balloon *vb, unsigned long *delay)
{
	bool short_of_memory = false;
	struct balloon_size_view view;
	struct balloon_size_plan plan;
	unsigned int moved = 0;

	look(vb, &view);
	balloon_size_decide(&view, &plan);
	set_state(vb, plan.state);
	*delay = plan.delay;

	if (plan.inflate) {
		moved = balloon_inflate(vb, plan.inflate, &short_of_memory);
		if (moved)
			trace_virtio_balloon_size(vb->vdev, BALLOON_REASON_TARGET, moved,
						  atomic_long_read(&vb->nr_pages), view.target);
		if (moved)
			balloon_pressure_kick(vb);
		if (moved && !short_of_memory)
			vb->size.backoff = 0;
	} else if (plan.deflate) {
		moved = balloon_deflate(vb, plan.deflate, false);
		if (moved)
			trace_virtio_balloon_size(vb->vdev, BALLOON_REASON_TARGET, -(long)moved,
						  atomic_long_read(&vb->nr_pages), view.target);
		else if (!view.deflating)
			/* All that is left is isolated for migration: it will be back. */
			*delay = 1;
	}

	if (plan.out_of_puff || short_of_memory) {
		out_of_puff(vb, view.target - view.held - moved);
		*delay = vb->size.backoff;
		return false;
	}
	return moved;
}

static void balloon_size_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, size.work);
	unsigned long delay = 0;
	bool again, waiting, late;
	int i;

	balloon_wakeup_turn(vb, BALLOON_WAKE_SIZE_ASKED, BALLOON_WAKE_SIZE_BUSY);

	if (atomic_xchg(&vb->size.config_changed, 0) && balloon_recover_check(vb))
		return;

	for (i = 0, again = true; again && i < BALLOON_SIZE_BATCH; i++) {
		balloon_finish(vb);
		read_target(vb);
		again = step(vb, &delay);
		cond_resched();
	}
	balloon_size_actual(vb);

	late = balloon_queue_check(vb, &vb->inflate);
	late |= balloon_queue_check(vb, &vb->deflate);
	if (late && balloon_recover_check(vb))
		return;

	waiting = READ_ONCE(vb->inflate.nr_in_flight) || READ_ONCE(vb->deflate.nr_in_flight);
	if (again)
		balloon_queue_work(vb, &vb->size.work, 0);
	else if (delay)
		queue_delayed_work(vb->wq, &vb->size.work, delay);
	else if (waiting)
		queue_delayed_work(vb->wq, &vb->size.work, BALLOON_STALL_LOOK);

	/* A machine that may sleep should not be kept up by a lack of memory. */
	if (!again && !waiting)
		balloon_wakeup_drop(vb, BALLOON_WAKE_SIZE_BUSY);
}

/**
 * balloon_size_kick() - look at the target again
 * @vb: the balloon
 *
 * Context: Any, interrupts included.
 */
void balloon_size_kick(struct virtio_balloon *vb)
{
	balloon_wakeup_hold(vb, BALLOON_WAKE_SIZE_ASKED);
	if (!balloon_queue_work(vb, &vb->size.work, 0))
		balloon_wakeup_drop(vb, BALLOON_WAKE_SIZE_ASKED);
}

/**
 * balloon_size_hold() - the guest had to take pages back: start a hold-off
 * @vb: the balloon
 * @reason: why
 *
 * Until it ends, or the host asks for a different size, the target is not
 * chased; otherwise the balloon would take at once what was just given.
 *
 * Context: Process context, under oom_lock too.
 */
void balloon_size_hold(struct virtio_balloon *vb, enum balloon_reason reason)
{
	struct balloon_size *size = &vb->size;
	unsigned long now = jiffies;
	bool soon, running;

	spin_lock(&size->lock);
	running = size->hold && time_before(now, size->hold_until);
	if (!running) {
		soon = size->hold_length &&
		       time_before(now, size->hold_until + size->hold_length);
		size->hold_length = balloon_hold_next(size->hold_length,
						      msecs_to_jiffies(READ_ONCE(holdoff_ms)),
						      soon);
	}
	size->hold = true;
	size->hold_until = now + size->hold_length;
	spin_unlock(&size->lock);

	if (!running)
		trace_virtio_balloon_hold(vb->vdev, reason,
					  jiffies_to_msecs(size->hold_length));
}

/**
 * balloon_size_extend_hold() - not yet: a hold-off that is on goes on for a while
 * @vb: the balloon
 *
 * Context: Process context.
 */
void balloon_size_extend_hold(struct virtio_balloon *vb)
{
	struct balloon_size *size = &vb->size;
	unsigned long until;

	spin_lock(&size->lock);
	until = jiffies + min_t(unsigned long, size->hold_length, BALLOON_HOLD_EXTRA);
	if (size->hold && time_before(jiffies, size->hold_until) &&
	    time_before(size->hold_until, until))
		size->hold_until = until;
	spin_unlock(&size->lock);
}

/**
 * balloon_size_init() - prepare the state machine
 * @vb: the balloon
 *
 * Context: Probe.
 */
void balloon_size_init(struct virtio_balloon *vb)
{
	INIT_DELAYED_WORK(&vb->size.work, balloon_size_work);
	spin_lock_init(&vb->size.lock);
	vb->size.state = BALLOON_IDLE;
}

/**
 * balloon_size_reset() - the device has been reset, its config with it
 * @vb: the balloon, its work cancelled
 *
 * Context: Process context.
 */
void balloon_size_reset(struct virtio_balloon *vb)
{
	set_state(vb, BALLOON_IDLE);
	vb->size.actual_known = false;
	vb->size.backoff = 0;
	spin_lock(&vb->size.lock);
	vb->size.hold = false;
	spin_unlock(&vb->size.lock);
}
