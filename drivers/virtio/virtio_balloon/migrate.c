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
 */
#include <linux/migrate.h>
#include <linux/vmstat.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

#define BALLOON_MIGRATE_TIMEOUT	HZ

/* Announces @newpage.  The request keeps a reference while it is not answered. */
static int migrate_inflate(struct virtio_balloon *vb, struct page *newpage)
{
	struct balloon_request *req;
	int err;

	req = balloon_request_get(&vb->inflate);
	if (!req)
		return -EAGAIN;

	get_page(newpage);
	req->migrated = newpage;
	req->waited = true;
	balloon_request_add(vb, req, newpage);

	err = balloon_request_send(vb, &vb->inflate, req);
	if (!err) {
		err = balloon_request_wait(vb, &vb->inflate, req, BALLOON_MIGRATE_TIMEOUT);
		if (err == -ETIMEDOUT)
			/* The request and its reference have passed to the size work. */
			return -EBUSY;
	}

	req->migrated = NULL;
	balloon_request_put(&vb->inflate, req);
	if (err)
		put_page(newpage);
	return err ? -EAGAIN : 0;
}

/* Announces that @page is wanted back, and frees it as soon as that is allowed. */
static void migrate_deflate(struct virtio_balloon *vb, struct balloon_request *req,
			    struct page *page)
{
	bool tell = balloon_has(vb, VIRTIO_BALLOON_F_MUST_TELL_HOST);

	balloon_request_add(vb, req, page);
	if (tell)
		req->migrated = page;
	if (balloon_request_send(vb, &vb->deflate, req)) {
		/* There will be a reset: the host forgets all pages, this one too. */
		req->migrated = page;
		balloon_request_strand(&vb->deflate, req);
		return;
	}
	if (!tell)
		put_page(page);
}

static int balloon_migrate(struct balloon_dev_info *info, struct page *newpage,
			   struct page *page, enum migrate_mode mode)
{
	struct virtio_balloon *vb = container_of(info, struct virtio_balloon, pages);
	struct balloon_request *req;
	unsigned long flags;
	int err;

	if (!down_read_trylock(&vb->users))
		return -EAGAIN;

	/* Without a way to take the old page back there is no point in starting. */
	req = balloon_request_get(&vb->deflate);
	if (!req) {
		up_read(&vb->users);
		return -EAGAIN;
	}

	err = migrate_inflate(vb, newpage);
	if (err) {
		balloon_request_put(&vb->deflate, req);
		up_read(&vb->users);
		return err;
	}

	/* Managed pages are counted per zone. */
	if (!balloon_is_lent(vb) && page_zone(page) != page_zone(newpage)) {
		adjust_managed_page_count(page, 1);
		adjust_managed_page_count(newpage, -1);
	}

	spin_lock_irqsave(&info->pages_lock, flags);
	balloon_page_insert(info, newpage);
	info->isolated_pages--;
	__count_vm_event(BALLOON_MIGRATE);
	spin_unlock_irqrestore(&info->pages_lock, flags);

	balloon_page_finalize(page);
	migrate_deflate(vb, req, page);

	up_read(&vb->users);
	return MIGRATEPAGE_SUCCESS;
}

/**
 * balloon_migrate_init() - let page migration move the balloon's pages
 * @vb: the balloon
 *
 * Context: Probe.
 */
void balloon_migrate_init(struct virtio_balloon *vb)
{
	vb->pages.migratepage = balloon_migrate;
}
