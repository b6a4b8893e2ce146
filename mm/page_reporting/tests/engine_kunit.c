// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the engine on the real allocator, with a device that only looks.
 *
 * They want a machine without a reporting device, as only one can register.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/initrd.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/pgtable.h>
#include <linux/scatterlist.h>

#include "../../internal.h"
#include "../../page_alloc.h"
#include "../../page_reporting.h"
#include "../flush.h"
#include "../main.h"
#include "../map.h"
#include "../policy.h"
#include "../request.h"
#include "../state.h"
#include "../worker.h"

#define BLOCK_PAGES	MAX_ORDER_NR_PAGES
#define WAIT		(20 * HZ)

/* A range that a test has an eye on: how often each of its pages was reported. */
static struct {
	unsigned long start, end;
	u8 reports[BLOCK_PAGES];
	DECLARE_BITMAP(held, BLOCK_PAGES);	/* pages that the test still has */
} watched;

static struct {
	int err;			/* what to answer */
	bool hold;			/* do not answer yet */
	struct completion arrived;	/* a request is held */
	struct completion answer;	/* let it go */
	unsigned long nr_bad;		/* elements that should not be */
	unsigned long max_elem_pages;
	unsigned long max_pages;
	unsigned long first_pages;	/* of the first request since this was 0 */
	unsigned long nr_pages;
	u64 ns_per_mib;			/* what it claims to take */
	unsigned long nr_slow;		/* requests that took it too long */
} fake;

static int fake_report(struct page_reporting_dev_info *prdev,
		       struct scatterlist *sgl, unsigned int nents)
{
	unsigned long granule = 1UL << page_reporting_granule_order, total = 0;
	struct scatterlist *sg;
	unsigned int i;

	if (!nents || nents > PAGE_REPORTING_CAPACITY)
		fake.nr_bad++;
	for_each_sg(sgl, sg, nents, i) {
		unsigned long pfn = page_to_pfn(sg_page(sg)), p;
		unsigned long nr = sg->length >> PAGE_SHIFT;

		if (pfn % granule || nr % granule || sg->offset || !nr)
			fake.nr_bad++;
		for (p = pfn; p < pfn + nr; p++) {
			/* Nobody else may have it: neither user nor allocator. */
			if (!pfn_valid(p) || page_count(pfn_to_page(p)) ||
			    PageBuddy(pfn_to_page(p)))
				fake.nr_bad++;
			if (p >= watched.start && p < watched.end)
				watched.reports[p - watched.start]++;
		}
		fake.max_elem_pages = max(fake.max_elem_pages, nr);
		total += nr;
	}
	fake.max_pages = max(fake.max_pages, total);
	if (!fake.first_pages)
		fake.first_pages = total;
	fake.nr_pages += total;
	prdev->host_ns = fake.ns_per_mib * (total >> (20 - PAGE_SHIFT));
	if (prdev->host_ns > REQUEST_AIM_NS)
		fake.nr_slow++;
	if (fake.hold) {
		complete(&fake.arrived);
		wait_for_completion(&fake.answer);
	}
	return fake.err;
}

static struct page_reporting_dev_info fake_dev;

static void drain(void)
{
	struct zone *zone;

	for_each_populated_zone(zone)
		drain_all_pages(zone);
}

/* Wait until a pass that begins now is over. */
static void run_pass(void)
{
	unsigned long passes, end = jiffies + WAIT;

	/* One that runs may have passed what is to be seen. */
	mutex_lock(&fpr_pass_lock);
	passes = fpr_stat(FPR_STAT_PASSES);
	fpr_worker_kick();
	mutex_unlock(&fpr_pass_lock);
	while (fpr_may_go_on() && fpr_stat(FPR_STAT_PASSES) == passes &&
	       time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	mutex_lock(&fpr_pass_lock);
	mutex_unlock(&fpr_pass_lock);
}

/* Let everything that is free now fall due, and be reported. */
static void settle(void)
{
	drain();
	schedule_timeout_uninterruptible(fpr_base_delay() + 2);
	run_pass();
}

static enum granule_kind kind_at(unsigned long pfn)
{
	enum granule_kind kind = GRANULE_NONE;
	struct granule_range range;

	rcu_read_lock();
	if (fpr_map_range(fpr_map_rcu(), pfn, 0, &range))
		kind = granule_kind(READ_ONCE(range.table->granule[range.first]));
	rcu_read_unlock();
	return kind;
}

/*
 * A block of the largest order, watched, as single pages.  Movable: the kernel
 * allocates for itself all the time, and not from there.
 */
#define GFP_BLOCK	(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY)

static struct page *get_block(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_BLOCK, MAX_PAGE_ORDER);

	KUNIT_ASSERT_NOT_NULL(test, page);
	split_page(page, MAX_PAGE_ORDER);
	watched.start = page_to_pfn(page);
	watched.end = watched.start + BLOCK_PAGES;
	memset(watched.reports, 0, sizeof(watched.reports));
	bitmap_fill(watched.held, BLOCK_PAGES);
	return page;
}

