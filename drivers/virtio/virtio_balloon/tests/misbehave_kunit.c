// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of the driver with a device that misbehaves.  Whatever it does: the
 * kernel lives, nothing waits for ever, no page is used that is the device's, each
 * page comes back after a reset, and the log says it once.  The software device
 * checks all that by itself at the end of each test.
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>

#include "softdev.h"

#define EVERYTHING	(F_MODERN | F_TELL | F_STATS | F_LENT | F_HINTS | F_POISON | F_REPORTING)

static void hold_everything(struct softdev *dev)
{
	enum softdev_kind kind;

	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++)
		softdev_hold(dev, kind, true);
}

static void answer_everything(struct softdev *dev)
{
	enum softdev_kind kind;

	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++)
		softdev_hold(dev, kind, kind == SOFTDEV_STATS);
}

/* Makes the driver wait for answers on all of the queues. */
static void owe_answers(struct kunit *test, struct softdev *dev)
{
	dev->ring_size = 16;
	softdev_start(test, EVERYTHING);
	softdev_resize(dev, SOFTDEV_SOME);
	hold_everything(dev);
	softdev_target(dev, SOFTDEV_SOME - 300);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE)));
	softdev_command(dev, 9);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_HINTS)));
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_STATS)));
	if (softdev_balloon(dev)->reporting.registered)
		KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_REPORTING)));
}

/* As if the host had owed its answers for so much longer. */
static void age_requests(struct vb_queue *queue, unsigned int ms)
{
	struct vb_request *req;

	spin_lock(&queue->lock);
	list_for_each_entry(req, &queue->in_flight, node)
		req->sent = ktime_sub_ms(req->sent, ms);
	spin_unlock(&queue->lock);
}

static void never_answers(struct kunit *test)
{
	struct softdev *dev = test->priv;

	owe_answers(test, dev);
	softdev_finish_work(dev);
	softdev_unplug(dev);
}

static void never_answers_inflation(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct virtio_balloon *vb = softdev_balloon(dev);
	int i;

	softdev_hold(dev, SOFTDEV_INFLATE, true);
	softdev_target(dev, 100 * VB_REQUEST_PAGES);
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE)));

	age_requests(&vb->inflate, 1000 * (VB_STALL_WARN / HZ));
	for (i = 0; i < 5; i++)
		softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, softdev_log_count("inflate: no answer from the host"), 1);
	/* What is out is bounded. */
	KUNIT_EXPECT_LE(test, atomic_long_read(&vb->nr_pages),
			(long)(VB_INFLATE_REQUESTS * VB_REQUEST_PAGES));
}

static void never_answers_deflation(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long begun;
	int i;

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_hold(dev, SOFTDEV_DEFLATE, true);
	softdev_target(dev, 0);
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE)));

	age_requests(&vb->deflate, 1000 * (VB_STALL_WARN / HZ));
	for (i = 0; i < 5; i++)
		softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, softdev_log_count("deflate: no answer from the host"), 1);

	/* All other tasks may be waiting for this one. */
	begun = jiffies;
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);
	KUNIT_EXPECT_LT(test, jiffies - begun, 5UL * HZ);
	KUNIT_EXPECT_EQ(test, softdev_pages_touched(dev), 0UL);
}

static void never_answers_reports(struct kunit *test)
{
	const char *words = "reporting: no answer from the host";
	struct softdev *dev = test->priv;
	struct vb_reporting *reporting;
	struct virtio_balloon *vb;
	int i;

	softdev_hold(dev, SOFTDEV_REPORTING, true);
	softdev_start(test, F_MODERN | F_POISON | F_REPORTING);
	vb = softdev_balloon(dev);
	reporting = &vb->reporting;
	if (!reporting->registered)
		kunit_skip(test, "there is another reporting device");
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_REPORTING)));
	vb_reporting_check(vb);
	KUNIT_EXPECT_EQ(test, softdev_log_count(words), 0);

	spin_lock(&reporting->lock);
	reporting->sent -= VB_STALL_WARN;
	spin_unlock(&reporting->lock);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_log_count(words)));
	for (i = 0; i < 5; i++)
		vb_reporting_check(vb);
	KUNIT_EXPECT_EQ(test, softdev_log_count(words), 1);

	/* It is late, and not broken. */
	KUNIT_EXPECT_EQ(test, dev->nr_resets, 0);
	KUNIT_EXPECT_EQ(test, softdev_held(dev, SOFTDEV_REPORTING), 1);
	softdev_unplug(dev);
}

