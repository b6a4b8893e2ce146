// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages into the balloon and out of it.  The mechanism only: how many and when
 * is decided in size.c, oom.c and pressure.c.
 *
 * A page is in one of these places:
 *   - an inflate request: the device's, not yet visible to page migration, and for
 *     that short time an unmovable page like any other;
 *   - a pool (pool.c): the device's, acknowledged; migration may take it;
 *   - a deflate request: announced, not yet acknowledged;
 * and vb->nr_pages counts all three.  It enters a pool only after the inflate
 * request was acknowledged, so no page can be deflated before (virtio 1.2,
 * 5.5.6.1: MUST NOT).
 */
#include <linux/compaction.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

/* Reclaim may be tried once, and never hard. */
#define TAKE_GFP	(VB_GFP | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)

/* Compaction that has failed defers itself for up to this many attempts. */
#define UNIT_TRIES	64
/* Free memory with which that pays; with less there is little to make a unit of. */
#define UNIT_ROOM	((long)(SZ_64M >> PAGE_SHIFT))
/* Requests of pieces that follow a unit that could not be made; doubled up to the last. */
#define UNIT_SKIP_MIN	2
#define UNIT_SKIP_MAX	32

/* Linux overwrites the map of memory just after it has said that it is offline. */
#define UNIT_OFFLINE_HOLD	HZ

/* A host that has owed an answer for this long gets no more pages. */
#define ANNOUNCE_PATIENCE	(5 * HZ)

/* The node that can spare most.  Taking from it makes the nodes equal. */
static int richest_node(void)
{
	unsigned long spare, most = 0;
	int nid, found = numa_mem_id();

	if (nr_online_nodes == 1)
		return found;
	for_each_node_state(nid, N_MEMORY) {
		spare = vb_node_spare(nid);
		if (spare > most) {
			most = spare;
			found = nid;
		}
	}
	return found;
}

/* Not while the map of memory that compaction may look at goes away, see note_offline(). */
static bool may_make_unit(struct virtio_balloon *vb)
{
	return !READ_ONCE(vb->unit_offline) &&
	       !time_before64(get_jiffies_64(), READ_ONCE(vb->unit_hold));
}

/*
 * Lets the kernel make a unit whole.  Compaction that fails defers itself, and passes over
 * pageblocks in which an earlier scan found nothing.  An attempt that it cuts short costs
 * little.  To keep asking, and now and then to have all blocks looked at again, costs less
 * than the host loses by getting pieces.  If it fails even so, there may be no unit to
 * make.  Page cache is not reclaimed for that in the background.
 */
static struct page *make_unit(struct virtio_balloon *vb, int nid)
{
	gfp_t gfp = (TAKE_GFP | __GFP_THISNODE) & ~__GFP_KSWAPD_RECLAIM;
	struct page *page = NULL;
	unsigned int i, tries;

	if (!IS_ENABLED(CONFIG_COMPACTION) || !may_make_unit(vb))
		return NULL;
	if (vb->unit_skip) {
		vb->unit_skip--;
		return NULL;
	}
	mutex_lock(&vb->unit_lock);
	tries = vb_free_above_high(gfp) >= UNIT_ROOM ? UNIT_TRIES : 1;
	for (i = 0; !page && i < tries && may_make_unit(vb); i++) {
		if (is_power_of_2(i))
			reset_isolation_suitable(NODE_DATA(nid));
		page = alloc_pages_node(nid, gfp, VB_UNIT_ORDER);
	}
	mutex_unlock(&vb->unit_lock);
	vb->unit_backoff = page ? 0 : clamp(2 * vb->unit_backoff, UNIT_SKIP_MIN, UNIT_SKIP_MAX);
	vb->unit_skip = vb->unit_backoff;
	return page;
}

/*
 * Compaction asks whether memory is online and does not keep it so: it may read the map of
 * a section while that is overwritten or freed.  All who allocate large blocks can meet
 * that, and this driver, which asks again and again, would do so soon.
 */
static int note_offline(struct notifier_block *nb, unsigned long action, void *data)
{
	struct virtio_balloon *vb = container_of(nb, struct virtio_balloon, unit_nb);

	switch (action) {
	case MEM_GOING_OFFLINE:
		WRITE_ONCE(vb->unit_offline, true);
		/* One that is being made sees that soon. */
		mutex_lock(&vb->unit_lock);
		mutex_unlock(&vb->unit_lock);
		break;
	case MEM_OFFLINE:
		WRITE_ONCE(vb->unit_hold, get_jiffies_64() + UNIT_OFFLINE_HOLD);
		fallthrough;
	case MEM_CANCEL_OFFLINE:
		WRITE_ONCE(vb->unit_offline, false);
		break;
	}
	return NOTIFY_OK;
}

