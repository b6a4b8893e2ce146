// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests on the inflate and the deflate queue: a fixed set of buffers per
 * queue, filled by one caller, put on the ring, and finished when the host has
 * used them.  No memory is allocated after probe: requests are made before they
 * are needed, and indirect descriptors are off.
 */
#include <kunit/static_stub.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

static_assert(PAGE_SHIFT >= VIRTIO_BALLOON_PFN_SHIFT);
static_assert(VB_REQUEST_PFNS % VB_PFNS_PER_PAGE == 0);

/**
 * vb_queue_fill() - make the requests of a queue
 * @queue: initialised
 * @nr_requests: how many can be out at a time
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM; vb_queue_exit() undoes it in either case.
 */
int vb_queue_fill(struct vb_queue *queue, unsigned int nr_requests)
{
	struct vb_request *req;

	KUNIT_STATIC_STUB_REDIRECT(vb_queue_fill, queue, nr_requests);
	for (; nr_requests; nr_requests--) {
		req = kzalloc_obj(*req, GFP_KERNEL);
		if (!req)
			return -ENOMEM;
		/* Allocated apart: together they would need the next size of kmalloc(). */
		req->pfns = kmalloc_array(VB_REQUEST_PFNS, sizeof(*req->pfns), GFP_KERNEL);
		if (!req->pfns) {
			kfree(req);
			return -ENOMEM;
		}
		INIT_LIST_HEAD(&req->pages);
		list_add(&req->node, &queue->idle);
		queue->nr_requests++;
	}
	return 0;
}

/**
 * vb_queue_init() - prepare a queue
 * @queue: zeroed
 *
 * Context: Any.
 */
void vb_queue_init(struct vb_queue *queue)
{
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->idle);
	INIT_LIST_HEAD(&queue->in_flight);
	INIT_LIST_HEAD(&queue->answered);
}

/**
 * vb_queue_exit() - free the requests of a queue
 * @queue: with no request in use
 *
 * Context: Process context.
 */
void vb_queue_exit(struct vb_queue *queue)
{
	struct vb_request *req, *next;

	list_for_each_entry_safe(req, next, &queue->idle, node) {
		kfree(req->pfns);
		kfree(req);
	}
	INIT_LIST_HEAD(&queue->idle);
}

/**
 * vb_request_get() - take an idle request
 * @queue: the queue it is for
 * @keep: how many to leave to others, if there are more than that in all
 *
 * No more are in use than the ring has room for, at one descriptor each.  So a
 * request that was taken can be sent, unless the device has failed.
 *
 * Context: Any but interrupts.
 * Return: an empty request, or NULL when all are in use.
 */
struct vb_request *vb_request_get(struct vb_queue *queue, unsigned int keep)
{
	struct vb_request *req = NULL;
	unsigned int limit = 0;

	spin_lock(&queue->lock);
	if (queue->vq)
		limit = min(virtqueue_get_vring_size(queue->vq), queue->nr_requests);
	if (limit > keep)
		limit -= keep;
	if (queue->nr_busy < limit)
		req = list_first_entry_or_null(&queue->idle, struct vb_request, node);
	if (req) {
		list_del_init(&req->node);
		queue->nr_busy++;
	}
	spin_unlock(&queue->lock);
	return req;
}

/**
 * vb_request_put() - the request is finished or was never sent
 * @queue: the queue it came from
 * @req: holds no page any more and is on no list
 *
 * Context: Any but interrupts.
 */
void vb_request_put(struct vb_queue *queue, struct vb_request *req)
{
	WARN_ON_ONCE(!list_empty(&req->pages) || req->migrated);

	req->nr_pages = 0;
	req->waited = false;
	req->answered = false;
	req->early = false;
	req->kind = VB_PIECES;

	spin_lock(&queue->lock);
	list_add(&req->node, &queue->idle);
	queue->nr_busy--;
	spin_unlock(&queue->lock);
}

/**
 * vb_request_add() - name one more page in a request
 * @vb: the balloon
 * @req: names less than VB_REQUEST_PAGES pages
 * @page: the page; what becomes of it is the caller's business
 *
 * A guest page larger than 4 KiB takes several numbers, in ascending order.
 *
 * Context: Any.
 */
