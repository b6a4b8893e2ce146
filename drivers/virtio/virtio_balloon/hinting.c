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
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/scatterlist.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

#define HINT_ORDER		MAX_PAGE_ORDER
#define HINT_PAGES		((unsigned long)MAX_ORDER_NR_PAGES)

/* Only what is free: no reclaim, no reserves, no complaint. */
#define HINT_GFP		(__GFP_HIGHMEM | __GFP_MOVABLE | __GFP_NORETRY | \
				 __GFP_NOMEMALLOC | __GFP_NOWARN)

/* Entries of the ring kept for the start and the stop id. */
#define HINT_RING_RESERVE	2

/* Blocks fed in one run, and the pause before the ring is looked at again. */
#define HINT_BATCH		64
#define HINT_RING_PAUSE		1

/* A ring that stays full for so long has no host behind it. */
#define HINT_RING_PATIENCE	(10 * HZ)

/* While blocks are held: how often to look whether the guest needs them. */
#define HINT_WATCH_PERIOD	(HZ / 10)

/* Free memory of the guest compared with what it needs to run without reclaim. */
static long hint_spare_pages(void)
{
	long spare = global_zone_page_state(NR_FREE_PAGES);
	struct zone *zone;
	int nid;

	for_each_online_node(nid) {
		struct zone *zones = NODE_DATA(nid)->node_zones;

		for (zone = zones; zone < zones + MAX_NR_ZONES; zone++)
			if (managed_zone(zone))
				spare -= high_wmark_pages(zone);
	}
	return spare;
}

/* So much stays free beyond the high watermarks while hints are held. */
static long hint_keep_pages(void)
{
	return totalram_pages() / 64;
}

/**
 * balloon_hints_release() - give hinted blocks back to the guest
 * @vb: the balloon
 * @nr_pages: guest pages wanted; whole blocks are given
 *
 * The host need not be told, nor have seen the hint (virtio 1.2, 5.5.6.5.1: the
 * driver MAY).
 *
 * Context: Any but interrupts, under oom_lock too.
 * Return: guest pages given back.
 */
unsigned long balloon_hints_release(struct virtio_balloon *vb, unsigned long nr_pages)
{
	struct balloon_hints *hints = &vb->hints;
	unsigned long released = 0;
	struct page *page;

	while (released < nr_pages) {
		spin_lock(&hints->lock);
		page = balloon_page_pop(&hints->blocks);
		if (page)
			hints->nr_blocks--;
		spin_unlock(&hints->lock);
		if (!page)
			break;
		__free_pages(page, HINT_ORDER);
		released += HINT_PAGES;
	}
	return released;
}

