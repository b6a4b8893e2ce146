// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages into the balloon and out of it.  The mechanism only: how many and when
 * is decided in size.c and oom.c.
 *
 * A page is in one of these places:
 *   - an inflate request: the device's, not yet visible to page migration;
 *   - vb->pages: the device's, acknowledged; migration may take it;
 *   - a deflate request: announced, not yet acknowledged;
 * and vb->nr_pages counts all three.  It enters vb->pages only after the inflate
 * request was acknowledged, so no page can be deflated before (virtio 1.2,
 * 5.5.6.1: MUST NOT).
 */
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/*
 * Free memory the balloon leaves alone, above the watermarks: a share of the RAM,
 * larger where there is no way back, and limits.
 */
#define BALLOON_RESERVE_SHARE_LENT	64
#define BALLOON_RESERVE_SHARE		32
#define BALLOON_RESERVE_MIN		(SZ_4M >> PAGE_SHIFT)
#define BALLOON_RESERVE_MAX		(SZ_128M >> PAGE_SHIFT)

static unsigned long watermark_pages(void)
{
	unsigned long sum = 0;
	struct zone *zone;
	int nid;

	for_each_online_node(nid) {
		struct zone *zones = NODE_DATA(nid)->node_zones;

		for (zone = zones; zone < zones + MAX_NR_ZONES; zone++)
			if (managed_zone(zone))
				sum += min_wmark_pages(zone);
	}
	return sum;
}

/**
 * balloon_spare() - memory that is free or cheap to free
 * @vb: the balloon
 *
 * What is free above the min watermarks, plus page cache that can be dropped.  A
 * guest that must obey (no DEFLATE_ON_OOM) may swap for its host, so free swap
 * counts for it.
 *
 * Context: Any.
 * Return: guest pages.
 */
unsigned long balloon_spare(struct virtio_balloon *vb)
{
	unsigned long have, keep = watermark_pages();

	have = global_zone_page_state(NR_FREE_PAGES);
	have += global_node_page_state(NR_INACTIVE_FILE);
	have += global_node_page_state(NR_ACTIVE_FILE) / 2;
	if (!balloon_is_lent(vb))
		have += max(get_nr_swap_pages(), 0L);

	return have > keep ? have - keep : 0;
}

/**
 * balloon_reserve() - how much of balloon_spare() inflation leaves to the guest
 * @vb: the balloon
 *
 * Without it an impossible target would take the last free page, and the next
 * allocation of anybody would end in the OOM killer.
 *
 * Context: Any.
 * Return: guest pages.
 */
unsigned long balloon_reserve(struct virtio_balloon *vb)
{
	bool lent = balloon_is_lent(vb);
	unsigned long ram = totalram_pages();

	/* The RAM before the balloon took any of it. */
	if (!lent)
		ram += atomic_long_read(&vb->nr_pages);

	return clamp_t(unsigned long,
		       ram / (lent ? BALLOON_RESERVE_SHARE_LENT : BALLOON_RESERVE_SHARE),
		       BALLOON_RESERVE_MIN, BALLOON_RESERVE_MAX);
}

/**
 * balloon_free_page() - a page comes back to the guest
 * @vb: the balloon
 * @page: holds the balloon's reference only, or an isolating task's as well
 *
 * Freeing writes the poison or zeroes the page where the guest relies on that
 * (virtio 1.2, 5.5.6.6.1).
 *
 * Context: Any but interrupts.
 */
void balloon_free_page(struct virtio_balloon *vb, struct page *page)
{
	if (!balloon_is_lent(vb))
		adjust_managed_page_count(page, 1);
	atomic_long_dec(&vb->nr_pages);
	atomic_long_inc(&vb->nr_returned);
	put_page(page);
}

static void free_request_pages(struct virtio_balloon *vb, struct balloon_request *req)
{
	struct page *page;

	while ((page = balloon_page_pop(&req->pages)))
		balloon_free_page(vb, page);

	if (req->migrated) {
		/* Counted as in the balloon no more when its successor went in. */
		put_page(req->migrated);
		req->migrated = NULL;
	}
}

