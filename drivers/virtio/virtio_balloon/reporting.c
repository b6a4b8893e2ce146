// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Free page reporting: carries the engine's requests to the host.
 *
 * The engine takes free pages off the allocator, calls report(), and puts them
 * back when that returns.  So an early return means that a guest may write to a
 * page the host is about to discard.  report() therefore returns in two cases
 * only: the host has used the buffers, or the device has been reset and owns
 * nothing any more.  A broken queue, a signal or a timeout is no reason to return.
 *
 * That puts a duty on the removal of a device that does not answer any more, be it
 * hung or gone: unregistering waits for report(), and report() waits for the
 * reset.  vb_take_down() hence resets the device first; that sets vb->life to
 * VB_OFF and wakes the waiter, report() fails with -ENODEV, the engine takes
 * its pages back as not reported, and only then is it asked to let go of us.  The
 * same order serves surprise removal, where the core breaks the queues before it
 * calls remove(), and suspend, where the engine has paused and no report is out
 * unless the host hangs.
 */
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/* Largest single range; the length field of a descriptor has 32 bits. */
#define VB_REPORT_ELEM_MAX	SZ_256M

static bool report_answered(struct vb_reporting *reporting)
{
	unsigned int len;
	bool answered;

	spin_lock(&reporting->lock);
	answered = virtqueue_get_buf(reporting->vq, &len);
	if (answered)
		reporting->stall.warned = false;
	spin_unlock(&reporting->lock);
	return answered;
}

/* How long the host took; when the waiter ran again says more about the guest. */
static u64 report_host_ns(const struct vb_reporting *reporting, u64 sent_ns)
{
	u64 answered_ns = READ_ONCE(reporting->answered_ns);

	/* It may have been seen before the interrupt came. */
	return (answered_ns >= sent_ns ? answered_ns : ktime_get_ns()) - sent_ns;
}

static int report_send(struct virtio_balloon *vb, struct scatterlist *sg, unsigned int nents)
{
	struct vb_reporting *reporting = &vb->reporting;
	int err = -ENODEV;

	spin_lock(&reporting->lock);
	if (READ_ONCE(vb->life) == VB_ON) {
		err = virtqueue_add_inbuf(reporting->vq, sg, nents, reporting, GFP_ATOMIC);
		if (!err) {
			reporting->sent = jiffies;
			virtqueue_kick(reporting->vq);
		}
	}
	spin_unlock(&reporting->lock);
	return err;
}

/**
 * vb_reporting_check() - the host has not answered a report yet
 * @vb: the balloon, with a report out; its queue is there
 *
 * After a while asks whether the device is broken, and says in the log that it is
 * late, once until it answers.
 *
 * Context: Process context.
 */
void vb_reporting_check(struct virtio_balloon *vb)
{
	struct vb_reporting *reporting = &vb->reporting;
	bool broken, late, warn;

	spin_lock(&reporting->lock);
	broken = virtqueue_is_broken(reporting->vq);
	late = vb_stall_check(&reporting->stall, jiffies - reporting->sent, broken, &warn);
	spin_unlock(&reporting->lock);

	if (late)
		vb_recover_check(vb);
	if (warn)
		vb_stall_warn(vb, "reporting", broken);
}

/* Until the answer or the reset. */
static int report_wait(struct virtio_balloon *vb)
{
	bool answered = false;

	for (;;) {
		wait_event_timeout(vb->acked,
				   (answered = report_answered(&vb->reporting)) ||
				   READ_ONCE(vb->life) == VB_OFF, HZ);
		if (answered)
			return 0;
		if (READ_ONCE(vb->life) == VB_OFF)
			return -ENODEV;
		vb_reporting_check(vb);
	}
}

static int vb_report(struct page_reporting_dev_info *dev, struct scatterlist *sg,
		     unsigned int nents)
{
	struct virtio_balloon *vb = container_of(dev, struct virtio_balloon, reporting.dev);
	unsigned int ring, part, left = nents;
	ktime_t start = ktime_get();
	u64 host_ns = 0, sent_ns;
	int err = -ENODEV;

	down_read(&vb->users);
	if (READ_ONCE(vb->life) != VB_ON)
		goto out;

	/* A ring smaller than the engine's batch takes it in pieces. */
	ring = virtqueue_get_vring_size(vb->reporting.vq);
	do {
		part = min(ring, left);
		left -= part;
		if (left)
			sg_mark_end(&sg[part - 1]);
		sent_ns = ktime_get_ns();
		err = report_send(vb, sg, part);
		if (!err)
			err = report_wait(vb);
		host_ns += report_host_ns(&vb->reporting, sent_ns);
		if (left)
			sg_unmark_end(&sg[part - 1]);
		sg += part;
	} while (left && !err);
	dev->host_ns = host_ns;

	trace_virtio_balloon_report(vb->vdev, nents, ktime_us_delta(ktime_get(), start), err);
out:
	up_read(&vb->users);
	return err;
}

/**
 * vb_reporting_answer() - the host has used a buffer of the reporting queue
 * @vq: the queue
 *
 * Context: Interrupt.
 */
void vb_reporting_answer(struct virtqueue *vq)
{
	struct virtio_balloon *vb = vq->vdev->priv;

	WRITE_ONCE(vb->reporting.answered_ns, ktime_get_ns());
	wake_up(&vb->acked);
}

/**
 * vb_reporting_init() - prepare reporting
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_reporting_init(struct virtio_balloon *vb)
{
	spin_lock_init(&vb->reporting.lock);
	vb->reporting.dev.report = vb_report;
	vb->reporting.dev.max_elem_bytes = VB_REPORT_ELEM_MAX;
	/*
	 * With larger pages than 4 KiB a pageblock is more than that: 512 MiB with
	 * 64 KiB, and hardly ever free as a whole.
	 */
	vb->reporting.dev.order = VB_UNIT_ORDER;
}

/**
 * vb_reporting_register() - offer the device to the engine
 * @vb: the balloon, after DRIVER_OK
 *
 * Context: Process context.
 * Return: 0, also when the host does not take reports; -EBUSY when another device
 * does already.
 */
int vb_reporting_register(struct virtio_balloon *vb)
{
	int err;

	if (!vb_has(vb, VIRTIO_BALLOON_F_REPORTING))
		return 0;
	err = page_reporting_register(&vb->reporting.dev);
	vb->reporting.registered = !err;
	return err;
}

/**
 * vb_reporting_unregister() - no more reports
 * @vb: the balloon, its device reset
 *
 * Context: Process context, waits for a report under way.
 */
void vb_reporting_unregister(struct virtio_balloon *vb)
{
	if (vb->reporting.registered)
		page_reporting_unregister(&vb->reporting.dev);
	vb->reporting.registered = false;
}