static void answers_late_and_in_disorder(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL);
	int i;

	dev->one_way = true;
	for (i = 0; i < 5; i++) {
		softdev_hold(dev, SOFTDEV_INFLATE, true);
		softdev_target(dev, (2 + i) * VB_REQUEST_PAGES);
		KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE) > 1));
		softdev_finish_work(dev);
		softdev_hold(dev, SOFTDEV_INFLATE, false);
		softdev_answer_reversed(dev, SOFTDEV_INFLATE);
		softdev_expect_size(dev, (2 + i) * VB_REQUEST_PAGES);

		softdev_hold(dev, SOFTDEV_DEFLATE, true);
		softdev_target(dev, 0);
		KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_DEFLATE) > 1));
		softdev_finish_work(dev);
		softdev_hold(dev, SOFTDEV_DEFLATE, false);
		softdev_answer_reversed(dev, SOFTDEV_DEFLATE);
		softdev_expect_size(dev, 0);
	}
}

static void reports_wrong_lengths(struct kunit *test)
{
	struct softdev *dev = test->priv;
	static const u32 lengths[] = { 1, SZ_4K, U32_MAX };
	int i;

	softdev_start(test, EVERYTHING);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		WRITE_ONCE(dev->used_len, lengths[i]);
		softdev_resize(dev, SOFTDEV_SOME);
		softdev_resize(dev, 0);
		softdev_answer(dev, SOFTDEV_STATS);
		KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_STATS) == i + 2));
	}
	softdev_command(dev, 10);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_ids == 2));
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev)));
}

/* The core finds the ring corrupt; the driver gives it up and starts anew. */
static void use_what_was_not_offered(struct kunit *test, u16 id)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL);

	softdev_hold(dev, SOFTDEV_INFLATE, true);
	softdev_target(dev, SOFTDEV_SOME);
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_INFLATE) >= 2));
	softdev_hold(dev, SOFTDEV_INFLATE, false);
	softdev_answer_wrongly(dev, SOFTDEV_INFLATE, id);

	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_resets));
	softdev_expect_size(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_EQ(test, softdev_log_count("inflate: queue broken"), 1);
	KUNIT_EXPECT_EQ(test, softdev_log_count("the device is broken: resetting it"), 1);
}

static void uses_ids_out_of_range(struct kunit *test)
{
	use_what_was_not_offered(test, 0xfff0);
}

static void uses_ids_that_are_no_head(struct kunit *test)
{
	use_what_was_not_offered(test, 40);
}

static void breaks_reporting(struct kunit *test)
{
	struct softdev *dev = test->priv;

	softdev_hold(dev, SOFTDEV_REPORTING, true);
	softdev_start(test, F_MODERN | F_POISON | F_REPORTING);
	if (!softdev_balloon(dev)->reporting.registered)
		kunit_skip(test, "there is another reporting device");
	KUNIT_ASSERT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_REPORTING)));
	softdev_answer_wrongly(dev, SOFTDEV_REPORTING, 63);

	/* Reports go on after the reset. */
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_resets));
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_REPORTING)));
	KUNIT_EXPECT_EQ(test, softdev_log_count("reporting: queue broken"), 1);
	softdev_release(dev, SOFTDEV_REPORTING);
}

static void breaks_queues(struct kunit *test)
{
	struct softdev *dev = test->priv;

	owe_answers(test, dev);
	answer_everything(dev);
	softdev_target(dev, 100);
	virtio_break_device(&dev->vdev);
	softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_resets));
	softdev_expect_size(dev, 100);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_STATS)));
}

/* What it cannot be told to give back is its own until the reset. */
static void breaks_before_it_is_told(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);

	softdev_resize(dev, SOFTDEV_SOME);
	virtio_break_device(&dev->vdev);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);
	KUNIT_EXPECT_EQ(test, softdev_pages_touched(dev), 0UL);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vb->nr_pages), SOFTDEV_SOME);

	softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_resets));
	softdev_expect_size(dev, SOFTDEV_SOME);
}