static void free_range(struct page *page, unsigned long first, unsigned long nr)
{
	unsigned long i;

	for (i = first; i < first + nr; i++)
		__free_page(page + i);
	bitmap_clear(watched.held, first, nr);
	drain();
}

static unsigned int least(unsigned long first, unsigned long nr)
{
	unsigned int n = U8_MAX;
	unsigned long i;

	for (i = first; i < first + nr; i++)
		n = min_t(unsigned int, n, watched.reports[i]);
	return n;
}

static unsigned int most(unsigned long first, unsigned long nr)
{
	unsigned int n = 0;
	unsigned long i;

	for (i = first; i < first + nr; i++)
		n = max_t(unsigned int, n, watched.reports[i]);
	return n;
}

static unsigned int saved_delay, saved_threshold, saved_order;

static int engine_init(struct kunit *test)
{
	int err;

	saved_delay = page_reporting_delay_ms;
	saved_threshold = page_reporting_threshold_kbytes;
	saved_order = page_reporting_order;
	page_reporting_delay_ms = 20;
	page_reporting_threshold_kbytes = 0;

	memset(&fake, 0, sizeof(fake));
	init_completion(&fake.arrived);
	init_completion(&fake.answer);
	watched.start = 0;
	watched.end = 0;
	memset(&fpr_pace, 0, sizeof(fpr_pace));
	fake_dev.report = fake_report;
	fake_dev.order = PAGE_REPORTING_ORDER_UNSPECIFIED;
	fake_dev.max_elem_bytes = SZ_256M;

	err = page_reporting_register(&fake_dev);
	if (err == -EBUSY)
		kunit_skip(test, "there is a real reporting device");
	return err;
}

static void engine_exit(struct kunit *test)
{
	unsigned long i;

	/* Whatever failed: nobody waits, and all memory comes back. */
	fake.hold = false;
	complete_all(&fake.answer);
	fpr_set_pause(false);
	for_each_set_bit(i, watched.held, BLOCK_PAGES)
		__free_page(pfn_to_page(watched.start + i));
	bitmap_zero(watched.held, BLOCK_PAGES);
	page_reporting_unregister(&fake_dev);
	page_reporting_delay_ms = saved_delay;
	page_reporting_threshold_kbytes = saved_threshold;
	page_reporting_order = saved_order;
}

static void reports_all_once(struct kunit *test)
{
	unsigned long first;

	settle();
	first = fake.nr_pages;
	KUNIT_EXPECT_GT(test, first, nr_free_pages() / 2);
	KUNIT_EXPECT_EQ(test, fake.nr_bad, 0UL);
	KUNIT_EXPECT_EQ(test, fpr_stat(FPR_STAT_IN_FLIGHT_PAGES), 0UL);

	/* Nothing was freed in between but by other tasks. */
	settle();
	KUNIT_EXPECT_LT(test, fake.nr_pages - first, first / 8);
}

static void neighbours_go_together(struct kunit *test)
{
	settle();
	KUNIT_EXPECT_GT(test, fake.max_elem_pages, BLOCK_PAGES);
	KUNIT_EXPECT_LE(test, fake.max_elem_pages, FPR_SECTION_PAGES);
}

static void plain_device_gets_blocks(struct kunit *test)
{
	page_reporting_unregister(&fake_dev);
	fake.max_elem_pages = 0;
	fake_dev.max_elem_bytes = 0;
	KUNIT_ASSERT_EQ(test, page_reporting_register(&fake_dev), 0);
	settle();
	KUNIT_EXPECT_GT(test, fake.nr_pages, 0UL);
	KUNIT_EXPECT_LE(test, fake.max_elem_pages, BLOCK_PAGES);
}

