// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of the driver with a device that does all as it should: what
 * virtio 1.2, section 5.5, asks of a driver.  See virtio_balloon-conformance.rst for
 * which statement is tested where.
 *
 * Much of what a driver must not do is seen by the software device itself, which
 * fails the test; here the situations are made in which it could happen.
 */
#include <kunit/static_stub.h>
#include <linux/balloon.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/poison.h>
#include <linux/reboot.h>

#include "softdev.h"

/* Features */

static bool contents_matter(void)
{
	return want_init_on_free() || page_poisoning_enabled_static();
}

static void features_must_tell_host(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL);

	KUNIT_EXPECT_TRUE(test, virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_MUST_TELL_HOST));
}

static void features_page_poison(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_POISON);
	u32 expected = want_init_on_free() ? 0 : 0x01010101U * PAGE_POISON;

	KUNIT_EXPECT_EQ(test, virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_PAGE_POISON),
			contents_matter());
	if (contents_matter())
		KUNIT_EXPECT_EQ(test, le32_to_cpu(dev->config.poison_val), expected);
}

static void features_reporting(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_REPORTING);

	KUNIT_EXPECT_EQ(test, virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_REPORTING),
			!contents_matter());
}

static void features_of_the_ring(struct kunit *test)
{
	const u64 fine = F_MODERN | F_TELL | F_STATS | F_LENT | F_HINTS;
	struct softdev *dev = softdev_start(test, fine | BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |
					    BIT_ULL(VIRTIO_F_ACCESS_PLATFORM));

	KUNIT_EXPECT_EQ(test, dev->vdev.features, fine);
	softdev_resize(dev, SOFTDEV_SOME);
}

/* All that a legacy device does otherwise: native byte order, garbage as lengths. */
static void legacy_device(struct kunit *test)
{
	struct softdev *dev = test->priv;
	u16 tag;

	dev->used_len = 0xdeadbeef;
	softdev_start(test, F_TELL | F_STATS | F_LENT | F_HINTS);
	KUNIT_EXPECT_FALSE(test, virtio_has_feature(&dev->vdev, VIRTIO_F_VERSION_1));

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_resize(dev, 17);

	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_STATS)));
	softdev_answer(dev, SOFTDEV_STATS);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_STATS) == 2));
	tag = virtio16_to_cpu(&dev->vdev, dev->stats[0].tag);
	KUNIT_EXPECT_LT(test, tag, VIRTIO_BALLOON_S_NR);

	softdev_command(dev, 1000);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	KUNIT_EXPECT_EQ(test, dev->ids[0], 1000U);
	KUNIT_EXPECT_EQ(test, dev->ids[1], (u32)VIRTIO_BALLOON_CMD_ID_STOP);
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
}

/* Inflating and deflating */

static void size_follows_the_target(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);

	dev->one_way = true;
	softdev_resize(dev, SOFTDEV_SOME);
	softdev_resize(dev, SOFTDEV_SOME + 1);
	softdev_resize(dev, 1);
	softdev_resize(dev, SOFTDEV_SOME);
	softdev_resize(dev, 0);
}

static void size_target_before_the_driver(struct kunit *test)
{
	struct softdev *dev = test->priv;

	softdev_target(dev, SOFTDEV_SOME);
	softdev_start(test, F_MODERN | F_STATS | F_HINTS);
	softdev_expect_size(dev, SOFTDEV_SOME);
}

static void inflated_pages_wait_for_the_answer(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);

	softdev_hold(dev, SOFTDEV_INFLATE, true);
	softdev_target(dev, SOFTDEV_SOME);
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE) >= 2));
	KUNIT_EXPECT_TRUE(test, vb_pools_empty(vb));

	/* Nobody gets them back now: not in need, and not because the host says so. */
	KUNIT_EXPECT_EQ(test, vb_relieve(vb, SOFTDEV_SOME, NUMA_NO_NODE, HZ / 20), 0UL);
	softdev_target(dev, 0);
	KUNIT_EXPECT_TRUE(test, softdev_wait(READ_ONCE(vb->size.target) == 0));
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_DEFLATE), 0UL);
	KUNIT_EXPECT_EQ(test, softdev_pages_touched(dev), 0UL);

	softdev_release(dev, SOFTDEV_INFLATE);
	softdev_expect_size(dev, 0);
	KUNIT_EXPECT_GE(test, softdev_taken(dev, SOFTDEV_DEFLATE), 2UL);
}

static void deflated_pages_wait_for_the_answer(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);

	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE) == 3));
	KUNIT_EXPECT_EQ(test, softdev_pages_touched(dev), 0UL);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vb->nr_pages), SOFTDEV_SOME);
	softdev_release(dev, SOFTDEV_DEFLATE);
	softdev_expect_size(dev, 0);
}

static void deflated_pages_are_used_at_once(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), SOFTDEV_SOME);

	/* All the same the host is told. */
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE) == 3));
	KUNIT_EXPECT_TRUE(test, softdev_wait(!softdev_actual(dev)));
	softdev_release(dev, SOFTDEV_DEFLATE);
	softdev_expect_size(dev, 0);
}

