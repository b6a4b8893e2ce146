// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Starts the driver's work, unless the device is going down; and watches how long a
 * host takes to answer.
 */
#include <linux/device.h>

#include "balloon.h"

/**
 * vb_queue_work() - queue work unless the device is going down
 * @vb: the balloon
 * @work: one of its delayed works; if it is queued already the time changes
 * @delay: in jiffies
 *
 * Context: Any, interrupts included.
 * Return: whether it is queued now.
 */
bool vb_queue_work(struct virtio_balloon *vb, struct delayed_work *work,
		   unsigned long delay)
{
	unsigned long flags;
	bool queued = false;

	spin_lock_irqsave(&vb->quiet_lock, flags);
	if (!vb->quiet) {
		mod_delayed_work(vb->wq, work, delay);
		queued = true;
	}
	spin_unlock_irqrestore(&vb->quiet_lock, flags);
	return queued;
}

/**
 * vb_set_quiet() - whether new work may be queued
 * @vb: the balloon
 * @quiet: it may not
 *
 * Context: Process context.
 */
void vb_set_quiet(struct virtio_balloon *vb, bool quiet)
{
	spin_lock_irq(&vb->quiet_lock);
	vb->quiet = quiet;
	spin_unlock_irq(&vb->quiet_lock);
}

/**
 * vb_size_kick() - look at the target again
 * @vb: the balloon
 *
 * Context: Any, interrupts included.
 */
void vb_size_kick(struct virtio_balloon *vb)
{
	vb_wakeup_hold(vb, VB_WAKE_SIZE_ASKED);
	if (!vb_queue_work(vb, &vb->size.work, 0))
		vb_wakeup_drop(vb, VB_WAKE_SIZE_ASKED);
}

/**
 * vb_hints_kick() - the host may have set a new command id
 * @vb: the balloon
 *
 * Context: Any, interrupts included.
 */
void vb_hints_kick(struct virtio_balloon *vb)
{
	if (!vb_has(vb, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		return;
	atomic_set(&vb->hints.config_changed, 1);
	vb_queue_work(vb, &vb->hints.work, 0);
}

/**
 * vb_stall_check() - does an answer take too long?
 * @stall: of the queue; the caller holds the queue's lock
 * @age: since when the host owes the answer, in jiffies
 * @broken: the queue is broken, there will be no answer
 * @warn: set if the log has not been told yet
 *
 * Context: Any but interrupts.
 * Return: whether the device may need a reset.
 */
bool vb_stall_check(struct vb_stall *stall, unsigned long age, bool broken, bool *warn)
{
	*warn = (broken || age >= VB_STALL_WARN) && !stall->warned;
	stall->warned |= *warn;
	return broken || age >= VB_STALL_LATE;
}

/**
 * vb_stall_warn() - tell the log that an answer takes too long
 * @vb: the balloon
 * @name: of the queue
 * @broken: the queue is broken
 *
 * Context: Process context.
 */
void vb_stall_warn(struct virtio_balloon *vb, const char *name, bool broken)
{
	dev_warn(&vb->vdev->dev,
		 "%s: %s, pages stay with the host until it answers or the device is reset\n",
		 name, broken ? "queue broken" : "no answer from the host");
}