static void request_is_bounded(struct kunit *test)
{
	unsigned long limit = 0;
	struct zone *zone;

	drain();
	for_each_populated_zone(zone) {
		limit += max(fpr_zone_spare(zone) / 8, pageblock_nr_pages);
#ifdef CONFIG_CMA
		limit += zone_page_state(zone, NR_FREE_CMA_PAGES) / 8;
#endif
	}
	settle();
	/* An eighth of what can be spared; a request that runs now hides that much. */
	KUNIT_EXPECT_LE(test, fake.max_pages, limit + limit / 4);
}

/* One large request teaches what a host takes for a MiB; no other takes it too long. */
static void request_fits_the_host(struct kunit *test)
{
	page_reporting_unregister(&fake_dev);
	fake.ns_per_mib = 100 * NSEC_PER_USEC;
	fake.max_pages = 0;
	KUNIT_ASSERT_EQ(test, page_reporting_register(&fake_dev), 0);
	settle();
	KUNIT_EXPECT_EQ(test, fake.nr_slow, 0UL);
	KUNIT_EXPECT_GT(test, fake.max_pages, 22UL << (20 - PAGE_SHIFT));
	KUNIT_EXPECT_LE(test, fake.max_pages, 25UL << (20 - PAGE_SHIFT));
}

static void pass_begins_small(struct kunit *test)
{
	/* As memory that the host has not backed. */
	fake.ns_per_mib = 1;
	fake.max_pages = 0;
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, FPR_FLUSH_RESYNC), 0);
	KUNIT_ASSERT_GT(test, fake.max_pages, (unsigned long)REQUEST_FIRST);

	fake.ns_per_mib = 100 * NSEC_PER_USEC;
	fake.first_pages = 0;
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, FPR_FLUSH_RESYNC), 0);
	KUNIT_EXPECT_EQ(test, fake.nr_slow, 0UL);
	KUNIT_EXPECT_GT(test, fake.first_pages, 0UL);
	KUNIT_EXPECT_LE(test, fake.first_pages, (unsigned long)REQUEST_FIRST);
}

static void only_whole_granules(struct kunit *test)
{
	struct page *page = get_block(test);
	unsigned long half = BLOCK_PAGES / 2;

	settle();
	KUNIT_EXPECT_EQ(test, most(0, BLOCK_PAGES), 0U);

	/* The first half becomes free, of the second all but a page. */
	free_range(page, 0, BLOCK_PAGES - 1);
	KUNIT_EXPECT_NE(test, (int)kind_at(watched.start), (int)GRANULE_NONE);
	KUNIT_EXPECT_EQ(test, (int)kind_at(watched.start + half), (int)GRANULE_NONE);
	settle();
	KUNIT_EXPECT_EQ(test, least(0, half), 1U);
	KUNIT_EXPECT_EQ(test, most(half, half), 0U);

	/* The last page: what was reported stays so, though all merges. */
	free_range(page, BLOCK_PAGES - 1, 1);
	settle();
	KUNIT_EXPECT_EQ(test, most(0, half), 1U);
	KUNIT_EXPECT_EQ(test, least(half, half), 1U);
	KUNIT_EXPECT_EQ(test, most(half, half), 1U);
}

static void split_keeps_state(struct kunit *test)
{
	unsigned long half = BLOCK_PAGES / 2, pfn = 0, other;
	static struct page *taken[512];
	struct page *page;
	int n = 0;

	/* Two granules in what is free of the block. */
	KUNIT_ASSERT_EQ(test, fpr_set_order(pageblock_order - 1), 0);
	page = get_block(test);
	free_range(page, 0, half);
	settle();
	KUNIT_ASSERT_EQ(test, least(0, half), 1U);

	/* There are few such pieces: soon one comes out of the block. */
	while (n < ARRAY_SIZE(taken) && (pfn < watched.start || pfn >= watched.end)) {
		taken[n] = alloc_pages(GFP_BLOCK | __GFP_NOWARN, pageblock_order - 1);
		if (!taken[n])
			break;
		pfn = page_to_pfn(taken[n++]);
	}
	if (pfn >= watched.start && pfn < watched.end) {
		other = pfn == watched.start ? pfn + half / 2 : watched.start;
		KUNIT_EXPECT_EQ(test, (int)kind_at(pfn), (int)GRANULE_NONE);
		KUNIT_EXPECT_EQ(test, (int)kind_at(other), (int)GRANULE_REPORTED);
	} else {
		other = watched.start;
		KUNIT_FAIL(test, "%d blocks taken, none from here", n);
	}
	while (n--)
		__free_pages(taken[n], pageblock_order - 1);
	settle();
	/* What was split off has not been reported again. */
	other -= watched.start;
	KUNIT_EXPECT_EQ(test, most(other, half / 2), 1U);
}

