// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the policy and of the arithmetic on records.
 */
#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/limits.h>

#include "granule.h"
#include "policy.h"

#define BASE	((unsigned long)HZ)

static u32 dirty(unsigned int heat, unsigned long since)
{
	return granule_make(GRANULE_DIRTY, heat, since);
}

static void record_keeps_fields(struct kunit *test)
{
	unsigned int kind, heat;

	for (kind = GRANULE_NONE; kind <= GRANULE_REPORTED; kind++) {
		for (heat = 0; heat <= GRANULE_HEAT_MAX; heat++) {
			u32 g = granule_make(kind, heat, ULONG_MAX);

			KUNIT_EXPECT_EQ(test, (unsigned int)granule_kind(g), kind);
			KUNIT_EXPECT_EQ(test, granule_heat(g), heat);
			KUNIT_EXPECT_EQ(test, granule_age(g, ULONG_MAX), 0UL);
		}
	}
}

static void heat_saturates_in_record(struct kunit *test)
{
	u32 g = granule_make(GRANULE_DIRTY, GRANULE_HEAT_MAX + 9, 0);

	KUNIT_EXPECT_EQ(test, granule_heat(g), GRANULE_HEAT_MAX);
	KUNIT_EXPECT_EQ(test, (int)granule_kind(g), (int)GRANULE_DIRTY);
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
			KUNIT_EXPECT_EQ(test, granule_age(dirty(0, since[i]),
							  since[i] + ages[j]),
					ages[j]);
}

static void age_beyond_range_is_new(struct kunit *test)
{
	u32 g = dirty(0, 500);

	KUNIT_EXPECT_EQ(test, granule_age(g, 500 + GRANULE_AGE_MAX + 1), 0UL);
	/* A stamp from a clock that was a little ahead. */
	KUNIT_EXPECT_EQ(test, granule_age(g, 498), 0UL);
}

static void delay_doubles_with_heat(struct kunit *test)
{
	unsigned int heat;

	for (heat = 0; heat <= GRANULE_HEAT_MAX; heat++)
		KUNIT_EXPECT_EQ(test, policy_delay(BASE, heat), BASE << heat);
}

static void delay_is_always_reached(struct kunit *test)
{
	unsigned int heat;

	for (heat = 0; heat <= GRANULE_HEAT_MAX; heat++) {
		unsigned long delay = policy_delay(ULONG_MAX, heat);

		KUNIT_EXPECT_LE(test, delay, (unsigned long)GRANULE_AGE_MAX);
		KUNIT_EXPECT_TRUE(test, policy_due(dirty(heat, 7), 7 + delay, ULONG_MAX));
	}
}

static void due_when_cold(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, policy_due(dirty(0, 0), 0, BASE));
	KUNIT_EXPECT_FALSE(test, policy_due(dirty(0, 0), BASE / 2, BASE));
	KUNIT_EXPECT_TRUE(test, policy_due(dirty(0, 0), BASE, BASE));
	/* What falls due soon goes along ... */
	KUNIT_EXPECT_TRUE(test, policy_due(dirty(0, 0), BASE - BASE / 4, BASE));
	/* ... but what is hot waits for its own time. */
	KUNIT_EXPECT_FALSE(test, policy_due(dirty(2, 0), BASE, BASE));
	KUNIT_EXPECT_TRUE(test, policy_due(dirty(2, 0), 4 * BASE, BASE));
	/* The smallest delay means the next tick, not this one. */
	KUNIT_EXPECT_FALSE(test, policy_due(dirty(0, 9), 9, 1));
	KUNIT_EXPECT_TRUE(test, policy_due(dirty(0, 9), 10, 1));
}

static void due_in_counts_down(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, policy_due_in(dirty(0, 100), 100, BASE), BASE);
	KUNIT_EXPECT_EQ(test, policy_due_in(dirty(1, 100), 100 + BASE, BASE), BASE);
	KUNIT_EXPECT_EQ(test, policy_due_in(dirty(0, 100), 100 + 2 * BASE, BASE), 0UL);
}

static void budget_leaves_the_zone_alone(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, policy_request_budget(1000, 2000, 1024), 0UL);
	KUNIT_EXPECT_EQ(test, policy_request_budget(2000, 2000, 1024), 0UL);
	KUNIT_EXPECT_EQ(test, policy_request_budget(2000 + 4 * 1024 - 1, 2000, 1024), 0UL);
	/* One block fits as soon as anything does. */
	KUNIT_EXPECT_EQ(test, policy_request_budget(2000 + 4 * 1024, 2000, 1024), 1024UL);
	KUNIT_EXPECT_EQ(test, policy_request_budget(2000 + 80000, 2000, 1024), 10000UL);
}

static void sleep_fits_what_waits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, policy_sleep(2000, 1000, 3 * BASE, BASE), 3 * BASE);
	/* Never again and again for what trickles in. */
	KUNIT_EXPECT_EQ(test, policy_sleep(2000, 1000, 1, BASE), BASE / 4);
	KUNIT_EXPECT_EQ(test, policy_sleep(2000, 1000, 0, 1),
			(unsigned long)POLICY_MIN_SLEEP);
	KUNIT_EXPECT_EQ(test, policy_sleep(0, 0, 1, BASE), MAX_JIFFY_OFFSET);
	/* Crumbs wait, but not for ever. */
	KUNIT_EXPECT_EQ(test, policy_sleep(999, 1000, 1, BASE),
			(unsigned long)POLICY_CRUMBS);
}

static void neighbours_coalesce(struct kunit *test)
{
	const unsigned long sec = 32768, max = 65536;

	KUNIT_EXPECT_TRUE(test, policy_coalesce(512, 512, sec, 512, 512, max));
	/* Not neighbours. */
	KUNIT_EXPECT_FALSE(test, policy_coalesce(512, 1024, sec, 512, 512, max));
	KUNIT_EXPECT_FALSE(test, policy_coalesce(1024, 512, sec, 512, 512, max));
	/* Not across a section. */
	KUNIT_EXPECT_FALSE(test, policy_coalesce(sec, sec, sec, 512, 512, max));
	/* Not beyond what the device takes; and some take blocks one by one. */
	KUNIT_EXPECT_TRUE(test, policy_coalesce(1024, 1024, sec, 512, 512, 1024));
	KUNIT_EXPECT_FALSE(test, policy_coalesce(1024, 1024, sec, 513, 512, 1024));
	KUNIT_EXPECT_FALSE(test, policy_coalesce(512, 512, sec, 512, 512, 0));
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(record_keeps_fields),
	KUNIT_CASE(heat_saturates_in_record),
	KUNIT_CASE(age_survives_wrap),
	KUNIT_CASE(age_beyond_range_is_new),
	KUNIT_CASE(delay_doubles_with_heat),
	KUNIT_CASE(delay_is_always_reached),
	KUNIT_CASE(due_when_cold),
	KUNIT_CASE(due_in_counts_down),
	KUNIT_CASE(budget_leaves_the_zone_alone),
	KUNIT_CASE(sleep_fits_what_waits),
	KUNIT_CASE(neighbours_coalesce),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "page_reporting_policy",
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