/* Without DEFLATE_ON_OOM nothing is taken back, whatever happens to the guest. */
static void pages_are_the_hosts(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);

	softdev_resize(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_DEFLATE), 0UL);
	softdev_expect_size(dev, SOFTDEV_SOME);

	/* At the end it says what it will use after the reset, and uses nothing before. */
	softdev_unplug(dev);
	KUNIT_EXPECT_GE(test, softdev_taken(dev, SOFTDEV_DEFLATE), 3UL);
	KUNIT_EXPECT_EQ(test, dev->nr_unannounced, 0UL);
}

/* A need in a task of its own. */
struct need {
	struct virtio_balloon *vb;
	struct completion done;
	unsigned long took;
	unsigned long freed;
};

static int need_thread(void *data)
{
	struct need *need = data;
	unsigned long begun = jiffies;

	need->freed = vb_relieve(need->vb, SOFTDEV_SOME, NUMA_NO_NODE, HZ);
	need->took = jiffies - begun;
	complete(&need->done);
	return 0;
}

/* Whoever frees the pages wakes the task that waits for them: the interrupt does not. */
static void need_hears_of_pages_that_others_free(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT | F_TELL);
	struct need need = { .vb = softdev_balloon(dev) };

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	init_completion(&need.done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(need_thread, &need, "softdev-need")));
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE) == 3));

	dev->mute = true;
	softdev_release(dev, SOFTDEV_DEFLATE);
	/* As the size work does. */
	vb_finish_deflate(need.vb);
	wait_for_completion(&need.done);
	dev->mute = false;
	KUNIT_EXPECT_EQ(test, need.freed, SOFTDEV_SOME);
	KUNIT_EXPECT_LT(test, need.took, HZ / 2);
	softdev_interrupt(dev, SOFTDEV_DEFLATE);
	softdev_target(dev, 0);
	softdev_expect_size(dev, 0);
}

/* With and without MUST_TELL_HOST, lent or not: a reset tells the host nothing. */
static void last_pages_are_announced(struct kunit *test)
{
	struct softdev *dev = test->priv;
	const u64 features[] = { 0, F_TELL, F_LENT, F_TELL | F_LENT };
	int i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		softdev_start(test, F_MODERN | features[i]);
		softdev_resize(dev, SOFTDEV_SOME);
		/* Some are on their way in while the end comes. */
		softdev_target(dev, 3 * SOFTDEV_SOME);
		softdev_unplug(dev);
		KUNIT_EXPECT_EQ(test, dev->nr_unannounced, 0UL);
		softdev_target(dev, 0);
		softdev_renew(dev);
	}
}

/* The pages of whole units are the first to go, and the first to come back. */
static void whole_units_go_first(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	unsigned long left;

	softdev_resize(dev, 4 * VB_UNIT_PAGES + 100);
	KUNIT_EXPECT_EQ(test, softdev_pages_whole(dev), 4 * VB_UNIT_PAGES);
	softdev_resize(dev, 2 * VB_UNIT_PAGES + 100);
	left = softdev_pages_whole(dev);
	KUNIT_EXPECT_EQ(test, left, 2 * VB_UNIT_PAGES);
}

/* Migration */

#ifdef CONFIG_BALLOON_MIGRATION
static struct balloon_dev_info *any_pool(struct virtio_balloon *vb)
{
	struct balloon_dev_info *info;
	int nid, kind;

	for (nid = 0; nid < nr_node_ids; nid++)
		for (kind = 0; kind < VB_NR_KINDS; kind++) {
			info = &vb->nodes[nid].pools[kind].info;
			if (!list_empty(&info->pages))
				return info;
		}
	return NULL;
}

/* What page migration does with one page of the balloon. */
static int migrate_one(struct softdev *dev)
{
	struct balloon_dev_info *info = any_pool(softdev_balloon(dev));
	struct page *page, *newpage = balloon_page_alloc();
	int err;

	if (!newpage || !info)
		return -ENOMEM;

	/* Isolated: on no list, and with one more reference. */
	page = balloon_page_dequeue(info);
	if (!page)
		return -ENOENT;
	get_page(page);

	lock_page(newpage);
	err = info->migratepage(info, newpage, page, MIGRATE_SYNC);
	unlock_page(newpage);
	if (err) {
		balloon_page_enqueue(info, page);
	} else {
		get_page(newpage);
		balloon_page_enqueue(info, newpage);
		put_page(page);
	}

	put_page(page);
	put_page(newpage);
	return err;
}

static void migration_gives_one_and_takes_one(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL);
	unsigned long given, taken;

	softdev_resize(dev, SOFTDEV_SOME);
	given = softdev_taken(dev, SOFTDEV_INFLATE);
	taken = softdev_taken(dev, SOFTDEV_DEFLATE);

	KUNIT_EXPECT_EQ(test, migrate_one(dev), 0);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_DEFLATE) == taken + 1));
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_INFLATE), given + 1);
	softdev_expect_size(dev, SOFTDEV_SOME);
}

