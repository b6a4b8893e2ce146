// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The size state machine.  One work item, never running twice at a time, is the
 * only place that gives pages away, follows the host's target and tells the host
 * what the balloon holds.  It never waits: it takes the answers that are there,
 * asks size_policy.c what is next, sends that, and runs again on the next answer,
 * config change or delay.
 */
#include <linux/sched.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/* How many requests one run of the work may send before it yields. */
#define VB_SIZE_BATCH	16

/* How often to look at requests in flight, in case the host does not answer. */
#define VB_STALL_LOOK	(10 * HZ)

/* How soon to look again for memory that is being swapped out. */
#define VB_SWAP_LOOK	max(HZ / 50, 1)

static void set_state(struct virtio_balloon *vb, enum vb_size_state state)
{
	struct vb_size *size = &vb->size;

	if (size->state == state)
		return;
	trace_virtio_balloon_state(vb->vdev, size->state, state,
				   atomic_long_read(&vb->nr_pages), size->target);
	WRITE_ONCE(size->state, state);
}

/*
 * Config fields of this device are little-endian even on a legacy transport
 * (virtio 1.2, 5.5.4.0.0.1).  Rounded up to guest pages: a target that is no multiple
 * could never be met, and would be chased for ever.
 */
static void read_target(struct virtio_balloon *vb)
{
	struct vb_size *size = &vb->size;
	u64 target;
	u32 pfns;

	virtio_cread_le(vb->vdev, struct virtio_balloon_config, num_pages, &pfns);
	target = DIV_ROUND_UP_ULL((u64)pfns, VB_PFNS_PER_PAGE);
	if (target == size->target)
		return;

	WRITE_ONCE(size->target, target);
	/* Try again at once for a new target, but do not spin. */
	size->backoff = min_t(unsigned long, size->backoff, VB_BACKOFF_MIN);
	if (time_after(size->retry_at, jiffies + VB_BACKOFF_MIN))
		size->retry_at = jiffies + VB_BACKOFF_MIN;
}

/*
 * The device must learn the number after each change; one write may cover several
 * (virtio 1.2, 5.5.6.1).
 */
static void write_actual(struct virtio_balloon *vb)
{
	struct vb_size *size = &vb->size;
	u32 actual = atomic_long_read(&vb->nr_pages) * VB_PFNS_PER_PAGE;

	if (size->actual_known && size->actual_written == actual)
		return;
	virtio_cwrite_le(vb->vdev, struct virtio_balloon_config, actual, &actual);
	trace_virtio_balloon_actual(vb->vdev, actual / VB_PFNS_PER_PAGE, size->target);
	size->actual_written = actual;
	size->actual_known = true;
}

static void fill_view(struct virtio_balloon *vb, struct vb_size_view *view)
{
	struct vb_size *size = &vb->size;
	unsigned long idle;

	*view = (struct vb_size_view){
		.target = size->target,
		.inflating = READ_ONCE(vb->inflate.pages_in_flight),
		.deflating = READ_ONCE(vb->deflate.pages_in_flight),
		.now = jiffies,
		.retry = size->backoff,
		.retry_at = size->retry_at,
	};
	view->held = atomic_long_read(&vb->nr_pages);
	view->held -= min_t(u64, view->held, view->deflating);

	if (vb->no_inflate)
		view->target = min(view->target, view->held);
	if (view->target > view->held) {
		unsigned long spare = vb_spare() + vb_cushion_pages(vb);
		unsigned long reserve = vb_cushion_reserve(vb);

		view->headroom = spare > reserve ? spare - reserve : 0;
	}
	/* A release fills the gap up to twice the reserve, so that much alone is not calm. */
	idle = view->headroom - min_t(u64, view->headroom, vb_reserve(vb));
	view->hold = vb_holding(vb, idle, &view->hold_until);
}

static void out_of_puff(struct virtio_balloon *vb, u64 missing)
{
	struct vb_size *size = &vb->size;

	dev_info_ratelimited(&vb->vdev->dev, "Out of puff! Can't get %u pages\n",
			     (unsigned int)min_t(u64, missing * VB_PFNS_PER_PAGE, U32_MAX));
	size->backoff = vb_backoff_next(size->backoff);
	size->retry_at = jiffies + size->backoff;
	trace_virtio_balloon_puff(vb->vdev, missing, jiffies_to_msecs(size->backoff));
}

