// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the pace: what makes the delay longer, and shorter again.
 */
#include <kunit/test.h>
#include <linux/jiffies.h>

#include "../granule.h"
#include "../pace.h"

#define BASE	((unsigned long)HZ)
#define JOB	(32UL * PACE_WORTH)
#define PIECE	512UL

/* A job frees memory, which is reported after @waited and taken again at @gap. */
static void come_again(struct pace *pace, unsigned long nr, unsigned long waited,
		       unsigned long gap, unsigned long *now)
{
	unsigned long i;

	fpr_pace_reported(pace, nr, waited, *now + waited);
	*now += gap;
	for (i = 0; i < nr / PIECE; i++)
		fpr_pace_taken(pace, PIECE, fpr_pace_is_mistake(pace, 0, *now), *now);
}

static void starts_at_the_base(struct kunit *test)
{
	struct pace pace = {};

	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, 1000 * BASE), BASE);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, 0, 1000 * BASE), 0UL);
}

static void job_that_comes_again_is_waited_for(struct kunit *test)
{
	unsigned long now = 1000 * BASE, gap = 3 * BASE, delay;
	struct pace pace = {};

	come_again(&pace, JOB, BASE, gap, &now);
	delay = fpr_pace_delay(&pace, BASE, now);
	KUNIT_EXPECT_GT(test, delay, gap);
	KUNIT_EXPECT_LE(test, delay, 2 * gap);
	/* And it stays that long while that is useful. */
	for (int i = 0; i < 100; i++) {
		now += 5 * BASE;
		fpr_pace_kept(&pace, gap, BASE, now);
		KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, now), delay);
	}
	/* What would have been kept anyway is no use. */
	now += PACE_COOLING;
	fpr_pace_kept(&pace, BASE - 1, BASE, now);
	KUNIT_EXPECT_LT(test, fpr_pace_delay(&pace, BASE, now), delay);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, now + 10 * PACE_COOLING), BASE);
}

static void delay_has_a_limit(struct kunit *test)
{
	unsigned long now = 1000 * BASE;
	struct pace pace = {};

	come_again(&pace, JOB, 100 * BASE, 101 * BASE, &now);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, now), PACE_MAX * BASE);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, 0, now), 0UL);
}

/* A delay that is long anyway does not become hours. */
static void long_delay_hardly_grows(struct kunit *test)
{
	unsigned long base = 20 * HZ, now = 1000 * BASE;
	struct pace pace = {};

	/* What had been free for longer than this does not count. */
	come_again(&pace, JOB, GRANULE_LONG_AGO - 1, GRANULE_LONG_AGO + PACE_SOON - 2, &now);
	KUNIT_EXPECT_GT(test, fpr_pace_delay(&pace, base, now), base);
	KUNIT_EXPECT_LE(test, fpr_pace_delay(&pace, base, now), 60UL * HZ);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, 600UL * HZ, now), 600UL * HZ);
}

static void little_memory_holds_up_nothing(struct kunit *test)
{
	unsigned long now = 1000 * BASE;
	struct pace pace = {};

	come_again(&pace, PACE_WORTH / 2, BASE, 2 * BASE, &now);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, now), BASE);

	/* A small job beside a large burst. */
	now += 100 * BASE;
	fpr_pace_reported(&pace, JOB, BASE, now);
	for (unsigned long i = 0; i < JOB / PACE_SHARE / PIECE - 1; i++)
		fpr_pace_taken(&pace, PIECE, true, now + BASE);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, now + BASE), BASE);
}

/* Of what a large job takes little had been reported just before. */
static void large_job_is_not_held_up(struct kunit *test)
{
	unsigned long now = 1000 * BASE, i;
	struct pace pace = {};

	fpr_pace_reported(&pace, 2 * PACE_WORTH, BASE, now);
	now += BASE;
	for (i = 0; i < JOB / PIECE; i++)
		fpr_pace_taken(&pace, PIECE, fpr_pace_is_mistake(&pace, 0, now), now);
	KUNIT_EXPECT_EQ(test, pace.reused, 2UL * PACE_WORTH);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, now), BASE);
	KUNIT_EXPECT_EQ(test, fpr_pace_delay(&pace, BASE, now + 2 * PACE_SOON), BASE);
}

static void late_reuse_is_no_mistake(struct kunit *test)
{
	unsigned long now = 1000 * BASE;
	struct pace pace = {};

	fpr_pace_reported(&pace, JOB, BASE, now);
	KUNIT_EXPECT_TRUE(test, fpr_pace_is_mistake(&pace, 0, now + PACE_SOON - 1));
	KUNIT_EXPECT_FALSE(test, fpr_pace_is_mistake(&pace, 0, now + PACE_SOON));
}

static void reuse_beside_dirty_memory_is_no_mistake(struct kunit *test)
{
	unsigned long now = 1000 * BASE;
	struct pace pace = {};

	fpr_pace_reported(&pace, JOB, BASE, now);
	KUNIT_EXPECT_FALSE(test, fpr_pace_is_mistake(&pace, JOB, now));
	/* No more mistakes than what was reported. */
	fpr_pace_taken(&pace, JOB, true, now);
	KUNIT_EXPECT_FALSE(test, fpr_pace_is_mistake(&pace, 0, now));
}

static void clock_may_wrap(struct kunit *test)
{
	unsigned long now = ULONG_MAX - BASE, delay;
	struct pace pace = {};

	come_again(&pace, JOB, BASE, 3 * BASE, &now);
	delay = fpr_pace_delay(&pace, BASE, now);
	KUNIT_EXPECT_GT(test, delay, 3 * BASE);
	KUNIT_EXPECT_LE(test, delay, 6 * BASE);
}

static struct kunit_case pace_cases[] = {
	KUNIT_CASE(starts_at_the_base),
	KUNIT_CASE(job_that_comes_again_is_waited_for),
	KUNIT_CASE(delay_has_a_limit),
	KUNIT_CASE(long_delay_hardly_grows),
	KUNIT_CASE(little_memory_holds_up_nothing),
	KUNIT_CASE(large_job_is_not_held_up),
	KUNIT_CASE(late_reuse_is_no_mistake),
	KUNIT_CASE(reuse_beside_dirty_memory_is_no_mistake),
	KUNIT_CASE(clock_may_wrap),
	{}
};

static struct kunit_suite pace_suite = {
	.name = "page_reporting_pace",
	.test_cases = pace_cases,
};

kunit_test_suite(pace_suite);
