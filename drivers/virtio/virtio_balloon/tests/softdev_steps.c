// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Steps that tests with the software device have in common.  test->priv is the
 * device.
 */
#include <linux/init.h>
#include <linux/initrd.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "softdev.h"

/*
 * Guest pages that a suite leaves free: enough for any case, and not much to hint.
 * Watermarks and the lists of the CPUs have taken 90 MiB of them on Linux 7.3.
 */
#define SUITE_FREE	(SZ_256M >> PAGE_SHIFT)

static LIST_HEAD(suite_blocks);

/**
 * softdev_start() - plug the test's device in; it must work
 * @test: the test
 * @features: what the device offers
 *
 * Context: Process context.
 * Return: the device.
 */
struct softdev *softdev_start(struct kunit *test, u64 features)
{
	struct softdev *dev = test->priv;

	dev->offered = features;
	KUNIT_ASSERT_TRUE(test, softdev_plug(dev));
	return dev;
}

/* Pages whose request has been answered are in the balloon only after that. */
static bool requests_finished(struct virtio_balloon *vb)
{
	return !READ_ONCE(vb->inflate.nr_busy) && !READ_ONCE(vb->deflate.nr_busy);
}

/**
 * softdev_expect_size() - the balloon comes to this size and is in order then
 * @dev: the device
 * @guest_pages: in guest pages
 *
 * Driver and device agree on the number and on the pages, and nobody uses them.
 *
 * Context: Process context.
 */
void softdev_expect_size(struct softdev *dev, unsigned long guest_pages)
{
	struct virtio_balloon *vb = softdev_balloon(dev);

	KUNIT_EXPECT_TRUE(dev->test, softdev_wait(atomic_long_read(&vb->nr_pages) == guest_pages &&
						  softdev_actual(dev) == guest_pages &&
						  requests_finished(vb) &&
						  softdev_pages_agree(dev)));
	KUNIT_EXPECT_EQ(dev->test, atomic_long_read(&vb->nr_pages), guest_pages);
	KUNIT_EXPECT_EQ(dev->test, softdev_actual(dev), guest_pages);
	KUNIT_EXPECT_EQ(dev->test, softdev_pages_touched(dev), 0UL);
}

/**
 * softdev_resize() - the host wants this size, and gets it
 * @dev: the device
 * @guest_pages: in guest pages
 *
 * Context: Process context.
 */
void softdev_resize(struct softdev *dev, unsigned long guest_pages)
{
	softdev_target(dev, guest_pages);
	softdev_expect_size(dev, guest_pages);
}

/**
 * softdev_finish_work() - let the driver do all that it can do now
 * @dev: the device
 *
 * Context: Process context.
 */
void softdev_finish_work(struct softdev *dev)
{
	struct virtio_balloon *vb = softdev_balloon(dev);
	int i;

	softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
	irq_work_sync(&dev->irq);
	for (i = 0; i < 3; i++) {
		flush_delayed_work(&vb->size.work);
		flush_delayed_work(&vb->hints.work);
		flush_work(&dev->work);
	}
}

/**
 * softdev_oom() - the guest is out of memory, as the driver hears it
 * @dev: the device
 *
 * Context: Process context.
 * Return: guest pages that the driver says it has freed.
 */
unsigned long softdev_oom(struct softdev *dev)
{
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long freed = 0;

	vb->oom.nb.notifier_call(&vb->oom.nb, 0, &freed);
	return freed;
}

/**
 * softdev_hints_settled() - has the driver done with hinting?
 * @dev: the device
 *
 * Context: Process context.
 * Return: whether it holds no block and has nothing to say.
 */
bool softdev_hints_settled(struct softdev *dev)
{
	struct vb_hints *hints = &softdev_balloon(dev)->hints;

	return !READ_ONCE(hints->nr_blocks) && !READ_ONCE(hints->feeding) &&
	       !READ_ONCE(hints->stop_pending);
}

/**
 * softdev_fill_memory() - take free memory away
 * @blocks: where to keep it, for softdev_free_memory()
 * @leave: guest pages to leave, about
 *
 * Context: Process context.
 */
void softdev_fill_memory(struct list_head *blocks, unsigned long leave)
{
	struct page *page;

	while (nr_free_pages() > leave + MAX_ORDER_NR_PAGES) {
		page = alloc_pages(GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOWARN, MAX_PAGE_ORDER);
		if (!page)
			break;
		list_add(&page->lru, blocks);
	}
}

/**
 * softdev_free_memory() - give it back
 * @blocks: what softdev_fill_memory() took
 *
 * Context: Process context.
 */
void softdev_free_memory(struct list_head *blocks)
{
	struct page *page;

	while ((page = list_first_entry_or_null(blocks, struct page, lru))) {
		list_del(&page->lru);
		__free_pages(page, MAX_PAGE_ORDER);
	}
}

/**
 * softdev_suite_init() - before the cases of a suite: make the machine small
 * @suite: the suite
 *
 * All that is free is hinted and reported again and again, which takes its time.
 *
 * Context: Process context.
 * Return: 0.
 */
int softdev_suite_init(struct kunit_suite *suite)
{
	/* It takes its memory while suites run at boot. */
	wait_for_initramfs();
	softdev_fill_memory(&suite_blocks, SUITE_FREE);
	return 0;
}

/**
 * softdev_suite_exit() - after them
 * @suite: the suite
 *
 * Context: Process context.
 */
void softdev_suite_exit(struct kunit_suite *suite)
{
	softdev_free_memory(&suite_blocks);
}
