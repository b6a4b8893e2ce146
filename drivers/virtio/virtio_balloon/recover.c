// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device that has set DEVICE_NEEDS_RESET will not answer any more (virtio 1.2,
 * 2.1.1: the driver SHOULD NOT rely on completion of operations), nor will one whose
 * ring the core has found to be corrupt.  It is taken down at once, which gives its
 * pages back to the guest, and brought up again, after growing delays if it keeps
 * failing.
 *
 * This file notices, and life.c acts.  The work runs on a freezable queue, but not on
 * the driver's own, which it drains.
 */
#include <linux/kernel.h>
#include <linux/virtio_config.h>

#include "balloon.h"

/**
 * vb_needs_reset() - has the device failed?
 * @vb: the balloon
 *
 * Context: Process context; its queues exist.
 * Return: whether it does nothing any more until it is reset.
 */
bool vb_needs_reset(struct virtio_balloon *vb)
{
	struct virtio_device *vdev = vb->vdev;
	u8 status = vdev->config->get_status(vdev);
	struct virtqueue *vq;

	/* All ones is what is read from a device that has been pulled out. */
	if (status == U8_MAX)
		return false;
	/* Shutdown breaks and resets the device, and it has to stay that way. */
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || system_state > SYSTEM_RUNNING)
		return false;
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return true;
	virtio_device_for_each_vq(vdev, vq)
		if (virtqueue_is_broken(vq))
			return true;
	return false;
}

/**
 * vb_recover_check() - does the device need a reset?
 * @vb: the balloon, online
 *
 * Context: Process context.
 * Return: whether it does; it will be reset soon.
 */
bool vb_recover_check(struct virtio_balloon *vb)
{
	if (!vb_needs_reset(vb))
		return false;
	queue_delayed_work(system_freezable_wq, &vb->recover.work, 0);
	return true;
}

/**
 * vb_recover_stop() - the device goes away for good
 * @vb: the balloon
 *
 * Context: Process context; waits for a recovery under way.
 */
void vb_recover_stop(struct virtio_balloon *vb)
{
	disable_delayed_work_sync(&vb->recover.work);
}

/**
 * vb_recover_allow() - the core is done with its part of probing
 * @vb: the balloon
 *
 * Until then a reset would come in between.  What happened meanwhile is looked at now.
 *
 * Context: Process context.
 */
void vb_recover_allow(struct virtio_balloon *vb)
{
	enable_delayed_work(&vb->recover.work);
	vb_recover_check(vb);
}
