// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lets compaction move the balloon's pages, which would otherwise stand in the
 * way of every large free block.
 *
 * Moving a page of the balloon copies nothing: the new page is given to the host,
 * then the old one is taken back.  The order matters, so that the host never lacks
 * memory.  The task that compacts waits for the first answer, but not for ever:
 * if the host is too slow the new page simply stays in the balloon as one more,
 * the old one stays too, and the size work deals with the surplus.
 *
 * Lists, references and counters of the pool are the business of mm/balloon.c: when
 * this has succeeded, it puts the new page in the place of the old one, which it frees
 * unless we hold a reference.
 */
#include <linux/migrate.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

#define VB_MIGRATE_TIMEOUT	HZ

/* Announces @newpage.  The request keeps a reference while it is not answered. */
static int migrate_inflate(struct virtio_balloon *vb, struct page *newpage)
{
	struct vb_request *req;
	int err;

	req = vb_request_get(&vb->inflate, 0);
	if (!req)
		return -EAGAIN;

	get_page(newpage);
	req->migrated = newpage;
	req->waited = true;
	vb_request_add(vb, req, newpage);

	err = vb_request_send(vb, &vb->inflate, req);
	if (!err) {
		err = vb_request_wait(vb, &vb->inflate, req, VB_MIGRATE_TIMEOUT);
		if (err == -ETIMEDOUT)
			/* The request and its reference have passed to the size work. */
			return -EBUSY;
	}

	req->migrated = NULL;
	vb_request_put(&vb->inflate, req);
	put_page(newpage);
	return err ? -EAGAIN : 0;
}

/*
 * Announces that @page is wanted back, and frees it when the host has answered, whether or
 * not it insists on that: the next migration may give the host any page that is free.
 */
static void migrate_deflate(struct virtio_balloon *vb, struct vb_request *req,
			    struct page *page)
{
	get_page(page);
	vb_request_add(vb, req, page);
	req->migrated = page;
	/* If it cannot be sent there will be a reset: the host forgets all pages, this one too. */
	if (vb_request_send(vb, &vb->deflate, req))
		vb_request_strand(&vb->deflate, req);
}

static int vb_migrate(struct balloon_dev_info *info, struct page *newpage,
		      struct page *page, enum migrate_mode mode)
{
	struct virtio_balloon *vb = container_of(info, struct vb_pool, info)->vb;
	struct vb_request *req;
	int err;

	if (!vb_may_give(vb) || !down_read_trylock(&vb->users))
		return -EAGAIN;

	/* Without a way to take the old page back there is no point in starting. */
	req = vb_request_get(&vb->deflate, 0);
	if (!req) {
		up_read(&vb->users);
		return -EAGAIN;
	}

	err = migrate_inflate(vb, newpage);
	if (err) {
		vb_request_put(&vb->deflate, req);
		up_read(&vb->users);
		return err;
	}

	vb_count_moved(vb, page, newpage);
	migrate_deflate(vb, req, page);

	up_read(&vb->users);
	return 0;
}

/* Not for the sake of the balloon itself, when it has units made whole. */
static bool vb_may_isolate(struct balloon_dev_info *info)
{
	struct virtio_balloon *vb = container_of(info, struct vb_pool, info)->vb;

	return current != READ_ONCE(vb->size.inflating_task);
}

/**
 * vb_migrate_init() - let page migration move the pages of the pools
 * @vb: the balloon
 *
 * Context: Probe.
 */
void vb_migrate_init(struct virtio_balloon *vb)
{
	int nid, kind;

	for (nid = 0; nid < nr_node_ids; nid++) {
		for (kind = 0; kind < VB_NR_KINDS; kind++) {
			struct balloon_dev_info *info = &vb->nodes[nid].pools[kind].info;

			info->migratepage = vb_migrate;
			info->may_isolate = vb_may_isolate;
		}
	}
}