static void needs_reset_with_all_out(struct kunit *test)
{
	struct softdev *dev = test->priv;

	owe_answers(test, dev);
	answer_everything(dev);
	softdev_needs_reset(dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(dev->nr_resets));
	KUNIT_EXPECT_TRUE(test, softdev_wait(!softdev_pages_lost(dev)));
	softdev_expect_size(dev, SOFTDEV_SOME - 300);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_STATS)));
}

static void needs_reset_again_and_again(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_STATS);
	struct virtio_balloon *vb = softdev_balloon(dev);

	dev->same_lines = 2;
	softdev_resize(dev, SOFTDEV_SOME);
	softdev_needs_reset(dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_STATS) == 2));
	softdev_needs_reset(dev);

	/* The driver takes its time now, and can be removed meanwhile. */
	KUNIT_EXPECT_TRUE(test, softdev_wait(READ_ONCE(vb->life) == VB_OFF &&
					     delayed_work_pending(&vb->recover.work)));
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);
	softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
	KUNIT_EXPECT_LE(test, softdev_log_count("the device is broken: resetting it"), 2);
}

static void does_not_come_back(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, EVERYTHING);
	struct virtio_balloon *vb = softdev_balloon(dev);

	softdev_resize(dev, SOFTDEV_SOME);
	dev->no_queues = -ENOMEM;
	softdev_needs_reset(dev);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_log_count("is off after the reset")));
	KUNIT_EXPECT_EQ(test, READ_ONCE(vb->life), VB_OFF);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), 0UL);
	softdev_target(dev, 5);
	softdev_command(dev, 5);
	KUNIT_EXPECT_EQ(test, vb_relieve(vb, 5, NUMA_NO_NODE, HZ), 0UL);
}

static void is_pulled_out(struct kunit *test)
{
	struct softdev *dev = test->priv;

	owe_answers(test, dev);
	dev->gone = true;
	virtio_break_device(&dev->vdev);
	softdev_finish_work(dev);
	KUNIT_EXPECT_EQ(test, dev->nr_resets, 0);
	softdev_unplug(dev);
}

static void changes_its_mind(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_TELL);
	int i;

	dev->one_way = true;
	for (i = 0; i < 500; i++) {
		softdev_target(dev, get_random_u32_below(8 * VB_REQUEST_PAGES));
		usleep_range(500, 1000);
		/* Now and then it is slow, so that directions could overlap. */
		if (i % 32 == 0) {
			softdev_hold(dev, SOFTDEV_INFLATE, true);
			softdev_hold(dev, SOFTDEV_DEFLATE, true);
		} else if (i % 32 == 16) {
			softdev_release(dev, SOFTDEV_INFLATE);
			softdev_release(dev, SOFTDEV_DEFLATE);
		}
	}
	softdev_release(dev, SOFTDEV_INFLATE);
	softdev_release(dev, SOFTDEV_DEFLATE);
	softdev_resize(dev, 5 * VB_REQUEST_PAGES + 1);
	softdev_resize(dev, 0);
}

static unsigned long count_event(enum vm_event_item item)
{
	unsigned long events[NR_VM_EVENT_ITEMS];

	all_vm_events(events);
	return events[item];
}

static void wants_all_there_is(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	unsigned long kills = count_event(OOM_KILL);
	struct virtio_balloon *vb = softdev_balloon(dev);
	LIST_HEAD(blocks);

	/* This line is limited by time. */
	dev->same_lines = 10;
	softdev_fill_memory(&blocks, 3 * vb_reserve(vb));
	softdev_target(dev, U32_MAX);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_log_count("Out of puff! Can't get ")));
	KUNIT_EXPECT_GT(test, nr_free_pages(), vb_reserve(vb) / 2);

	KUNIT_EXPECT_GT(test, atomic_long_read(&vb->nr_pages), 0L);
	softdev_target(dev, 0);
	softdev_expect_size(dev, 0);
	KUNIT_EXPECT_EQ(test, count_event(OOM_KILL), kills);
	softdev_free_memory(&blocks);
}

static void sends_commands_in_any_order(struct kunit *test)
{
	static const u32 ids[] = {
		VIRTIO_BALLOON_CMD_ID_STOP, VIRTIO_BALLOON_CMD_ID_DONE, 2, 3, 4, U32_MAX,
	};
	struct softdev *dev = test->priv;
	int i;

	dev->ring_size = 16;
	softdev_start(test, F_MODERN | F_HINTS);
	for (i = 0; i < 40; i++) {
		softdev_hold(dev, SOFTDEV_HINTS, get_random_u32_below(2));
		softdev_answer(dev, SOFTDEV_HINTS);
		softdev_command(dev, ids[get_random_u32_below(ARRAY_SIZE(ids))]);
		usleep_range(100, 20000);
	}
	softdev_release(dev, SOFTDEV_HINTS);
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_hints_settled(dev) && !dev->hint_id));
}

