/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For a kernel whose engine and balloon core are the kernel's own: what the driver takes
 * for granted and does not find there, or finds otherwise.
 *
 * Kbuild includes this before everything else where the engine knows nothing of
 * max_elem_bytes.  The structs that drivers share with the core get other names here,
 * for the driver's have more in them.
 */
#ifndef _STOCK_H
#define _STOCK_H

#include <linux/fs.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/swapfile.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
/* It wants others before it. */
#include <linux/compaction.h>

/* Reports: the engine has a capacity of its own, and one buddy block in each element. */

#define page_reporting_dev_info	stock_reporting
#include <linux/page_reporting.h>
#undef page_reporting_dev_info

struct page_reporting_dev_info {
	int (*report)(struct page_reporting_dev_info *prdev, struct scatterlist *sgl,
		      unsigned int nents);
	unsigned int order;
	unsigned int max_elem_bytes;
	u64 host_ns;			/* which it does not ask for */
	struct stock_reporting stock;
};

static inline int stock_report(struct stock_reporting *stock, struct scatterlist *sgl,
			       unsigned int nents)
{
	struct page_reporting_dev_info *prdev =
		container_of(stock, struct page_reporting_dev_info, stock);

	return prdev->report(prdev, sgl, nents);
}

static inline int stock_reporting_register(struct page_reporting_dev_info *prdev)
{
	prdev->stock.report = stock_report;
	prdev->stock.order = prdev->order;
	return page_reporting_register(&prdev->stock);
}

static inline void stock_reporting_unregister(struct page_reporting_dev_info *prdev)
{
	page_reporting_unregister(&prdev->stock);
}

#define page_reporting_register		stock_reporting_register
#define page_reporting_unregister	stock_reporting_unregister

/* It learns nothing. */
static inline void page_reporting_aside_begin(void) {}
static inline void page_reporting_aside_end(void) {}

/* The balloon's pages: here the driver moves one from list to list that was migrated. */

#ifdef CONFIG_BALLOON_COMPACTION
#define CONFIG_BALLOON_MIGRATION	1
#endif

#define balloon_dev_info	stock_balloon
#define migratepage		stock_migratepage
#include <linux/balloon_compaction.h>
#undef migratepage
#undef balloon_dev_info

/* An unnamed member with a tag: Kbuild asks for -fms-extensions. */
struct balloon_dev_info {
	union {
		struct stock_balloon;
		struct stock_balloon stock;
	};
	int (*migratepage)(struct balloon_dev_info *balloon, struct page *newpage,
			   struct page *page, enum migrate_mode mode);
	bool (*may_isolate)(struct balloon_dev_info *balloon);	/* nobody asks */
};

static inline int stock_migrate(struct stock_balloon *stock, struct page *newpage,
				struct page *page, enum migrate_mode mode)
{
	struct balloon_dev_info *balloon = container_of(stock, struct balloon_dev_info, stock);
	unsigned long flags;
	int rc;

	rc = balloon->migratepage(balloon, newpage, page, mode);
	if (rc)
		return rc;

	spin_lock_irqsave(&balloon->pages_lock, flags);
	get_page(newpage);
	balloon_page_insert(stock, newpage);
	__count_vm_event(BALLOON_MIGRATE);
	balloon->isolated_pages--;
	spin_unlock_irqrestore(&balloon->pages_lock, flags);

	balloon_page_finalize(page);
	put_page(page);
	return MIGRATEPAGE_SUCCESS;
}

static inline void stock_devinfo_init(struct balloon_dev_info *balloon)
{
	balloon_devinfo_init(&balloon->stock);
	balloon->stock_migratepage = stock_migrate;
}

#define balloon_devinfo_init	stock_devinfo_init

#define balloon_page_enqueue(balloon, page) \
	balloon_page_enqueue(&(balloon)->stock, page)
#define balloon_page_list_dequeue(balloon, pages, nr) \
	balloon_page_list_dequeue(&(balloon)->stock, pages, nr)

/*
 * Nobody asks whether a page of the balloon may be isolated, so compaction for the
 * balloon's own sake would move those.  Its units come from what is whole already.
 */
#undef CONFIG_COMPACTION

static inline void stock_reset_isolation_suitable(pg_data_t *pgdat)
{
}

#define reset_isolation_suitable	stock_reset_isolation_suitable

/* It is not known which swap is memory itself: none is counted on. */
static inline long get_nr_disk_swap_pages(void)
{
	return 0;
}

#endif /* _STOCK_H */