static void migrated_page_waits_for_the_answer(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL);

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	KUNIT_EXPECT_EQ(test, migrate_one(dev), 0);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE) == 1));
	KUNIT_EXPECT_EQ(test, softdev_pages_touched(dev), 0UL);
	softdev_release(dev, SOFTDEV_DEFLATE);
	softdev_expect_size(dev, SOFTDEV_SOME);
}

/* The page that one has left is free for the next, but only once the host has given it up. */
static void moved_pages_are_not_given_at_once(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	int i;

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, migrate_one(dev), 0);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE) == 4));
	softdev_release(dev, SOFTDEV_DEFLATE);
	softdev_expect_size(dev, SOFTDEV_SOME);
}

/* Who gives any free page would give one of those. */
static void nothing_is_given_while_pages_are_used_early(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	bool short_of_memory = false;
	unsigned long given;

	/* More than what it gives back at once. */
	softdev_resize(dev, 40 * VB_REQUEST_PAGES);
	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	KUNIT_EXPECT_GT(test, softdev_oom(dev), 0UL);
	softdev_finish_work(dev);
	given = softdev_taken(dev, SOFTDEV_INFLATE);
	KUNIT_EXPECT_EQ(test, migrate_one(dev), -EAGAIN);
	KUNIT_EXPECT_EQ(test, vb_inflate(vb, 1, &short_of_memory), 0U);
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_INFLATE), given);

	softdev_release(dev, SOFTDEV_DEFLATE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(vb_may_give(vb)));
	KUNIT_EXPECT_EQ(test, migrate_one(dev), 0);
	softdev_resize(dev, 0);
}

static void migration_does_not_wait_for_ever(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_INFLATE, true);
	KUNIT_EXPECT_NE(test, migrate_one(dev), 0);
	KUNIT_EXPECT_EQ(test, softdev_pages_touched(dev), 0UL);

	/* The page that was to be the new one is one more in the balloon, for a while. */
	softdev_release(dev, SOFTDEV_INFLATE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_DEFLATE)));
	softdev_expect_size(dev, SOFTDEV_SOME);
}

/* A migration in a task of its own. */
struct migration {
	struct softdev *dev;
	struct completion done;
	unsigned long took;
	int err;
};

static int migration_thread(void *data)
{
	struct migration *migration = data;
	unsigned long begun = jiffies;

	migration->err = migrate_one(migration->dev);
	migration->took = jiffies - begun;
	complete(&migration->done);
	return 0;
}

static void start_migration(struct kunit *test, struct migration *migration,
			    struct softdev *dev)
{
	struct task_struct *task;

	migration->dev = dev;
	migration->err = -EINPROGRESS;
	init_completion(&migration->done);
	task = kthread_run(migration_thread, migration, "softdev-migrate");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
}

/* Whoever takes the answer wakes its waiter: the interrupt finds nothing any more. */
static void migration_hears_of_answers_that_others_take(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct virtio_balloon *vb = softdev_balloon(dev);
	struct migration migration;

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_INFLATE, true);
	start_migration(test, &migration, dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE) == 1));

	dev->mute = true;
	softdev_release(dev, SOFTDEV_INFLATE);
	vb_queue_poll(vb, &vb->inflate);
	wait_for_completion(&migration.done);
	dev->mute = false;
	KUNIT_EXPECT_EQ(test, migration.err, 0);
	KUNIT_EXPECT_LT(test, migration.took, HZ / 2);
	/* Whatever was answered while it was mute. */
	softdev_interrupt(dev, SOFTDEV_INFLATE);
	softdev_interrupt(dev, SOFTDEV_DEFLATE);
	softdev_expect_size(dev, SOFTDEV_SOME);
}

/* A migration in the midst of an inflation: the host has all requests and answers none. */
static void start_migration_while_inflating(struct kunit *test, struct migration *migration,
					    struct softdev *dev, u32 target)
{
	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_INFLATE, true);
	softdev_target(dev, target);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE) ==
					     VB_INFLATE_REQUESTS - VB_MIGRATE_REQUESTS));
	softdev_finish_work(dev);
	start_migration(test, migration, dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE) ==
					     VB_INFLATE_REQUESTS));
}

/* The reverse: what the migration takes beside its own is finished at once, too. */
static void size_work_hears_of_answers_that_a_migration_takes(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct virtio_balloon *vb = softdev_balloon(dev);
	struct migration migration;
	unsigned long begun;

	start_migration_while_inflating(test, &migration, dev, 20 * VB_REQUEST_PAGES);

	begun = jiffies;
	dev->mute = true;
	softdev_release(dev, SOFTDEV_INFLATE);
	/* As an answer on another queue does. */
	wake_up(&vb->acked);
	wait_for_completion(&migration.done);
	KUNIT_EXPECT_EQ(test, migration.err, 0);
	KUNIT_EXPECT_TRUE(test, softdev_wait(list_empty_careful(&vb->inflate.answered)));
	KUNIT_EXPECT_LT(test, jiffies - begun, 5 * HZ);

	dev->mute = false;
	softdev_interrupt(dev, SOFTDEV_INFLATE);
	softdev_interrupt(dev, SOFTDEV_DEFLATE);
	softdev_expect_size(dev, 20 * VB_REQUEST_PAGES);
}

