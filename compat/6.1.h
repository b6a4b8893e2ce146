/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For Linux 6.1: what mm/page_reporting/ and drivers/virtio/virtio_balloon/ take
 * for granted and this kernel lacks, or calls otherwise, beside what 6.12 lacks, too.
 *
 * The sources are written for the newest kernel; the makefiles of both directories
 * include this before everything else.
 */
#ifndef _COMPAT_6_1_H
#define _COMPAT_6_1_H

#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

/* Pages and folios */

/* The name meant one more than the largest order. */
#define MAX_PAGE_ORDER		(MAX_ORDER - 1)
#define NR_PAGE_ORDERS		MAX_ORDER
/* How often as a whole: mapped in pieces, a large folio seems to be pinned, and stays. */
#define _large_mapcount		_total_mapcount
#define i_private_lock		private_lock
#define nr_free_highatomic	nr_reserved_highatomic
#define DEFAULT_CALLBACK_PRI	0
#define alloc_hooks(allocation)	(allocation)
#define kmalloc_obj(object, gfp)	kmalloc(sizeof(object), gfp)
#define kzalloc_obj(object, gfp)	kzalloc(sizeof(object), gfp)
#define kvzalloc_obj(object, gfp)	kvzalloc(sizeof(object), gfp)
#define abs_diff(a, b)		((a) > (b) ? (a) - (b) : (b) - (a))

/* Not an option yet. */
#ifdef CONFIG_BLOCK
#define CONFIG_BUFFER_HEAD	1
#endif

/* Migration splits no such folio. */
static inline bool folio_test_partially_mapped(struct folio *folio)
{
	return false;
}

/* Migration: callbacks were given pages. */

struct compat_migration {
	struct folio *(*get)(struct folio *src, unsigned long private);
	void (*put)(struct folio *dst, unsigned long private);
	unsigned long private;
};

static inline struct page *compat_migration_get(struct page *page, unsigned long private)
{
	struct compat_migration *m = (struct compat_migration *)private;
	struct folio *folio = m->get(page_folio(page), m->private);

	return folio ? folio_page(folio, 0) : NULL;
}

static inline void compat_migration_put(struct page *page, unsigned long private)
{
	struct compat_migration *m = (struct compat_migration *)private;

	m->put(page_folio(page), m->private);
}

static inline int compat_migrate_pages(struct list_head *from,
				       struct folio *(*get)(struct folio *, unsigned long),
				       void (*put)(struct folio *, unsigned long),
				       unsigned long private, enum migrate_mode mode,
				       int reason, unsigned int *moved)
{
	struct compat_migration m = { get, put, private };

	return migrate_pages(from, compat_migration_get, compat_migration_put,
			     (unsigned long)&m, mode, reason, moved);
}
#define migrate_pages	compat_migrate_pages

/* Works that cannot be queued for a time: the lowest bit of the function says so. */

#define COMPAT_DISABLED	1UL
#if defined(CONFIG_X86) && defined(CONFIG_CC_OPTIMIZE_FOR_SIZE)
#error "Functions may begin at odd addresses."
#endif

static inline void compat_set_func(struct delayed_work *work, unsigned long func)
{
	WRITE_ONCE(work->work.func, (work_func_t)func);
}

static inline bool disable_delayed_work(struct delayed_work *work)
{
	compat_set_func(work, (unsigned long)work->work.func | COMPAT_DISABLED);
	return false;
}

static inline bool disable_delayed_work_sync(struct delayed_work *work)
{
	disable_delayed_work(work);
	/* Whoever has seen it enabled has queued it by then. */
	synchronize_rcu();
	return cancel_delayed_work_sync(work);
}

static inline bool enable_delayed_work(struct delayed_work *work)
{
	compat_set_func(work, (unsigned long)work->work.func & ~COMPAT_DISABLED);
	return true;
}

static inline bool compat_queue_delayed_work(struct workqueue_struct *wq,
					     struct delayed_work *work, unsigned long delay)
{
	bool queued = false;

	rcu_read_lock();
	if (!((unsigned long)READ_ONCE(work->work.func) & COMPAT_DISABLED))
		queued = queue_delayed_work(wq, work, delay);
	rcu_read_unlock();
	return queued;
}
#define queue_delayed_work	compat_queue_delayed_work

/* Virtio */

struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
	bool ctx;
};

static inline int compat_find_vqs(struct virtio_device *vdev, unsigned int nr,
				  struct virtqueue *found[], struct virtqueue_info *wanted,
				  struct irq_affinity *desc)
{
	vq_callback_t *callbacks[8];
	const char *names[8];
	unsigned int i;

	if (nr > ARRAY_SIZE(names))
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		callbacks[i] = wanted[i].callback;
		names[i] = wanted[i].name;
	}
	return virtio_find_vqs(vdev, nr, found, callbacks, names, desc);
}
#define virtio_find_vqs	compat_find_vqs

#define VIRTIO_BALLOON_S_OOM_KILL	10
#define VIRTIO_BALLOON_S_ALLOC_STALL	11
#define VIRTIO_BALLOON_S_ASYNC_SCAN	12
#define VIRTIO_BALLOON_S_DIRECT_SCAN	13
#define VIRTIO_BALLOON_S_ASYNC_RECLAIM	14
#define VIRTIO_BALLOON_S_DIRECT_RECLAIM	15
#undef VIRTIO_BALLOON_S_NR
#define VIRTIO_BALLOON_S_NR		16

#endif /* _COMPAT_6_1_H */