void vb_request_add(struct virtio_balloon *vb, struct vb_request *req,
		    struct page *page)
{
	__virtio32 *pfn = req->pfns + req->nr_pages * VB_PFNS_PER_PAGE;
	u32 first = page_to_pfn(page) * VB_PFNS_PER_PAGE;
	unsigned int i;

	if (WARN_ON_ONCE(req->nr_pages >= VB_REQUEST_PAGES))
		return;

	for (i = 0; i < VB_PFNS_PER_PAGE; i++)
		pfn[i] = cpu_to_virtio32(vb->vdev, first + i);
	req->nr_pages++;
}

/**
 * vb_request_send() - put a request on the ring and tell the host
 * @vb: the balloon
 * @queue: the queue
 * @req: names at least one page
 *
 * Context: Any but interrupts; does not wait for the host.
 * Return: 0; or -ENODEV, -EIO when the request is not on the ring, because the
 * device is being reset or is broken and will be.
 */
int vb_request_send(struct virtio_balloon *vb, struct vb_queue *queue,
		    struct vb_request *req)
{
	struct scatterlist sg;
	int err = -ENODEV;

	sg_init_one(&sg, req->pfns,
		    req->nr_pages * VB_PFNS_PER_PAGE * sizeof(req->pfns[0]));
	req->sent = ktime_get();

	spin_lock(&queue->lock);
	if (READ_ONCE(vb->life) == VB_ON)
		err = virtqueue_add_outbuf(queue->vq, &sg, 1, req, GFP_ATOMIC);
	if (!err) {
		list_add_tail(&req->node, &queue->in_flight);
		queue->nr_in_flight++;
		queue->nr_early += req->early;
		queue->pages_in_flight += req->nr_pages;
		virtqueue_kick(queue->vq);
	}
	spin_unlock(&queue->lock);
	return err;
}

/**
 * vb_request_strand() - hold a request that cannot be sent until the device is reset
 * @queue: the queue
 * @req: holds what may be freed only after the device's reset
 *
 * It counts as sent, and as answered once the device has been reset.
 *
 * Context: Any but interrupts; the caller holds vb->users for reading or is the
 * size work, so the reset has not been dealt with yet.
 */
void vb_request_strand(struct vb_queue *queue, struct vb_request *req)
{
	spin_lock(&queue->lock);
	list_add_tail(&req->node, &queue->in_flight);
	queue->nr_in_flight++;
	queue->pages_in_flight += req->nr_pages;
	spin_unlock(&queue->lock);
}

/* Caller holds the lock; the request is off the ring, the host is done with it. */
static void request_answered(struct vb_queue *queue, struct vb_request *req)
{
	lockdep_assert_held(&queue->lock);
	queue->nr_in_flight--;
	queue->nr_early -= req->early;
	queue->stall.warned = false;
	req->answered = true;
	if (req->waited) {
		queue->pages_in_flight -= req->nr_pages;
		list_del_init(&req->node);
	} else {
		list_move_tail(&req->node, &queue->answered);
	}
}

/**
 * vb_queue_poll() - see what the host has answered
 * @vb: the balloon
 * @queue: the queue
 *
 * Whoever takes an answer that another task waits for wakes that task: the host's
 * interrupt finds nothing any more and does not.
 *
 * The length the device reports is ignored: a legacy device may leave garbage
 * there (virtio 1.2, 5.5.6.2.1).
 *
 * Context: Any but interrupts.
 * Return: whether vb_request_answered() has something.
 */
bool vb_queue_poll(struct virtio_balloon *vb, struct vb_queue *queue)
{
	struct vb_request *req;
	unsigned int len;
	bool any, wake = false;
	s64 latency_us;

	spin_lock(&queue->lock);
	while (queue->nr_in_flight && (req = virtqueue_get_buf(queue->vq, &len))) {
		latency_us = ktime_us_delta(ktime_get(), req->sent);
		trace_virtio_balloon_request(queue->vq->vdev, queue->vq->index,
					     req->nr_pages, latency_us);
		wake |= req->waited;
		request_answered(queue, req);
	}
	any = !list_empty(&queue->answered);
	spin_unlock(&queue->lock);
	if (wake)
		wake_up(&vb->acked);
	return any;
}