/**
 * vb_unit_init() - prepare making units
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_unit_init(struct virtio_balloon *vb)
{
	INIT_LIST_HEAD(&vb->unit);
	mutex_init(&vb->unit_lock);
	vb->unit_nb.notifier_call = note_offline;
}

/**
 * vb_unit_register() - make no units while memory goes offline
 * @vb: the balloon, not yet online
 *
 * Context: Process context.
 * Return: 0 or -errno.
 */
int vb_unit_register(struct virtio_balloon *vb)
{
	return IS_ENABLED(CONFIG_COMPACTION) ? register_memory_notifier(&vb->unit_nb) : 0;
}

/**
 * vb_unit_unregister() - undo vb_unit_register()
 * @vb: the balloon, offline
 *
 * Context: Process context; waits for a call that is under way.
 */
void vb_unit_unregister(struct virtio_balloon *vb)
{
	if (IS_ENABLED(CONFIG_COMPACTION))
		unregister_memory_notifier(&vb->unit_nb);
}

static void take_unit(struct virtio_balloon *vb, int nid)
{
	gfp_t gfp = (TAKE_GFP | __GFP_THISNODE) & ~__GFP_RECLAIM;
	struct page *page;
	unsigned int i;

	page = alloc_pages_node(nid, gfp, VB_UNIT_ORDER) ?: make_unit(vb, nid);
	if (!page)
		return;

	split_page(page, VB_UNIT_ORDER);
	for (i = VB_UNIT_PAGES; i--;)
		vb_page_push(&vb->unit, page + i);
}

/**
 * vb_drop_unit() - give back what was taken and not sent
 * @vb: the balloon
 *
 * Context: The size work, or after it was cancelled.
 */
void vb_drop_unit(struct virtio_balloon *vb)
{
	struct page *page;

	while ((page = vb_page_pop(&vb->unit)))
		put_page(page);
}

/* Fills a request from whole units while there are any, else with single pages. */
static bool fill_request(struct virtio_balloon *vb, struct vb_request *req, u64 want)
{
	int nid = richest_node();
	struct page *page;

	if (list_empty(&vb->unit) && want >= VB_UNIT_PAGES && !vb_cushion_pages(vb))
		take_unit(vb, nid);
	req->kind = list_empty(&vb->unit) ? VB_PIECES : VB_WHOLE;

	want = min_t(u64, want, VB_REQUEST_PAGES);
	while (req->nr_pages < want) {
		if (req->kind == VB_WHOLE)
			page = vb_page_pop(&vb->unit);
		else
			page = vb_cushion_take(vb) ?: alloc_pages_node(nid, TAKE_GFP, 0);
		if (!page)
			return req->kind == VB_WHOLE;
		vb_page_push(&req->pages, page);
		vb_request_add(vb, req, page);
		vb_count_given(vb, page);
	}
	return true;
}

static void free_request_pages(struct virtio_balloon *vb, struct vb_request *req)
{
	struct page *page;

	while ((page = vb_page_pop(&req->pages)))
		vb_free_page(vb, page);

	if (req->migrated) {
		/* Counted as in the balloon no more when its successor went in. */
		put_page(req->migrated);
		req->migrated = NULL;
	}
}

/**
 * vb_may_give() - may any free page go to the host?
 * @vb: the balloon
 *
 * Not while the guest uses pages that the host has not given back yet: the host, which
 * may look at its queues in any order, would take what it is asked to give, and give it.
 *
 * Context: Any; ask after the pages were allocated.
 * Return: whether it may.
 */
bool vb_may_give(const struct virtio_balloon *vb)
{
	return !READ_ONCE(vb->deflate.nr_early);
}

/**
 * vb_inflate() - give pages to the host
 * @vb: the balloon
 * @want: guest pages; one request takes VB_REQUEST_PAGES at most
 * @short_of_memory: set if an allocation failed
 *
 * vb_spare() has to be asked before.
 *
 * Context: The size work.  May sleep for memory, not for the host.
 * Return: guest pages sent; 0 also when all requests are out, and while pages are in
 * use that the host has not given back yet.
 */
