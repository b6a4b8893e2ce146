// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The transport of the software device: config space, status, queues, interrupts.
 *
 * The device runs in a work of its own.  A kick only marks a queue, because it comes
 * under the driver's spinlocks; interrupts come through irq_work, so that the
 * driver's callbacks run in the context they have with hardware.
 *
 * dev->lock is what a reset waits for: when it returns the device has let go of
 * memory and queues, and interrupts nobody.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_ring.h>

#include "softdev.h"

/**
 * softdev_fault() - the driver did what it must not do
 * @dev: the device
 * @format: what, as for printf
 *
 * Context: Any.
 */
void softdev_fault(struct softdev *dev, const char *format, ...)
{
	unsigned long flags;
	va_list args;

	spin_lock_irqsave(&dev->fault_lock, flags);
	if (!dev->nr_faults++) {
		va_start(args, format);
		vscnprintf(dev->fault, sizeof(dev->fault), format, args);
		va_end(args);
	}
	spin_unlock_irqrestore(&dev->fault_lock, flags);
}

/* Interrupts */

static void irq_work_fn(struct irq_work *work)
{
	struct softdev *dev = container_of(work, struct softdev, irq);
	unsigned long irqs = xchg(&dev->irqs, 0);
	enum softdev_kind kind;

	if (irqs & BIT(SOFTDEV_IRQ_CONFIG))
		virtio_config_changed(&dev->vdev);
	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++)
		if ((irqs & BIT(kind)) && dev->queues[kind].vq)
			vring_interrupt(0, dev->queues[kind].vq);
}

/**
 * softdev_interrupt() - interrupt the driver, with or without a reason
 * @dev: the device
 * @irq: a queue's kind, or SOFTDEV_IRQ_CONFIG
 *
 * Context: Any.
 */
void softdev_interrupt(struct softdev *dev, unsigned int irq)
{
	unsigned long flags;

	/* A device that is not in use is silent; the lock keeps a reset away. */
	spin_lock_irqsave(&dev->config_lock, flags);
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		set_bit(irq, &dev->irqs);
		irq_work_queue(&dev->irq);
	}
	spin_unlock_irqrestore(&dev->config_lock, flags);
}

/* Queues */

static void use_buffer(struct softdev *dev, struct softdev_buffer *buf, u16 id)
{
	struct softdev_queue *queue = &dev->queues[buf->kind];

	lockdep_assert_held(&dev->lock);
	list_del(&buf->node);
	queue->nr_held--;
	vringh_complete_kern(&queue->vringh, id, dev->used_len);
	if (!dev->mute && vringh_need_notify_kern(&queue->vringh) > 0)
		softdev_interrupt(dev, buf->kind);
	kfree(buf);
}

/**
 * softdev_answer_buffer() - the device is done with a buffer
 * @dev: the device
 * @buf: the buffer, held back; gone afterwards
 *
 * Nothing is answered on a queue that is spoilt.  The answer could take the place of what
 * spoils it, and then it would be there twice.
 *
 * Context: The caller holds dev->lock.
 */
void softdev_answer_buffer(struct softdev *dev, struct softdev_buffer *buf)
{
	if (dev->queues[buf->kind].spoilt)
		return;
	if (buf->kind == SOFTDEV_REPORTING)
		softdev_report_answer(dev, buf);
	else
		softdev_pages_answer(dev, buf);
	use_buffer(dev, buf, buf->head);
}

