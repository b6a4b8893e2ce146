// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Free page hinting: while the host migrates the guest, tell it what memory it
 * need not copy, by allocating free blocks and naming them.
 *
 * The conversation (virtio 1.2, 5.5.6.5): the host sets a command id in its config
 * space.  The driver answers with an output buffer that carries the id, then sends
 * blocks as input buffers, then, when it has no more or should stop, an output
 * buffer with the stop id.  The blocks stay allocated until the host is done, so
 * that none of them is written to unseen; they may be released early, and then
 * the host's dirty log catches the writes.
 *
 * Nothing waits here: one run feeds what the ring takes and comes again.  The ring
 * always keeps room for the two id buffers, each of which is used again only after
 * the host has returned it.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/*
 * Only free memory: no reclaim, no reserves, no warning.  Not movable, because blocks
 * do not move: they must not use CMA areas or memory that may go offline.
 */
#define HINT_GFP		(__GFP_HIGHMEM | __GFP_NORETRY | __GFP_NOMEMALLOC | \
				 __GFP_NOWARN)

/* Entries of the ring kept for the start and the stop id. */
#define HINT_RING_RESERVE	2

/* Blocks fed in one run, and the pause before the ring is looked at again. */
#define HINT_BATCH		64
#define HINT_RING_PAUSE		1

/* A ring that stays full for this long has no host behind it. */
#define HINT_RING_PATIENCE	(10 * HZ)

/* A config space that changes all the time is read as it is. */
#define HINT_READ_TRIES		16

/* While blocks are held: how often to look whether the guest needs them. */
#define HINT_WATCH_PERIOD	(HZ / 10)

/* How much stays free above the high watermarks while hints are held. */
static long hint_keep_pages(void)
{
	return totalram_pages() / 64;
}

/**
 * vb_hints_release() - give hinted blocks back to the guest
 * @vb: the balloon
 * @nr_pages: guest pages wanted; whole blocks are given
 *
 * Of the blocks that the host has returned, the oldest first (virtio 1.2, 5.5.6.5.1:
 * the driver MAY).  The specification would allow it for the others as well, but a
 * host that discards what is hinted would then discard what is in use.
 *
 * Context: Any but interrupts, under oom_lock too.
 * Return: guest pages given back.
 */
unsigned long vb_hints_release(struct virtio_balloon *vb, unsigned long nr_pages)
{
	struct vb_hints *hints = &vb->hints;
	unsigned long released = 0;
	struct vb_hint *hint;

	while (released < nr_pages) {
		spin_lock(&hints->lock);
		hint = list_first_entry_or_null(&hints->returned, struct vb_hint, node);
		if (hint) {
			list_del(&hint->node);
			hints->nr_blocks--;
		}
		spin_unlock(&hints->lock);
		if (!hint)
			break;
		__free_pages(hint->page, VB_HINT_ORDER);
		kfree(hint);
		released += VB_HINT_PAGES;
	}
	return released;
}

/*
 * The end of the conversation: all blocks are the guest's, those on the ring as well.
 * Their buffers come back some time, or are forgotten with a reset.
 */
static void hint_release_all(struct virtio_balloon *vb)
{
	struct vb_hints *hints = &vb->hints;
	struct vb_hint *hint;

	vb_hints_release(vb, ULONG_MAX);
	list_for_each_entry(hint, &hints->on_ring, node) {
		if (!hint->page)
			continue;
		__free_pages(hint->page, VB_HINT_ORDER);
		hint->page = NULL;
		spin_lock(&hints->lock);
		hints->nr_blocks--;
		spin_unlock(&hints->lock);
	}
}

static void hint_returned(struct vb_hints *hints, struct vb_hint *hint)
{
	if (!hint->page) {
		list_del(&hint->node);
		kfree(hint);
		return;
	}
	spin_lock(&hints->lock);
	list_move_tail(&hint->node, &hints->returned);
	spin_unlock(&hints->lock);
}

/* Buffers that the host has returned; blocks are told from ids by their token. */
static void hint_reap(struct vb_hints *hints)
{
	unsigned int len;
	void *token;

	while ((token = virtqueue_get_buf(hints->vq, &len))) {
		if (token == &hints->start_id)
			hints->start_out = false;
		else if (token == &hints->stop_id)
			hints->stop_out = false;
		else
			hint_returned(hints, token);
		hints->dry_at = jiffies;
	}
}