static void migration_works_while_the_balloon_inflates(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct migration migration;

	start_migration_while_inflating(test, &migration, dev, 20 * VB_REQUEST_PAGES);
	softdev_release(dev, SOFTDEV_INFLATE);
	wait_for_completion(&migration.done);
	KUNIT_EXPECT_EQ(test, migration.err, 0);
	softdev_expect_size(dev, 20 * VB_REQUEST_PAGES);
}

#ifndef MODULE
/* As whoever compacts memory isolates a page, and puts it back where it was. */
static bool isolates(struct page *page)
{
	LIST_HEAD(pages);

	if (!isolate_movable_ops_page(page, 0))
		return false;
	list_add(&page->lru, &pages);
	putback_movable_pages(&pages);
	return true;
}

static void the_balloon_does_not_compact_itself(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct virtio_balloon *vb = softdev_balloon(dev);
	struct page *page;

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_finish_work(dev);
	page = list_first_entry(&any_pool(vb)->pages, struct page, lru);
	KUNIT_EXPECT_TRUE(test, isolates(page));

	WRITE_ONCE(vb->size.inflating_task, current);
	KUNIT_EXPECT_FALSE(test, isolates(page));
	WRITE_ONCE(vb->size.inflating_task, NULL);
	KUNIT_EXPECT_TRUE(test, isolates(page));
	softdev_expect_size(dev, SOFTDEV_SOME);
}
#endif
#endif

/* Statistics */

static void stats_one_buffer_of_one_kind(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_STATS);
	unsigned long asked;

	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_STATS)));
	KUNIT_EXPECT_GT(test, dev->nr_stats, 4);
	for (asked = 1; asked < 20; asked++) {
		softdev_answer(dev, SOFTDEV_STATS);
		KUNIT_ASSERT_TRUE(test,
				  softdev_wait(softdev_taken(dev, SOFTDEV_STATS) == asked + 1));
		if (asked == 10)
			softdev_resize(dev, SOFTDEV_SOME);
	}
	KUNIT_EXPECT_EQ(test, softdev_held(dev, SOFTDEV_STATS), 1);
}

static void stats_not_without_request(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_STATS);
	struct virtio_balloon *vb = softdev_balloon(dev);
	int i;

	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_STATS)));
	for (i = 0; i < 10; i++) {
		/* As an interrupt line that is shared: vring_interrupt() would see through it. */
		vb_stats_request(vb->stats.vq);
		flush_work(&vb->stats.work);
		flush_work(&dev->work);
	}
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_STATS), 1UL);
}

/* A device may look at its queues as soon as it sees DRIVER_OK. */
static void stats_are_asked_for_at_once(struct kunit *test)
{
	struct softdev *dev = test->priv;

	dev->eager = true;
	softdev_start(test, F_MODERN | F_STATS);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_STATS) == 2));
}

/* Hinting */

static void hints_begin_and_end_with_an_id(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_HINTS);

	softdev_command(dev, 7);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	KUNIT_EXPECT_EQ(test, dev->ids[0], 7U);
	KUNIT_EXPECT_EQ(test, dev->ids[1], (u32)VIRTIO_BALLOON_CMD_ID_STOP);
	KUNIT_EXPECT_GT(test, dev->nr_hints, 0UL);
	KUNIT_EXPECT_GT(test, READ_ONCE(softdev_balloon(dev)->hints.nr_blocks), 0UL);

	/* The same id again is no new command. */
	softdev_command(dev, 7);
	softdev_finish_work(dev);
	flush_delayed_work(&softdev_balloon(dev)->hints.work);
	flush_work(&dev->work);
	KUNIT_EXPECT_EQ(test, dev->nr_ids, 2);

	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
	KUNIT_EXPECT_EQ(test, dev->nr_ids, 2);
}

/* A device that is slow, so that there is something left to stop. */
static unsigned long begin_slow_hints(struct kunit *test, struct softdev *dev, u32 id)
{
	/* One block and three ids. */
	dev->ring_size = 4;
	softdev_start(test, (dev->legacy ? 0 : F_MODERN) | F_HINTS);
	softdev_hold(dev, SOFTDEV_HINTS, true);
	softdev_command(dev, id);
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_HINTS) == 2));
	KUNIT_EXPECT_EQ(test, dev->nr_ids, 1);
	return dev->nr_hints;
}

static void hints_stop(struct kunit *test)
{
	struct softdev *dev = test->priv;
	unsigned long hints = begin_slow_hints(test, dev, 2);

	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_STOP);
	softdev_finish_work(dev);
	/* There is room for more now. */
	softdev_release(dev, SOFTDEV_HINTS);
	softdev_finish_work(dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	KUNIT_EXPECT_EQ(test, dev->ids[1], (u32)VIRTIO_BALLOON_CMD_ID_STOP);
	KUNIT_EXPECT_EQ(test, dev->nr_hints, hints);

	/* A stop is no end: the blocks are held until that comes. */
	KUNIT_EXPECT_FALSE(test, softdev_hints_settled(dev));
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
}

