// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a balloon device: feature negotiation, probe, removal, suspend and
 * resume, config changes.  What the device is for happens in the other files.
 *
 * There is one way up and one way down.  balloon_bring_up() serves probe and
 * resume, balloon_take_down() removal and suspend; between them the device is ours
 * to use.
 */
#include <kunit/static_stub.h>
#include <linux/cc_platform.h>
#include <linux/crash_dump.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <uapi/linux/virtio_ring.h>

#define CREATE_TRACE_POINTS
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/* In the order of the specification; a queue that is not negotiated has no index. */
enum balloon_vq {
	BALLOON_VQ_INFLATE,
	BALLOON_VQ_DEFLATE,
	BALLOON_VQ_STATS,
	BALLOON_VQ_HINTS,
	BALLOON_VQ_REPORTING,
	BALLOON_NR_VQS,
};

/**
 * balloon_in_capture_kernel() - was this kernel started by one that crashed?
 *
 * A function of its own so that a test can have it so.
 *
 * Context: Any.
 * Return: whether it was.
 */
bool balloon_in_capture_kernel(void)
{
	KUNIT_STATIC_STUB_REDIRECT(balloon_in_capture_kernel);
	return is_kdump_kernel();
}

/**
 * balloon_in_confidential_guest() - is the guest's memory hidden from the host?
 *
 * A function of its own for the same reason.
 *
 * Context: Any.
 * Return: whether it is.
 */
bool balloon_in_confidential_guest(void)
{
	KUNIT_STATIC_STUB_REDIRECT(balloon_in_confidential_guest);
	return cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT);
}

/**
 * balloon_queue_work() - queue work unless the device is going down
 * @vb: the balloon
 * @work: one of its delayed works; if it is queued already the time changes
 * @delay: in jiffies
 *
 * Context: Any, interrupts included.
 * Return: whether it is queued now.
 */
