// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of what the balloon decides: its size (size_policy.c) and whether the
 * guest needs memory back (pressure_policy.c).
 */
#include <kunit/test.h>
#include <linux/sizes.h>

#include "../pressure_policy.h"
#include "../size_policy.h"

#define PAGES(bytes)	((unsigned long)(bytes) >> PAGE_SHIFT)

/* Close to where jiffies wrap, so that a comparison done wrong shows. */
#define NOW	(ULONG_MAX - 5)

static struct vb_size_plan decide(const struct vb_size_view *view)
{
	struct vb_size_plan plan;

	memset(&plan, 0xff, sizeof(plan));
	vb_size_decide(view, &plan);
	return plan;
}

static void size_at_target(struct kunit *test)
{
	struct vb_size_view view = {
		.target = 1000, .held = 1000, .now = NOW,
		.headroom = 5000,
	};
	struct vb_size_plan plan = decide(&view);

	KUNIT_EXPECT_EQ(test, plan.state, VB_IDLE);
	KUNIT_EXPECT_EQ(test, plan.inflate, 0);
	KUNIT_EXPECT_EQ(test, plan.deflate, 0);
	KUNIT_EXPECT_EQ(test, plan.delay, 0);
	KUNIT_EXPECT_FALSE(test, plan.out_of_puff);
}

static void size_inflates_within_headroom(struct kunit *test)
{
	struct vb_size_view view = {
		.target = 1000, .held = 400, .now = NOW, .headroom = 5000,
	};
	struct vb_size_plan plan = decide(&view);

	KUNIT_EXPECT_EQ(test, plan.state, VB_INFLATING);
	KUNIT_EXPECT_EQ(test, plan.inflate, 600);

	view.headroom = 7;
	plan = decide(&view);
	KUNIT_EXPECT_EQ(test, plan.inflate, 7);
	KUNIT_EXPECT_FALSE(test, plan.out_of_puff);

	view.headroom = 0;
	plan = decide(&view);
	KUNIT_EXPECT_EQ(test, plan.inflate, 0);
	KUNIT_EXPECT_TRUE(test, plan.out_of_puff);
}

static void size_takes_huge_target(struct kunit *test)
{
	struct vb_size_view view = {
		.target = U32_MAX, .held = 0, .now = NOW, .headroom = 12,
	};
	struct vb_size_plan plan = decide(&view);

	KUNIT_EXPECT_EQ(test, plan.inflate, 12);
	KUNIT_EXPECT_EQ(test, plan.deflate, 0);
}

static void size_one_direction_at_a_time(struct kunit *test)
{
	struct vb_size_view view = {
		.target = 100, .held = 500, .inflating = 256,
		.now = NOW, .headroom = 5000,
	};
	struct vb_size_plan plan = decide(&view);

	KUNIT_EXPECT_EQ(test, plan.state, VB_DEFLATING);
	KUNIT_EXPECT_EQ(test, plan.deflate, 0);

	view.inflating = 0;
	plan = decide(&view);
	KUNIT_EXPECT_EQ(test, plan.deflate, 400);

	view.target = 600;
	view.deflating = 256;
	plan = decide(&view);
	KUNIT_EXPECT_EQ(test, plan.state, VB_INFLATING);
	KUNIT_EXPECT_EQ(test, plan.inflate, 0);
	KUNIT_EXPECT_FALSE(test, plan.out_of_puff);
}

static void size_hold_off(struct kunit *test)
{
	struct vb_size_view view = {
		.target = 1000, .held = 400, .now = NOW, .headroom = 5000,
		.hold = true, .hold_until = NOW + 100,
	};
	struct vb_size_plan plan = decide(&view);

	KUNIT_EXPECT_EQ(test, plan.state, VB_HOLDOFF);
	KUNIT_EXPECT_EQ(test, plan.inflate, 0);
	KUNIT_EXPECT_EQ(test, plan.delay, 100);

	/* The host may give memory back at any time. */
	view.target = 300;
	plan = decide(&view);
	KUNIT_EXPECT_EQ(test, plan.state, VB_DEFLATING);
	KUNIT_EXPECT_EQ(test, plan.deflate, 100);

	view.target = 1000;
	view.now = NOW + 100;
	plan = decide(&view);
	KUNIT_EXPECT_EQ(test, plan.state, VB_INFLATING);
	KUNIT_EXPECT_EQ(test, plan.inflate, 600);
}