static void hints_done(struct kunit *test)
{
	struct softdev *dev = test->priv;
	unsigned long hints = begin_slow_hints(test, dev, 2);

	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	softdev_finish_work(dev);
	softdev_release(dev, SOFTDEV_HINTS);
	softdev_finish_work(dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 2 && softdev_hints_settled(dev)));
	KUNIT_EXPECT_EQ(test, dev->nr_hints, hints);
}

static void hints_follow_a_new_id(struct kunit *test)
{
	struct softdev *dev = test->priv;

	begin_slow_hints(test, dev, 3);
	softdev_command(dev, 2);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	softdev_release(dev, SOFTDEV_HINTS);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 4));
	KUNIT_EXPECT_EQ(test, dev->ids[1], (u32)VIRTIO_BALLOON_CMD_ID_STOP);
	KUNIT_EXPECT_EQ(test, dev->ids[2], 2U);
	KUNIT_EXPECT_EQ(test, dev->ids[3], (u32)VIRTIO_BALLOON_CMD_ID_STOP);
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
}

/* QEMU's way: while it takes hints it shows what means stop to everybody else. */
static void hints_go_on_though_no_id_is_shown(struct kunit *test)
{
	struct softdev *dev = test->priv;
	unsigned long hints;

	dev->shows_no_id = true;
	hints = begin_slow_hints(test, dev, 5);

	/* The interrupt comes late that was about the id, and one about the target. */
	softdev_finish_work(dev);
	softdev_target(dev, SOFTDEV_SOME);
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, dev->nr_ids, 1);

	softdev_release(dev, SOFTDEV_HINTS);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	KUNIT_EXPECT_GT(test, dev->nr_hints, hints);
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
}

static void hints_stop_though_no_id_is_shown(struct kunit *test)
{
	struct softdev *dev = test->priv;

	dev->shows_no_id = true;
	hints_stop(test);
}

/* Nothing tells a late interrupt from a change there: what is read is believed. */
static void hints_stop_on_a_legacy_device(struct kunit *test)
{
	struct softdev *dev = test->priv;

	dev->legacy = true;
	hints_stop(test);
}

/* Blocks are not held until the device returns a buffer that has to do with others. */
static void hints_done_while_a_stop_is_out(struct kunit *test)
{
	struct softdev *dev = test->priv;
	struct vb_hints *hints;

	begin_slow_hints(test, dev, 2);
	hints = &softdev_balloon(dev)->hints;
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_STOP);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	/* The start and the block. */
	softdev_answer_oldest(dev, SOFTDEV_HINTS, 2);
	softdev_command(dev, 3);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 3));
	KUNIT_EXPECT_GT(test, READ_ONCE(hints->nr_blocks), 0UL);

	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(!READ_ONCE(hints->nr_blocks)));
	KUNIT_EXPECT_EQ(test, dev->nr_ids, 3);
	softdev_release(dev, SOFTDEV_HINTS);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 4 && softdev_hints_settled(dev)));
}

/* It is not waited for that a config space comes to rest. */
static void hints_of_a_restless_device(struct kunit *test)
{
	struct softdev *dev = test->priv;

	dev->restless = true;
	softdev_start(test, F_MODERN | F_HINTS);
	softdev_command(dev, 7);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
}

#ifndef MODULE
/* Blocks do not move, so they are not where all has to be movable. */
static void hints_are_not_movable(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_HINTS);
	struct vb_hints *hints = &softdev_balloon(dev)->hints;
	struct vb_hint *hint;

	softdev_command(dev, 7);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	KUNIT_ASSERT_TRUE(test, softdev_wait(!list_empty(&hints->returned)));
	spin_lock(&hints->lock);
	list_for_each_entry(hint, &hints->returned, node) {
		KUNIT_EXPECT_NE(test, page_zonenum(hint->page), ZONE_MOVABLE);
		KUNIT_EXPECT_EQ(test, get_pageblock_migratetype(hint->page), MIGRATE_UNMOVABLE);
	}
	spin_unlock(&hints->lock);
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
}
#endif

static void hints_are_released_in_need(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_HINTS);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long blocks, freed;

	softdev_command(dev, 7);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	blocks = READ_ONCE(vb->hints.nr_blocks);
	KUNIT_ASSERT_GT(test, blocks, 0UL);
	KUNIT_ASSERT_TRUE(test, softdev_wait(!list_empty(&vb->hints.returned)));

	freed = softdev_oom(dev);
	KUNIT_EXPECT_GT(test, freed, 0UL);
	KUNIT_EXPECT_LE(test, READ_ONCE(vb->hints.nr_blocks),
			blocks - freed / MAX_ORDER_NR_PAGES);
}

/* A host that discards what is hinted must not find it in use. */
static void hints_on_the_ring_are_kept(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_HINTS);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long blocks;

	softdev_hold(dev, SOFTDEV_HINTS, true);
	softdev_command(dev, 7);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	blocks = READ_ONCE(vb->hints.nr_blocks);
	KUNIT_ASSERT_GT(test, blocks, 0UL);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vb->hints.nr_blocks), blocks);

	/* The end is the end, whatever is still on the ring. */
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(!READ_ONCE(vb->hints.nr_blocks)));
	softdev_release(dev, SOFTDEV_HINTS);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
}