bool balloon_queue_work(struct virtio_balloon *vb, struct delayed_work *work,
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

static void set_quiet(struct virtio_balloon *vb, bool quiet)
{
	spin_lock_irq(&vb->quiet_lock);
	vb->quiet = quiet;
	spin_unlock_irq(&vb->quiet_lock);
}

static void balloon_config_changed(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	atomic_set(&vb->size.config_changed, 1);
	balloon_size_kick(vb);
	balloon_hints_kick(vb);
}

static int find_queues(struct virtio_balloon *vb)
{
	struct virtqueue_info wanted[BALLOON_NR_VQS] = {
		[BALLOON_VQ_INFLATE] = { "inflate", balloon_queue_answer },
		[BALLOON_VQ_DEFLATE] = { "deflate", balloon_queue_answer },
	};
	struct virtqueue *found[BALLOON_NR_VQS];
	int err;

	if (balloon_has(vb, VIRTIO_BALLOON_F_STATS_VQ))
		wanted[BALLOON_VQ_STATS] = (struct virtqueue_info){
			"stats", balloon_stats_request };
	/* Polled: the host need not interrupt for every block. */
	if (balloon_has(vb, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		wanted[BALLOON_VQ_HINTS] = (struct virtqueue_info){ "free_page", NULL };
	if (balloon_has(vb, VIRTIO_BALLOON_F_REPORTING))
		wanted[BALLOON_VQ_REPORTING] = (struct virtqueue_info){
			"reporting", balloon_reporting_answer };

	err = virtio_find_vqs(vb->vdev, BALLOON_NR_VQS, found, wanted, NULL);
	if (err)
		return err;

	vb->inflate.vq = found[BALLOON_VQ_INFLATE];
	vb->deflate.vq = found[BALLOON_VQ_DEFLATE];
	vb->stats.vq = found[BALLOON_VQ_STATS];
	vb->hints.vq = found[BALLOON_VQ_HINTS];
	vb->reporting.vq = found[BALLOON_VQ_REPORTING];
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

	if (!balloon_has(vb, VIRTIO_BALLOON_F_PAGE_POISON))
		return;
	/* Zeroing wins over poisoning.  Four equal bytes have no byte order. */
	if (!want_init_on_free())
		memset(&poison, PAGE_POISON, sizeof(poison));
	virtio_cwrite_le(vb->vdev, struct virtio_balloon_config, poison_val, &poison);
}

/*
 * From negotiated features to a running device.  The device must not be notified
 * before DRIVER_OK (virtio 1.2, 3.1.1), so the first statistics buffer is only
 * laid out before it.
 */
static int balloon_bring_up(struct virtio_balloon *vb)
{
	int err;

	err = find_queues(vb);
	if (err)
		return err;

	if (balloon_has(vb, VIRTIO_BALLOON_F_STATS_VQ)) {
		err = balloon_stats_prime(vb);
		if (err) {
			vb->vdev->config->del_vqs(vb->vdev);
			return err;
		}
	}
	write_poison(vb);
	virtio_device_ready(vb->vdev);

	balloon_pressure_start(vb);
	WRITE_ONCE(vb->life, BALLOON_ON);
	set_quiet(vb, false);
	if (balloon_has(vb, VIRTIO_BALLOON_F_STATS_VQ))
		virtqueue_kick(vb->stats.vq);
	balloon_size_kick(vb);
	balloon_hints_kick(vb);
	return 0;
}

/**
 * balloon_take_down() - from a running device to one that is reset and owns nothing
 * @vb: the balloon; nothing happens if its device is off already
 *
 * In this order:
 *
 * 1. No new work, and what runs has ended.  The works never wait for the host.
 * 2. Nobody starts a request or kicks a queue any more; a queue must not be kicked
 *    once the device is reset.
 * 3. The host is told that the balloon is empty, while it can still be told.  No
 *    page is used yet.
 * 4. Reset.  Now every page in the balloon and in any request is the guest's.
 * 5. Those who waited for an answer leave.  Page reporting among them: this is why
 *    the reset comes before page_reporting_unregister(), which waits for it.
 * 6. Pages and queues are freed.
 *
 * Context: Process context, sleeps; one caller at a time.
 */
void balloon_take_down(struct virtio_balloon *vb)
{
	struct virtio_device *vdev = vb->vdev;
	u32 none = 0;

	set_quiet(vb, true);
	/* The size work starts the pressure work, so it goes first. */
	cancel_delayed_work_sync(&vb->size.work);
	balloon_pressure_stop(vb);
	cancel_delayed_work_sync(&vb->hints.work);
	cancel_work_sync(&vb->stats.work);

	if (vb->life == BALLOON_OFF)
		return;

	WRITE_ONCE(vb->life, BALLOON_STOPPING);
	balloon_queue_flush_senders(&vb->inflate);
	balloon_queue_flush_senders(&vb->deflate);
	balloon_reporting_flush(vb);

	virtio_cwrite_le(vdev, struct virtio_balloon_config, actual, &none);

	virtio_break_device(vdev);
	virtio_reset_device(vdev);

	WRITE_ONCE(vb->life, BALLOON_OFF);
	wake_up_all(&vb->acked);
	down_write(&vb->users);
	up_write(&vb->users);

	balloon_queue_recall(&vb->inflate);
	balloon_queue_recall(&vb->deflate);
	balloon_release_all(vb);
	balloon_hints_reset(vb);
	balloon_size_reset(vb);

	vdev->config->del_vqs(vdev);
	balloon_wakeup_drop(vb, ~0);
}

static void balloon_free(struct virtio_balloon *vb)
{
	if (vb->wq)
		destroy_workqueue(vb->wq);
	balloon_queue_exit(&vb->inflate);
	balloon_queue_exit(&vb->deflate);
	kfree(vb);
}

static struct virtio_balloon *balloon_alloc(struct virtio_device *vdev)
{
	struct virtio_balloon *vb;
	int err;

	vb = kzalloc(sizeof(*vb), GFP_KERNEL);
	if (!vb)
		return NULL;

	vb->vdev = vdev;
	vb->life = BALLOON_OFF;
	vb->quiet = true;
	vb->no_inflate = balloon_in_confidential_guest();
	init_rwsem(&vb->users);
	init_waitqueue_head(&vb->acked);
	spin_lock_init(&vb->quiet_lock);
	balloon_devinfo_init(&vb->pages);
	balloon_migrate_init(vb);
	balloon_size_init(vb);
	balloon_stats_init(vb);
	balloon_hints_init(vb);
	balloon_reporting_init(vb);
	balloon_pressure_init(vb);
	balloon_recover_init(vb);
	balloon_wakeup_init(vb);

	err = balloon_queue_init(&vb->inflate, BALLOON_INFLATE_REQUESTS);
	if (!err)
		err = balloon_queue_init(&vb->deflate, BALLOON_DEFLATE_REQUESTS);
	if (!err)
		vb->wq = alloc_workqueue("virtio_balloon",
					 WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (vb->wq)
		return vb;

	balloon_free(vb);
	return NULL;
}

static int balloon_probe(struct virtio_device *vdev)
{
	struct virtio_balloon *vb;
	int err;

	/*
	 * A capture kernel lives in a small reservation and for one purpose.  The
	 * host's target was meant for the kernel that crashed.
	 */
	if (balloon_in_capture_kernel()) {
		dev_info(&vdev->dev, "no balloon in a crash capture kernel\n");
		return -ENODEV;
	}

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "the transport gives no access to the config space\n");
		return -EINVAL;
	}

	vb = balloon_alloc(vdev);
	if (!vb)
		return -ENOMEM;
	vdev->priv = vb;

	err = balloon_bring_up(vb);
	if (err)
		goto fail;

	err = balloon_oom_register(vb);
	if (err)
		goto fail_down;

	/* Worth less without, yet worth something. */
	err = balloon_reporting_register(vb);
	if (err)
		dev_warn(&vdev->dev, "free page reporting is off: %d\n", err);
	return 0;

fail_down:
	balloon_take_down(vb);
fail:
	vdev->priv = NULL;
	balloon_free(vb);
	return err;
}

static void balloon_remove(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	balloon_recover_stop(vb);
	balloon_oom_unregister(vb);
	balloon_take_down(vb);
	/* One that failed to come up again is off, and yet not as a reset leaves it. */
	if (vdev->config->get_status(vdev))
		virtio_reset_device(vdev);
	balloon_reporting_unregister(vb);
	balloon_free(vb);
	vdev->priv = NULL;
}

/*
 * All tasks and the workqueue are frozen, page reporting has paused.  The OOM path
 * finds the device off and does nothing.
 */
static __maybe_unused int balloon_freeze(struct virtio_device *vdev)
{
	balloon_take_down(vdev->priv);
	return 0;
}

/*
 * The core has reset the device and negotiated the same features again.  If this
 * fails the device stays off: every path finds that and returns -ENODEV.
 */
static __maybe_unused int balloon_restore(struct virtio_device *vdev)
{
	int err = balloon_bring_up(vdev->priv);

	if (err)
		dev_err(&vdev->dev, "balloon is off after resume: %d\n", err);
	return err;
}

/*
 * Before the features are settled: drop those that this guest must not use.
 *
 * Reports may change what free pages contain.  A guest that relies on their
 * contents may accept them only if it can tell the host what it expects (virtio
 * 1.2, 5.5.3.1).
 *
 * Reporting must not allocate memory on its way to the ring, therefore no indirect
 * descriptors.  The device deals in guest physical addresses whatever the platform
 * does for DMA, therefore no ACCESS_PLATFORM.
 *
 * In a confidential guest the host cannot take pages back without the guest's
 * consent, and doing so behind its back ends in a fault.
 */
static int balloon_validate(struct virtio_device *vdev)
{
	if (!want_init_on_free() && !page_poisoning_enabled_static())
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);

	if (balloon_in_confidential_guest()) {
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT);
	}

	__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

static const struct virtio_device_id balloon_ids[] = {
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	{ }
};
MODULE_DEVICE_TABLE(virtio, balloon_ids);

static const unsigned int balloon_features[] = {
	/* The balloon proper. */
	VIRTIO_BALLOON_F_MUST_TELL_HOST,
	VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	VIRTIO_BALLOON_F_STATS_VQ,
	/* Free memory that stays the guest's. */
	VIRTIO_BALLOON_F_FREE_PAGE_HINT,
	VIRTIO_BALLOON_F_REPORTING,
	VIRTIO_BALLOON_F_PAGE_POISON,
};

static struct virtio_driver balloon_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
		.dev_groups = balloon_sysfs_groups,
	},
	.id_table = balloon_ids,
	.feature_table = balloon_features,
	.feature_table_size = ARRAY_SIZE(balloon_features),
	.validate = balloon_validate,
	.probe = balloon_probe,
	.remove = balloon_remove,
	.config_changed = balloon_config_changed,
	.freeze = pm_sleep_ptr(balloon_freeze),
	.restore = pm_sleep_ptr(balloon_restore),
};
module_virtio_driver(balloon_driver);

MODULE_DESCRIPTION("Virtio memory balloon and free page reporting");
MODULE_LICENSE("GPL");