/**
 * balloon_inflate() - give pages to the host
 * @vb: the balloon
 * @want: guest pages; one request takes BALLOON_REQUEST_PAGES at most
 * @short_of_memory: set if an allocation failed
 *
 * balloon_page_alloc() tries reclaim once and never hard; balloon_spare() has to be
 * asked before.
 *
 * Context: The size work.  May sleep for memory, not for the host.
 * Return: guest pages sent; 0 also when all requests are out.
 */
unsigned int balloon_inflate(struct virtio_balloon *vb, u64 want, bool *short_of_memory)
{
	struct balloon_request *req;
	struct page *page;
	unsigned int sent;

	req = balloon_request_get(&vb->inflate);
	if (!req)
		return 0;

	want = min_t(u64, want, BALLOON_REQUEST_PAGES);
	WRITE_ONCE(vb->size.inflating_task, current);
	while (req->nr_pages < want) {
		page = balloon_page_alloc();
		if (!page) {
			*short_of_memory = true;
			break;
		}
		balloon_page_push(&req->pages, page);
		balloon_request_add(vb, req, page);
		atomic_long_inc(&vb->nr_pages);
		if (!balloon_is_lent(vb))
			adjust_managed_page_count(page, -1);
	}

	WRITE_ONCE(vb->size.inflating_task, NULL);

	sent = req->nr_pages;
	if (!sent || balloon_request_send(vb, &vb->inflate, req)) {
		free_request_pages(vb, req);
		balloon_request_put(&vb->inflate, req);
		return 0;
	}
	return sent;
}

/* The host has the pages now: let migration see them. */
static void finish_inflate_request(struct virtio_balloon *vb, struct balloon_request *req)
{
	struct page *page = req->migrated;

	if (page) {
		/*
		 * A migration gave up waiting after it had announced this page.
		 * The page is the host's all the same, one more in the balloon.
		 * The migrating task may still hold its lock.
		 */
		lock_page(page);
		unlock_page(page);
		req->migrated = NULL;
		atomic_long_inc(&vb->nr_pages);
		if (!balloon_is_lent(vb))
			adjust_managed_page_count(page, -1);
		balloon_page_push(&req->pages, page);
	}

	balloon_page_list_enqueue(&vb->pages, &req->pages);
	balloon_request_put(&vb->inflate, req);
}

static void finish_inflate(struct virtio_balloon *vb)
{
	struct balloon_request *req;

	balloon_queue_poll(&vb->inflate);
	while ((req = balloon_request_answered(&vb->inflate)))
		finish_inflate_request(vb, req);
}

/**
 * balloon_deflate() - take pages back from the host
 * @vb: the balloon
 * @want: guest pages
 * @at_once: use them before the host has acknowledged.  Ignored where the host
 *	insists on being told first (VIRTIO_BALLOON_F_MUST_TELL_HOST).
 *
 * Sends until @want is reached, the balloon is empty or all requests are out.
 *
 * Context: Process context; waits for nothing but page locks it can have.
 * Return: guest pages announced.
 */