/* The end, in a task of its own. */
struct end {
	struct softdev *dev;
	struct completion done;
};

static int end_thread(void *data)
{
	struct end *end = data;

	softdev_unplug(end->dev);
	complete(&end->done);
	return 0;
}

/* The balloon has to wait for the host, and they have not. */
static void hints_are_released_before_the_balloon(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_HINTS);
	struct virtio_balloon *vb = softdev_balloon(dev);
	struct end end = { .dev = dev };

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_command(dev, 7);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	KUNIT_ASSERT_TRUE(test, softdev_wait(list_empty(&vb->hints.on_ring)));
	KUNIT_ASSERT_GT(test, READ_ONCE(vb->hints.nr_blocks), 0UL);

	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	init_completion(&end.done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(end_thread, &end, "softdev-end")));
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE)));
	KUNIT_EXPECT_EQ(test, READ_ONCE(vb->hints.nr_blocks), 0UL);
	softdev_release(dev, SOFTDEV_DEFLATE);
	wait_for_completion(&end.done);
}

/* Nobody asks for them; there is just little left. */
static void hints_are_released_under_pressure(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_HINTS);
	struct virtio_balloon *vb = softdev_balloon(dev);
	struct page *page, *next;
	unsigned long blocks, i;
	LIST_HEAD(pages);

	softdev_command(dev, 7);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	blocks = READ_ONCE(vb->hints.nr_blocks);
	KUNIT_ASSERT_GT(test, blocks, 0UL);

	for (i = 0; i < totalram_pages() / 32 && READ_ONCE(vb->hints.nr_blocks) == blocks; i++) {
		page = alloc_page(GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			break;
		list_add(&page->lru, &pages);
	}
	KUNIT_EXPECT_TRUE(test, softdev_wait(READ_ONCE(vb->hints.nr_blocks) < blocks));
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
	KUNIT_EXPECT_EQ(test, dev->nr_ids, 2);
}

/* Of the pages of some large blocks that are wanted zeroed, how many are not? */
static unsigned int not_zero(unsigned int blocks)
{
	unsigned int i, bad = 0;
	struct page *page;
	LIST_HEAD(pages);

	for (; blocks; blocks--) {
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN,
				   MAX_PAGE_ORDER);
		if (!page)
			break;
		list_add(&page->lru, &pages);
		for (i = 0; i < MAX_ORDER_NR_PAGES; i++)
			bad += !!*(u64 *)page_address(page + i);
	}
	softdev_free_memory(&pages);
	return bad;
}

static void hinted_memory_is_like_any_other(struct kunit *test)
{
	struct softdev *dev = test->priv;
	struct virtio_balloon *vb;

	dev->scribble = true;
	softdev_start(test, F_MODERN | F_HINTS);
	vb = softdev_balloon(dev);
	softdev_command(dev, 7);
	KUNIT_ASSERT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	KUNIT_ASSERT_TRUE(test, softdev_wait(!list_empty(&vb->hints.returned)));

	/* Before the end, and after it. */
	KUNIT_EXPECT_GT(test, softdev_oom(dev), 0UL);
	KUNIT_EXPECT_EQ(test, not_zero(3), 0);
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
	KUNIT_EXPECT_EQ(test, not_zero(3), 0);
}

/* Page poison */

/* Says something only where contents_matter(). */
static void poison_is_in_what_comes_back(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_POISON);

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_resize(dev, 0);
	KUNIT_EXPECT_EQ(test, softdev_pages_bare(dev), 0UL);
}

/* Reporting */

static void reported_memory_waits_for_the_answer(struct kunit *test)
{
	struct softdev *dev = test->priv;
	unsigned long before = nr_free_pages();
	const unsigned long small = SZ_16M >> PAGE_SHIFT;

	softdev_hold(dev, SOFTDEV_REPORTING, true);
	softdev_start(test, F_MODERN | F_POISON | F_REPORTING);
	if (!softdev_balloon(dev)->reporting.registered)
		kunit_skip(test, "there is another reporting device");
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_REPORTING)));
	KUNIT_EXPECT_EQ(test, softdev_held(dev, SOFTDEV_REPORTING), 1);

	/* Allocations do not get at it; the device checks that when it answers. */
	KUNIT_EXPECT_EQ(test, not_zero(3), 0);
	softdev_release(dev, SOFTDEV_REPORTING);
	KUNIT_EXPECT_TRUE(test, softdev_wait(nr_free_pages() + small > before));
}

