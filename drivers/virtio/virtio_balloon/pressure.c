// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gives pages back when the guest comes under memory pressure, long before the OOM
 * killer, and stops inflation that would bring it there.
 *
 * Allocations that run into the watermarks raise an event (events.c); the event queues a
 * sample through irq_work, because it may come with any lock held.  While nothing happens
 * no sample is taken.
 *
 * Pages go back only if the host has agreed to it, by VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
 * which allows taking pages when "memory is required by applications" (virtio 1.2,
 * 5.5.6.1).  Otherwise pressure merely pauses inflation.
 */
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/* Events come in thousands; samples do not. */
#define SAMPLE_GAP	max(HZ / 100, 1)

/* Released at a time to a node that has run dry while others have not. */
#define NODE_STEP	((unsigned long)(SZ_32M >> PAGE_SHIFT))

/* Could a sample change anything? */
static bool can_help(struct virtio_balloon *vb)
{
	enum vb_size_state state = READ_ONCE(vb->size.state);

	if (READ_ONCE(vb->hints.nr_blocks) || vb_cushion_pages(vb))
		return true;
	if (!vb_may_deflate_on_oom(vb))
		return false;
	return state == VB_INFLATING || state == VB_HOLDOFF ||
	       (vb_relief_mode(vb) == VB_RELIEF_PRESSURE && atomic_long_read(&vb->nr_pages));
}

/* In the context of an allocation: any context, any locks. */
static void pressure_event(struct vb_watch *watch, int nid)
{
	struct virtio_balloon *vb = container_of(watch, struct virtio_balloon, pressure.watch);
	struct vb_pressure *pressure = &vb->pressure;

	/* Reclaim that our own inflation causes does not mean that the guest needs memory. */
	if (current == READ_ONCE(vb->size.inflating_task))
		return;
	if (nid == NUMA_NO_NODE) {
		atomic_inc(&pressure->stalls);
	} else {
		if (!node_isset(nid, pressure->low_nodes))
			node_set(nid, pressure->low_nodes);
		if (time_before(jiffies, READ_ONCE(pressure->low_after)))
			return;
	}
	if (can_help(vb) && !atomic_xchg(&pressure->pending, 1))
		irq_work_queue(&pressure->irq_work);
}

static void pressure_irq_work(struct irq_work *work)
{
	struct virtio_balloon *vb = container_of(work, struct virtio_balloon,
						 pressure.irq_work);
	unsigned long next = READ_ONCE(vb->pressure.sampled_at) + SAMPLE_GAP;
	unsigned long now = jiffies;

	vb_queue_work(vb, &vb->pressure.work, time_after(next, now) ? next - now : 0);
}

