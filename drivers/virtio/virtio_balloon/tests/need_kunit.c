// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of what follows the guest's need: the hold-off, and samples of pressure.
 * What is decided is tested in policy_kunit.c, here that the driver goes by it.
 */
#include <linux/jiffies.h>
#include <linux/nodemask.h>

#include "softdev.h"

/* As if the hold-off had come to this point. */
static void set_hold(struct virtio_balloon *vb, unsigned long until, unsigned long limit)
{
	struct vb_relief *relief = &vb->relief;

	spin_lock(&relief->lock);
	relief->hold_until = until;
	relief->hold_limit = limit;
	spin_unlock(&relief->lock);
}

static void hold_off_outlives_new_targets(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long given;
	int i;

	softdev_resize(dev, SOFTDEV_SOME);
	KUNIT_EXPECT_EQ(test, softdev_oom(dev), SOFTDEV_SOME);
	softdev_expect_size(dev, 0);
	given = softdev_taken(dev, SOFTDEV_INFLATE);
	for (i = 3; i >= 1; i--) {
		softdev_target(dev, i * SOFTDEV_SOME - 1);
		softdev_finish_work(dev);
		KUNIT_EXPECT_EQ(test, READ_ONCE(vb->size.target), i * SOFTDEV_SOME - 1);
		KUNIT_EXPECT_EQ(test, READ_ONCE(vb->size.state), VB_HOLDOFF);
	}
	KUNIT_EXPECT_EQ(test, softdev_taken(dev, SOFTDEV_INFLATE), given);

	set_hold(vb, jiffies, jiffies);
	vb_size_kick(vb);
	softdev_expect_size(dev, SOFTDEV_SOME - 1);
}

/* What ran dry was a zone or a node: that others have to spare says nothing. */
static void hold_off_after_oom_does_not_end_early(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long look_at;

	vb_hold(vb, VB_REASON_OOM, ULONG_MAX);
	vb_hold(vb, VB_REASON_PRESSURE, 100);
	vb_hold_got(vb, 100, 50);
	KUNIT_EXPECT_TRUE(test, vb_holding(vb, ULONG_MAX - 1, &look_at));
	/* And nobody looks before its end. */
	KUNIT_EXPECT_EQ(test, look_at, softdev_balloon(dev)->relief.hold_until);
}

static void hold_off_is_extended_up_to_a_limit(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	struct vb_relief *relief = &vb->relief;
	unsigned long limit;
	int i;

	vb_hold(vb, VB_REASON_PRESSURE, 0);
	KUNIT_EXPECT_EQ(test, relief->hold_limit - relief->hold_until, relief->hold_length);

	limit = jiffies + 3 * HZ / 2;
	set_hold(vb, jiffies + HZ, limit);
	for (i = 0; i < 10; i++)
		vb_extend_hold(vb);
	KUNIT_EXPECT_EQ(test, relief->hold_until, limit);
}

/* As if @spare pages had been spare for @calm jiffies before this look and all through it. */
static bool still_held_after(struct virtio_balloon *vb, unsigned long spare, unsigned long calm)
{
	unsigned long look_at;

	if (!vb_holding(vb, spare, &look_at))
		return false;
	vb->relief.calm_since -= calm;
	return vb_holding(vb, spare, &look_at);
}

static void hold_off_ends_when_the_need_is_gone(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long look_at, first = msecs_to_jiffies(VB_HOLD_DEFAULT_MS);

	/* What is on its way may be needed. */
	vb_hold(vb, VB_REASON_PRESSURE, 200);
	KUNIT_EXPECT_TRUE(test, still_held_after(vb, 200, HZ));
	vb_hold_got(vb, 200, 300);
	KUNIT_EXPECT_TRUE(test, still_held_after(vb, 300, HZ));
	KUNIT_EXPECT_TRUE(test, vb_holding(vb, 301, &look_at));
	KUNIT_EXPECT_TRUE(test, time_before_eq(look_at, jiffies + HZ));
	KUNIT_EXPECT_FALSE(test, still_held_after(vb, 301, HZ / 4));

	/* Soon after it a longer one follows, which wants more calm. */
	vb_hold(vb, VB_REASON_PRESSURE, 0);
	KUNIT_EXPECT_EQ(test, vb->relief.hold_length, 2 * first);
	KUNIT_EXPECT_TRUE(test, still_held_after(vb, 1, HZ));
	KUNIT_EXPECT_TRUE(test, still_held_after(vb, 0, first / 16 + HZ));
	KUNIT_EXPECT_FALSE(test, still_held_after(vb, 1, first / 16 + HZ / 4));
}

