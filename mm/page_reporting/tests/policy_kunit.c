// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the policy and of the arithmetic on records.
 */
#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/limits.h>

#include "../granule.h"
#include "../policy.h"

#define BASE	((unsigned long)HZ)
#define SLACK	(BASE / 4)

static u32 dirty(unsigned long since)
{
	return granule_make(GRANULE_DIRTY, since);
}

static void record_keeps_fields(struct kunit *test)
{
	unsigned int kind;

	for (kind = GRANULE_NONE; kind < NR_GRANULE_KINDS; kind++) {
		u32 g = granule_make(kind, ULONG_MAX);

		KUNIT_EXPECT_EQ(test, (unsigned int)granule_kind(g), kind);
		KUNIT_EXPECT_EQ(test, granule_age(g, ULONG_MAX), 0UL);
	}
}

static void age_survives_wrap(struct kunit *test)
{
	static const unsigned long since[] = {
		0, 1, 1000, GRANULE_STAMP_MASK, GRANULE_STAMP_MASK - 5,
		U32_MAX, ULONG_MAX, ULONG_MAX - 100,
	};
	static const unsigned long ages[] = { 0, 1, HZ, 3600UL * HZ, GRANULE_AGE_MAX };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(since); i++)
		for (j = 0; j < ARRAY_SIZE(ages); j++)
			KUNIT_EXPECT_EQ(test, granule_age(dirty(since[i]), since[i] + ages[j]),
					ages[j]);
}

static void age_beyond_range_is_new(struct kunit *test)
{
	u32 g = dirty(500);

	KUNIT_EXPECT_EQ(test, granule_age(g, 500 + GRANULE_AGE_MAX + 1), 0UL);
	/* A stamp from a clock that was a little ahead. */
	KUNIT_EXPECT_EQ(test, granule_age(g, 498), 0UL);
}

static void due_when_cold(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, fpr_policy_due(dirty(0), 0, BASE, SLACK));
	KUNIT_EXPECT_FALSE(test, fpr_policy_due(dirty(0), BASE / 2, BASE, SLACK));
	KUNIT_EXPECT_TRUE(test, fpr_policy_due(dirty(0), BASE, BASE, SLACK));
	/* What falls due soon goes along. */
	KUNIT_EXPECT_TRUE(test, fpr_policy_due(dirty(0), BASE - SLACK, BASE, SLACK));
	KUNIT_EXPECT_FALSE(test, fpr_policy_due(dirty(0), BASE - SLACK - 1, BASE, SLACK));
	/* The smallest delay means the next tick, not this one. */
	KUNIT_EXPECT_FALSE(test, fpr_policy_due(dirty(9), 9, 1, 0));
	KUNIT_EXPECT_TRUE(test, fpr_policy_due(dirty(9), 10, 1, 0));
	/* No delay means now. */
	KUNIT_EXPECT_TRUE(test, fpr_policy_due(dirty(9), 9, 0, 0));
}

static void due_in_counts_down(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fpr_policy_due_in(dirty(100), 100, BASE), BASE);
	KUNIT_EXPECT_EQ(test, fpr_policy_due_in(dirty(100), 100 + BASE / 2, BASE), BASE - BASE / 2);
	KUNIT_EXPECT_EQ(test, fpr_policy_due_in(dirty(100), 100 + 2 * BASE, BASE), 0UL);
}

static void spare_leaves_out_reserves(struct kunit *test)
{
	struct policy_zone z = { .free = 10000, .high = 1000 };

	KUNIT_EXPECT_EQ(test, fpr_policy_spare(&z), 9000UL);
	/* What others cannot allocate is not theirs to miss. */
	z.cma = 7000;
	z.highatomic = 500;
	KUNIT_EXPECT_EQ(test, fpr_policy_spare(&z), 1500UL);
	z.reserve = 700;
	KUNIT_EXPECT_EQ(test, fpr_policy_spare(&z), 800UL);
	/* A reserve larger than the zone leaves half of what is usable. */
	z.reserve = 100000;
	KUNIT_EXPECT_EQ(test, fpr_policy_spare(&z), 250UL);
	z.free = 8000;
	KUNIT_EXPECT_EQ(test, fpr_policy_spare(&z), 0UL);
	/* Counters are not exact. */
	z.free = 7000;
	KUNIT_EXPECT_EQ(test, fpr_policy_spare(&z), 0UL);
}