/**
 * vb_request_answered() - take the next request that needs to be finished
 * @queue: the queue, after vb_queue_poll()
 *
 * Context: Any but interrupts.
 * Return: the request, to be finished and put; or NULL.
 */
struct vb_request *vb_request_answered(struct vb_queue *queue)
{
	struct vb_request *req;

	spin_lock(&queue->lock);
	req = list_first_entry_or_null(&queue->answered, struct vb_request, node);
	if (req) {
		queue->pages_in_flight -= req->nr_pages;
		list_del_init(&req->node);
	}
	spin_unlock(&queue->lock);
	return req;
}

/**
 * vb_request_wait() - wait for the answer to one request
 * @vb: the balloon; the caller holds vb->users for reading
 * @queue: the queue
 * @req: sent with @waited set
 * @timeout: in jiffies
 *
 * Context: Process context, sleeps.
 * Return: 0: the host has answered, @req is the caller's again. -ETIMEDOUT: it
 * has not, and the device still owns the pages; whoever sees the answer, or the
 * reset, finishes the request.
 */
int vb_request_wait(struct virtio_balloon *vb, struct vb_queue *queue,
		    struct vb_request *req, unsigned long timeout)
{
	bool others = false;
	int err = 0;

	wait_event_timeout(vb->acked,
			   (others |= vb_queue_poll(vb, queue), READ_ONCE(req->answered)) ||
			   READ_ONCE(vb->life) == VB_OFF, timeout);

	spin_lock(&queue->lock);
	if (!req->answered) {
		req->waited = false;
		err = -ETIMEDOUT;
	}
	spin_unlock(&queue->lock);

	/* What was taken from under the size work's eyes. */
	if (others)
		vb_queue_work(vb, &vb->size.work, 0);
	return err;
}

/**
 * vb_queue_recall() - what the device had is ours again
 * @queue: of a device that has been reset
 *
 * All requests in flight count as answered: after a reset the device owns no
 * buffer (virtio 1.2, 2.4.2) and so no page named in one.
 *
 * Context: Process context; nobody uses the queue any more.
 */
void vb_queue_recall(struct vb_queue *queue)
{
	struct vb_request *req, *next;

	spin_lock(&queue->lock);
	list_for_each_entry_safe(req, next, &queue->in_flight, node)
		request_answered(queue, req);
	queue->vq = NULL;
	spin_unlock(&queue->lock);
}

/**
 * vb_queue_check() - is the host late with an answer?
 * @vb: the balloon
 * @queue: the queue
 *
 * Context: Process context.
 * Return: whether the host owes an answer for some seconds, or can give none.
 */
bool vb_queue_check(struct virtio_balloon *vb, struct vb_queue *queue)
{
	bool late = false, broken = false, warn = false;
	struct vb_request *req;
	unsigned long age = 0;

	spin_lock(&queue->lock);
	req = list_first_entry_or_null(&queue->in_flight, struct vb_request, node);
	if (req && queue->vq) {
		age = nsecs_to_jiffies(ktime_to_ns(ktime_sub(ktime_get(), req->sent)));
		broken = virtqueue_is_broken(queue->vq);
		late = vb_stall_check(&queue->stall, age, broken, &warn);
	}
	spin_unlock(&queue->lock);

	if (warn)
		vb_stall_warn(vb, queue == &vb->inflate ? "inflate" : "deflate", broken);
	return late;
}

/**
 * vb_queue_answer() - the host has used a buffer
 * @vq: inflate or deflate
 *
 * Context: Interrupt.
 */
void vb_queue_answer(struct virtqueue *vq)
{
	struct virtio_balloon *vb = vq->vdev->priv;

	wake_up(&vb->acked);
	vb_queue_work(vb, &vb->size.work, 0);
}