static void take_sample(struct virtio_balloon *vb, struct vb_pressure_sample *sample)
{
	struct vb_pressure *pressure = &vb->pressure;

	*sample = (struct vb_pressure_sample){
		.now = jiffies,
		.spare = vb_spare() + vb_cushion_pages(vb),
		.reserve = vb_reserve(vb),
		.ram = vb_ram(vb),
		.held = atomic_long_read(&vb->nr_pages),
		.stalls = atomic_xchg(&pressure->stalls, 0),
	};
	/* Announced already, and coming as soon as the host says so. */
	if (vb_has(vb, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		sample->spare += READ_ONCE(vb->deflate.pages_in_flight);
	/* The cushion is there to make tasks reclaim. */
	if (vb_cushion_pages(vb))
		sample->stalls = 0;
}

/*
 * A node without memory while tasks reclaim, though the guest has enough: tasks that are
 * bound to it.  Without a balloon they would find what the balloon holds there.
 */
static int dry_node(struct virtio_balloon *vb, const struct vb_pressure_sample *sample,
		    const nodemask_t *low)
{
	int nid;

	if (nr_online_nodes == 1 || !sample->stalls)
		return NUMA_NO_NODE;
	for_each_node_mask(nid, *low)
		if (atomic_long_read(&vb->nodes[nid].nr_pages) &&
		    vb_node_spare(nid) < sample->reserve / nr_online_nodes)
			return nid;
	return NUMA_NO_NODE;
}

static void pressure_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, pressure.work);
	struct vb_pressure *pressure = &vb->pressure;
	struct vb_pressure_verdict verdict;
	struct vb_pressure_sample sample;
	nodemask_t low = pressure->low_nodes;
	int nid = NUMA_NO_NODE;
	unsigned long got;

	atomic_set(&pressure->pending, 0);
	nodes_andnot(pressure->low_nodes, pressure->low_nodes, low);
	take_sample(vb, &sample);
	WRITE_ONCE(pressure->sampled_at, sample.now);
	/* With much page cache the low watermark is passed all the time. */
	WRITE_ONCE(pressure->low_after, sample.spare < 4 * sample.reserve ? sample.now :
		   sample.now + VB_PRESSURE_PERIOD);

	vb_pressure_judge(&sample, &pressure->memory, &verdict);
	if (!verdict.release) {
		nid = dry_node(vb, &sample, &low);
		if (nid != NUMA_NO_NODE) {
			verdict.release = NODE_STEP;
			verdict.delay = VB_PRESSURE_PERIOD;
		}
	}
	trace_virtio_balloon_pressure(vb->vdev, sample.spare, sample.reserve, sample.stalls,
				      verdict.release);

	if (verdict.release || verdict.squeezed) {
		got = vb_release(vb, VB_REASON_PRESSURE,
				 max(verdict.release, verdict.squeezed ? sample.reserve : 0),
				 nid, 0);
		atomic_long_add(got, &pressure->nr_released);
		vb_pressure_got(&pressure->memory, got);
	}
	if (verdict.uneasy)
		vb_extend_hold(vb);

	/* Without events a sample now and then is all there is. */
	if (!pressure->watch.active)
		verdict.delay = VB_PRESSURE_PERIOD;
	if (verdict.delay && can_help(vb))
		queue_delayed_work(vb->wq, &pressure->work, verdict.delay);
}

/**
 * vb_pressure_kick() - the balloon holds pages now
 * @vb: the balloon
 *
 * Context: The size work.
 */
void vb_pressure_kick(struct virtio_balloon *vb)
{
	if (!vb->pressure.watch.active)
		queue_delayed_work(vb->wq, &vb->pressure.work, VB_PRESSURE_PERIOD);
}

/**
 * vb_pressure_start() - begin to watch
 * @vb: the balloon, its work not yet queued
 *
 * Context: Process context.
 */
void vb_pressure_start(struct virtio_balloon *vb)
{
	struct vb_pressure *pressure = &vb->pressure;

	pressure->memory = (struct vb_pressure_memory){ };
	/* jiffies do not start at 0. */
	pressure->sampled_at = jiffies - SAMPLE_GAP;
	pressure->low_after = jiffies;
	atomic_set(&pressure->pending, 0);
	atomic_set(&pressure->stalls, 0);
	nodes_clear(pressure->low_nodes);
	vb_watch_start(&pressure->watch);
}

/**
 * vb_pressure_stop() - stop watching
 * @vb: the balloon, quiet
 *
 * Context: Process context; afterwards neither event nor work runs.
 */
void vb_pressure_stop(struct virtio_balloon *vb)
{
	struct vb_pressure *pressure = &vb->pressure;

	vb_watch_stop(&pressure->watch);
	irq_work_sync(&pressure->irq_work);
	cancel_delayed_work_sync(&pressure->work);
}

/**
 * vb_pressure_init() - prepare the pressure path
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_pressure_init(struct virtio_balloon *vb)
{
	struct vb_pressure *pressure = &vb->pressure;

	pressure->watch.notify = pressure_event;
	init_irq_work(&pressure->irq_work, pressure_irq_work);
	INIT_DELAYED_WORK(&pressure->work, pressure_work);
}