/* A ring of 4 makes many buffers of one report. */
static void reports_in_pieces(struct kunit *test)
{
	struct softdev *dev = test->priv;
	struct virtio_balloon *vb;
	struct scatterlist sg[6];
	struct page *pages[6];
	int i;

	dev->ring_size = 4;
	softdev_start(test, F_MODERN | F_POISON | F_REPORTING);
	vb = softdev_balloon(dev);
	if (!virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_REPORTING))
		kunit_skip(test, "no reporting in this kernel");
	vb_reporting_unregister(vb);

	sg_init_table(sg, ARRAY_SIZE(sg));
	for (i = 0; i < ARRAY_SIZE(sg); i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, pages[i]);
		sg_set_page(&sg[i], pages[i], PAGE_SIZE, 0);
		/* As a page that the engine has in hand. */
		set_page_count(pages[i], 0);
	}
	dev->queues[SOFTDEV_REPORTING].nr_taken = 0;
	KUNIT_EXPECT_EQ(test, vb->reporting.dev.report(&vb->reporting.dev, sg, ARRAY_SIZE(sg)), 0);
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_REPORTING), 2UL);
	KUNIT_EXPECT_FALSE(test, sg_is_last(&sg[3]));
	for (i = 0; i < ARRAY_SIZE(sg); i++) {
		set_page_count(pages[i], 1);
		__free_page(pages[i]);
	}
}

/* Guests that must not give memory away */

static bool always_true(void)
{
	return true;
}

static void capture_kernel_has_no_balloon(struct kunit *test)
{
	struct softdev *dev = test->priv;

	kunit_activate_static_stub(test, vb_in_capture_kernel, always_true);
	dev->offered = F_MODERN | F_LENT | F_POISON | F_REPORTING;
	softdev_target(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_FALSE(test, softdev_plug(dev));
	KUNIT_EXPECT_EQ(test, dev->status & VIRTIO_CONFIG_S_DRIVER_OK, 0);
	KUNIT_EXPECT_EQ(test, softdev_log_count("no balloon in a crash capture kernel"), 1);
}

static void confidential_guest_gives_nothing(struct kunit *test)
{
	struct softdev *dev = test->priv;

	kunit_activate_static_stub(test, vb_in_confidential_guest, always_true);
	softdev_target(dev, SOFTDEV_SOME);
	softdev_start(test, F_MODERN | F_LENT | F_HINTS | F_POISON | F_REPORTING);
	KUNIT_EXPECT_FALSE(test, virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT));
	KUNIT_EXPECT_FALSE(test, virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_REPORTING));

	softdev_target(dev, SOFTDEV_SOME + 1);
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_INFLATE), 0UL);
	softdev_expect_size(dev, 0);
}

/* Life */

static void reset_when_the_device_needs_it(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_STATS | F_HINTS);

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_needs_reset(dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_resets >= 1));
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_STATS) == 2));
	softdev_expect_size(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_EQ(test, dev->status & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
	KUNIT_EXPECT_EQ(test, softdev_log_count("the device is broken: resetting it"), 1);
}

/* The core has the device while it binds or unbinds the driver. */
static void no_reset_while_the_core_has_the_device(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct virtio_balloon *vb = softdev_balloon(dev);

	softdev_resize(dev, SOFTDEV_SOME);
	device_lock(&dev->vdev.dev);
	softdev_needs_reset(dev);
	softdev_finish_work(dev);
	flush_delayed_work(&vb->recover.work);
	KUNIT_EXPECT_EQ(test, dev->nr_resets, 0);
	device_unlock(&dev->vdev.dev);

	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_resets));
	softdev_expect_size(dev, SOFTDEV_SOME);
}

/* The end of the system: quiet, reset, and no page used that is the device's. */
static void shutdown_stops_all(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT | F_STATS | F_HINTS |
					    F_POISON | F_REPORTING);
	struct virtio_balloon *vb = softdev_balloon(dev);
	struct softdev_queue *queues = dev->queues;
	unsigned long kicks[SOFTDEV_NR_KINDS];
	int i;

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_REPORTING, true);
	softdev_hold(dev, SOFTDEV_INFLATE, true);
	softdev_command(dev, 7);
	softdev_target(dev, 3 * SOFTDEV_SOME);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE)));

	vb->reboot.notifier_call(&vb->reboot, SYS_RESTART, NULL);
	KUNIT_EXPECT_EQ(test, dev->nr_resets, 1);
	KUNIT_EXPECT_EQ(test, dev->status, 0);
	KUNIT_EXPECT_EQ(test, softdev_pages_touched(dev), 0UL);
	/* Nobody waits for an answer that will not come. */
	KUNIT_EXPECT_TRUE(test, softdev_wait(down_write_trylock(&vb->users)));
	up_write(&vb->users);

	for (i = 0; i < SOFTDEV_NR_KINDS; i++)
		kicks[i] = READ_ONCE(queues[i].nr_taken);
	softdev_target(dev, 0);
	softdev_command(dev, 8);
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);
	for (i = 0; i < SOFTDEV_NR_KINDS; i++)
		KUNIT_EXPECT_EQ(test, READ_ONCE(queues[i].nr_taken), kicks[i]);

	/* The bus resets it once more.  Should it be removed after all, nothing is lost. */
	virtio_break_device(&dev->vdev);
	virtio_reset_device(&dev->vdev);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&vb->recover.work));
}

