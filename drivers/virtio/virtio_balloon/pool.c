// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pages that belong to the host: where they are kept and how they are counted.
 *
 * Each NUMA node has two pools: pages of whole units, and single pages.  A host backs
 * guests with huge pages, and gains only by whole units; so the balloon takes units
 * first, and gives units back first, which leaves the guest's free memory whole as
 * well.  Page migration sees the pools, one balloon_dev_info each.  A page that takes
 * another's place enters that page's pool, even if it is of another node or a piece.
 *
 * How pages count in the guest depends on whose they are.  Without DEFLATE_ON_OOM they
 * are gone: MemTotal becomes smaller.  With it they come back when the guest needs
 * them: kernel memory that is reclaimed under pressure, and that is how they count.
 * So MemAvailable includes them, and programs that kill others when MemAvailable is
 * low (earlyoom) do not strike while the balloon still has what is missing.
 */
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "balloon.h"

static void count(struct virtio_balloon *vb, struct page *page, int sign)
{
	atomic_long_add(sign, &vb->nodes[page_to_nid(page)].nr_pages);
	if (!vb_may_deflate_on_oom(vb))
		adjust_managed_page_count(page, -sign);
	else if (vb->reclaimable)
		mod_node_page_state(page_pgdat(page), NR_KERNEL_MISC_RECLAIMABLE, sign);
}

/**
 * vb_count_given() - a page becomes the host's
 * @vb: the balloon
 * @page: the page
 *
 * Context: Any but interrupts.
 */
void vb_count_given(struct virtio_balloon *vb, struct page *page)
{
	atomic_long_inc(&vb->nr_pages);
	count(vb, page, 1);
}

/**
 * vb_free_page() - a page comes back to the guest
 * @vb: the balloon
 * @page: holds the balloon's reference only, or an isolating task's as well
 *
 * Freeing writes the poison or zeroes the page where the guest relies on that
 * (virtio 1.2, 5.5.6.6.1).
 *
 * Context: Any but interrupts.
 */
void vb_free_page(struct virtio_balloon *vb, struct page *page)
{
	count(vb, page, -1);
	atomic_long_dec(&vb->nr_pages);
	atomic_long_inc(&vb->nr_returned);
	put_page(page);
}

/**
 * vb_count_moved() - a page took the place of another one
 * @vb: the balloon
 * @from: was the host's
 * @to: is now
 *
 * Context: Any but interrupts.
 */
void vb_count_moved(struct virtio_balloon *vb, struct page *from, struct page *to)
{
	if (page_zone(from) == page_zone(to))
		return;
	count(vb, from, -1);
	count(vb, to, 1);
}

/* Where a page is kept, by whether it is part of a whole unit. */
static struct vb_pool *pool_of(struct virtio_balloon *vb, struct page *page,
			       enum vb_kind kind)
{
	return &vb->nodes[page_to_nid(page)].pools[kind];
}

/**
 * vb_pool_add() - the host has these pages now: let migration see them
 * @vb: the balloon
 * @pages: the pages; empty afterwards
 * @kind: whether they are parts of whole units
 *
 * Context: Process context.
 */
void vb_pool_add(struct virtio_balloon *vb, struct list_head *pages, enum vb_kind kind)
{
	struct vb_pool *pool;
	struct page *page;

	while ((page = vb_page_pop(pages))) {
		pool = pool_of(vb, page, kind);
		atomic_long_inc(&pool->nr_pages);
		balloon_page_enqueue(&pool->info, page);
	}
}

/* The node that needs pages most, of those that have some in a pool of this kind. */
static int neediest_node(struct virtio_balloon *vb, enum vb_kind kind)
{
	unsigned long spare, least = ULONG_MAX;
	int nid, found = NUMA_NO_NODE;

	for_each_online_node(nid) {
		if (list_empty(&vb->nodes[nid].pools[kind].info.pages))
			continue;
		/* A single candidate need not be compared. */
		spare = nr_online_nodes > 1 ? vb_node_spare(nid) : 0;
		if (spare < least) {
			least = spare;
			found = nid;
		}
	}
	return found;
}

/**
 * vb_pool_take() - take pages out of the pools
 * @vb: the balloon
 * @pages: where to put them
 * @nr: how many at most
 * @nid: the node that needs them, or NUMA_NO_NODE
 *
 * Whole units first.  Pages that are isolated for migration stay.
 *
 * Context: Process context.
 * Return: how many it took, all of one pool; 0 if there are none.
 */
size_t vb_pool_take(struct virtio_balloon *vb, struct list_head *pages, size_t nr, int nid)
{
	struct vb_pool *pool;
	enum vb_kind kind;
	size_t got = 0;
	int from;

	for (kind = 0; kind < VB_NR_KINDS && !got; kind++) {
		from = nid == NUMA_NO_NODE ? neediest_node(vb, kind) : nid;
		if (from == NUMA_NO_NODE)
			continue;
		pool = &vb->nodes[from].pools[kind];
		got = balloon_page_list_dequeue(&pool->info, pages, nr);
		atomic_long_sub(got, &pool->nr_pages);
	}
	return got;
}

/**
 * vb_pools_empty() - are all pools empty, isolated pages included?
 * @vb: the balloon
 *
 * Context: Process context.
 * Return: whether they are.
 */
bool vb_pools_empty(struct virtio_balloon *vb)
{
	int nid, kind;

	for (nid = 0; nid < nr_node_ids; nid++)
		for (kind = 0; kind < VB_NR_KINDS; kind++)
			if (atomic_long_read(&vb->nodes[nid].pools[kind].nr_pages))
				return false;
	return true;
}

/**
 * vb_pools_init() - make the pools
 * @vb: the balloon
 *
 * Context: Probe.
 * Return: 0 or -ENOMEM.
 */
int vb_pools_init(struct virtio_balloon *vb)
{
	int nid, kind;

	vb->nodes = kcalloc(nr_node_ids, sizeof(*vb->nodes), GFP_KERNEL);
	if (!vb->nodes)
		return -ENOMEM;
	for (nid = 0; nid < nr_node_ids; nid++) {
		for (kind = 0; kind < VB_NR_KINDS; kind++) {
			struct vb_pool *pool = &vb->nodes[nid].pools[kind];

			balloon_devinfo_init(&pool->info);
			pool->vb = vb;
		}
	}
	return 0;
}

/**
 * vb_pools_exit() - undo vb_pools_init()
 * @vb: the balloon; all pools are empty
 *
 * Context: Process context.
 */
void vb_pools_exit(struct virtio_balloon *vb)
{
	kfree(vb->nodes);
}