enum { JOB_BLOCKS = 16 };

static void job_takes(struct page **pages)
{
	int i;

	for (i = 0; i < JOB_BLOCKS; i++)
		pages[i] = alloc_pages(GFP_BLOCK, MAX_PAGE_ORDER);
}

static void job_frees(struct page **pages)
{
	int i;

	for (i = 0; i < JOB_BLOCKS; i++)
		if (pages[i])
			__free_pages(pages[i], MAX_PAGE_ORDER);
}

static unsigned long delay_now(void)
{
	unsigned long delay;

	mutex_lock(&fpr_pass_lock);
	delay = fpr_pace_delay(&fpr_pace, fpr_base_delay(), jiffies);
	mutex_unlock(&fpr_pass_lock);
	return delay;
}

/* What a job needs again at once is reported the first time, and then kept. */
static void reuse_makes_wait(struct kunit *test)
{
	struct page *pages[JOB_BLOCKS];
	int i;

	page_reporting_delay_ms = 200;
	job_takes(pages);
	for (i = 0; i < JOB_BLOCKS; i++)
		KUNIT_EXPECT_NOT_NULL(test, pages[i]);
	settle();
	job_frees(pages);
	settle();
	KUNIT_EXPECT_EQ(test, delay_now(), fpr_base_delay());
	/* All that is free has been reported: these are mistakes. */
	job_takes(pages);
	KUNIT_EXPECT_GT(test, delay_now(), fpr_base_delay());
	job_frees(pages);
	run_pass();
	for (i = 0; i < JOB_BLOCKS; i++)
		if (pages[i])
			KUNIT_EXPECT_EQ(test, (int)kind_at(page_to_pfn(pages[i])),
					(int)GRANULE_DIRTY);
}

/* What is taken for the host is no mistake, and what the same task takes afterwards is. */
static void set_aside_is_no_mistake(struct kunit *test)
{
	struct page *pages[JOB_BLOCKS];

	page_reporting_delay_ms = 200;
	job_takes(pages);
	settle();
	job_frees(pages);
	settle();
	page_reporting_aside_begin();
	job_takes(pages);
	page_reporting_aside_end();
	KUNIT_EXPECT_EQ(test, delay_now(), fpr_base_delay());
	job_frees(pages);
	settle();
	job_takes(pages);
	KUNIT_EXPECT_GT(test, delay_now(), fpr_base_delay());
	job_frees(pages);
}

#ifdef CONFIG_CONTIG_ALLOC
/* Whole granules leave the free lists past expand(), too. */
static void contiguous_allocation_is_seen(struct kunit *test)
{
	struct page *page;

	settle();
	page = alloc_contig_pages(2 * pageblock_nr_pages, GFP_KERNEL, numa_node_id(), NULL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, (int)kind_at(page_to_pfn(page)), (int)GRANULE_NONE);
	KUNIT_EXPECT_EQ(test, (int)kind_at(page_to_pfn(page) + pageblock_nr_pages),
			(int)GRANULE_NONE);
	free_contig_range(page_to_pfn(page), 2 * pageblock_nr_pages);
	drain();
	KUNIT_EXPECT_NE(test, (int)kind_at(page_to_pfn(page)), (int)GRANULE_NONE);
}
#endif