/* A suspend that is tried meanwhile gives up. */
static void awake_while_the_size_changes(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct virtio_balloon *vb = softdev_balloon(dev);

	softdev_resize(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_TRUE(test, softdev_wait(!READ_ONCE(vb->wake_mask)));
	softdev_hold(dev, SOFTDEV_INFLATE, true);
	softdev_target(dev, 2 * SOFTDEV_SOME);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE)));
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vb->wake_mask), (u32)VB_WAKE_SIZE_BUSY);
	softdev_release(dev, SOFTDEV_INFLATE);
	softdev_expect_size(dev, 2 * SOFTDEV_SOME);
	KUNIT_EXPECT_TRUE(test, softdev_wait(!READ_ONCE(vb->wake_mask)));
}

#ifdef CONFIG_PM_SLEEP
static void suspend_and_resume(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_STATS | F_HINTS | F_POISON);
	u32 poison = le32_to_cpu(dev->config.poison_val);

	softdev_resize(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&dev->vdev), 0);
	KUNIT_EXPECT_EQ(test, dev->status, 0);
	KUNIT_EXPECT_EQ(test, dev->nr_unannounced, 0UL);
	KUNIT_EXPECT_TRUE(test, softdev_wait(!softdev_pages_lost(dev)));

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&dev->vdev), 0);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(dev->config.poison_val), poison);
	softdev_expect_size(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_STATS) == 2));
}
#endif

static int device_init(struct kunit *test)
{
	test->priv = softdev_create(test, F_MODERN);
	return 0;
}

static void device_exit(struct kunit *test)
{
	if (test->priv)
		softdev_destroy(test->priv);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE(features_must_tell_host),
	KUNIT_CASE(features_page_poison),
	KUNIT_CASE(features_reporting),
	KUNIT_CASE(features_of_the_ring),
	KUNIT_CASE(legacy_device),
	KUNIT_CASE(size_follows_the_target),
	KUNIT_CASE(size_target_before_the_driver),
	KUNIT_CASE(inflated_pages_wait_for_the_answer),
	KUNIT_CASE(deflated_pages_wait_for_the_answer),
	KUNIT_CASE(deflated_pages_are_used_at_once),
	KUNIT_CASE(pages_are_the_hosts),
	KUNIT_CASE(need_hears_of_pages_that_others_free),
	KUNIT_CASE(last_pages_are_announced),
	KUNIT_CASE(whole_units_go_first),
#ifdef CONFIG_BALLOON_MIGRATION
	KUNIT_CASE(migration_gives_one_and_takes_one),
	KUNIT_CASE(migrated_page_waits_for_the_answer),
	KUNIT_CASE(moved_pages_are_not_given_at_once),
	KUNIT_CASE(nothing_is_given_while_pages_are_used_early),
	KUNIT_CASE(migration_does_not_wait_for_ever),
	KUNIT_CASE(migration_hears_of_answers_that_others_take),
	KUNIT_CASE(size_work_hears_of_answers_that_a_migration_takes),
	KUNIT_CASE(migration_works_while_the_balloon_inflates),
#ifndef MODULE
	KUNIT_CASE(the_balloon_does_not_compact_itself),
#endif
#endif
	KUNIT_CASE(stats_one_buffer_of_one_kind),
	KUNIT_CASE(stats_not_without_request),
	KUNIT_CASE(stats_are_asked_for_at_once),
	KUNIT_CASE(hints_begin_and_end_with_an_id),
	KUNIT_CASE(hints_stop),
	KUNIT_CASE(hints_done),
	KUNIT_CASE(hints_follow_a_new_id),
	KUNIT_CASE(hints_go_on_though_no_id_is_shown),
	KUNIT_CASE(hints_stop_though_no_id_is_shown),
	KUNIT_CASE(hints_stop_on_a_legacy_device),
	KUNIT_CASE(hints_done_while_a_stop_is_out),
	KUNIT_CASE(hints_of_a_restless_device),
#ifndef MODULE
	KUNIT_CASE(hints_are_not_movable),
#endif
	KUNIT_CASE(hints_are_released_in_need),
	KUNIT_CASE(hints_are_released_before_the_balloon),
	KUNIT_CASE(hints_are_released_under_pressure),
	KUNIT_CASE(hints_on_the_ring_are_kept),
	KUNIT_CASE(hinted_memory_is_like_any_other),
	KUNIT_CASE(poison_is_in_what_comes_back),
	KUNIT_CASE(reported_memory_waits_for_the_answer),
	KUNIT_CASE(reports_in_pieces),
	KUNIT_CASE(capture_kernel_has_no_balloon),
	KUNIT_CASE(confidential_guest_gives_nothing),
	KUNIT_CASE(reset_when_the_device_needs_it),
	KUNIT_CASE(no_reset_while_the_core_has_the_device),
	KUNIT_CASE(shutdown_stops_all),
	KUNIT_CASE(awake_while_the_size_changes),
#ifdef CONFIG_PM_SLEEP
	KUNIT_CASE(suspend_and_resume),
#endif
	{ }
};

static struct kunit_suite device_suite = {
	.name = "virtio_balloon_device",
	.suite_init = softdev_suite_init,
	.suite_exit = softdev_suite_exit,
	.init = device_init,
	.exit = device_exit,
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
