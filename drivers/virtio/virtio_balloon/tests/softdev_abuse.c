// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What no device may do with a ring, and a host can: it writes what it likes there.
 *
 * A driver cannot know a lie from an answer where the two look the same.  So an id of a
 * buffer which the driver waits for is an answer here as well: what the device accounts for
 * stays true, and each fault is the driver's.
 */
#include <linux/virtio_ring.h>

#include "softdev.h"

static struct softdev_buffer *held_buffer(struct softdev *dev, enum softdev_kind kind, u16 head)
{
	struct softdev_buffer *buf;

	list_for_each_entry(buf, &dev->queues[kind].buffers, node)
		if (buf->head == head)
			return buf;
	return NULL;
}

/* Under dev->lock: may the device touch this queue? */
static bool queue_in_use(struct softdev *dev, enum softdev_kind kind)
{
	lockdep_assert_held(&dev->lock);
	return dev->queues[kind].vq && (dev->status & VIRTIO_CONFIG_S_DRIVER_OK);
}

/**
 * softdev_answer_nth() - answer one of the buffers that are held back on a queue
 * @dev: the device
 * @kind: the queue
 * @nth: which, from the oldest on
 *
 * Context: Process context.
 * Return: whether there are so many.
 */
bool softdev_answer_nth(struct softdev *dev, enum softdev_kind kind, unsigned int nth)
{
	struct softdev_buffer *buf;
	bool found = false;

	mutex_lock(&dev->lock);
	list_for_each_entry(buf, &dev->queues[kind].buffers, node) {
		if (nth--)
			continue;
		softdev_answer_buffer(dev, buf);
		found = true;
		break;
	}
	mutex_unlock(&dev->lock);
	return found;
}

/* A descriptor that is no head for certain: of a chain that is held back, or beyond the ring. */
static u16 never_a_head(struct softdev *dev, enum softdev_kind kind, u16 id)
{
	const struct vring *vring = virtqueue_get_vring(dev->queues[kind].vq);
	struct softdev_buffer *buf;

	list_for_each_entry(buf, &dev->queues[kind].buffers, node)
		if (buf->nr_out + buf->nr_in > 1)
			return virtio16_to_cpu(&dev->vdev, vring->desc[buf->head].next);
	return id < vring->num ? id + vring->num : id;
}

/**
 * softdev_use_any() - use a descriptor, whatever it is
 * @dev: the device
 * @kind: the queue
 * @id: of the descriptor; if no buffer begins with that, another one with which none does
 *
 * One that is free would not do: before the driver looks it may begin the next buffer, for
 * which this would be an answer that the device does not account for.
 *
 * Context: Process context.
 */
void softdev_use_any(struct softdev *dev, enum softdev_kind kind, u16 id)
{
	struct softdev_buffer *buf;

	mutex_lock(&dev->lock);
	if (queue_in_use(dev, kind)) {
		buf = held_buffer(dev, kind, id);
		if (buf) {
			softdev_answer_buffer(dev, buf);
		} else {
			vringh_complete_kern(&dev->queues[kind].vringh,
					     never_a_head(dev, kind, id), dev->used_len);
			dev->queues[kind].spoilt = true;
		}
		softdev_interrupt(dev, kind);
	}
	mutex_unlock(&dev->lock);
}

/**
 * softdev_jump() - claim to have used so many buffers more
 * @dev: the device
 * @kind: the queue
 * @by: how many; 0xffff is one less
 *
 * All of the ring names what does not exist.
 *
 * Context: Process context.
 */
void softdev_jump(struct softdev *dev, enum softdev_kind kind, u16 by)
{
	struct virtqueue *vq;
	struct vring *vring;
	unsigned int i;
	u16 idx;

	mutex_lock(&dev->lock);
	if (!queue_in_use(dev, kind))
		goto unlock;
	vq = dev->queues[kind].vq;
	vring = (struct vring *)virtqueue_get_vring(vq);
	for (i = 0; i < vring->num; i++)
		vring->used->ring[i].id = cpu_to_virtio32(&dev->vdev, 0xffff0000U | i);
	smp_wmb();	/* The index tells the driver to look. */
	idx = virtio16_to_cpu(&dev->vdev, vring->used->idx);
	WRITE_ONCE(vring->used->idx, cpu_to_virtio16(&dev->vdev, idx + by));
	if (by)
		dev->queues[kind].spoilt = true;
	softdev_interrupt(dev, kind);
unlock:
	mutex_unlock(&dev->lock);
}

/**
 * softdev_want_no_kicks() - whether the driver need tell of what it makes available
 * @dev: the device
 * @kind: the queue
 * @none: it need not
 *
 * Context: Process context.
 */
void softdev_want_no_kicks(struct softdev *dev, enum softdev_kind kind, bool none)
{
	struct softdev_queue *queue = &dev->queues[kind];

	mutex_lock(&dev->lock);
	if (queue_in_use(dev, kind)) {
		if (none)
			vringh_notify_disable_kern(&queue->vringh);
		else
			vringh_notify_enable_kern(&queue->vringh);
	}
	mutex_unlock(&dev->lock);
}

/**
 * softdev_look() - see what has come on all queues without being told
 * @dev: the device
 *
 * Context: Process context.
 */
void softdev_look(struct softdev *dev)
{
	enum softdev_kind kind;

	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++)
		set_bit(kind, &dev->kicked);
	queue_work(dev->wq, &dev->work);
	flush_work(&dev->work);
}