static void size_waits_after_failure(struct kunit *test)
{
	struct vb_size_view view = {
		.target = 1000, .held = 400, .now = NOW, .headroom = 5000,
		.retry = true, .retry_at = NOW + 50,
	};
	struct vb_size_plan plan = decide(&view);

	KUNIT_EXPECT_EQ(test, plan.inflate, 0);
	KUNIT_EXPECT_EQ(test, plan.delay, 50);
	KUNIT_EXPECT_FALSE(test, plan.out_of_puff);

	view.now = NOW + 50;
	plan = decide(&view);
	KUNIT_EXPECT_EQ(test, plan.inflate, 600);
}

static void size_backoff_grows(struct kunit *test)
{
	unsigned long backoff = vb_backoff_next(0), last = 0;
	int i;

	KUNIT_EXPECT_EQ(test, backoff, VB_BACKOFF_MIN);
	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_GE(test, backoff, last);
		last = backoff;
		backoff = vb_backoff_next(backoff);
	}
	KUNIT_EXPECT_EQ(test, backoff, VB_BACKOFF_MAX);
}

static void size_hold_grows(struct kunit *test)
{
	unsigned long first = 30 * HZ, length = vb_hold_next(0, first, false);
	int i;

	KUNIT_EXPECT_EQ(test, length, first);
	KUNIT_EXPECT_EQ(test, vb_hold_next(length, first, true), 2 * first);
	for (i = 0; i < 20; i++)
		length = vb_hold_next(length, first, true);
	KUNIT_EXPECT_EQ(test, length, VB_HOLD_GROWTH * first);
	KUNIT_EXPECT_EQ(test, vb_hold_next(length, first, false), first);
}

/* A guest of 1 GiB with much in the balloon and enough left. */
static const struct vb_pressure_sample calm = {
	.now = NOW,
	.spare = PAGES(SZ_64M),
	.reserve = PAGES(SZ_16M),
	.ram = PAGES(SZ_1G),
	.held = PAGES(SZ_512M),
};

static struct vb_pressure_verdict judge(const struct vb_pressure_sample *sample,
					struct vb_pressure_memory *memory)
{
	struct vb_pressure_verdict verdict;

	memset(&verdict, 0xff, sizeof(verdict));
	vb_pressure_judge(sample, memory, &verdict);
	return verdict;
}

static void pressure_calm(struct kunit *test)
{
	struct vb_pressure_memory memory = { };
	struct vb_pressure_verdict verdict = judge(&calm, &memory);

	KUNIT_EXPECT_FALSE(test, verdict.squeezed);
	KUNIT_EXPECT_FALSE(test, verdict.uneasy);
	KUNIT_EXPECT_EQ(test, verdict.release, 0);
	KUNIT_EXPECT_EQ(test, verdict.delay, 0);
}

static void pressure_little_left(struct kunit *test)
{
	struct vb_pressure_sample sample = calm;
	struct vb_pressure_memory memory = { };
	struct vb_pressure_verdict verdict;

	/* Where inflation stops is not yet where pressure begins. */
	sample.spare = sample.reserve;
	verdict = judge(&sample, &memory);
	KUNIT_EXPECT_EQ(test, verdict.release, 0);

	sample.spare = sample.reserve / 2;
	verdict = judge(&sample, &memory);
	KUNIT_EXPECT_TRUE(test, verdict.squeezed);
	KUNIT_EXPECT_GE(test, sample.spare + verdict.release, 2 * sample.reserve);
	KUNIT_EXPECT_LE(test, verdict.release, PAGES(SZ_64M));
	KUNIT_EXPECT_EQ(test, verdict.delay, VB_PRESSURE_PERIOD);
}