static void take(struct softdev *dev, enum softdev_kind kind, u16 head,
		 const struct vringh_kiov *out, const struct vringh_kiov *in)
{
	struct softdev_queue *queue = &dev->queues[kind];
	struct softdev_buffer *buf;

	buf = kmalloc(struct_size(buf, ranges, out->used + in->used), GFP_KERNEL);
	if (!buf) {
		softdev_fault(dev, "no memory for the device itself");
		return;
	}
	buf->kind = kind;
	buf->head = head;
	buf->nr_out = out->used;
	buf->nr_in = in->used;
	memcpy(buf->ranges, out->iov, out->used * sizeof(*buf->ranges));
	memcpy(buf->ranges + out->used, in->iov, in->used * sizeof(*buf->ranges));
	list_add_tail(&buf->node, &queue->buffers);
	queue->nr_held++;
	queue->nr_taken++;

	switch (kind) {
	case SOFTDEV_STATS:
		softdev_stats_take(dev, buf);
		break;
	case SOFTDEV_HINTS:
		softdev_hint_take(dev, buf);
		break;
	case SOFTDEV_REPORTING:
		softdev_report_take(dev, buf);
		break;
	default:
		softdev_pages_take(dev, buf);
	}
	if (!queue->hold || (dev->eager && kind == SOFTDEV_STATS)) {
		dev->eager = false;
		softdev_answer_buffer(dev, buf);
	}
}

static void take_all(struct softdev *dev, enum softdev_kind kind)
{
	struct vringh *vringh = &dev->queues[kind].vringh;
	struct vringh_kiov out, in;
	struct kvec ranges[2][8];
	int got;
	u16 head;

	vringh_kiov_init(&out, ranges[0], ARRAY_SIZE(ranges[0]));
	vringh_kiov_init(&in, ranges[1], ARRAY_SIZE(ranges[1]));
	do {
		while ((got = vringh_getdesc_kern(vringh, &out, &in, &head, GFP_KERNEL)) > 0)
			take(dev, kind, head, &out, &in);
	} while (!got && !vringh_notify_enable_kern(vringh));
	if (got < 0)
		softdev_fault(dev, "queue %d cannot be read: %d", kind, got);
	vringh_kiov_cleanup(&out);
	vringh_kiov_cleanup(&in);
}