/* A granule whose rest is freed while a part of it is away. */
static void completed_by_putback_is_seen(struct kunit *test)
{
	struct page *page;
	struct zone *zone;
	bool away;

	KUNIT_ASSERT_EQ(test, fpr_set_order(4), 0);
	page = get_block(test);
	zone = page_zone(page);
	free_range(page, 0, 8);
	spin_lock_irq(&zone->lock);
	away = PageBuddy(page) && buddy_order(page) == 3;
	if (away)
		__page_reporting_isolate(page, 3);
	spin_unlock_irq(&zone->lock);
	KUNIT_ASSERT_TRUE(test, away);

	free_range(page, 8, 8);
	KUNIT_EXPECT_EQ(test, (int)kind_at(watched.start), (int)GRANULE_NONE);
	spin_lock_irq(&zone->lock);
	__page_reporting_putback(page, 3);
	spin_unlock_irq(&zone->lock);
	KUNIT_EXPECT_NE(test, (int)kind_at(watched.start), (int)GRANULE_NONE);
	settle();
	KUNIT_EXPECT_EQ(test, least(0, 16), 1U);
}

static void isolated_is_left_alone(struct kunit *test)
{
	struct page *page = get_block(test);
	unsigned long half = BLOCK_PAGES / 2, pfn = watched.start;
	int err;

	free_range(page, 0, BLOCK_PAGES);
	err = start_isolate_page_range(pfn, pfn + half, PB_ISOLATE_MODE_OTHER);
	KUNIT_ASSERT_EQ(test, err, 0);
	settle();
	KUNIT_EXPECT_EQ(test, most(0, half), 0U);
	KUNIT_EXPECT_EQ(test, least(half, half), 1U);

	undo_isolate_page_range(pfn, pfn + half);
	settle();
	KUNIT_EXPECT_EQ(test, least(0, half), 1U);
	/* Isolation of the one half did not make the other dirty again. */
	KUNIT_EXPECT_EQ(test, most(half, half), 1U);

	err = start_isolate_page_range(pfn, pfn + half, PB_ISOLATE_MODE_OTHER);
	KUNIT_ASSERT_EQ(test, err, 0);
	undo_isolate_page_range(pfn, pfn + half);
	settle();
	KUNIT_EXPECT_EQ(test, most(0, BLOCK_PAGES), 1U);
}

/* Are this many pages free, except for what others allocate meanwhile? */
static bool counted(unsigned long want)
{
	drain();
	return abs_diff(nr_free_pages(), want) < pageblock_nr_pages / 4;
}

static void isolated_in_flight_comes_back(struct kunit *test)
{
	struct page *page = get_block(test);
	unsigned long half = BLOCK_PAGES / 2, pfn = watched.start, free, end;
	int err;

	settle();
	free = nr_free_pages();
	fake.hold = true;
	free_range(page, 0, BLOCK_PAGES);
	schedule_timeout_uninterruptible(fpr_base_delay() + 2);
	fpr_worker_kick();
	KUNIT_ASSERT_GT(test, wait_for_completion_timeout(&fake.arrived, WAIT), 0UL);

	/* The block is away: its first pageblock becomes isolated meanwhile. */
	err = start_isolate_page_range(pfn, pfn + half, PB_ISOLATE_MODE_OTHER);
	fake.hold = false;
	complete_all(&fake.answer);
	run_pass();
	KUNIT_ASSERT_EQ(test, err, 0);
	drain();
	KUNIT_EXPECT_EQ(test, get_pageblock_migratetype(page), (int)MIGRATE_ISOLATE);
	KUNIT_EXPECT_NE(test, get_pageblock_migratetype(page + half), (int)MIGRATE_ISOLATE);
	undo_isolate_page_range(pfn, pfn + half);
	/* All of it is free and counted, and once. */
	for (end = jiffies + WAIT; !counted(free + BLOCK_PAGES) && time_before(jiffies, end);)
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_TRUE(test, counted(free + BLOCK_PAGES));
}

static void refused_stays_dirty(struct kunit *test)
{
	struct page *page = get_block(test);
	unsigned long errors = fpr_stat(FPR_STAT_ERRORS);

	settle();
	fake.err = -EIO;
	free_range(page, 0, BLOCK_PAGES);
	settle();
	KUNIT_EXPECT_EQ(test, (int)kind_at(watched.start), (int)GRANULE_DIRTY);
	KUNIT_EXPECT_GT(test, fpr_stat(FPR_STAT_ERRORS),
			errors);
	KUNIT_EXPECT_EQ(test, fpr_stat(FPR_STAT_IN_FLIGHT_PAGES), 0UL);

	fake.err = 0;
	memset(watched.reports, 0, sizeof(watched.reports));
	settle();
	KUNIT_EXPECT_EQ(test, least(0, BLOCK_PAGES), 1U);
}

