// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what evacuation decides.
 */
#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "evacuate_policy.h"

#define UNIT	512

struct fixture {
	struct evacuate_unit units[EVACUATE_WINDOW];
	struct evacuate_plan plan;
};

static int evacuate_policy_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct fixture), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

static void fill(struct fixture *f, u16 free, bool quiet)
{
	int i;

	for (i = 0; i < EVACUATE_WINDOW; i++)
		f->units[i] = (struct evacuate_unit){ free, quiet };
}

static void make(struct fixture *f, unsigned int budget)
{
	evacuate_plan_make(&f->plan, f->units, EVACUATE_WINDOW, UNIT, budget);
}

static void half_full_units_pair_up(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT / 2, true);
	make(f, U32_MAX);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, EVACUATE_WINDOW / 2U);
	KUNIT_EXPECT_EQ(test, f->plan.nr_targets, EVACUATE_WINDOW / 2U);
	/* Each page moves once. */
	KUNIT_EXPECT_EQ(test, f->plan.nr_pages, EVACUATE_WINDOW / 2U * UNIT / 2);
}

static void emptiest_into_fullest(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, EVACUATE_LEAVE, true);
	f->units[7].free = 500;
	f->units[8].free = 100;
	f->units[9].free = 20;
	make(f, U32_MAX);
	KUNIT_ASSERT_EQ(test, f->plan.nr_sources, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.source[0], (u16)7);
	KUNIT_ASSERT_EQ(test, f->plan.nr_targets, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.target[0], (u16)9);
	KUNIT_EXPECT_EQ(test, f->plan.nr_pages, 12U);
}

static void whole_and_full_units_stay(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT, true);
	make(f, U32_MAX);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
	KUNIT_EXPECT_EQ(test, f->plan.nr_targets, 0U);
	/* Never into a whole unit, though there is much room. */
	f->units[0].free = 400;
	make(f, U32_MAX);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
	fill(f, 0, true);
	make(f, U32_MAX);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
}

static void restless_units_stay(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT / 2, false);
	make(f, U32_MAX);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
	f->units[3].quiet = true;
	make(f, U32_MAX);
	KUNIT_ASSERT_EQ(test, f->plan.nr_sources, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.source[0], (u16)3);
}

static void gain_exceeds_cost(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT / 8 - 1, true);
	make(f, U32_MAX);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
}

static void budget_holds(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT / 2, true);
	make(f, 1000);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 3U);
	KUNIT_EXPECT_LE(test, f->plan.nr_pages, 1000U);
}

static void random_plans_are_sound(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct rnd_state rnd;
	int round, i;

	prandom_seed_state(&rnd, 20240117);
	for (round = 0; round < 200; round++) {
		unsigned int room = 0, used = 0;
		DECLARE_BITMAP(seen, EVACUATE_WINDOW) = {};

		for (i = 0; i < EVACUATE_WINDOW; i++) {
			u32 r = prandom_u32_state(&rnd);

			f->units[i].free = r % 7 ? r % (UNIT + 1) : EVACUATE_LEAVE;
			f->units[i].quiet = r & BIT(20);
		}
		make(f, 20000);
		for (i = 0; i < f->plan.nr_sources; i++) {
			u16 s = f->plan.source[i];

			KUNIT_EXPECT_FALSE(test, __test_and_set_bit(s, seen));
			KUNIT_EXPECT_TRUE(test, f->units[s].quiet);
			KUNIT_EXPECT_LT(test, f->units[s].free, UNIT);
			used += UNIT - f->units[s].free;
		}
		for (i = 0; i < f->plan.nr_targets; i++) {
			u16 t = f->plan.target[i];

			/* No unit is both, or twice. */
			KUNIT_EXPECT_FALSE(test, __test_and_set_bit(t, seen));
			KUNIT_EXPECT_LT(test, f->units[t].free, UNIT);
			room += f->units[t].free;
		}
		KUNIT_EXPECT_EQ(test, used, f->plan.nr_pages);
		KUNIT_EXPECT_LE(test, used, room);
		KUNIT_EXPECT_LE(test, used, 20000U);
	}
}

static void quiet_takes_time(struct kunit *test)
{
	unsigned long now = (U16_MAX - 3UL) * EVACUATE_TICK;
	struct evacuate_seen seen = {};

	KUNIT_EXPECT_FALSE(test, evacuate_look(&seen, 100, now));
	KUNIT_EXPECT_FALSE(test, evacuate_look(&seen, 100, now + EVACUATE_QUIET / 2));
	now += EVACUATE_QUIET + EVACUATE_TICK;
	KUNIT_EXPECT_TRUE(test, evacuate_look(&seen, 100, now));
	KUNIT_EXPECT_TRUE(test, evacuate_look(&seen, 100, now));
	KUNIT_EXPECT_FALSE(test, evacuate_look(&seen, 101, now));
	now += EVACUATE_QUIET + EVACUATE_TICK;
	KUNIT_EXPECT_TRUE(test, evacuate_look(&seen, 101, now));

	/* After a failure it has to earn it again. */
	evacuate_forget(&seen);
	KUNIT_EXPECT_FALSE(test, evacuate_look(&seen, 101, now));
	now += EVACUATE_QUIET + EVACUATE_TICK;
	KUNIT_EXPECT_TRUE(test, evacuate_look(&seen, 101, now));
}

static void idle_means_nine_tenths(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, evacuate_idle(1800, 1000, 2));
	KUNIT_EXPECT_FALSE(test, evacuate_idle(1799, 1000, 2));
	KUNIT_EXPECT_FALSE(test, evacuate_idle(0, 0, 2));
}

static void looks_become_seldom(struct kunit *test)
{
	unsigned long t = EVACUATE_LOOK_MIN;
	int i;

	for (i = 0; i < 10; i++)
		t = evacuate_next_look(t, false);
	KUNIT_EXPECT_EQ(test, t, (unsigned long)EVACUATE_LOOK_MAX);
	KUNIT_EXPECT_EQ(test, evacuate_next_look(t, true),
			(unsigned long)EVACUATE_LOOK_MIN);
}

static struct kunit_case evacuate_policy_cases[] = {
	KUNIT_CASE(half_full_units_pair_up),
	KUNIT_CASE(emptiest_into_fullest),
	KUNIT_CASE(whole_and_full_units_stay),
	KUNIT_CASE(restless_units_stay),
	KUNIT_CASE(gain_exceeds_cost),
	KUNIT_CASE(budget_holds),
	KUNIT_CASE(random_plans_are_sound),
	KUNIT_CASE(quiet_takes_time),
	KUNIT_CASE(idle_means_nine_tenths),
	KUNIT_CASE(looks_become_seldom),
	{}
};

static struct kunit_suite evacuate_policy_suite = {
	.name = "page_reporting_evacuate",
	.init = evacuate_policy_init,
	.test_cases = evacuate_policy_cases,
};

kunit_test_suite(evacuate_policy_suite);
