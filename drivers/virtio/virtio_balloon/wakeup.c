// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keeps the system awake while a wish of the host is being carried out.
 *
 * The interrupt that carries the wish may have woken the machine; the transport's
 * own wakeup source ends with the interrupt handler, and the work would come too
 * late if the system suspended again right away.  So the interrupt sets an ASKED
 * bit, the work turns it into a BUSY bit, and the last bit to go lets the system
 * sleep.  There are two bits for each, because a new wish may come while the work runs.
 */
#include <linux/device.h>

#include "balloon.h"

/* Caller holds vb->wake_lock. */
static void wakeup_set(struct virtio_balloon *vb, u32 mask)
{
	u32 before = vb->wake_mask;

	lockdep_assert_held(&vb->wake_lock);
	vb->wake_mask = mask;
	if (!before && mask)
		pm_stay_awake(&vb->vdev->dev);
	else if (before && !mask)
		pm_relax(&vb->vdev->dev);
}

/**
 * vb_wakeup_init() - prepare the wakeup source
 * @vb: the balloon
 *
 * The source is the balloon's own, apart from the transport's, because wakeup
 * sources do not nest.
 *
 * Context: Probe, before the device can interrupt.
 */
void vb_wakeup_init(struct virtio_balloon *vb)
{
	spin_lock_init(&vb->wake_lock);
	vb->wake_mask = 0;
	device_set_wakeup_capable(&vb->vdev->dev, true);
}

/**
 * vb_wakeup_hold() - keep the system awake
 * @vb: the balloon
 * @reason: VB_WAKE_*
 *
 * Context: Any, interrupts included.
 */
void vb_wakeup_hold(struct virtio_balloon *vb, u32 reason)
{
	unsigned long flags;

	spin_lock_irqsave(&vb->wake_lock, flags);
	wakeup_set(vb, vb->wake_mask | reason);
	spin_unlock_irqrestore(&vb->wake_lock, flags);
}

/**
 * vb_wakeup_turn() - the work takes over from the interrupt
 * @vb: the balloon
 * @from: VB_WAKE_*_ASKED
 * @to: VB_WAKE_*_BUSY; set only if @from was
 *
 * Context: Any, interrupts included.
 */
void vb_wakeup_turn(struct virtio_balloon *vb, u32 from, u32 to)
{
	unsigned long flags;

	spin_lock_irqsave(&vb->wake_lock, flags);
	if (vb->wake_mask & from)
		wakeup_set(vb, (vb->wake_mask & ~from) | to);
	spin_unlock_irqrestore(&vb->wake_lock, flags);
}

/**
 * vb_wakeup_drop() - these reasons to stay awake are gone
 * @vb: the balloon
 * @reasons: VB_WAKE_*, or ~0 for all
 *
 * Context: Any, interrupts included.
 */
void vb_wakeup_drop(struct virtio_balloon *vb, u32 reasons)
{
	unsigned long flags;

	spin_lock_irqsave(&vb->wake_lock, flags);
	wakeup_set(vb, vb->wake_mask & ~reasons);
	spin_unlock_irqrestore(&vb->wake_lock, flags);
}