static void device_work(struct work_struct *work)
{
	struct softdev *dev = container_of(work, struct softdev, work);
	enum softdev_kind kind;

	mutex_lock(&dev->lock);
	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++)
		if (test_and_clear_bit(kind, &dev->kicked) && dev->queues[kind].vq &&
		    (dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
			take_all(dev, kind);
	mutex_unlock(&dev->lock);
}

/* The driver must not do this before DRIVER_OK (virtio 1.2, 3.1.1) or after a reset. */
static bool device_kick(struct virtqueue *vq)
{
	struct softdev *dev = to_softdev(vq->vdev);

	if (dev->gone)
		return false;
	if (!(READ_ONCE(dev->status) & VIRTIO_CONFIG_S_DRIVER_OK))
		softdev_fault(dev, "%s: kicked without DRIVER_OK", vq->name);
	set_bit((unsigned long)vq->priv, &dev->kicked);
	queue_work(dev->wq, &dev->work);
	return true;
}

/* Forgets what is on the queues and interrupts nobody any more. */
static void device_quiesce(struct softdev *dev)
{
	struct softdev_buffer *buf, *next;
	struct softdev_queue *queue;

	lockdep_assert_held(&dev->lock);
	for (queue = dev->queues; queue < dev->queues + SOFTDEV_NR_KINDS; queue++) {
		list_for_each_entry_safe(buf, next, &queue->buffers, node) {
			list_del(&buf->node);
			kfree(buf);
		}
		queue->nr_held = 0;
		queue->spoilt = false;
	}
	dev->kicked = 0;
	irq_work_sync(&dev->irq);
	dev->irqs = 0;
}

/* Operations of the transport */

static void device_get(struct virtio_device *vdev, unsigned int offset, void *data,
		       unsigned int len)
{
	struct softdev *dev = to_softdev(vdev);

	memset(data, 0xff, len);
	if (offset + len > sizeof(dev->config)) {
		softdev_fault(dev, "reads config space at %u", offset);
		return;
	}
	spin_lock_irq(&dev->config_lock);
	memcpy(data, (u8 *)&dev->config + offset, len);
	spin_unlock_irq(&dev->config_lock);
}

static void device_set(struct virtio_device *vdev, unsigned int offset, const void *data,
		       unsigned int len)
{
	struct softdev *dev = to_softdev(vdev);
	bool ok = dev->status & VIRTIO_CONFIG_S_DRIVER_OK;

	/* Both have 4 bytes, to be written at once. */
	if (len != sizeof(__le32) ||
	    (offset != offsetof(struct virtio_balloon_config, actual) &&
	     offset != offsetof(struct virtio_balloon_config, poison_val))) {
		softdev_fault(dev, "writes %u bytes of config space at %u", len, offset);
		return;
	}
	if (offset == offsetof(struct virtio_balloon_config, actual))
		dev->nr_actual++;
	else if (ok)
		softdev_fault(dev, "changes poison_val while DRIVER_OK is set");

	spin_lock_irq(&dev->config_lock);
	memcpy((u8 *)&dev->config + offset, data, len);
	spin_unlock_irq(&dev->config_lock);
}

static u32 device_generation(struct virtio_device *vdev)
{
	struct softdev *dev = to_softdev(vdev);

	if (dev->restless)
		dev->generation++;
	return dev->legacy ? 0 : READ_ONCE(dev->generation);
}

static u8 device_get_status(struct virtio_device *vdev)
{
	struct softdev *dev = to_softdev(vdev);

	return dev->gone ? U8_MAX : READ_ONCE(dev->status);
}

static void device_set_status(struct virtio_device *vdev, u8 status)
{
	struct softdev *dev = to_softdev(vdev);

	spin_lock_irq(&dev->config_lock);
	if (dev->status & ~status)
		softdev_fault(dev, "clears status bits %x", dev->status & ~status);
	if (dev->refuse_features)
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status = status;
	spin_unlock_irq(&dev->config_lock);

	if (dev->eager && (status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		set_bit(SOFTDEV_STATS, &dev->kicked);
		queue_work(dev->wq, &dev->work);
		flush_work(&dev->work);
	}
}

static void device_reset(struct virtio_device *vdev)
{
	struct softdev *dev = to_softdev(vdev);

	mutex_lock(&dev->lock);
	softdev_pages_reset(dev);

	spin_lock_irq(&dev->config_lock);
	dev->status = 0;
	dev->config.actual = 0;
	dev->config.poison_val = 0;
	spin_unlock_irq(&dev->config_lock);

	device_quiesce(dev);
	dev->gone = false;
	dev->hint_id = 0;
	dev->last_id = 0;
	dev->nr_resets++;
	mutex_unlock(&dev->lock);
}

static u64 device_get_features(struct virtio_device *vdev)
{
	return to_softdev(vdev)->offered;
}

static int device_finalize_features(struct virtio_device *vdev)
{
	vring_transport_features(vdev);
	if (vdev->features & ~to_softdev(vdev)->offered) {
		softdev_fault(to_softdev(vdev), "accepts features that were not offered");
		return -EINVAL;
	}
	return 0;
}

static void device_del_queues(struct virtio_device *vdev)
{
	struct softdev *dev = to_softdev(vdev);
	struct softdev_queue *queue;

	mutex_lock(&dev->lock);
	device_quiesce(dev);
	for (queue = dev->queues; queue < dev->queues + SOFTDEV_NR_KINDS; queue++) {
		if (queue->vq)
			vring_del_virtqueue(queue->vq);
		queue->vq = NULL;
	}
	mutex_unlock(&dev->lock);
}

static int make_queue(struct softdev *dev, enum softdev_kind kind, unsigned int index,
		      const struct virtqueue_info *info)
{
	struct softdev_queue *queue = &dev->queues[kind];
	const struct vring *vring;

	queue->vq = vring_create_virtqueue(index, dev->ring_size, SMP_CACHE_BYTES, &dev->vdev,
					   true, false, info->ctx, device_kick, info->callback,
					   info->name);
	if (!queue->vq)
		return -ENOMEM;
	queue->vq->priv = (void *)(unsigned long)kind;
	vring = virtqueue_get_vring(queue->vq);
	return vringh_init_kern(&queue->vringh, dev->vdev.features, vring->num, true,
				vring->desc, vring->avail, vring->used);
}

/* Queues are numbered densely: one whose feature was not negotiated has no index. */
static int device_find_queues(struct virtio_device *vdev, unsigned int nr,
			      struct virtqueue *vqs[], struct virtqueue_info infos[],
			      struct irq_affinity *affinity)
{
	static const int needs[SOFTDEV_NR_KINDS] = {
		[SOFTDEV_INFLATE] = -1,
		[SOFTDEV_DEFLATE] = -1,
		[SOFTDEV_STATS] = VIRTIO_BALLOON_F_STATS_VQ,
		[SOFTDEV_HINTS] = VIRTIO_BALLOON_F_FREE_PAGE_HINT,
		[SOFTDEV_REPORTING] = VIRTIO_BALLOON_F_REPORTING,
	};
	struct softdev *dev = to_softdev(vdev);
	unsigned int index = 0, i, kind = 0;
	int err = dev->no_queues;

	for (i = 0; i < nr && !err; i++) {
		vqs[i] = NULL;
		if (!infos[i].name)
			continue;
		while (kind < SOFTDEV_NR_KINDS && needs[kind] >= 0 &&
		       !(vdev->features & BIT_ULL(needs[kind])))
			kind++;
		if (kind == SOFTDEV_NR_KINDS) {
			softdev_fault(dev, "wants a queue too many: %s", infos[i].name);
			err = -ENOENT;
			break;
		}
		err = make_queue(dev, kind, index++, &infos[i]);
		vqs[i] = dev->queues[kind++].vq;
	}
	if (err)
		device_del_queues(vdev);
	return err;
}

static const char *device_bus_name(struct virtio_device *vdev)
{
	return "softdev";
}

static const struct virtio_config_ops device_ops = {
	.get = device_get,
	.set = device_set,
	.generation = device_generation,
	.get_status = device_get_status,
	.set_status = device_set_status,
	.reset = device_reset,
	.find_vqs = device_find_queues,
	.del_vqs = device_del_queues,
	.get_features = device_get_features,
	.finalize_features = device_finalize_features,
	.bus_name = device_bus_name,
};

/* What a test has the device do */

static void set_config(struct softdev *dev, __le32 *field, u32 value)
{
	spin_lock_irq(&dev->config_lock);
	*field = cpu_to_le32(value);
	dev->generation++;
	spin_unlock_irq(&dev->config_lock);
	softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
}

/**
 * softdev_target() - the host wants a balloon of this size
 * @dev: the device
 * @guest_pages: in guest pages; U32_MAX goes into num_pages as it is
 *
 * Context: Process context.
 */
void softdev_target(struct softdev *dev, u32 guest_pages)
{
	set_config(dev, &dev->config.num_pages, guest_pages == U32_MAX ? U32_MAX :
		   guest_pages * VB_PFNS_PER_PAGE);
}

/**
 * softdev_command() - the host sets a command id
 * @dev: the device
 * @id: VIRTIO_BALLOON_CMD_ID_STOP, _DONE, or one that starts hinting
 *
 * Context: Process context.
 */
void softdev_command(struct softdev *dev, u32 id)
{
	set_config(dev, &dev->config.free_page_hint_cmd_id, id);
}

/**
 * softdev_hold() - whether to answer what will come on a queue
 * @dev: the device
 * @kind: the queue
 * @hold: do not
 *
 * Context: Process context.
 */
void softdev_hold(struct softdev *dev, enum softdev_kind kind, bool hold)
{
	mutex_lock(&dev->lock);
	dev->queues[kind].hold = hold;
	mutex_unlock(&dev->lock);
}

/**
 * softdev_answer() - answer all that is held back on a queue, in order
 * @dev: the device
 * @kind: the queue
 *
 * Context: Process context.
 */
void softdev_answer(struct softdev *dev, enum softdev_kind kind)
{
	softdev_answer_oldest(dev, kind, UINT_MAX);
}

/**
 * softdev_answer_oldest() - answer some of what is held back on a queue, in order
 * @dev: the device
 * @kind: the queue
 * @nr: how many at most
 *
 * Context: Process context.
 */
void softdev_answer_oldest(struct softdev *dev, enum softdev_kind kind, unsigned int nr)
{
	struct softdev_buffer *buf, *next;

	mutex_lock(&dev->lock);
	list_for_each_entry_safe(buf, next, &dev->queues[kind].buffers, node)
		if (nr--)
			softdev_answer_buffer(dev, buf);
		else
			break;
	mutex_unlock(&dev->lock);
}

/**
 * softdev_answer_reversed() - the same, the last one first
 * @dev: the device
 * @kind: the queue
 *
 * Context: Process context.
 */
void softdev_answer_reversed(struct softdev *dev, enum softdev_kind kind)
{
	struct softdev_buffer *buf, *next;

	mutex_lock(&dev->lock);
	list_for_each_entry_safe_reverse(buf, next, &dev->queues[kind].buffers, node)
		softdev_answer_buffer(dev, buf);
	mutex_unlock(&dev->lock);
}

/**
 * softdev_answer_wrongly() - use a descriptor that has not been made available
 * @dev: the device
 * @kind: the queue
 * @id: of the descriptor
 *
 * It answers nothing more there: the driver may take the next answer for this one.
 *
 * Context: Process context.
 */
void softdev_answer_wrongly(struct softdev *dev, enum softdev_kind kind, u16 id)
{
	struct softdev_queue *queue = &dev->queues[kind];

	mutex_lock(&dev->lock);
	if (queue->vq) {
		vringh_complete_kern(&queue->vringh, id, 0);
		queue->spoilt = true;
		softdev_interrupt(dev, kind);
	}
	mutex_unlock(&dev->lock);
}

/**
 * softdev_release() - answer what is held back on a queue and what will come
 * @dev: the device
 * @kind: the queue
 *
 * Context: Process context.
 */
void softdev_release(struct softdev *dev, enum softdev_kind kind)
{
	softdev_hold(dev, kind, false);
	softdev_answer(dev, kind);
}

/**
 * softdev_needs_reset() - the device cannot go on (virtio 1.2, 2.1.2)
 * @dev: the device
 *
 * Context: Process context.
 */
void softdev_needs_reset(struct softdev *dev)
{
	spin_lock_irq(&dev->config_lock);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	spin_unlock_irq(&dev->config_lock);
	softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
}

/**
 * softdev_held() - how many buffers wait for an answer
 * @dev: the device
 * @kind: the queue
 *
 * Context: Process context.
 * Return: their number.
 */
unsigned int softdev_held(struct softdev *dev, enum softdev_kind kind)
{
	return READ_ONCE(dev->queues[kind].nr_held);
}

/**
 * softdev_taken() - how many buffers have come
 * @dev: the device
 * @kind: the queue
 *
 * Context: Process context.
 * Return: their number since softdev_plug().
 */
unsigned long softdev_taken(struct softdev *dev, enum softdev_kind kind)
{
	return READ_ONCE(dev->queues[kind].nr_taken);
}

/**
 * softdev_actual() - what the driver says that the balloon holds
 * @dev: the device
 *
 * Context: Process context.
 * Return: guest pages.
 */
u32 softdev_actual(struct softdev *dev)
{
	return le32_to_cpu(READ_ONCE(dev->config.actual)) / VB_PFNS_PER_PAGE;
}

/* Life */

static void device_released(struct device *device)
{
	complete(&to_softdev(dev_to_virtio(device))->released);
}

/**
 * softdev_create() - make a device
 * @test: the test it is for
 * @features: bits it offers
 *
 * It answers at once; statistics are asked for by the test.  Nothing is registered
 * yet, so the test may change it in any way.
 *
 * Context: Process context.
 * Return: the device; softdev_destroy() undoes it.
 */
struct softdev *softdev_create(struct kunit *test, u64 features)
{
	struct softdev *dev;
	enum softdev_kind kind;

	dev = kzalloc_obj(*dev, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->wq = alloc_ordered_workqueue("softdev", 0);
	if (!dev->wq) {
		kfree(dev);
		kunit_skip(test, "no memory for the device itself");
	}

	dev->test = test;
	dev->offered = features;
	dev->ring_size = 64;
	dev->same_lines = 1;
	dev->vdev.id.device = VIRTIO_ID_BALLOON;
	dev->vdev.id.vendor = VIRTIO_DEV_ANY_ID;
	dev->vdev.config = &device_ops;
	dev->vdev.dev.release = device_released;
	init_completion(&dev->released);
	mutex_init(&dev->lock);
	spin_lock_init(&dev->config_lock);
	spin_lock_init(&dev->fault_lock);
	INIT_WORK(&dev->work, device_work);
	init_irq_work(&dev->irq, irq_work_fn);
	xa_init(&dev->pages);
	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++)
		INIT_LIST_HEAD(&dev->queues[kind].buffers);
	dev->queues[SOFTDEV_STATS].hold = true;
	return dev;
}

/**
 * softdev_plug() - let the driver have the device
 * @dev: the device
 *
 * Context: Process context.
 * Return: whether the driver runs it now.
 */
bool softdev_plug(struct softdev *dev)
{
	int err;

	softdev_log_start();
	err = register_virtio_device(&dev->vdev);
	KUNIT_EXPECT_EQ(dev->test, err, 0);
	dev->plugged = !err;
	if (err)
		put_device(&dev->vdev.dev);
	dev->nr_resets = 0;
	return softdev_balloon(dev);
}

/**
 * softdev_unplug() - take the device away again
 * @dev: the device
 *
 * The driver must let go of it soon whatever the device does, and leave it reset;
 * each page that was ever the device's must have found its way back.
 *
 * Context: Process context.
 */
void softdev_unplug(struct softdev *dev)
{
	bool bound = softdev_balloon(dev);
	unsigned long begun = jiffies;

	if (!dev->plugged)
		return;
	dev->plugged = false;
	unregister_virtio_device(&dev->vdev);
	wait_for_completion(&dev->released);
	KUNIT_EXPECT_LT(dev->test, jiffies - begun, SOFTDEV_PATIENCE);

	/* After the driver's reset the core has said that it has seen the device. */
	if (bound)
		KUNIT_EXPECT_EQ(dev->test, dev->status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	KUNIT_EXPECT_EQ(dev->test, dev->nr_pages, 0UL);
	KUNIT_EXPECT_TRUE(dev->test, softdev_wait(!softdev_pages_lost(dev)));
	KUNIT_EXPECT_EQ(dev->test, softdev_pages_bare(dev), 0UL);
}

/**
 * softdev_renew() - a device that was taken away can be plugged in again
 * @dev: the device
 *
 * Context: Process context.
 */
void softdev_renew(struct softdev *dev)
{
	memset(&dev->vdev.dev, 0, sizeof(dev->vdev.dev));
	dev->vdev.dev.release = device_released;
	dev->vdev.features = 0;
	dev->status = 0;
	reinit_completion(&dev->released);
	softdev_log_stop();
}

/**
 * softdev_destroy() - the end of a device and of what it has to say
 * @dev: the device
 *
 * Fails the test over what the driver did wrong.  No device gives reason for the
 * same line in the log twice.
 *
 * Context: Process context.
 */
void softdev_destroy(struct softdev *dev)
{
	softdev_unplug(dev);
	softdev_log_stop();
	KUNIT_EXPECT_EQ_MSG(dev->test, dev->nr_faults, 0, "%s", dev->fault);
	KUNIT_EXPECT_LE(dev->test, softdev_log_most(), dev->same_lines);

	destroy_workqueue(dev->wq);
	irq_work_sync(&dev->irq);
	xa_destroy(&dev->pages);
	kfree(dev);
}
