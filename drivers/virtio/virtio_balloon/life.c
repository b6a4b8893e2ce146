// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One way up and one way down.  vb_bring_up() serves probe, resume and recovery;
 * vb_take_down() serves removal, suspend and recovery; between them the device may be used.
 * Shutdown of the system has a shorter way down.
 */
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/poison.h>
#include <linux/sched.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>

#include "balloon.h"

#define RECOVER_DELAY_MIN	HZ
#define RECOVER_DELAY_MAX	(300 * HZ)
/* A device that has run for this long has recovered. */
#define RECOVER_LASTING		(600 * HZ)

/* In the order of the specification; a queue that is not negotiated has no index. */
enum vb_vq {
	VB_VQ_INFLATE,
	VB_VQ_DEFLATE,
	VB_VQ_STATS,
	VB_VQ_HINTS,
	VB_VQ_REPORTING,
	VB_NR_VQS,
};

static int find_queues(struct virtio_balloon *vb)
{
	struct virtqueue_info wanted[VB_NR_VQS] = {
		[VB_VQ_INFLATE] = { "inflate", vb_queue_answer },
		[VB_VQ_DEFLATE] = { "deflate", vb_queue_answer },
	};
	struct virtqueue *found[VB_NR_VQS];
	int err;

	if (vb_has(vb, VIRTIO_BALLOON_F_STATS_VQ))
		wanted[VB_VQ_STATS] = (struct virtqueue_info){
			"stats", vb_stats_request };
	/* Polled: the host need not interrupt for every block. */
	if (vb_has(vb, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		wanted[VB_VQ_HINTS] = (struct virtqueue_info){ "free_page", NULL };
	if (vb_has(vb, VIRTIO_BALLOON_F_REPORTING))
		wanted[VB_VQ_REPORTING] = (struct virtqueue_info){
			"reporting", vb_reporting_answer };

	err = virtio_find_vqs(vb->vdev, VB_NR_VQS, found, wanted, NULL);
	if (err)
		return err;

	vb->inflate.vq = found[VB_VQ_INFLATE];
	vb->deflate.vq = found[VB_VQ_DEFLATE];
	vb->stats.vq = found[VB_VQ_STATS];
	vb->hints.vq = found[VB_VQ_HINTS];
	vb->reporting.vq = found[VB_VQ_REPORTING];
	return 0;
}

/*
 * What the guest expects to find in pages that come back.  Must stand before
 * DRIVER_OK and not change afterwards (virtio 1.2, 5.5.6.6.1), and since a reset
 * clears it, it has to be written after each.
 */
static void write_poison(struct virtio_balloon *vb)
{
	u32 poison = 0;

	if (!vb_has(vb, VIRTIO_BALLOON_F_PAGE_POISON))
		return;
	/* Zeroing wins over poisoning.  Four equal bytes have no byte order. */
	if (!want_init_on_free())
		memset(&poison, PAGE_POISON, sizeof(poison));
	virtio_cwrite_le(vb->vdev, struct virtio_balloon_config, poison_val, &poison);
}

/**
 * vb_bring_up() - from negotiated features to a running device
 * @vb: the balloon
 *
 * The device must not be notified before DRIVER_OK (virtio 1.2, 3.1.1), so the first
 * statistics buffer is only laid out before it.  A device may use that buffer before
 * anybody here may answer, and an interrupt then is lost: hence a look of our own.
 *
 * Context: Process context, sleeps.
 * Return: 0 or -errno; the device is off then.
 */
int vb_bring_up(struct virtio_balloon *vb)
{
	int err;

	err = find_queues(vb);
	if (err)
		return err;

	if (vb_has(vb, VIRTIO_BALLOON_F_STATS_VQ)) {
		err = vb_stats_prime(vb);
		if (err) {
			vb->inflate.vq = NULL;
			vb->deflate.vq = NULL;
			vb->vdev->config->del_vqs(vb->vdev);
			return err;
		}
	}
	write_poison(vb);
	vb->reclaimable = vb_relief_mode(vb) != VB_RELIEF_NONE;
	vb_pressure_start(vb);
	virtio_device_ready(vb->vdev);

	WRITE_ONCE(vb->life, VB_ON);
	if (vb_has(vb, VIRTIO_BALLOON_F_STATS_VQ))
		virtqueue_kick(vb->stats.vq);
	vb_set_quiet(vb, false);
	if (vb_has(vb, VIRTIO_BALLOON_F_STATS_VQ))
		vb_stats_look(vb);
	vb_size_kick(vb);
	vb_hints_kick(vb);
	return 0;
}

static void flush_lock(spinlock_t *lock)
{
	spin_lock(lock);
	spin_unlock(lock);
}

static void stop_work(struct virtio_balloon *vb)
{
	vb_set_quiet(vb, true);
	/* The size work starts the pressure work, so it goes first. */
	cancel_delayed_work_sync(&vb->size.work);
	vb_pressure_stop(vb);
	cancel_delayed_work_sync(&vb->hints.work);
	cancel_work_sync(&vb->stats.work);
}

static void stop_senders(struct virtio_balloon *vb)
{
	WRITE_ONCE(vb->life, VB_STOPPING);
	/* A sender that saw VB_ON leaves its lock; later ones will not see it. */
	flush_lock(&vb->inflate.lock);
	flush_lock(&vb->deflate.lock);
	flush_lock(&vb->reporting.lock);
}

static void reset_device(struct virtio_balloon *vb)
{
	virtio_break_device(vb->vdev);
	virtio_reset_device(vb->vdev);

	WRITE_ONCE(vb->life, VB_OFF);
	wake_up_all(&vb->acked);
}

/**
 * vb_take_down() - from a running device to one that is reset and owns nothing
 * @vb: the balloon; nothing happens if it has been taken down already
 *
 * In this order:
 *
 * 1. No new work, and what runs has ended.  No work waits for the host.  Hinted blocks
 *    that it has returned are free at once.
 * 2. The host is told which pages will be used, unless it does not listen any more.
 *    None is used yet.
 * 3. Nobody starts a request or kicks a queue any more; a queue must not be kicked
 *    once the device is reset.
 * 4. The host is told that the balloon is empty, while it can still be told.
 * 5. Reset.  Now every page in the balloon and in any request is the guest's.
 * 6. Those who waited for an answer leave.  Page reporting among them: this is why
 *    the reset comes before page_reporting_unregister(), which waits for it.
 * 7. Pages and queues are freed.
 *
 * Context: Process context, sleeps; one caller at a time.
 */
void vb_take_down(struct virtio_balloon *vb)
{
	struct virtio_device *vdev = vb->vdev;
	LIST_HEAD(parked);
	u32 none = 0;

	stop_work(vb);
	vb_hints_release(vb, ULONG_MAX);
	if (!vb->inflate.vq)
		return;

	if (vb->life == VB_ON) {
		if (!vb_needs_reset(vb))
			vb_announce_all(vb, &parked);
		stop_senders(vb);
		virtio_cwrite_le(vdev, struct virtio_balloon_config, actual, &none);
		reset_device(vb);
	}
	down_write(&vb->users);
	up_write(&vb->users);

	vb_queue_recall(&vb->inflate);
	vb_queue_recall(&vb->deflate);
	vb_release_all(vb, &parked);
	vb_hints_reset(vb);
	vb_size_reset(vb);

	vdev->config->del_vqs(vdev);
	vb_wakeup_drop(vb, ~0);
}

/*
 * The system goes down, or another kernel takes over.  The bus is about to break and reset
 * the device, with whatever is under way: work would go on with a dead device, and a
 * report would wait for its answer for ever.  So all that stops first, also on kernels
 * that have no shutdown callback for drivers.  No page is taken back: nobody needs it now.
 */
static int shut_down(struct notifier_block *nb, unsigned long event, void *data)
{
	struct virtio_balloon *vb = container_of(nb, struct virtio_balloon, reboot);

	vb_recover_stop(vb);
	stop_work(vb);
	if (vb->life == VB_ON) {
		stop_senders(vb);
		reset_device(vb);
	}
	return NOTIFY_DONE;
}

static void reset_and_bring_up(struct virtio_balloon *vb)
{
	struct vb_recover *recover = &vb->recover;
	int err = -EOPNOTSUPP;

	if (vb->life == VB_ON) {
		/* A resume may have been quicker than this work. */
		if (!vb_needs_reset(vb))
			return;
		dev_warn(&vb->vdev->dev, "the device is broken: resetting it\n");
		vb_take_down(vb);

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

/*
 * The core looks at the device and sets its status before and after it calls the driver,
 * so a reset must not come in between.  It may wait for this work, which therefore does not
 * wait for the core.
 */
static void recover_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, recover.work);
	struct device *dev = &vb->vdev->dev;

	if (!device_trylock(dev)) {
		queue_delayed_work(system_freezable_wq, &vb->recover.work, 1);
		return;
	}
	reset_and_bring_up(vb);
	device_unlock(dev);
}

/**
 * vb_life_init() - prepare recovery and shutdown
 * @vb: the balloon
 *
 * Context: Probe; there is no recovery before vb_recover_allow().
 */
void vb_life_init(struct virtio_balloon *vb)
{
	vb->reboot.notifier_call = shut_down;
	INIT_DELAYED_WORK(&vb->recover.work, recover_work);
	disable_delayed_work(&vb->recover.work);
}
