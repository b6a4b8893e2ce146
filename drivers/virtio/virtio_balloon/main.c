// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the core calls: feature negotiation, probe, removal, suspend and resume,
 * config changes.  What the device is for happens in the other files.
 *
 * Takes the place of the driver by Rusty Russell (Copyright 2008 IBM Corporation),
 * whose module name, feature bits and statistics it keeps.
 */
#include <kunit/static_stub.h>
#include <linux/cc_platform.h>
#include <linux/crash_dump.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <uapi/linux/virtio_ring.h>

#define CREATE_TRACE_POINTS
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/**
 * vb_in_capture_kernel() - was this kernel started by one that crashed?
 *
 * A separate function so that KUnit can replace it.
 *
 * Context: Any.
 * Return: whether it was.
 */
bool vb_in_capture_kernel(void)
{
	KUNIT_STATIC_STUB_REDIRECT(vb_in_capture_kernel);
	return is_kdump_kernel();
}

/**
 * vb_in_confidential_guest() - is the guest's memory hidden from the host?
 *
 * A separate function for the same reason.
 *
 * Context: Any.
 * Return: whether it is.
 */
bool vb_in_confidential_guest(void)
{
	KUNIT_STATIC_STUB_REDIRECT(vb_in_confidential_guest);
	return cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT);
}

static void vb_config_changed(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	atomic_set(&vb->size.config_changed, 1);
	vb_size_kick(vb);
	vb_hints_kick(vb);
}

static void vb_free(struct virtio_balloon *vb)
{
	if (vb->wq)
		destroy_workqueue(vb->wq);
	vb_queue_exit(&vb->inflate);
	vb_queue_exit(&vb->deflate);
	vb_pools_exit(vb);
	kfree(vb);
}

static struct virtio_balloon *vb_alloc(struct virtio_device *vdev)
{
	struct virtio_balloon *vb;
	int err;

	vb = kzalloc_obj(*vb, GFP_KERNEL);
	if (!vb)
		return NULL;

	vb->vdev = vdev;
	vb->life = VB_OFF;
	vb->quiet = true;
	vb->no_inflate = vb_in_confidential_guest();
	init_rwsem(&vb->users);
	init_waitqueue_head(&vb->acked);
	spin_lock_init(&vb->quiet_lock);
	spin_lock_init(&vb->relief.lock);
	vb_unit_init(vb);
	vb_queue_init(&vb->inflate);
	vb_queue_init(&vb->deflate);
	vb_cushion_init(vb);
	vb_size_init(vb);
	vb_stats_init(vb);
	vb_hints_init(vb);
	vb_reporting_init(vb);
	vb_pressure_init(vb);
	vb_life_init(vb);
	vb_wakeup_init(vb);

	err = vb_pools_init(vb);
	if (!err) {
		vb_migrate_init(vb);
		err = vb_queue_fill(&vb->inflate, VB_INFLATE_REQUESTS);
	}
	if (!err)
		err = vb_queue_fill(&vb->deflate, vb_may_deflate_on_oom(vb) ?
				    VB_DEFLATE_REQUESTS : VB_INFLATE_REQUESTS);
	if (!err)
		vb->wq = alloc_workqueue("virtio_balloon",
					 WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (vb->wq)
		return vb;

	vb_free(vb);
	return NULL;
}

static int vb_probe(struct virtio_device *vdev)
{
	struct virtio_balloon *vb;
	int err;

	/*
	 * A capture kernel lives in a small reservation and for one purpose.  The
	 * host's target was meant for the kernel that crashed.
	 */
	if (vb_in_capture_kernel()) {
		dev_info(&vdev->dev, "no balloon in a crash capture kernel\n");
		return -ENODEV;
	}

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "the transport gives no access to the config space\n");
		return -EINVAL;
	}

	vb = vb_alloc(vdev);
	if (!vb)
		return -ENOMEM;
	vdev->priv = vb;

	err = vb_unit_register(vb);
	if (err)
		goto fail;
	err = vb_bring_up(vb);
	if (err)
		goto fail_unit;

	err = vb_oom_register(vb);
	if (err)
		goto fail_down;
	err = register_reboot_notifier(&vb->reboot);
	if (err)
		goto fail_oom;

	/* The balloon is of less use without reporting, but still of use. */
	err = vb_reporting_register(vb);
	if (err)
		dev_warn(&vdev->dev, "free page reporting is off: %d\n", err);
	vb_recover_allow(vb);
	return 0;

fail_oom:
	vb_oom_unregister(vb);
fail_down:
	vb_take_down(vb);
fail_unit:
	vb_unit_unregister(vb);
fail:
	vdev->priv = NULL;
	vb_free(vb);
	return err;
}

static void vb_remove(struct virtio_device *vdev)
{
	struct virtio_balloon *vb = vdev->priv;

	unregister_reboot_notifier(&vb->reboot);
	vb_recover_stop(vb);
	vb_oom_unregister(vb);
	vb_take_down(vb);
	/* A device that failed to come up again is off, but not as a reset leaves it. */
	if (vdev->config->get_status(vdev))
		virtio_reset_device(vdev);
	vb_reporting_unregister(vb);
	vb_unit_unregister(vb);
	vb_free(vb);
	vdev->priv = NULL;
}

/*
 * All tasks and the workqueue are frozen, page reporting has paused.  The OOM path
 * finds the device off and does nothing.
 */
static __maybe_unused int vb_freeze(struct virtio_device *vdev)
{
	vb_take_down(vdev->priv);
	return 0;
}

/*
 * The core has reset the device and negotiated the same features again.  If this
 * fails the device stays off: every path finds that and returns -ENODEV.
 */
static __maybe_unused int vb_restore(struct virtio_device *vdev)
{
	int err = vb_bring_up(vdev->priv);

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
static int vb_validate(struct virtio_device *vdev)
{
	if (!want_init_on_free() && !page_poisoning_enabled_static())
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);

	if (vb_in_confidential_guest()) {
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT);
	}

	__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

static const struct virtio_device_id vb_ids[] = {
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	{ }
};
MODULE_DEVICE_TABLE(virtio, vb_ids);

static const unsigned int vb_features[] = {
	/* The balloon proper. */
	VIRTIO_BALLOON_F_MUST_TELL_HOST,
	VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	VIRTIO_BALLOON_F_STATS_VQ,
	/* Free memory that stays the guest's. */
	VIRTIO_BALLOON_F_FREE_PAGE_HINT,
	VIRTIO_BALLOON_F_REPORTING,
	VIRTIO_BALLOON_F_PAGE_POISON,
};

static struct virtio_driver vb_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
		.dev_groups = vb_sysfs_groups,
	},
	.id_table = vb_ids,
	.feature_table = vb_features,
	.feature_table_size = ARRAY_SIZE(vb_features),
	.validate = vb_validate,
	.probe = vb_probe,
	.remove = vb_remove,
	.config_changed = vb_config_changed,
	.freeze = pm_sleep_ptr(vb_freeze),
	.restore = pm_sleep_ptr(vb_restore),
};
module_virtio_driver(vb_driver);

MODULE_DESCRIPTION("Virtio memory balloon and free page reporting");
MODULE_LICENSE("GPL");
