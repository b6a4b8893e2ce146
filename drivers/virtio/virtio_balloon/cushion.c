// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes memory spare by swapping out cold pages.
 *
 * The balloon leaves a reserve to the guest, and a guest with swap can always make
 * more: what it does not use goes to disk.  To start that, allocations have to run into the
 * watermarks, and they must not use up the reserve.  So the reserve itself is allocated
 * during the inflation, as a cushion: reclaim works to fill it, at the pace that it is
 * capable of, and at the end the cushion becomes free memory.  It is twice the reserve,
 * because at the edge of the reserve a single task that reclaims would make pages
 * come back.
 *
 * Reclaim that fails often merely waits for the disk.  The cushion is kept while
 * reclaim succeeds now and then.
 *
 * A task that needs memory meanwhile reclaims like the balloon.  If that fails, the
 * OOM path or the pressure path takes the cushion first.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "balloon.h"

/* Made spare at a time, and free swap without which it is not even tried. */
#define CUSHION_STEP	(SZ_4M >> PAGE_SHIFT)
#define CUSHION_SWAP	(SZ_32M >> PAGE_SHIFT)

/* How long reclaim may fail before the cushion is given up. */
#define CUSHION_PATIENCE	(2 * HZ)

/**
 * vb_cushion_pages() - how large the cushion is
 * @vb: the balloon
 *
 * Context: Any.
 * Return: guest pages; they count as spare.
 */
unsigned long vb_cushion_pages(struct virtio_balloon *vb)
{
	return READ_ONCE(vb->cushion.nr_pages);
}

static bool cushion_add(struct virtio_balloon *vb)
{
	struct vb_cushion *cushion = &vb->cushion;
	struct page *page = balloon_page_alloc();

	if (!page)
		return false;
	spin_lock(&cushion->lock);
	list_add(&page->lru, &cushion->pages);
	cushion->nr_pages++;
	spin_unlock(&cushion->lock);
	cushion->grown_at = jiffies;
	return true;
}

/**
 * vb_cushion_reserve() - what inflation leaves to the guest
 * @vb: the balloon
 *
 * Context: The size work.
 * Return: guest pages.
 */
unsigned long vb_cushion_reserve(struct virtio_balloon *vb)
{
	return vb_cushion_pages(vb) ? 2 * vb_reserve(vb) : vb_reserve(vb);
}

/**
 * vb_cushion_waits() - will more be swapped out soon?
 * @vb: the balloon
 *
 * Context: The size work.
 * Return: whether to try again shortly, instead of giving up for a while.
 */
bool vb_cushion_waits(struct virtio_balloon *vb)
{
	return vb_cushion_pages(vb) && vb_swap_spare() >= CUSHION_SWAP &&
	       time_before(jiffies, vb->cushion.grown_at + CUSHION_PATIENCE);
}

/**
 * vb_cushion_grow() - have something swapped out, so that inflation can go on
 * @vb: the balloon
 *
 * Context: The size work; sleeps for reclaim.
 * Return: whether there is more than the reserve now.
 */
bool vb_cushion_grow(struct virtio_balloon *vb)
{
	unsigned long want = 2 * vb_reserve(vb) + CUSHION_STEP;
	unsigned long spare = 0, i;
	unsigned long until;

	if (vb_swap_spare() < CUSHION_SWAP || vb_holding(vb, 0, &until))
		return false;

	WRITE_ONCE(vb->size.inflating_task, current);
	/* It may take more than it gains, because others allocate as well. */
	for (i = 0; i < 2 * want; i++) {
		if (i % 64 == 0) {
			spare = vb_spare() + vb_cushion_pages(vb);
			if (spare >= want)
				break;
			cond_resched();
		}
		if (!cushion_add(vb))
			break;
	}
	WRITE_ONCE(vb->size.inflating_task, NULL);
	return spare >= want;
}

/**
 * vb_cushion_take() - take a page of the cushion for the balloon
 * @vb: the balloon
 *
 * Context: The size work.
 * Return: the page, or NULL if there is no cushion.
 */
struct page *vb_cushion_take(struct virtio_balloon *vb)
{
	struct vb_cushion *cushion = &vb->cushion;
	struct page *page = NULL;

	spin_lock(&cushion->lock);
	if (cushion->nr_pages) {
		page = vb_page_pop(&cushion->pages);
		cushion->nr_pages--;
	}
	spin_unlock(&cushion->lock);
	return page;
}

/**
 * vb_cushion_drop() - give the cushion to the guest
 * @vb: the balloon
 *
 * Context: Any but interrupts, under oom_lock too.
 * Return: guest pages.
 */
unsigned long vb_cushion_drop(struct virtio_balloon *vb)
{
	struct vb_cushion *cushion = &vb->cushion;
	unsigned long nr;
	struct page *page;
	LIST_HEAD(pages);

	spin_lock(&cushion->lock);
	list_splice_init(&cushion->pages, &pages);
	nr = cushion->nr_pages;
	cushion->nr_pages = 0;
	spin_unlock(&cushion->lock);

	while ((page = vb_page_pop(&pages)))
		put_page(page);
	return nr;
}

/**
 * vb_cushion_init() - prepare the cushion
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_cushion_init(struct virtio_balloon *vb)
{
	spin_lock_init(&vb->cushion.lock);
	INIT_LIST_HEAD(&vb->cushion.pages);
}