static void make_plan(struct virtio_balloon *vb, struct vb_size_view *view,
		      struct vb_size_plan *plan)
{
	fill_view(vb, view);
	vb_size_decide(view, plan);
	set_state(vb, plan->state);

	/* Make memory spare where that is possible. */
	if (plan->out_of_puff && vb_cushion_grow(vb)) {
		fill_view(vb, view);
		vb_size_decide(view, plan);
	} else if (plan->out_of_puff && vb_cushion_waits(vb)) {
		plan->out_of_puff = false;
		plan->delay = VB_SWAP_LOOK;
	}
	if (plan->state != VB_INFLATING || plan->out_of_puff) {
		vb_cushion_drop(vb);
		vb_drop_unit(vb);
	}
}

/* Takes one step to the target.  Returns whether another one makes sense right away. */
static bool take_step(struct virtio_balloon *vb, unsigned long *delay)
{
	bool short_of_memory = false;
	struct vb_size_view view;
	struct vb_size_plan plan;
	unsigned long moved = 0;

	make_plan(vb, &view, &plan);
	*delay = plan.delay;

	if (plan.inflate) {
		moved = vb_inflate(vb, plan.inflate, &short_of_memory);
		if (moved)
			trace_virtio_balloon_size(vb->vdev, VB_REASON_TARGET, moved,
						  atomic_long_read(&vb->nr_pages), view.target);
		if (moved)
			vb_pressure_kick(vb);
		if (moved && !short_of_memory)
			vb->size.backoff = 0;
	} else if (plan.deflate) {
		moved = vb_deflate(vb, plan.deflate, NUMA_NO_NODE, false);
		if (moved)
			trace_virtio_balloon_size(vb->vdev, VB_REASON_TARGET, -(long)moved,
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

static void vb_size_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, size.work);
	unsigned long delay = 0;
	bool again, waiting, late;
	int i;

	vb_wakeup_turn(vb, VB_WAKE_SIZE_ASKED, VB_WAKE_SIZE_BUSY);

	if (atomic_xchg(&vb->size.config_changed, 0) && vb_recover_check(vb))
		return;

	/* Units, pieces and the cushion: nobody touches what is allocated here. */
	page_reporting_aside_begin();
	for (i = 0, again = true; again && i < VB_SIZE_BATCH; i++) {
		vb_finish(vb);
		read_target(vb);
		again = take_step(vb, &delay);
		cond_resched();
	}
	page_reporting_aside_end();
	write_actual(vb);

	late = vb_queue_check(vb, &vb->inflate);
	late |= vb_queue_check(vb, &vb->deflate);
	if (late && vb_recover_check(vb))
		return;

	waiting = READ_ONCE(vb->inflate.nr_in_flight) || READ_ONCE(vb->deflate.nr_in_flight);
	if (again)
		vb_queue_work(vb, &vb->size.work, 0);
	else if (delay)
		queue_delayed_work(vb->wq, &vb->size.work, delay);
	else if (waiting)
		queue_delayed_work(vb->wq, &vb->size.work, VB_STALL_LOOK);

	/* Lack of memory is no reason to keep the system awake. */
	if (!again && !waiting)
		vb_wakeup_drop(vb, VB_WAKE_SIZE_BUSY);
}

/**
 * vb_size_init() - prepare the state machine
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_size_init(struct virtio_balloon *vb)
{
	INIT_DELAYED_WORK(&vb->size.work, vb_size_work);
	vb->size.state = VB_IDLE;
}

/**
 * vb_size_reset() - the device has been reset, its config with it
 * @vb: the balloon, its work cancelled
 *
 * Context: Process context.
 */
void vb_size_reset(struct virtio_balloon *vb)
{
	set_state(vb, VB_IDLE);
	vb->size.actual_known = false;
	vb->size.backoff = 0;
	vb_cushion_drop(vb);
	vb_end_hold(vb);
}