/* What one device has refused says nothing about the next. */
static void next_device_is_tried_soon(struct kunit *test)
{
	unsigned long errors, end;
	int i;

	settle();
	fake.err = -EIO;
	mutex_lock(&fpr_pass_lock);
	fpr_map_forget();
	mutex_unlock(&fpr_pass_lock);
	for (i = 0; i < 6; i++)
		settle();
	page_reporting_unregister(&fake_dev);

	errors = fpr_stat(FPR_STAT_ERRORS);
	KUNIT_ASSERT_EQ(test, page_reporting_register(&fake_dev), 0);
	end = jiffies + WAIT;
	while (fpr_stat(FPR_STAT_ERRORS) == errors && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_GT(test, fpr_stat(FPR_STAT_ERRORS), errors);
	fake.err = 0;
	fake.nr_pages = 0;
	for (end = jiffies + 10 * HZ; !fake.nr_pages && time_before(jiffies, end);)
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_GT(test, fake.nr_pages, 0UL);
}

static void forget_makes_dirty(struct kunit *test)
{
	unsigned long reported;

	settle();
	reported = fpr_map_pages(GRANULE_REPORTED);
	KUNIT_EXPECT_GT(test, reported, 0UL);
	page_reporting_delay_ms = 600000;
	mutex_lock(&fpr_pass_lock);
	fpr_map_forget();
	KUNIT_EXPECT_LT(test, fpr_map_pages(GRANULE_REPORTED), reported / 8);
	mutex_unlock(&fpr_pass_lock);
	page_reporting_delay_ms = 20;
	settle();
	KUNIT_EXPECT_GT(test, fpr_map_pages(GRANULE_REPORTED), reported / 2);
}

static void every_order_works(struct kunit *test)
{
	const unsigned int orders[] = { 0, 1, 4, 8, pageblock_order };
	struct page *page;
	int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		KUNIT_ASSERT_EQ(test, fpr_set_order(orders[i]), 0);
		fake.nr_bad = 0;
		page = get_block(test);
		settle();
		free_range(page, 0, BLOCK_PAGES);
		settle();
		KUNIT_EXPECT_EQ(test, fake.nr_bad, 0UL);
		KUNIT_EXPECT_GE(test, least(0, BLOCK_PAGES), 1U);
	}
}

static void new_order_reports_all_again(struct kunit *test)
{
	unsigned long before;

	settle();
	before = fake.nr_pages;
	KUNIT_ASSERT_EQ(test, fpr_set_order(pageblock_order - 1), 0);
	settle();
	KUNIT_EXPECT_GT(test, fake.nr_pages - before, nr_free_pages() / 2);
}

/* One that only the next pass would apply: as of a kernel parameter. */
static void flush_applies_the_order(struct kunit *test)
{
	settle();
	page_reporting_delay_ms = 600000;
	WRITE_ONCE(page_reporting_order, pageblock_order - 1);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), 0);
	KUNIT_EXPECT_EQ(test, page_reporting_granule_order, pageblock_order - 1U);
}

static void low_order_reports_pieces(struct kunit *test)
{
	struct page *page;

	KUNIT_ASSERT_EQ(test, fpr_set_order(4), 0);
	page = get_block(test);
	settle();
	/* 16 pages free, 16 in use, and so on. */
	for (int i = 0; i < BLOCK_PAGES; i += 32)
		free_range(page, i, 16);
	settle();
	for (int i = 0; i < BLOCK_PAGES; i += 32) {
		KUNIT_EXPECT_EQ(test, least(i, 16), 1U);
		KUNIT_EXPECT_EQ(test, most(i + 16, 16), 0U);
	}
	for (int i = 16; i < BLOCK_PAGES; i += 32)
		free_range(page, i, 16);
	settle();
	/* The rest, and nothing twice. */
	KUNIT_EXPECT_EQ(test, least(0, BLOCK_PAGES), 1U);
	KUNIT_EXPECT_EQ(test, most(0, BLOCK_PAGES), 1U);
}