static void interrupts_without_reason(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, EVERYTHING & ~F_REPORTING);
	int i;

	for (i = 0; i < 500; i++) {
		softdev_interrupt(dev, i % (SOFTDEV_NR_KINDS + 1));
		if (i % 100 == 50)
			softdev_target(dev, SOFTDEV_SOME);
		usleep_range(50, 200);
	}
	softdev_expect_size(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_STATS), 1UL);
}

static void has_tiny_rings(struct kunit *test)
{
	struct softdev *dev = test->priv;

	dev->ring_size = 1;
	softdev_start(test, EVERYTHING);
	softdev_resize(dev, SOFTDEV_SOME);
	softdev_command(dev, 3);
	softdev_resize(dev, 10);
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
}

/* Each allocation of probe may fail; what came before it is undone. */
static unsigned int fills_left;

static int fill_fails(struct vb_queue *queue, unsigned int nr_requests)
{
	return fills_left-- ? 0 : -ENOMEM;
}

static void finds_no_memory_for_requests(struct kunit *test)
{
	struct softdev *dev = test->priv;
	unsigned int i;

	kunit_activate_static_stub(test, vb_queue_fill, fill_fails);
	for (i = 0; i < 2; i++) {
		fills_left = i;
		KUNIT_EXPECT_FALSE(test, softdev_plug(dev));
		softdev_unplug(dev);
		softdev_renew(dev);
	}
	kunit_deactivate_static_stub(test, vb_queue_fill);
	KUNIT_EXPECT_TRUE(test, softdev_plug(dev));
	softdev_resize(dev, SOFTDEV_SOME);
}

static void has_no_queues(struct kunit *test)
{
	struct softdev *dev = test->priv;

	dev->no_queues = -ENOENT;
	KUNIT_EXPECT_FALSE(test, softdev_plug(dev));
}

static void refuses_all_features(struct kunit *test)
{
	struct softdev *dev = test->priv;

	dev->refuse_features = true;
	KUNIT_EXPECT_FALSE(test, softdev_plug(dev));
}

static int misbehave_init(struct kunit *test)
{
	test->priv = softdev_create(test, F_MODERN);
	return 0;
}

static void misbehave_exit(struct kunit *test)
{
	if (test->priv)
		softdev_destroy(test->priv);
}

static struct kunit_case misbehave_cases[] = {
	KUNIT_CASE(never_answers),
	KUNIT_CASE(never_answers_inflation),
	KUNIT_CASE(never_answers_deflation),
	KUNIT_CASE(never_answers_reports),
	KUNIT_CASE(answers_late_and_in_disorder),
	KUNIT_CASE(reports_wrong_lengths),
	KUNIT_CASE(uses_ids_out_of_range),
	KUNIT_CASE(uses_ids_that_are_no_head),
	KUNIT_CASE(breaks_reporting),
	KUNIT_CASE(breaks_queues),
	KUNIT_CASE(breaks_before_it_is_told),
	KUNIT_CASE(needs_reset_with_all_out),
	KUNIT_CASE(needs_reset_again_and_again),
	KUNIT_CASE(does_not_come_back),
	KUNIT_CASE(is_pulled_out),
	KUNIT_CASE(changes_its_mind),
	KUNIT_CASE(wants_all_there_is),
	KUNIT_CASE(sends_commands_in_any_order),
	KUNIT_CASE(interrupts_without_reason),
	KUNIT_CASE(has_tiny_rings),
	KUNIT_CASE(finds_no_memory_for_requests),
	KUNIT_CASE(has_no_queues),
	KUNIT_CASE(refuses_all_features),
	{ }
};

static struct kunit_suite misbehave_suite = {
	.name = "virtio_balloon_misbehaving_device",
	.suite_init = softdev_suite_init,
	.suite_exit = softdev_suite_exit,
	.init = misbehave_init,
	.exit = misbehave_exit,
	.test_cases = misbehave_cases,
};

kunit_test_suite(misbehave_suite);
