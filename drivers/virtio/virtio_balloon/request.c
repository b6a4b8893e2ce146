// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests on the inflate and the deflate queue: a fixed set of buffers per
 * queue, filled by one caller, put on the ring, and finished when the host has
 * used them.  No memory is allocated after probe: requests are made before they
 * are needed, and indirect descriptors are off.
 */
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

static_assert(PAGE_SHIFT >= VIRTIO_BALLOON_PFN_SHIFT);
static_assert(BALLOON_REQUEST_PFNS % BALLOON_PFNS_PER_PAGE == 0);

/**
 * balloon_queue_init() - make the requests of a queue
 * @queue: zeroed
 * @nr_requests: how many can be out at a time
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM; balloon_queue_exit() undoes it in either case.
 */
int balloon_queue_init(struct balloon_queue *queue, unsigned int nr_requests)
{
	struct balloon_request *req;

	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->idle);
	INIT_LIST_HEAD(&queue->in_flight);
	INIT_LIST_HEAD(&queue->answered);

	while (nr_requests--) {
		req = kzalloc(sizeof(*req), GFP_KERNEL);
		if (!req)
			return -ENOMEM;
		INIT_LIST_HEAD(&req->pages);
		list_add(&req->node, &queue->idle);
	}
	return 0;
}

/**
 * balloon_queue_exit() - free the requests of a queue
 * @queue: with no request in use
 *
 * Context: Process context.
 */
void balloon_queue_exit(struct balloon_queue *queue)
{
	struct balloon_request *req, *next;

	list_for_each_entry_safe(req, next, &queue->idle, node)
		kfree(req);
	INIT_LIST_HEAD(&queue->idle);
}

/**
 * balloon_request_get() - take an idle request
 * @queue: the queue it is for
 *
 * No more are in use than the ring has room for, at one descriptor each.  So a
 * request that was taken can be sent, or the device is at its end.
 *
 * Context: Any but interrupts.
 * Return: an empty request, or NULL when all are in use.
 */
struct balloon_request *balloon_request_get(struct balloon_queue *queue)
{
	struct balloon_request *req = NULL;

	spin_lock(&queue->lock);
	if (queue->vq && queue->nr_busy < virtqueue_get_vring_size(queue->vq))
		req = list_first_entry_or_null(&queue->idle, struct balloon_request, node);
	if (req) {
		list_del_init(&req->node);
		queue->nr_busy++;
	}
	spin_unlock(&queue->lock);
	return req;
}

/**
 * balloon_request_put() - the request is finished or was never sent
 * @queue: the queue it came from
 * @req: holds no page any more and is on no list
 *
 * Context: Any but interrupts.
 */
void balloon_request_put(struct balloon_queue *queue, struct balloon_request *req)
{
	WARN_ON_ONCE(!list_empty(&req->pages) || req->migrated);

	req->nr_pages = 0;
	req->waited = false;
	req->orphaned = false;
	req->answered = false;

	spin_lock(&queue->lock);
	list_add(&req->node, &queue->idle);
	queue->nr_busy--;
	spin_unlock(&queue->lock);
}

/**
 * balloon_request_add() - name one more page in a request
 * @vb: the balloon
 * @req: names less than BALLOON_REQUEST_PAGES pages
 * @page: the page; what becomes of it is the caller's business
 *
 * A guest page larger than 4 KiB takes several numbers, in ascending order.
 *
 * Context: Any.
 */
void balloon_request_add(struct virtio_balloon *vb, struct balloon_request *req,
			 struct page *page)
{
	__virtio32 *pfn = req->pfns + req->nr_pages * BALLOON_PFNS_PER_PAGE;
	u32 first = page_to_pfn(page) * BALLOON_PFNS_PER_PAGE;
	unsigned int i;

	if (WARN_ON_ONCE(req->nr_pages >= BALLOON_REQUEST_PAGES))
		return;

	for (i = 0; i < BALLOON_PFNS_PER_PAGE; i++)
		pfn[i] = cpu_to_virtio32(vb->vdev, first + i);
	req->nr_pages++;
}

/**
 * balloon_request_send() - put a request on the ring and tell the host
 * @vb: the balloon
 * @queue: the queue
 * @req: names at least one page
 *
 * Context: Any but interrupts; does not wait for the host.
 * Return: 0; or -ENODEV, -EIO when the request is not on the ring, because the
 * device is being reset or is broken and will be.
 */
int balloon_request_send(struct virtio_balloon *vb, struct balloon_queue *queue,
			 struct balloon_request *req)
{
	struct scatterlist sg;
	int err = -ENODEV;

	sg_init_one(&sg, req->pfns,
		    req->nr_pages * BALLOON_PFNS_PER_PAGE * sizeof(req->pfns[0]));
	req->sent = ktime_get();

	spin_lock(&queue->lock);
	if (READ_ONCE(vb->life) == BALLOON_ON)
		err = virtqueue_add_outbuf(queue->vq, &sg, 1, req, GFP_ATOMIC);
	if (!err) {
		list_add_tail(&req->node, &queue->in_flight);
		queue->nr_in_flight++;
		queue->pages_in_flight += req->nr_pages;
		virtqueue_kick(queue->vq);
	}
	spin_unlock(&queue->lock);
	return err;
}

/**
 * balloon_request_strand() - a request that could not be sent, for good
 * @queue: the queue
 * @req: holds what may be freed only after the device's reset
 *
 * It counts as sent, and as answered once the device has been reset.
 *
 * Context: Any but interrupts; the caller holds vb->users for reading or is the
 * size work, so the reset has not been dealt with yet.
 */