static void one_device_only(struct kunit *test)
{
	struct page_reporting_dev_info other = { .report = fake_report };

	KUNIT_EXPECT_EQ(test, page_reporting_register(&other), -EBUSY);
	/* Taking away what is not there changes nothing. */
	page_reporting_unregister(&other);
	settle();
	KUNIT_EXPECT_GT(test, fake.nr_pages, 0UL);
}

static void flush_does_not_wait_for_cold(struct kunit *test)
{
	struct page *page;

	settle();
	page_reporting_delay_ms = 600000;
	page = get_block(test);
	free_range(page, 0, BLOCK_PAGES);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), 0);
	KUNIT_EXPECT_EQ(test, least(0, BLOCK_PAGES), 1U);
	KUNIT_EXPECT_EQ(test, fpr_stat(FPR_STAT_IN_FLIGHT_PAGES), 0UL);
}

static void flush_gives_up_in_time(struct kunit *test)
{
	struct page *page;

	settle();
	page_reporting_delay_ms = 600000;
	page = get_block(test);
	free_range(page, 0, BLOCK_PAGES);
	fake.hold = true;
	KUNIT_EXPECT_EQ(test, fpr_flush(300, 0), -ETIMEDOUT);

	/* What was begun is finished, and the next one works. */
	fake.hold = false;
	complete_all(&fake.answer);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), 0);
	KUNIT_EXPECT_EQ(test, least(0, BLOCK_PAGES), 1U);
	KUNIT_EXPECT_EQ(test, most(0, BLOCK_PAGES), 1U);
}

static void flush_says_why_not(struct kunit *test)
{
	fake.err = -EIO;
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), -EIO);
	fake.err = 0;
	page_reporting_unregister(&fake_dev);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), -ENODEV);
	KUNIT_ASSERT_EQ(test, page_reporting_register(&fake_dev), 0);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), 0);
}

static void resync_reports_all_again(struct kunit *test)
{
	struct page *page = get_block(test);

	free_range(page, 0, BLOCK_PAGES);
	settle();
	KUNIT_ASSERT_EQ(test, least(0, BLOCK_PAGES), 1U);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), 0);
	KUNIT_EXPECT_EQ(test, most(0, BLOCK_PAGES), 1U);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, FPR_FLUSH_RESYNC), 0);
	KUNIT_EXPECT_EQ(test, least(0, BLOCK_PAGES), 2U);
}

/* What a pass must leave makes a flush say so. */
static void flush_says_what_it_left(struct kunit *test)
{
	struct page *page = get_block(test);
	unsigned long pfn = watched.start, half = BLOCK_PAGES / 2;

	settle();
	free_range(page, 0, BLOCK_PAGES);
	KUNIT_ASSERT_EQ(test, start_isolate_page_range(pfn, pfn + half, PB_ISOLATE_MODE_OTHER),
			0);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), -EAGAIN);
	KUNIT_EXPECT_EQ(test, fpr_stat(FPR_STAT_LAST_FLUSH_LEFT_PAGES), half);
	undo_isolate_page_range(pfn, pfn + half);
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), 0);
	KUNIT_EXPECT_EQ(test, fpr_stat(FPR_STAT_LAST_FLUSH_LEFT_PAGES), 0UL);
	KUNIT_EXPECT_EQ(test, least(0, BLOCK_PAGES), 1U);
}

/* Whatever a host holds back, ordinary allocations keep what they live on. */
static void request_leaves_the_watermarks(struct kunit *test)
{
	struct zone *zone;

	fake.hold = true;
	fpr_worker_kick();
	KUNIT_ASSERT_GT(test, wait_for_completion_timeout(&fake.arrived, WAIT), 0UL);
	for_each_populated_zone(zone) {
		long usable = zone_page_state(zone, NR_FREE_PAGES) - zone->nr_free_highatomic;

#ifdef CONFIG_CMA
		usable -= zone_page_state(zone, NR_FREE_CMA_PAGES);
#endif
		/* Zones without anything to spare were so before. */
		if (fpr_zone_spare(zone))
			KUNIT_EXPECT_GE(test, usable, (long)high_wmark_pages(zone));
	}
	fake.hold = false;
	complete_all(&fake.answer);
	run_pass();
}