unsigned int vb_inflate(struct virtio_balloon *vb, u64 want, bool *short_of_memory)
{
	struct vb_request *req;
	unsigned int sent;

	req = vb_request_get(&vb->inflate, VB_MIGRATE_REQUESTS);
	if (!req)
		return 0;

	WRITE_ONCE(vb->size.inflating_task, current);
	if (!fill_request(vb, req, want))
		*short_of_memory = true;
	WRITE_ONCE(vb->size.inflating_task, NULL);

	sent = req->nr_pages;
	if (!sent || !vb_may_give(vb) || vb_request_send(vb, &vb->inflate, req)) {
		free_request_pages(vb, req);
		vb_request_put(&vb->inflate, req);
		return 0;
	}
	return sent;
}

/* The host has the pages now. */
static void finish_inflate_request(struct virtio_balloon *vb, struct vb_request *req)
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
		vb_count_given(vb, page);
		vb_page_push(&req->pages, page);
	}

	vb_pool_add(vb, &req->pages, req->kind);
	vb_request_put(&vb->inflate, req);
}

static void finish_inflate(struct virtio_balloon *vb)
{
	struct vb_request *req;

	vb_queue_poll(vb, &vb->inflate);
	while ((req = vb_request_answered(&vb->inflate)))
		finish_inflate_request(vb, req);
}

/**
 * vb_deflate() - take pages back from the host
 * @vb: the balloon
 * @want: guest pages
 * @nid: the node that needs them, or NUMA_NO_NODE
 * @at_once: use them before the host has acknowledged.  Ignored where the host
 *	insists on being told first (VIRTIO_BALLOON_F_MUST_TELL_HOST).
 *
 * Sends until @want is reached, the balloon is empty or all requests are out.
 *
 * Context: Process context; waits for nothing but page locks it can have.
 * Return: guest pages announced.
 */