unsigned int balloon_deflate(struct virtio_balloon *vb, u64 want, bool at_once)
{
	unsigned int announced = 0;
	struct balloon_request *req;
	struct page *page;
	LIST_HEAD(pages);
	size_t nr;

	if (balloon_has(vb, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		at_once = false;

	while (announced < want) {
		req = balloon_request_get(&vb->deflate);
		if (!req)
			break;

		nr = min_t(u64, want - announced, BALLOON_REQUEST_PAGES);
		nr = balloon_page_list_dequeue(&vb->pages, &req->pages, nr);
		if (!nr) {
			balloon_request_put(&vb->deflate, req);
			break;
		}
		list_for_each_entry(page, &req->pages, lru)
			balloon_request_add(vb, req, page);

		/* Once sent the request may be finished at any moment. */
		if (at_once)
			list_splice_init(&req->pages, &pages);
		if (balloon_request_send(vb, &vb->deflate, req)) {
			/* Not announced, so not ours before the reset that must come. */
			list_splice_init(&pages, &req->pages);
			balloon_request_strand(&vb->deflate, req);
			break;
		}
		announced += nr;

		while ((page = balloon_page_pop(&pages)))
			balloon_free_page(vb, page);
	}
	return announced;
}

/**
 * balloon_finish_deflate() - free what the host has acknowledged
 * @vb: the balloon
 *
 * Context: Process context.
 */
void balloon_finish_deflate(struct virtio_balloon *vb)
{
	struct balloon_request *req;

	balloon_queue_poll(&vb->deflate);
	while ((req = balloon_request_answered(&vb->deflate))) {
		free_request_pages(vb, req);
		balloon_request_put(&vb->deflate, req);
	}
}

/**
 * balloon_finish() - take all answers of the host
 * @vb: the balloon
 *
 * Context: The size work; may sleep.
 */
void balloon_finish(struct virtio_balloon *vb)
{
	finish_inflate(vb);
	balloon_finish_deflate(vb);
}

/**
 * balloon_relieve() - the guest needs memory now
 * @vb: the balloon, with VIRTIO_BALLOON_F_DEFLATE_ON_OOM negotiated
 * @want: guest pages
 * @timeout: how long to wait for the host at most, in jiffies
 *
 * Waits for the host only while nothing at all has come back: because it has to
 * be told first, or because all requests are out.  A device that is off has nothing
 * to give, for what it had is on its way to the guest.
 *
 * Context: Process context, under oom_lock too: allocates nothing.
 * Return: guest pages that came back while it ran, whoever freed them.
 */
unsigned long balloon_relieve(struct virtio_balloon *vb, unsigned long want,
			      unsigned long timeout)
{
	unsigned long before = atomic_long_read(&vb->nr_returned);
	unsigned long end = jiffies + timeout;
	unsigned long announced = 0, freed = 0;

	if (!down_read_trylock(&vb->users))
		return 0;

	while (READ_ONCE(vb->life) == BALLOON_ON) {
		balloon_finish_deflate(vb);
		if (announced < want)
			announced += balloon_deflate(vb, want - announced, true);

		freed = atomic_long_read(&vb->nr_returned) - before;
		if (freed || !READ_ONCE(vb->deflate.nr_in_flight) ||
		    virtqueue_is_broken(vb->deflate.vq) || !time_before(jiffies, end))
			break;

		wait_event_timeout(vb->acked,
				   balloon_queue_poll(&vb->deflate) ||
				   READ_ONCE(vb->life) != BALLOON_ON, end - jiffies);
	}

	up_read(&vb->users);
	return freed;
}

/* After the reset: what was named in requests is the guest's again. */
static void release_requests(struct virtio_balloon *vb, struct balloon_queue *queue)
{
	struct balloon_request *req;

	while ((req = balloon_request_answered(queue))) {
		free_request_pages(vb, req);
		balloon_request_put(queue, req);
	}
}

/**
 * balloon_release_all() - give every page back to the guest
 * @vb: of a device that has been reset
 *
 * Before the reset none of them may be used unless the host's target allows it
 * (virtio 1.2, 5.5.6.1); afterwards no balloon exists any more.  Pages that a
 * migration has isolated come back soon, for it cannot reach the device now.
 *
 * Context: Process context, sleeps.
 */
void balloon_release_all(struct virtio_balloon *vb)
{
	struct page *page;
	LIST_HEAD(pages);
	bool empty;

	release_requests(vb, &vb->inflate);
	release_requests(vb, &vb->deflate);

	for (;;) {
		balloon_page_list_dequeue(&vb->pages, &pages, BALLOON_REQUEST_PAGES);
		empty = list_empty(&pages);
		while ((page = balloon_page_pop(&pages)))
			balloon_free_page(vb, page);
		if (!empty) {
			cond_resched();
			continue;
		}

		spin_lock_irq(&vb->pages.pages_lock);
		empty = list_empty(&vb->pages.pages) && !vb->pages.isolated_pages;
		spin_unlock_irq(&vb->pages.pages_lock);
		if (empty)
			break;
		schedule_timeout_uninterruptible(1);
	}

	WARN_ON_ONCE(atomic_long_read(&vb->nr_pages));
}
