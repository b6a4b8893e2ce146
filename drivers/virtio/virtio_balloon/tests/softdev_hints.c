// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The software device's side of statistics and of free page hinting: looks at the
 * form of what comes, and writes it down for the test.
 */
#include <linux/io.h>

#include "softdev.h"

static void *buffer_data(const struct softdev_buffer *buf)
{
	return phys_to_virt((phys_addr_t)(unsigned long)buf->ranges->iov_base);
}

/**
 * softdev_stats_take() - statistics have come
 * @dev: the device
 * @buf: the buffer
 *
 * There is one buffer of them at most, it consists of entries of 10 bytes, and the
 * tags are the same each time (virtio 1.2, 5.5.6.3.1).
 *
 * Context: The device's work.
 */
void softdev_stats_take(struct softdev *dev, struct softdev_buffer *buf)
{
	const struct virtio_balloon_stat *stats = buffer_data(buf);
	unsigned int i, nr = buf->ranges->iov_len / sizeof(*stats);
	bool first = !dev->nr_stats;

	if (dev->queues[SOFTDEV_STATS].nr_held > 1)
		softdev_fault(dev, "leaves two buffers of statistics");
	if (buf->nr_out != 1 || buf->nr_in || !nr || nr > VIRTIO_BALLOON_S_NR ||
	    buf->ranges->iov_len % sizeof(*stats)) {
		softdev_fault(dev, "statistics of a wrong form: %zu bytes",
			      buf->ranges->iov_len);
		return;
	}
	if (!first && nr != dev->nr_stats)
		softdev_fault(dev, "%u statistics after %u", nr, dev->nr_stats);
	for (i = 0; i < nr; i++) {
		u16 tag = virtio16_to_cpu(&dev->vdev, stats[i].tag);

		if (tag >= VIRTIO_BALLOON_S_NR)
			softdev_fault(dev, "statistics with tag %u", tag);
		if (!first && dev->stats[i].tag != stats[i].tag)
			softdev_fault(dev, "statistics of different tags");
	}
	memcpy(dev->stats, stats, nr * sizeof(*stats));
	dev->nr_stats = nr;
}

/* As QEMU does; it does not call that a change. */
static void show_no_id(struct softdev *dev)
{
	spin_lock_irq(&dev->config_lock);
	dev->config.free_page_hint_cmd_id = cpu_to_le32(VIRTIO_BALLOON_CMD_ID_STOP);
	spin_unlock_irq(&dev->config_lock);
}

static void take_id(struct softdev *dev, u32 id)
{
	if (dev->nr_ids < SOFTDEV_IDS)
		dev->ids[dev->nr_ids] = id;
	dev->nr_ids++;

	if (id == VIRTIO_BALLOON_CMD_ID_STOP) {
		if (!dev->hint_id)
			softdev_fault(dev, "stops what it did not start");
		dev->hint_id = 0;
		return;
	}
	if (dev->hint_id)
		softdev_fault(dev, "starts %u without a stop to %u", id, dev->hint_id);
	if (id == dev->last_id)
		softdev_fault(dev, "sends id %u twice", id);
	dev->hint_id = id;
	dev->last_id = id;
	if (dev->shows_no_id)
		show_no_id(dev);
}

/**
 * softdev_hint_take() - an id or a free block has come on the hinting queue
 * @dev: the device
 * @buf: the buffer
 *
 * Ids are output buffers of 4 bytes and begin and end a list of blocks, which are
 * input buffers (virtio 1.2, 5.5.6.5.1).
 *
 * Context: The device's work.
 */
void softdev_hint_take(struct softdev *dev, struct softdev_buffer *buf)
{
	const struct kvec *range = buf->ranges;

	if (buf->nr_out == 1 && !buf->nr_in && range->iov_len == sizeof(__virtio32)) {
		take_id(dev, virtio32_to_cpu(&dev->vdev, *(__virtio32 *)buffer_data(buf)));
		return;
	}
	if (buf->nr_out || buf->nr_in != 1 || !range->iov_len ||
	    !IS_ALIGNED((unsigned long)range->iov_base | range->iov_len, PAGE_SIZE)) {
		softdev_fault(dev, "a hint of a wrong form: %u + %u ranges, %zu bytes",
			      buf->nr_out, buf->nr_in, range->iov_len);
		return;
	}
	if (!dev->hint_id)
		softdev_fault(dev, "hints without an id");
	dev->nr_hints++;
	if (dev->scribble)
		softdev_scribble(dev, range);
}
