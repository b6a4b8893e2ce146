// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gives pages back when the guest comes under memory pressure, long before the OOM
 * killer, and stops inflation that would bring it there.  No shrinker: see
 * mm/balloon_pressure.c for why.
 *
 * Allocations that run into the watermarks raise an event; the event queues a
 * sample through irq_work, for it may come with any lock held.  Without events, and
 * for the slow sign of PSI, samples are also taken periodically while the balloon
 * holds pages.
 *
 * Pages go back only if the host has agreed to it, by VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
 * which allows taking pages when "memory is required by applications" (virtio 1.2,
 * 5.5.6.1).  Otherwise pressure merely pauses inflation.
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/* Events come in thousands; samples do not. */
#define PRESSURE_SAMPLE_GAP	max(HZ / 100, 1)
#define PRESSURE_PSI_WINDOW	(2 * HZ)

/* How long one release may wait for the host when it must be told first. */
#define PRESSURE_TIMEOUT	(HZ / 4)

static const char * const relief_names[] = {
	[BALLOON_RELIEF_NONE] = "none",
	[BALLOON_RELIEF_OOM] = "oom",
	[BALLOON_RELIEF_PRESSURE] = "pressure",
};

static enum balloon_relief relief_mode = BALLOON_RELIEF_PRESSURE;

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

/**
 * balloon_relief_mode() - when may the balloon give pages back by itself?
 * @vb: the balloon
 *
 * Context: Any.
 * Return: the mode the user asked for; none if the host has not agreed.
 */
enum balloon_relief balloon_relief_mode(struct virtio_balloon *vb)
{
	return balloon_is_lent(vb) ? READ_ONCE(relief_mode) : BALLOON_RELIEF_NONE;
}

/* In the context of an allocation: any context, any locks. */
static void pressure_event(struct balloon_pressure_watch *watch,
			   enum balloon_pressure_event event)
{
	struct virtio_balloon *vb = container_of(watch, struct virtio_balloon, pressure.watch);
	struct balloon_pressure *pressure = &vb->pressure;

	/* Reclaim that our own inflation causes is no need of the guest. */
	if (current == READ_ONCE(vb->size.inflating_task))
		return;
	if (event == BALLOON_PRESSURE_STALL)
		atomic_inc(&pressure->stalls);
	else if (time_before(jiffies, READ_ONCE(pressure->low_after)))
		return;
	if (!atomic_long_read(&vb->nr_pages) && !READ_ONCE(vb->hints.nr_blocks))
		return;
	if (!atomic_xchg(&pressure->pending, 1))
		irq_work_queue(&pressure->irq_work);
}

static void pressure_irq_work(struct irq_work *work)
{
	struct virtio_balloon *vb = container_of(work, struct virtio_balloon,
						 pressure.irq_work);
	unsigned long next = READ_ONCE(vb->pressure.sampled_at) + PRESSURE_SAMPLE_GAP;
	unsigned long now = jiffies;

	balloon_queue_work(vb, &vb->pressure.work, time_after(next, now) ? next - now : 0);
}

/* Percentages of a window that has just ended, unless our inflation spoilt it. */
static void sample_psi(struct virtio_balloon *vb, struct balloon_pressure_sample *sample)
{
	struct balloon_pressure *pressure = &vb->pressure;
	unsigned long window = sample->now - pressure->psi_at;
	u64 some_us, full_us, window_us;

	if (window < PRESSURE_PSI_WINDOW || !balloon_pressure_psi(&some_us, &full_us))
		return;

	sample->psi_known = pressure->psi_known && window < 2 * PRESSURE_PSI_WINDOW &&
			    !READ_ONCE(pressure->psi_spoilt);
	if (sample->psi_known) {
		window_us = jiffies_to_usecs(window);
		sample->psi_some = div64_u64(100 * (some_us - pressure->psi_some_us), window_us);
		sample->psi_full = div64_u64(100 * (full_us - pressure->psi_full_us), window_us);
	}

	pressure->psi_at = sample->now;
	pressure->psi_some_us = some_us;
	pressure->psi_full_us = full_us;
	pressure->psi_known = true;
	WRITE_ONCE(pressure->psi_spoilt, vb->size.state == BALLOON_INFLATING);
}