/* Buffers that the host has returned; blocks are told from ids by their token. */
static void hint_reap(struct balloon_hints *hints)
{
	unsigned int len;
	void *token;

	while ((token = virtqueue_get_buf(hints->vq, &len))) {
		if (token == &hints->start_id)
			hints->start_out = false;
		else if (token == &hints->stop_id)
			hints->stop_out = false;
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
static int hint_feed_one(struct balloon_hints *hints)
{
	struct scatterlist sg;
	struct page *page;
	int err;

	if (hints->vq->num_free <= HINT_RING_RESERVE)
		return -ENOSPC;
	if (hint_spare_pages() < hint_keep_pages() + (long)HINT_PAGES)
		return -ENOMEM;

	page = alloc_pages(HINT_GFP, HINT_ORDER);
	if (!page)
		return -ENOMEM;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, PAGE_SIZE << HINT_ORDER, 0);
	err = virtqueue_add_inbuf(hints->vq, &sg, 1, page, GFP_ATOMIC);
	if (err) {
		__free_pages(page, HINT_ORDER);
		return err;
	}

	spin_lock(&hints->lock);
	balloon_page_push(&hints->blocks, page);
	hints->nr_blocks++;
	spin_unlock(&hints->lock);
	return 0;
}

/* Returns the pause in jiffies before the next run, 0 when all is fed. */
static unsigned long hint_feed(struct virtio_balloon *vb)
{
	struct balloon_hints *hints = &vb->hints;
	unsigned int fed = 0;
	int err = 0;

	while (fed < HINT_BATCH && !(err = hint_feed_one(hints)))
		fed++;
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

/* Carries out the host's command id.  Returns the pause before the next run. */
static unsigned long hint_follow(struct virtio_balloon *vb, u32 id)
{
	struct balloon_hints *hints = &vb->hints;
	unsigned long pause;

	hint_reap(hints);

	/* A new id or a stop ends what is being fed; out of memory ends it, too. */
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
		if (hints->stop_out)
			return HINT_RING_PAUSE;
		if (hint_send_id(vb, &hints->stop_id, VIRTIO_BALLOON_CMD_ID_STOP,
				 &hints->stop_out))
			return HINT_RING_PAUSE;
		hints->stop_pending = false;
		trace_virtio_balloon_hint(vb->vdev, VIRTIO_BALLOON_CMD_ID_STOP,
					  hints->nr_blocks * HINT_PAGES);
	}

	if (id == VIRTIO_BALLOON_CMD_ID_DONE) {
		balloon_hints_release(vb, ULONG_MAX);
		return 0;
	}
	if (id == VIRTIO_BALLOON_CMD_ID_STOP || id == hints->current_id)
		return 0;

	/* A new id, to be sent exactly once. */
	if (hints->start_out)
		return HINT_RING_PAUSE;
	if (hint_send_id(vb, &hints->start_id, id, &hints->start_out))
		return HINT_RING_PAUSE;
	trace_virtio_balloon_hint(vb->vdev, id, hints->nr_blocks * HINT_PAGES);
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
 * late or was about the balloon's size, would tell the host not to be told more.  But
 * what has changed has a new generation (virtio 1.2, 2.5.3), and this has not: such a
 * 0 is no news.  It is no news either if the size is what has changed.
 */
static void hint_read_id(struct virtio_balloon *vb)
{
	const struct virtio_config_ops *config = vb->vdev->config;
	struct balloon_hints *hints = &vb->hints;
	u32 id, target, generation, next = 0;
	u8 changes = 1;

	if (config->generation)
		next = config->generation(vb->vdev);
	do {
		generation = next;
		virtio_cread_le(vb->vdev, struct virtio_balloon_config,
				free_page_hint_cmd_id, &id);
		virtio_cread_le(vb->vdev, struct virtio_balloon_config,
				num_pages, &target);
		if (config->generation)
			next = config->generation(vb->vdev);
	} while (generation != next);

	/* The narrowest generation has 8 bits. */
	if (config->generation)
		changes = generation - hints->generation;
	if (target != hints->target && changes)
		changes--;
	hints->generation = generation;
	hints->target = target;

	if (changes || !hints->feeding || id != VIRTIO_BALLOON_CMD_ID_STOP)
		hints->received_id = id;
}

static void balloon_hints_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(to_delayed_work(work),
						 struct virtio_balloon, hints.work);
	struct balloon_hints *hints = &vb->hints;
	unsigned long pause;
	long missing;

	if (atomic_xchg(&hints->config_changed, 0))
		hint_read_id(vb);

	pause = virtqueue_is_broken(hints->vq) ? 0 : hint_follow(vb, hints->received_id);

	missing = hint_keep_pages() / 2 - hint_spare_pages();
	if (missing > 0)
		balloon_hints_release(vb, missing);
	if (!pause && READ_ONCE(hints->nr_blocks))
		pause = HINT_WATCH_PERIOD;

	if (pause)
		queue_delayed_work(vb->wq, &hints->work, pause);
}

/**
 * balloon_hints_kick() - the host may have set a new command id
 * @vb: the balloon
 *
 * Context: Any, interrupts included.
 */
void balloon_hints_kick(struct virtio_balloon *vb)
{
	if (!balloon_has(vb, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		return;
	atomic_set(&vb->hints.config_changed, 1);
	balloon_queue_work(vb, &vb->hints.work, 0);
}

/**
 * balloon_hints_reset() - forget the conversation
 * @vb: the balloon; its device has been reset, its work cancelled
 *
 * Context: Process context.
 */
void balloon_hints_reset(struct virtio_balloon *vb)
{
	struct balloon_hints *hints = &vb->hints;

	balloon_hints_release(vb, ULONG_MAX);
	hints->feeding = false;
	hints->stop_pending = false;
	hints->start_out = false;
	hints->stop_out = false;
	hints->received_id = VIRTIO_BALLOON_CMD_ID_STOP;
	hints->current_id = VIRTIO_BALLOON_CMD_ID_STOP;
}

/**
 * balloon_hints_init() - prepare hinting
 * @vb: the balloon
 *
 * Context: Probe.
 */
void balloon_hints_init(struct virtio_balloon *vb)
{
	struct balloon_hints *hints = &vb->hints;

	INIT_DELAYED_WORK(&hints->work, balloon_hints_work);
	spin_lock_init(&hints->lock);
	INIT_LIST_HEAD(&hints->blocks);
	hints->received_id = VIRTIO_BALLOON_CMD_ID_STOP;
	hints->current_id = VIRTIO_BALLOON_CMD_ID_STOP;
}
