// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory statistics for the host.
 *
 * This queue runs backwards: the driver leaves one buffer with the device, the
 * device gives it back when the host wants to know, and the driver answers with
 * a fresh one.  The set of tags is the same in every buffer, as the specification
 * demands (virtio 1.2, 5.5.6.3), so it depends on the kernel's configuration only.
 */
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/vmstat.h>

#include "balloon.h"

/* A table being filled: where the next entry goes. */
struct stats_cursor {
	struct virtio_device *vdev;
	struct virtio_balloon_stat *next;
	const struct virtio_balloon_stat *end;
};

static void stat_count(struct stats_cursor *at, u16 tag, u64 count)
{
	if (WARN_ON_ONCE(at->next == at->end))
		return;
	at->next->tag = cpu_to_virtio16(at->vdev, tag);
	at->next->val = cpu_to_virtio64(at->vdev, count);
	at->next++;
}

static void stat_pages(struct stats_cursor *at, u16 tag, unsigned long pages)
{
	stat_count(at, tag, (u64)pages << PAGE_SHIFT);
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static void stat_events(struct stats_cursor *at)
{
	unsigned long ev[NR_VM_EVENT_ITEMS];
	u64 stalls = 0;
	int i;

	all_vm_events(ev);

	/* Stalls are counted per zone, side by side, the normal zone among them. */
	for (i = 0; i < MAX_NR_ZONES; i++)
		stalls += ev[ALLOCSTALL_NORMAL - ZONE_NORMAL + i];

	stat_pages(at, VIRTIO_BALLOON_S_SWAP_IN, ev[PSWPIN]);
	stat_pages(at, VIRTIO_BALLOON_S_SWAP_OUT, ev[PSWPOUT]);
	stat_count(at, VIRTIO_BALLOON_S_MAJFLT, ev[PGMAJFAULT]);
	stat_count(at, VIRTIO_BALLOON_S_MINFLT, ev[PGFAULT]);
	stat_count(at, VIRTIO_BALLOON_S_OOM_KILL, ev[OOM_KILL]);
	stat_count(at, VIRTIO_BALLOON_S_ALLOC_STALL, stalls);
	stat_pages(at, VIRTIO_BALLOON_S_ASYNC_SCAN, global_node_page_state(PGSCAN_KSWAPD));
	stat_pages(at, VIRTIO_BALLOON_S_DIRECT_SCAN, global_node_page_state(PGSCAN_DIRECT));
	stat_pages(at, VIRTIO_BALLOON_S_ASYNC_RECLAIM, global_node_page_state(PGSTEAL_KSWAPD));
	stat_pages(at, VIRTIO_BALLOON_S_DIRECT_RECLAIM, global_node_page_state(PGSTEAL_DIRECT));
#ifdef CONFIG_HUGETLB_PAGE
	stat_count(at, VIRTIO_BALLOON_S_HTLB_PGALLOC, ev[HTLB_BUDDY_PGALLOC]);
	stat_count(at, VIRTIO_BALLOON_S_HTLB_PGFAIL, ev[HTLB_BUDDY_PGALLOC_FAIL]);
#endif
}
#else
static void stat_events(struct stats_cursor *at)
{
}
#endif

/* Put a filled buffer on the ring, without telling the host yet. */
static int stats_post(struct virtio_balloon *vb)
{
	struct vb_stats *stats = &vb->stats;
	struct stats_cursor at = {
		.vdev = vb->vdev,
		.next = stats->table,
		.end = stats->table + ARRAY_SIZE(stats->table),
	};
	struct scatterlist sg;
	struct sysinfo si;

	si_meminfo(&si);
	stat_events(&at);
	stat_pages(&at, VIRTIO_BALLOON_S_MEMFREE, si.freeram);
	stat_pages(&at, VIRTIO_BALLOON_S_MEMTOT, si.totalram);
	stat_pages(&at, VIRTIO_BALLOON_S_AVAIL, vb_available(vb));
	stat_pages(&at, VIRTIO_BALLOON_S_CACHES, global_node_page_state(NR_FILE_PAGES));

	sg_init_one(&sg, stats->table, (at.next - stats->table) * sizeof(*at.next));
	return virtqueue_add_outbuf(stats->vq, &sg, 1, stats, GFP_KERNEL);
}

static void vb_stats_work(struct work_struct *work)
{
	struct virtio_balloon *vb = container_of(work, struct virtio_balloon, stats.work);
	unsigned int len;

	vb_wakeup_turn(vb, VB_WAKE_STATS_ASKED, VB_WAKE_STATS_BUSY);

	/* No buffer came back: the interrupt was spurious, or the queue is broken. */
	if (virtqueue_get_buf(vb->stats.vq, &len)) {
		if (!stats_post(vb))
			virtqueue_kick(vb->stats.vq);
		else
			dev_warn_once(&vb->vdev->dev, "stats: cannot answer the host\n");
	}

	vb_wakeup_drop(vb, VB_WAKE_STATS_BUSY);
}

/**
 * vb_stats_look() - answer if the host asks for statistics
 * @vb: the balloon
 *
 * Collecting them may sleep, so a work item does it.
 *
 * Context: Any, interrupts included.
 */
void vb_stats_look(struct virtio_balloon *vb)
{
	unsigned long flags;

	spin_lock_irqsave(&vb->quiet_lock, flags);
	if (!vb->quiet) {
		vb_wakeup_hold(vb, VB_WAKE_STATS_ASKED);
		queue_work(vb->wq, &vb->stats.work);
	}
	spin_unlock_irqrestore(&vb->quiet_lock, flags);
}

/**
 * vb_stats_request() - the host asks for statistics
 * @vq: the statistics queue
 *
 * Context: Interrupt.
 */
void vb_stats_request(struct virtqueue *vq)
{
	vb_stats_look(vq->vdev->priv);
}

/**
 * vb_stats_prime() - leave the first buffer with the device
 * @vb: the balloon, before DRIVER_OK
 *
 * The device gets one buffer after initialisation (virtio 1.2, 5.5.6.3), but must
 * not be notified before DRIVER_OK (3.1.1): the caller kicks the queue then.
 *
 * Context: Process context.
 * Return: 0 or -errno of the ring.
 */
int vb_stats_prime(struct virtio_balloon *vb)
{
	int err = stats_post(vb);

	if (err)
		dev_err(&vb->vdev->dev, "stats: no room for the first buffer: %d\n", err);
	return err;
}

/**
 * vb_stats_init() - prepare the statistics
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_stats_init(struct virtio_balloon *vb)
{
	INIT_WORK(&vb->stats.work, vb_stats_work);
}