static void pressure_direct_reclaim(struct kunit *test)
{
	struct vb_pressure_sample sample = calm;
	struct vb_pressure_memory memory = { };
	struct vb_pressure_verdict verdict;

	/* With much that is cheap to free, reclaim is housekeeping. */
	sample.stalls = 3;
	verdict = judge(&sample, &memory);
	KUNIT_EXPECT_EQ(test, verdict.release, 0);
	KUNIT_EXPECT_TRUE(test, verdict.uneasy);

	sample.spare = sample.reserve + 1;
	verdict = judge(&sample, &memory);
	KUNIT_EXPECT_GT(test, verdict.release, 0);
}

/* A slow host, or one that has to be told first. */
static void pressure_what_did_not_come_is_not_used(struct kunit *test)
{
	struct vb_pressure_sample sample = calm;
	struct vb_pressure_memory memory = { };

	sample.spare = 0;
	KUNIT_EXPECT_GT(test, judge(&sample, &memory).release, 0);
	vb_pressure_got(&memory, 0);

	/* Enough has come meanwhile, and nothing was used. */
	sample.now += 1;
	sample.spare = 2 * sample.reserve;
	KUNIT_EXPECT_FALSE(test, judge(&sample, &memory).squeezed);
}

static void pressure_steps_grow(struct kunit *test)
{
	struct vb_pressure_sample sample = calm;
	struct vb_pressure_memory memory = { };
	unsigned long release, last = 0;
	int i;

	sample.spare = 0;
	sample.held = sample.ram;
	for (i = 0; i < 10; i++) {
		release = judge(&sample, &memory).release;
		KUNIT_EXPECT_GE(test, release, last);
		last = release;
		sample.now += VB_PRESSURE_PERIOD;
	}
	KUNIT_EXPECT_LE(test, last, sample.ram / 4);

	/* A need that comes later starts small. */
	sample.now += 10 * VB_PRESSURE_SOON;
	KUNIT_EXPECT_LT(test, judge(&sample, &memory).release, last);
}

static void pressure_foresees(struct kunit *test)
{
	struct vb_pressure_sample sample = calm;
	struct vb_pressure_memory memory = { };
	struct vb_pressure_verdict verdict;

	sample.spare = 0;
	verdict = judge(&sample, &memory);
	vb_pressure_got(&memory, verdict.release);

	/* Half of what was released is gone a period later: the rest will be, too. */
	sample.now += VB_PRESSURE_PERIOD;
	sample.spare = verdict.release / 2;
	KUNIT_EXPECT_GT(test, judge(&sample, &memory).release, 0);
}

static void pressure_releases_what_is_held(struct kunit *test)
{
	struct vb_pressure_sample sample = calm;
	struct vb_pressure_memory memory = { };

	sample.spare = 0;
	sample.held = 5;
	KUNIT_EXPECT_EQ(test, judge(&sample, &memory).release, 5);
	sample.held = 0;
	KUNIT_EXPECT_EQ(test, judge(&sample, &memory).release, 0);
}

static struct kunit_case size_cases[] = {
	KUNIT_CASE(size_at_target),
	KUNIT_CASE(size_inflates_within_headroom),
	KUNIT_CASE(size_takes_huge_target),
	KUNIT_CASE(size_one_direction_at_a_time),
	KUNIT_CASE(size_hold_off),
	KUNIT_CASE(size_waits_after_failure),
	KUNIT_CASE(size_backoff_grows),
	KUNIT_CASE(size_hold_grows),
	{ }
};

static struct kunit_suite size_suite = {
	.name = "virtio_balloon_size_policy",
	.test_cases = size_cases,
};

static struct kunit_case pressure_cases[] = {
	KUNIT_CASE(pressure_calm),
	KUNIT_CASE(pressure_little_left),
	KUNIT_CASE(pressure_direct_reclaim),
	KUNIT_CASE(pressure_what_did_not_come_is_not_used),
	KUNIT_CASE(pressure_steps_grow),
	KUNIT_CASE(pressure_foresees),
	KUNIT_CASE(pressure_releases_what_is_held),
	{ }
};

static struct kunit_suite pressure_suite = {
	.name = "virtio_balloon_pressure_policy",
	.test_cases = pressure_cases,
};

kunit_test_suites(&size_suite, &pressure_suite);