unsigned long vb_deflate(struct virtio_balloon *vb, u64 want, int nid, bool at_once)
{
	unsigned long announced = 0;
	struct vb_request *req;
	struct page *page;
	LIST_HEAD(pages);
	size_t nr;

	if (vb_has(vb, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		at_once = false;

	while (announced < want) {
		req = vb_request_get(&vb->deflate, VB_MIGRATE_REQUESTS);
		if (!req)
			break;

		nr = min_t(u64, want - announced, VB_REQUEST_PAGES);
		nr = vb_pool_take(vb, &req->pages, nr, nid);
		if (!nr) {
			vb_request_put(&vb->deflate, req);
			break;
		}
		list_for_each_entry(page, &req->pages, lru)
			vb_request_add(vb, req, page);

		/* Once sent the request may be finished at any moment. */
		req->early = at_once;
		if (at_once)
			list_splice_init(&req->pages, &pages);
		if (vb_request_send(vb, &vb->deflate, req)) {
			/* Not announced, so not ours before the reset that must come. */
			req->early = false;
			list_splice_init(&pages, &req->pages);
			vb_request_strand(&vb->deflate, req);
			break;
		}
		announced += nr;

		while ((page = vb_page_pop(&pages)))
			vb_free_page(vb, page);
	}
	return announced;
}

/**
 * vb_finish_deflate() - free what the host has acknowledged
 * @vb: the balloon
 *
 * Context: Process context.
 */
void vb_finish_deflate(struct virtio_balloon *vb)
{
	struct vb_request *req;
	bool any = false;

	vb_queue_poll(vb, &vb->deflate);
	while ((req = vb_request_answered(&vb->deflate))) {
		free_request_pages(vb, req);
		vb_request_put(&vb->deflate, req);
		any = true;
	}
	/* Another task may wait for just that, in vb_relieve(). */
	if (any)
		wake_up(&vb->acked);
}

/**
 * vb_finish() - take all answers of the host
 * @vb: the balloon
 *
 * Context: The size work; may sleep.
 */
void vb_finish(struct virtio_balloon *vb)
{
	finish_inflate(vb);
	vb_finish_deflate(vb);
}

/**
 * vb_relieve() - the guest needs memory now
 * @vb: the balloon, with VIRTIO_BALLOON_F_DEFLATE_ON_OOM negotiated
 * @want: guest pages
 * @nid: the node that needs them, or NUMA_NO_NODE
 * @timeout: how long to wait for the host at most, in jiffies
 *
 * Waits for the host only while nothing at all has come back: because it has to
 * be told first, or because all requests are out.  A device that is off has nothing
 * to give, because what it had is on its way to the guest.
 *
 * Context: Process context, under oom_lock too: allocates nothing.
 * Return: guest pages that came back while it ran, whoever freed them.
 */
unsigned long vb_relieve(struct virtio_balloon *vb, unsigned long want, int nid,
			 unsigned long timeout)
{
	unsigned long before = atomic_long_read(&vb->nr_returned);
	unsigned long end = jiffies + timeout;
	unsigned long announced = 0, freed = 0;
	long left;

	if (!down_read_trylock(&vb->users))
		return 0;

	while (READ_ONCE(vb->life) == VB_ON) {
		vb_finish_deflate(vb);
		if (announced < want)
			announced += vb_deflate(vb, want - announced, nid, true);

		freed = atomic_long_read(&vb->nr_returned) - before;
		left = end - jiffies;
		if (freed || !READ_ONCE(vb->deflate.nr_in_flight) ||
		    virtqueue_is_broken(vb->deflate.vq) || left <= 0)
			break;

		wait_event_timeout(vb->acked,
				   vb_queue_poll(vb, &vb->deflate) ||
				   atomic_long_read(&vb->nr_returned) != before ||
				   READ_ONCE(vb->life) != VB_ON, left);
	}

	up_read(&vb->users);
	return freed;
}

/* Keeps what the host has acknowledged: it must not be used before the reset. */
static bool park_deflated(struct virtio_balloon *vb, struct list_head *parked)
{
	struct vb_request *req;
	bool any = false;

	vb_queue_poll(vb, &vb->deflate);
	while ((req = vb_request_answered(&vb->deflate))) {
		list_splice_init(&req->pages, parked);
		free_request_pages(vb, req);
		vb_request_put(&vb->deflate, req);
		any = true;
	}
	return any;
}

static bool all_announced(struct virtio_balloon *vb)
{
	return vb_pools_empty(vb) && !READ_ONCE(vb->inflate.nr_in_flight) &&
	       !READ_ONCE(vb->deflate.nr_in_flight) &&
	       !READ_ONCE(vb->deflate.pages_in_flight);
}

/**
 * vb_announce_all() - tell the host that all pages are wanted back
 * @vb: the balloon, its work cancelled, its device about to be reset
 * @parked: where to keep pages that the host has acknowledged
 *
 * The host has to learn of each page that will be used (virtio 1.2, 5.5.6.1), and
 * a reset tells it nothing.  No page is used yet, because only the reset ends the host's
 * claim to the target.  Gives up on a host that does not answer.
 *
 * Context: Process context, sleeps.
 */
void vb_announce_all(struct virtio_balloon *vb, struct list_head *parked)
{
	unsigned long end = jiffies + ANNOUNCE_PATIENCE;
	long left;

	for (;;) {
		finish_inflate(vb);
		if (park_deflated(vb, parked) ||
		    vb_deflate(vb, U64_MAX, NUMA_NO_NODE, false))
			end = jiffies + ANNOUNCE_PATIENCE;
		if (all_announced(vb))
			return;

		left = end - jiffies;
		if (left <= 0 || virtqueue_is_broken(vb->deflate.vq) ||
		    virtqueue_is_broken(vb->inflate.vq))
			return;
		/* Nothing tells when isolated pages come back, so wait for a short time only. */
		wait_event_timeout(vb->acked, vb_queue_poll(vb, &vb->inflate) ||
				   vb_queue_poll(vb, &vb->deflate), min(left, HZ / 10));
	}
}

/* After the reset: what was named in requests is the guest's again. */
static void release_requests(struct virtio_balloon *vb, struct vb_queue *queue)
{
	struct vb_request *req;

	while ((req = vb_request_answered(queue))) {
		free_request_pages(vb, req);
		vb_request_put(queue, req);
	}
}

/**
 * vb_release_all() - give every page back to the guest
 * @vb: of a device that has been reset
 * @parked: pages that the host has acknowledged before
 *
 * Before the reset none of them may be used unless the host's target allows it
 * (virtio 1.2, 5.5.6.1); afterwards no balloon exists any more.  Pages that a
 * migration has isolated come back soon, because it cannot reach the device now.
 *
 * Context: Process context, sleeps.
 */
void vb_release_all(struct virtio_balloon *vb, struct list_head *parked)
{
	struct page *page;

	release_requests(vb, &vb->inflate);
	release_requests(vb, &vb->deflate);
	vb_drop_unit(vb);

	for (;;) {
		while ((page = vb_page_pop(parked)))
			vb_free_page(vb, page);
		if (vb_pool_take(vb, parked, VB_REQUEST_PAGES, NUMA_NO_NODE)) {
			cond_resched();
			continue;
		}
		if (vb_pools_empty(vb))
			break;
		schedule_timeout_uninterruptible(1);
	}

	WARN_ON_ONCE(atomic_long_read(&vb->nr_pages));
}
