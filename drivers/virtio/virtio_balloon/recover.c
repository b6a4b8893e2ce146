// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device that has set DEVICE_NEEDS_RESET will not answer any more (virtio 1.2,
 * 2.1.1: the driver SHOULD NOT rely on completion of operations), nor will one whose
 * ring the core has found to be corrupt.  It is taken down at once, which gives its
 * pages back to the guest, and brought up again; later and later if that does not
 * last.
 *
 * The work runs on a freezable queue, but not on the driver's own, which it drains.
 */
#include <linux/kernel.h>
#include <linux/virtio_config.h>

#include "balloon.h"

#define RECOVER_DELAY_MIN	HZ
#define RECOVER_DELAY_MAX	(300 * HZ)
/* A device that ran for so long has recovered. */
#define RECOVER_LASTING		(600 * HZ)

static bool needs_reset(struct virtio_balloon *vb)
{
	struct virtio_device *vdev = vb->vdev;
	u8 status = vdev->config->get_status(vdev);
	struct virtqueue *vq;

	/* All ones is what is read from a device that has been pulled out. */
	if (status == U8_MAX)
		return false;
	/* Shutdown breaks and resets the device, and it has to stay so. */
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || system_state > SYSTEM_RUNNING)
		return false;
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return true;
	virtio_device_for_each_vq(vdev, vq)
		if (virtqueue_is_broken(vq))
			return true;
	return false;
}

static void balloon_recover_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, recover.work);
	struct balloon_recover *recover = &vb->recover;
	int err = -EOPNOTSUPP;

	if (vb->life == BALLOON_ON) {
		/* A resume may have been quicker than this work. */
		if (!needs_reset(vb))
			return;
		dev_warn(&vb->vdev->dev, "the device is broken: resetting it\n");
		balloon_take_down(vb);

		if (recover->delay && time_before(jiffies, recover->up_at + RECOVER_LASTING)) {
			recover->delay = min_t(unsigned long, 2 * recover->delay,
					       RECOVER_DELAY_MAX);
			queue_delayed_work(system_freezable_wq, &recover->work, recover->delay);
			return;
		}
		recover->delay = RECOVER_DELAY_MIN;
	}

#ifdef CONFIG_PM_SLEEP
	err = virtio_device_restore(vb->vdev);
#endif
	recover->up_at = jiffies;
	if (err)
		dev_err(&vb->vdev->dev, "the balloon is off after the reset: %d\n", err);
}

/**
 * balloon_recover_check() - does the device need a reset?
 * @vb: the balloon, online
 *
 * Context: Process context.
 * Return: whether it does; it will be reset soon.
 */
bool balloon_recover_check(struct virtio_balloon *vb)
{
	if (!needs_reset(vb))
		return false;
	queue_delayed_work(system_freezable_wq, &vb->recover.work, 0);
	return true;
}

/**
 * balloon_recover_stop() - the device goes away for good
 * @vb: the balloon
 *
 * Context: Process context; waits for a recovery under way.
 */
void balloon_recover_stop(struct virtio_balloon *vb)
{
	disable_delayed_work_sync(&vb->recover.work);
}

/**
 * balloon_recover_init() - prepare recovery
 * @vb: the balloon
 *
 * Context: Probe.
 */
void balloon_recover_init(struct virtio_balloon *vb)
{
	INIT_DELAYED_WORK(&vb->recover.work, balloon_recover_work);
}