static int hint_send_id(struct virtio_balloon *vb, __virtio32 *buffer, u32 id, bool *out)
{
	struct scatterlist sg;
	int err;

	*buffer = cpu_to_virtio32(vb->vdev, id);
	sg_init_one(&sg, buffer, sizeof(*buffer));
	err = virtqueue_add_outbuf(vb->hints.vq, &sg, 1, buffer, GFP_ATOMIC);
	if (err)
		return err;
	*out = true;
	virtqueue_kick(vb->hints.vq);
	return 0;
}

/* Allocates and names one block.  0, or why there is no next one. */
static int hint_feed_one(struct vb_hints *hints)
{
	struct scatterlist sg;
	struct vb_hint *hint;
	int err = -ENOMEM;

	if (hints->vq->num_free <= HINT_RING_RESERVE)
		return -ENOSPC;
	if (vb_free_above_high(HINT_GFP) < hint_keep_pages() + (long)VB_HINT_PAGES)
		return -ENOMEM;

	hint = kmalloc_obj(*hint, GFP_NOWAIT | __GFP_NOWARN);
	if (!hint)
		return -ENOMEM;
	hint->page = alloc_pages(HINT_GFP, VB_HINT_ORDER);
	if (!hint->page)
		goto no_page;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, hint->page, PAGE_SIZE << VB_HINT_ORDER, 0);
	err = virtqueue_add_inbuf(hints->vq, &sg, 1, hint, GFP_ATOMIC);
	if (err)
		goto not_sent;

	list_add_tail(&hint->node, &hints->on_ring);
	spin_lock(&hints->lock);
	hints->nr_blocks++;
	spin_unlock(&hints->lock);
	return 0;

not_sent:
	__free_pages(hint->page, VB_HINT_ORDER);
no_page:
	kfree(hint);
	return err;
}

/* Returns the pause in jiffies before the next run, 0 when all is fed. */
static unsigned long hint_feed(struct virtio_balloon *vb)
{
	struct vb_hints *hints = &vb->hints;
	unsigned int fed = 0;
	int err = 0;

	page_reporting_aside_begin();
	while (fed < HINT_BATCH && !(err = hint_feed_one(hints)))
		fed++;
	page_reporting_aside_end();
	if (fed)
		virtqueue_kick(hints->vq);
	if (!err)
		return HINT_RING_PAUSE;

	if (err == -ENOSPC && !virtqueue_is_broken(hints->vq) &&
	    time_before(jiffies, hints->dry_at + HINT_RING_PATIENCE))
		return HINT_RING_PAUSE;

	if (err != -ENOMEM)
		dev_warn_ratelimited(&vb->vdev->dev,
				     "hinting: stopped early: %d\n", err);
	return 0;
}

/* A host that does not take what is there is not asked every moment. */
static unsigned long hint_ring_pause(struct vb_hints *hints)
{
	return time_before(jiffies, hints->dry_at + HINT_RING_PATIENCE) ? HINT_RING_PAUSE : HZ;
}

/* Carries out the host's command id.  Returns the pause before the next run. */
static unsigned long hint_follow(struct virtio_balloon *vb, u32 id)
{
	struct vb_hints *hints = &vb->hints;
	unsigned long pause;

	hint_reap(hints);

	/* Whatever is still to be sent, it does not need the blocks. */
	if (id == VIRTIO_BALLOON_CMD_ID_DONE)
		hint_release_all(vb);

	/* A new id or a stop ends the feeding, and so does a lack of memory. */
	if (hints->feeding && id == hints->current_id) {
		pause = hint_feed(vb);
		if (pause)
			return pause;
	}
	if (hints->feeding) {
		hints->feeding = false;
		hints->stop_pending = true;
	}

	if (hints->stop_pending) {
		if (hints->stop_out ||
		    hint_send_id(vb, &hints->stop_id, VIRTIO_BALLOON_CMD_ID_STOP,
				 &hints->stop_out))
			return hint_ring_pause(hints);
		hints->stop_pending = false;
		trace_virtio_balloon_hint(vb->vdev, VIRTIO_BALLOON_CMD_ID_STOP,
					  hints->nr_blocks * VB_HINT_PAGES);
	}

	if (id == VIRTIO_BALLOON_CMD_ID_STOP || id == VIRTIO_BALLOON_CMD_ID_DONE ||
	    id == hints->current_id)
		return 0;

	/* A new id, to be sent exactly once. */
	if (hints->start_out || hint_send_id(vb, &hints->start_id, id, &hints->start_out))
		return hint_ring_pause(hints);
	trace_virtio_balloon_hint(vb->vdev, id, hints->nr_blocks * VB_HINT_PAGES);
	hints->current_id = id;
	hints->feeding = true;
	hints->dry_at = jiffies;
	return HINT_RING_PAUSE;
}