static void budget_leaves_the_zone_alone(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fpr_policy_budget(0, 512), 0UL);
	KUNIT_EXPECT_EQ(test, fpr_policy_budget(1023, 512), 0UL);
	/* One granule fits as soon as anything does. */
	KUNIT_EXPECT_EQ(test, fpr_policy_budget(1024, 512), 512UL);
	KUNIT_EXPECT_EQ(test, fpr_policy_budget(80000, 512), 10000UL);
}

static void sleep_fits_what_waits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fpr_policy_sleep(2000, 1000, 3 * BASE), 3 * BASE);
	KUNIT_EXPECT_EQ(test, fpr_policy_sleep(2000, 1000, 0), (unsigned long)POLICY_MIN_SLEEP);
	/* Crumbs wait, but not for ever. */
	KUNIT_EXPECT_EQ(test, fpr_policy_sleep(999, 1000, 1), (unsigned long)POLICY_CRUMBS);
}

static void retries_become_seldom(struct kunit *test)
{
	unsigned long t = fpr_policy_retry(0);
	int i;

	KUNIT_EXPECT_EQ(test, t, (unsigned long)POLICY_RETRY_MIN);
	KUNIT_EXPECT_EQ(test, fpr_policy_retry(t), 2 * t);
	for (i = 0; i < 10; i++)
		t = fpr_policy_retry(t);
	KUNIT_EXPECT_EQ(test, t, (unsigned long)POLICY_RETRY_MAX);
}

static void neighbours_coalesce(struct kunit *test)
{
	const unsigned long sec = 32768, max = 65536;

	KUNIT_EXPECT_TRUE(test, fpr_policy_coalesce(512, 512, sec, 512, 512, max));
	/* Not neighbours. */
	KUNIT_EXPECT_FALSE(test, fpr_policy_coalesce(512, 1024, sec, 512, 512, max));
	KUNIT_EXPECT_FALSE(test, fpr_policy_coalesce(1024, 512, sec, 512, 512, max));
	/* Not across a section. */
	KUNIT_EXPECT_FALSE(test, fpr_policy_coalesce(sec, sec, sec, 512, 512, max));
	/* Not beyond what the device takes; and some take blocks one by one. */
	KUNIT_EXPECT_TRUE(test, fpr_policy_coalesce(1024, 1024, sec, 512, 512, 1024));
	KUNIT_EXPECT_FALSE(test, fpr_policy_coalesce(1024, 1024, sec, 513, 512, 1024));
	KUNIT_EXPECT_FALSE(test, fpr_policy_coalesce(512, 512, sec, 512, 512, 0));
}

/* Every range falls apart into aligned blocks that cover it exactly. */
static void pieces_cover_a_range(struct kunit *test)
{
	unsigned long start, end, pfn;

	KUNIT_EXPECT_EQ(test, fpr_policy_piece_order(0, 1024), 10U);
	KUNIT_EXPECT_EQ(test, fpr_policy_piece_order(1024, 1023), 9U);
	KUNIT_EXPECT_EQ(test, fpr_policy_piece_order(6, 1024), 1U);
	for (start = 0; start < 70; start++) {
		for (end = start + 1; end < 140; end++) {
			for (pfn = start; pfn < end; ) {
				unsigned long nr = 1UL << fpr_policy_piece_order(pfn, end - pfn);

				KUNIT_ASSERT_EQ(test, pfn % nr, 0UL);
				pfn += nr;
			}
			KUNIT_ASSERT_EQ(test, pfn, end);
		}
	}
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(record_keeps_fields),
	KUNIT_CASE(age_survives_wrap),
	KUNIT_CASE(age_beyond_range_is_new),
	KUNIT_CASE(due_when_cold),
	KUNIT_CASE(due_in_counts_down),
	KUNIT_CASE(spare_leaves_out_reserves),
	KUNIT_CASE(budget_leaves_the_zone_alone),
	KUNIT_CASE(sleep_fits_what_waits),
	KUNIT_CASE(retries_become_seldom),
	KUNIT_CASE(neighbours_coalesce),
	KUNIT_CASE(pieces_cover_a_range),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "page_reporting_policy",
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