void balloon_request_strand(struct balloon_queue *queue, struct balloon_request *req)
{
	spin_lock(&queue->lock);
	list_add_tail(&req->node, &queue->in_flight);
	queue->nr_in_flight++;
	queue->pages_in_flight += req->nr_pages;
	spin_unlock(&queue->lock);
}

/* Caller holds the lock; the request is off the ring, the host is done with it. */
static void request_answered(struct balloon_queue *queue, struct balloon_request *req)
{
	lockdep_assert_held(&queue->lock);
	queue->nr_in_flight--;
	queue->stall_warned = false;
	req->answered = true;
	if (req->waited) {
		queue->pages_in_flight -= req->nr_pages;
		list_del_init(&req->node);
	} else {
		list_move_tail(&req->node, &queue->answered);
	}
}

/**
 * balloon_queue_poll() - see what the host has answered
 * @queue: the queue
 *
 * The length the device reports is ignored: a legacy device may leave garbage
 * there (virtio 1.2, 5.5.6.2.1).
 *
 * Context: Any but interrupts.
 * Return: whether balloon_request_answered() has something.
 */
bool balloon_queue_poll(struct balloon_queue *queue)
{
	struct balloon_request *req;
	unsigned int len;
	s64 latency_us;
	bool any;

	spin_lock(&queue->lock);
	while (queue->nr_in_flight && (req = virtqueue_get_buf(queue->vq, &len))) {
		latency_us = ktime_us_delta(ktime_get(), req->sent);
		trace_virtio_balloon_request(queue->vq->vdev, queue->vq->index,
					     req->nr_pages, latency_us);
		request_answered(queue, req);
	}
	any = !list_empty(&queue->answered);
	spin_unlock(&queue->lock);
	return any;
}

/**
 * balloon_request_answered() - take the next request that needs to be finished
 * @queue: the queue, after balloon_queue_poll()
 *
 * Context: Any but interrupts.
 * Return: the request, to be finished and put; or NULL.
 */
struct balloon_request *balloon_request_answered(struct balloon_queue *queue)
{
	struct balloon_request *req;

	spin_lock(&queue->lock);
	req = list_first_entry_or_null(&queue->answered, struct balloon_request, node);
	if (req) {
		queue->pages_in_flight -= req->nr_pages;
		list_del_init(&req->node);
	}
	spin_unlock(&queue->lock);
	return req;
}

/**
 * balloon_request_wait() - wait for the answer to one request
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
int balloon_request_wait(struct virtio_balloon *vb, struct balloon_queue *queue,
			 struct balloon_request *req, unsigned long timeout)
{
	int err = 0;

	wait_event_timeout(vb->acked,
			   (balloon_queue_poll(queue), READ_ONCE(req->answered)) ||
			   READ_ONCE(vb->life) == BALLOON_OFF, timeout);

	spin_lock(&queue->lock);
	if (!req->answered) {
		req->waited = false;
		req->orphaned = true;
		err = -ETIMEDOUT;
	}
	spin_unlock(&queue->lock);
	return err;
}

/**
 * balloon_queue_recall() - what the device had is ours again
 * @queue: of a device that has been reset
 *
 * All requests in flight count as answered: after a reset the device owns no
 * buffer (virtio 1.2, 2.4.2) and so no page named in one.
 *
 * Context: Process context; nobody uses the queue any more.
 */
void balloon_queue_recall(struct balloon_queue *queue)
{
	struct balloon_request *req, *next;

	spin_lock(&queue->lock);
	list_for_each_entry_safe(req, next, &queue->in_flight, node)
		request_answered(queue, req);
	queue->vq = NULL;
	spin_unlock(&queue->lock);
}

/**
 * balloon_queue_flush_senders() - wait until nobody is about to kick
 * @queue: of a device whose life is no longer BALLOON_ON
 *
 * Context: Process context.
 */
void balloon_queue_flush_senders(struct balloon_queue *queue)
{
	spin_lock(&queue->lock);
	/* A sender that saw BALLOON_ON has left; later ones will not see it. */
	spin_unlock(&queue->lock);
}

/**
 * balloon_queue_check() - is the host late with an answer?
 * @vb: the balloon
 * @queue: the queue
 *
 * Says so in the log, once until the host answers again.
 *
 * Context: Process context.
 * Return: whether the host owes an answer for some seconds, or can give none.
 */
bool balloon_queue_check(struct virtio_balloon *vb, struct balloon_queue *queue)
{
	bool warn = false, broken = false;
	struct balloon_request *req;
	s64 age_ms = 0;

	spin_lock(&queue->lock);
	req = list_first_entry_or_null(&queue->in_flight, struct balloon_request, node);
	if (req && queue->vq) {
		age_ms = ktime_ms_delta(ktime_get(), req->sent);
		broken = virtqueue_is_broken(queue->vq);
		warn = broken || age_ms >= jiffies_to_msecs(BALLOON_STALL_WARN);
		warn &= !queue->stall_warned;
		queue->stall_warned |= warn;
	}
	spin_unlock(&queue->lock);

	if (warn)
		dev_warn(&vb->vdev->dev,
			 "%s: %s for %lld ms, pages stay with the host until it answers or the device is reset\n",
			 queue == &vb->inflate ? "inflate" : "deflate",
			 broken ? "queue broken, no answer" : "no answer from the host",
			 age_ms);
	return broken || age_ms >= jiffies_to_msecs(BALLOON_STALL_LATE);
}

/**
 * balloon_queue_answer() - the host has used a buffer
 * @vq: inflate or deflate
 *
 * Context: Interrupt.
 */
void balloon_queue_answer(struct virtqueue *vq)
{
	struct virtio_balloon *vb = vq->vdev->priv;

	wake_up(&vb->acked);
	balloon_queue_work(vb, &vb->size.work, 0);
}