/*
 * Reads the command id.  It is little-endian on every transport, unlike the buffers.
 *
 * QEMU shows 0 instead of the id from the start buffer until the stop buffer, and
 * that means stop.  A driver that reads it then, because of an interrupt that came
 * late or was about the balloon's size, would end hinting early.  But a real change
 * comes with a new generation (virtio 1.2, 2.5.3), and this does not: such a 0 is
 * ignored.  It is also ignored if the size is what has changed.  Legacy devices
 * have no generation, whatever their transport returns for it.
 */
static void hint_read_id(struct virtio_balloon *vb)
{
	const struct virtio_config_ops *config = vb->vdev->config;
	bool counts = config->generation && vb_has(vb, VIRTIO_F_VERSION_1);
	struct vb_hints *hints = &vb->hints;
	u32 id, target, generation, next = 0;
	int tries = HINT_READ_TRIES;
	u8 changes = 1;

	if (counts)
		next = config->generation(vb->vdev);
	do {
		generation = next;
		virtio_cread_le(vb->vdev, struct virtio_balloon_config,
				free_page_hint_cmd_id, &id);
		virtio_cread_le(vb->vdev, struct virtio_balloon_config,
				num_pages, &target);
		if (counts)
			next = config->generation(vb->vdev);
	} while (generation != next && --tries);

	/* The narrowest generation has 8 bits. */
	if (counts)
		changes = generation - hints->generation;
	if (target != hints->target && changes)
		changes--;
	hints->generation = generation;
	hints->target = target;

	if (changes || !hints->feeding || id != VIRTIO_BALLOON_CMD_ID_STOP)
		hints->received_id = id;
}

static void vb_hints_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, hints.work);
	struct vb_hints *hints = &vb->hints;
	unsigned long pause;
	long missing;

	if (atomic_xchg(&hints->config_changed, 0))
		hint_read_id(vb);

	pause = virtqueue_is_broken(hints->vq) ? 0 : hint_follow(vb, hints->received_id);

	missing = hint_keep_pages() / 2 - vb_free_above_high(HINT_GFP);
	if (missing > 0)
		vb_hints_release(vb, missing);
	if (!pause && READ_ONCE(hints->nr_blocks))
		pause = HINT_WATCH_PERIOD;

	if (pause)
		queue_delayed_work(vb->wq, &hints->work, pause);
}

/**
 * vb_hints_reset() - forget the conversation
 * @vb: the balloon; its device has been reset, its work cancelled
 *
 * Context: Process context.
 */
void vb_hints_reset(struct virtio_balloon *vb)
{
	struct vb_hints *hints = &vb->hints;
	struct vb_hint *hint, *next;

	hint_release_all(vb);
	list_for_each_entry_safe(hint, next, &hints->on_ring, node)
		kfree(hint);
	INIT_LIST_HEAD(&hints->on_ring);
	hints->feeding = false;
	hints->stop_pending = false;
	hints->start_out = false;
	hints->stop_out = false;
	hints->received_id = VIRTIO_BALLOON_CMD_ID_STOP;
	hints->current_id = VIRTIO_BALLOON_CMD_ID_STOP;
}

/**
 * vb_hints_init() - prepare hinting
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_hints_init(struct virtio_balloon *vb)
{
	struct vb_hints *hints = &vb->hints;

	INIT_DELAYED_WORK(&hints->work, vb_hints_work);
	spin_lock_init(&hints->lock);
	INIT_LIST_HEAD(&hints->on_ring);
	INIT_LIST_HEAD(&hints->returned);
	hints->received_id = VIRTIO_BALLOON_CMD_ID_STOP;
	hints->current_id = VIRTIO_BALLOON_CMD_ID_STOP;
}