static void balloon_pressure_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, pressure.work);
	struct balloon_pressure *pressure = &vb->pressure;
	struct balloon_pressure_verdict verdict;
	struct balloon_pressure_sample sample = {
		.now = jiffies,
		.spare = balloon_spare(vb),
		.reserve = balloon_reserve(vb),
		.held = atomic_long_read(&vb->nr_pages),
		.stalls = atomic_xchg(&pressure->stalls, 0),
	};
	unsigned long got;

	atomic_set(&pressure->pending, 0);
	WRITE_ONCE(pressure->sampled_at, sample.now);
	sample.ram = totalram_pages() + (balloon_is_lent(vb) ? 0 : sample.held);
	sample_psi(vb, &sample);
	/* With much page cache the low watermark is passed all the time. */
	WRITE_ONCE(pressure->low_after, sample.spare < 4 * sample.reserve ? sample.now :
		   sample.now + BALLOON_PRESSURE_PERIOD);

	balloon_pressure_judge(&sample, &pressure->memory, &verdict);

	if (verdict.squeezed && READ_ONCE(vb->hints.nr_blocks))
		balloon_hints_release(vb, max(verdict.release, 2 * sample.reserve));

	if (verdict.release) {
		balloon_size_hold(vb, BALLOON_REASON_PRESSURE);
		if (balloon_relief_mode(vb) == BALLOON_RELIEF_PRESSURE) {
			got = balloon_relieve(vb, verdict.release, PRESSURE_TIMEOUT);
			atomic_long_add(got, &pressure->nr_released);
			trace_virtio_balloon_relief(vb->vdev, BALLOON_REASON_PRESSURE,
						    verdict.release, got,
						    atomic_long_read(&vb->nr_pages));
			balloon_size_kick(vb);
		}
	}
	if (verdict.uneasy)
		balloon_size_extend_hold(vb);
	trace_virtio_balloon_pressure(vb->vdev, sample.spare, sample.reserve, sample.stalls,
				      sample.psi_some, sample.psi_full, verdict.release);

	/* Without events the periodic sample is all there is. */
	if (!pressure->watching)
		verdict.delay = BALLOON_PRESSURE_PERIOD;
	if (atomic_long_read(&vb->nr_pages))
		queue_delayed_work(vb->wq, &pressure->work, verdict.delay);
}

/**
 * balloon_pressure_kick() - the balloon holds pages now: start to look
 * @vb: the balloon
 *
 * Context: The size work.
 */
void balloon_pressure_kick(struct virtio_balloon *vb)
{
	WRITE_ONCE(vb->pressure.psi_spoilt, true);
	queue_delayed_work(vb->wq, &vb->pressure.work, BALLOON_PRESSURE_PERIOD);
}

/**
 * balloon_pressure_start() - begin to watch
 * @vb: the balloon, its work not yet queued
 *
 * Context: Process context.
 */
void balloon_pressure_start(struct virtio_balloon *vb)
{
	struct balloon_pressure *pressure = &vb->pressure;

	pressure->psi_known = false;
	pressure->memory = (struct balloon_pressure_memory){ };
	atomic_set(&pressure->pending, 0);
	pressure->watching = !balloon_pressure_register(&pressure->watch);
}

/**
 * balloon_pressure_stop() - stop watching
 * @vb: the balloon, quiet
 *
 * Context: Process context; afterwards neither event nor work runs.
 */
void balloon_pressure_stop(struct virtio_balloon *vb)
{
	struct balloon_pressure *pressure = &vb->pressure;

	if (pressure->watching)
		balloon_pressure_unregister(&pressure->watch);
	pressure->watching = false;
	irq_work_sync(&pressure->irq_work);
	cancel_delayed_work_sync(&pressure->work);
}

/**
 * balloon_pressure_init() - prepare the pressure path
 * @vb: the balloon
 *
 * Context: Probe.
 */
void balloon_pressure_init(struct virtio_balloon *vb)
{
	struct balloon_pressure *pressure = &vb->pressure;

	pressure->watch.notify = pressure_event;
	init_irq_work(&pressure->irq_work, pressure_irq_work);
	INIT_DELAYED_WORK(&pressure->work, balloon_pressure_work);
}