/* A host that is slow gives back less than the need; reclaim makes some memory spare. */
static void hold_off_outlives_a_moment_of_plenty(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long look_at;

	vb_hold(vb, VB_REASON_PRESSURE, 200);
	vb_hold_got(vb, 200, 50);
	KUNIT_EXPECT_TRUE(test, still_held_after(vb, 200, HZ));
	KUNIT_EXPECT_TRUE(test, vb_holding(vb, 201, &look_at));
	KUNIT_EXPECT_TRUE(test, still_held_after(vb, 50, HZ));
	KUNIT_EXPECT_TRUE(test, vb_holding(vb, 201, &look_at));
}

/* On 32 bits the time at which it ended lies in the future again some day. */
static void hold_off_is_forgotten_at_its_end(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long until;

	vb_hold(vb, VB_REASON_PRESSURE, 0);
	KUNIT_EXPECT_TRUE(test, vb_holding(vb, 0, &until));
	set_hold(vb, jiffies - 1, jiffies);
	KUNIT_EXPECT_FALSE(test, vb_holding(vb, 0, &until));
	set_hold(vb, jiffies + 100 * HZ, jiffies + 100 * HZ);
	KUNIT_EXPECT_FALSE(test, vb_holding(vb, 0, &until));
}

/* Where jiffies have 32 bits, 0 lies in the future for minutes after boot. */
static void the_first_sample_is_not_put_off(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct vb_pressure *pressure = &softdev_balloon(dev)->pressure;
	unsigned long now = jiffies;

	KUNIT_EXPECT_TRUE(test, time_in_range(READ_ONCE(pressure->sampled_at), now - HZ * 60, now));
	KUNIT_EXPECT_TRUE(test, time_in_range(READ_ONCE(pressure->low_after), now - HZ * 60,
					      now + VB_PRESSURE_PERIOD));
}

static void no_samples_that_change_nothing(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN);
	struct vb_pressure *pressure = &softdev_balloon(dev)->pressure;
	struct vb_watch *watch = &pressure->watch;
	unsigned long before = pressure->sampled_at;
	bool active = watch->active;

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_finish_work(dev);
	watch->notify(watch, NUMA_NO_NODE);
	irq_work_sync(&pressure->irq_work);
	KUNIT_EXPECT_EQ(test, atomic_read(&pressure->pending), 0);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&pressure->work));
	if (active)
		KUNIT_EXPECT_EQ(test, READ_ONCE(pressure->sampled_at), before);

	/* A kernel without events: one look, and no more. */
	watch->active = false;
	vb_pressure_kick(softdev_balloon(dev));
	flush_delayed_work(&pressure->work);
	KUNIT_EXPECT_NE(test, READ_ONCE(pressure->sampled_at), before);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&pressure->work));
	watch->active = active;
}

/* The same with a balloon from which pages may come. */
static void a_sample_where_it_can_help(struct kunit *test)
{
	struct softdev *dev = softdev_start(test, F_MODERN | F_LENT);
	struct vb_pressure *pressure = &softdev_balloon(dev)->pressure;
	unsigned long before;

	softdev_resize(dev, SOFTDEV_SOME);
	softdev_finish_work(dev);
	before = READ_ONCE(pressure->sampled_at);
	pressure->watch.notify(&pressure->watch, NUMA_NO_NODE);
	KUNIT_EXPECT_TRUE(test, softdev_wait(READ_ONCE(pressure->sampled_at) != before));
}

static int need_init(struct kunit *test)
{
	test->priv = softdev_create(test, F_MODERN);
	return 0;
}

static void need_exit(struct kunit *test)
{
	if (test->priv)
		softdev_destroy(test->priv);
}

static struct kunit_case need_cases[] = {
	KUNIT_CASE(hold_off_outlives_new_targets),
	KUNIT_CASE(hold_off_after_oom_does_not_end_early),
	KUNIT_CASE(hold_off_is_extended_up_to_a_limit),
	KUNIT_CASE(hold_off_ends_when_the_need_is_gone),
	KUNIT_CASE(hold_off_outlives_a_moment_of_plenty),
	KUNIT_CASE(hold_off_is_forgotten_at_its_end),
	KUNIT_CASE(the_first_sample_is_not_put_off),
	KUNIT_CASE(no_samples_that_change_nothing),
	KUNIT_CASE(a_sample_where_it_can_help),
	{ }
};

static struct kunit_suite need_suite = {
	.name = "virtio_balloon_need",
	.suite_init = softdev_suite_init,
	.suite_exit = softdev_suite_exit,
	.init = need_init,
	.exit = need_exit,
	.test_cases = need_cases,
};

kunit_test_suite(need_suite);