#ifdef CONFIG_MEMORY_FAILURE
/* A page that goes bad while it is away is not allocated again, and can be healed. */
static void poisoned_in_flight_is_taken_off(struct kunit *test)
{
	struct page *page = get_block(test);
	unsigned long pfn = watched.start;

	settle();
	fake.hold = true;
	free_range(page, 0, BLOCK_PAGES);
	schedule_timeout_uninterruptible(fpr_base_delay() + 2);
	fpr_worker_kick();
	KUNIT_ASSERT_GT(test, wait_for_completion_timeout(&fake.arrived, WAIT), 0UL);
	memory_failure(pfn + 3, MF_SW_SIMULATED);
	fake.hold = false;
	complete_all(&fake.answer);
	run_pass();
	KUNIT_EXPECT_TRUE(test, PageHWPoison(page + 3));
	KUNIT_EXPECT_FALSE(test, is_free_buddy_page(page + 3));
	KUNIT_EXPECT_TRUE(test, is_free_buddy_page(page + 4));
	KUNIT_EXPECT_EQ(test, unpoison_memory(pfn + 3), 0);
	drain();
	KUNIT_EXPECT_TRUE(test, is_free_buddy_page(page + 3));
	KUNIT_EXPECT_FALSE(test, PageHWPoison(page + 3));
}
#endif

static void pause_means_none(struct kunit *test)
{
	struct page *page = get_block(test);
	unsigned long before;

	settle();
	KUNIT_ASSERT_EQ(test, fpr_set_pause(true), 0);
	before = fake.nr_pages;
	free_range(page, 0, BLOCK_PAGES);
	settle();
	KUNIT_EXPECT_EQ(test, fpr_flush(20000, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, fake.nr_pages, before);

	fpr_set_pause(false);
	settle();
	KUNIT_EXPECT_EQ(test, least(0, BLOCK_PAGES), 1U);
}

static struct kunit_case engine_cases[] = {
	KUNIT_CASE(reports_all_once),
	KUNIT_CASE(neighbours_go_together),
	KUNIT_CASE(plain_device_gets_blocks),
	KUNIT_CASE(request_is_bounded),
	KUNIT_CASE(request_fits_the_host),
	KUNIT_CASE(pass_begins_small),
	KUNIT_CASE(request_leaves_the_watermarks),
	KUNIT_CASE(only_whole_granules),
	KUNIT_CASE(split_keeps_state),
	KUNIT_CASE(reuse_makes_wait),
	KUNIT_CASE(set_aside_is_no_mistake),
#ifdef CONFIG_CONTIG_ALLOC
	KUNIT_CASE(contiguous_allocation_is_seen),
#endif
	KUNIT_CASE(completed_by_putback_is_seen),
	KUNIT_CASE(isolated_is_left_alone),
	KUNIT_CASE(isolated_in_flight_comes_back),
	KUNIT_CASE(refused_stays_dirty),
	KUNIT_CASE(next_device_is_tried_soon),
	KUNIT_CASE(forget_makes_dirty),
	KUNIT_CASE(every_order_works),
	KUNIT_CASE(new_order_reports_all_again),
	KUNIT_CASE(flush_applies_the_order),
	KUNIT_CASE(low_order_reports_pieces),
	KUNIT_CASE(one_device_only),
	KUNIT_CASE(flush_does_not_wait_for_cold),
	KUNIT_CASE(flush_gives_up_in_time),
	KUNIT_CASE(flush_says_why_not),
	KUNIT_CASE(flush_says_what_it_left),
	KUNIT_CASE(resync_reports_all_again),
	KUNIT_CASE(pause_means_none),
#ifdef CONFIG_MEMORY_FAILURE
	KUNIT_CASE(poisoned_in_flight_is_taken_off),
#endif
	{}
};

/* Nobody else may take movable pages while the tests look at them. */
static int engine_suite_init(struct kunit_suite *suite)
{
	wait_for_initramfs();
	return 0;
}

static struct kunit_suite engine_suite = {
	.name = "page_reporting",
	.suite_init = engine_suite_init,
	.attr = { .speed = KUNIT_SPEED_SLOW },
	.init = engine_init,
	.exit = engine_exit,
	.test_cases = engine_cases,
};

kunit_test_suite(engine_suite);
