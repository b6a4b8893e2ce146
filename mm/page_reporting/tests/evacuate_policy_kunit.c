// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what evacuation decides.
 */
#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "../evacuate_policy.h"

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

static void fill(struct fixture *f, u16 free, bool source)
{
	int i;

	for (i = 0; i < EVACUATE_WINDOW; i++)
		f->units[i] = (struct evacuate_unit){ free, true, source };
}

static void make(struct fixture *f)
{
	fpr_evacuate_plan_make(&f->plan, f->units, EVACUATE_WINDOW, UNIT);
}

static void half_full_units_pair_up(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT / 2, true);
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, EVACUATE_WINDOW / 2U);
	KUNIT_EXPECT_EQ(test, f->plan.nr_targets, EVACUATE_WINDOW / 2U);
	/* Each page moves once. */
	KUNIT_EXPECT_EQ(test, f->plan.nr_pages, EVACUATE_WINDOW / 2U * UNIT / 2);
}

/* One unit is to be emptied, into another one. */
static void expect_move(struct kunit *test, u16 source, u16 target)
{
	struct fixture *f = test->priv;

	make(f);
	KUNIT_ASSERT_EQ(test, f->plan.nr_sources, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.source[0], source);
	KUNIT_ASSERT_EQ(test, f->plan.nr_targets, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.target[0], target);
}

static void emptiest_into_fullest(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, 0, true);
	f->units[7].free = 500;
	f->units[8].free = 100;
	f->units[9].free = 20;
	expect_move(test, 7, 9);
	KUNIT_EXPECT_EQ(test, f->plan.nr_pages, 12U);
}

static void blocked_units_are_filled_first(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, 0, true);
	f->units[7].free = 500;
	f->units[8] = (struct evacuate_unit){ 500, true, false };
	f->units[9].free = 20;
	expect_move(test, 7, 8);
	/* A source that must not be filled is not. */
	f->units[8].target = false;
	f->units[9].target = false;
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
}

static void kernel_units_are_filled_last(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, 0, true);
	f->units[3] = (struct evacuate_unit){ .free = 300, .target = true, .kernel = true };
	f->units[4] = (struct evacuate_unit){ .free = 40, .target = true, .kernel = true };
	f->units[7].free = 500;
	f->units[8].free = 400;
	expect_move(test, 7, 8);

	/* No other has room: the fullest of the kernel's first. */
	f->units[7].free = 300;
	f->units[8].free = 0;
	make(f);
	KUNIT_ASSERT_EQ(test, f->plan.nr_sources, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.source[0], (u16)7);
	KUNIT_ASSERT_EQ(test, f->plan.nr_targets, 2U);
	KUNIT_EXPECT_EQ(test, f->plan.target[0], (u16)4);
	KUNIT_EXPECT_EQ(test, f->plan.target[1], (u16)3);
}

static void full_units_go_into_the_kernels_holes(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, 0, true);
	f->units[3] = (struct evacuate_unit){ .free = 300, .target = true, .kernel = true };
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);

	/* One more unit of holes than a full unit has pages; nearly full ones go first. */
	f->units[4] = (struct evacuate_unit){ .free = 220, .target = true, .kernel = true };
	make(f);
	KUNIT_ASSERT_EQ(test, f->plan.nr_sources, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.source[0], (u16)(EVACUATE_WINDOW - 1));
	KUNIT_EXPECT_EQ(test, f->plan.nr_targets, 2U);
	KUNIT_EXPECT_EQ(test, f->plan.nr_pages, UNIT);
	f->units[9].free = 20;
	make(f);
	KUNIT_ASSERT_EQ(test, f->plan.nr_sources, 1U);
	KUNIT_EXPECT_EQ(test, f->plan.source[0], (u16)9);

	/* Where a sparse unit needs the holes, it has them. */
	f->units[7].free = 100;
	make(f);
	KUNIT_ASSERT_GT(test, f->plan.nr_sources, 0U);
	KUNIT_EXPECT_EQ(test, f->plan.source[0], (u16)7);

	/* What cannot be emptied stays. */
	fill(f, 0, false);
	f->units[3] = (struct evacuate_unit){ .free = 300, .target = true, .kernel = true };
	f->units[4] = (struct evacuate_unit){ .free = 220, .target = true, .kernel = true };
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
}

static void whole_and_full_units_stay(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT, true);
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
	KUNIT_EXPECT_EQ(test, f->plan.nr_targets, 0U);
	/* Not into a whole unit, though there is much room. */
	f->units[0].free = 400;
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
	fill(f, 0, true);
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
}

static void gain_exceeds_cost(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill(f, UNIT / 8 - 1, true);
	make(f);
	KUNIT_EXPECT_EQ(test, f->plan.nr_sources, 0U);
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

			f->units[i].free = r % (UNIT + 1);
			f->units[i].source = r & BIT(20);
			f->units[i].target = r & BIT(21);
			f->units[i].kernel = (r & BIT(22)) && !f->units[i].source;
		}
		make(f);
		for (i = 0; i < f->plan.nr_sources; i++) {
			u16 s = f->plan.source[i];

			KUNIT_EXPECT_FALSE(test, __test_and_set_bit(s, seen));
			KUNIT_EXPECT_TRUE(test, f->units[s].source);
			KUNIT_EXPECT_LT(test, f->units[s].free, UNIT);
			used += UNIT - f->units[s].free;
		}
		for (i = 0; i < f->plan.nr_targets; i++) {
			u16 t = f->plan.target[i];

			/* No unit is both, or twice. */
			KUNIT_EXPECT_FALSE(test, __test_and_set_bit(t, seen));
			KUNIT_EXPECT_TRUE(test, f->units[t].target);
			KUNIT_EXPECT_LT(test, f->units[t].free, UNIT);
			room += f->units[t].free;
		}
		KUNIT_EXPECT_EQ(test, used, f->plan.nr_pages);
		KUNIT_EXPECT_LE(test, used, room);
	}
}

static void quiet_takes_time(struct kunit *test)
{
	unsigned long now = (U16_MAX - 3UL) * EVACUATE_TICK;
	struct evacuate_seen seen = {};

	KUNIT_EXPECT_FALSE(test, fpr_evacuate_look(&seen, 100, now));
	KUNIT_EXPECT_FALSE(test, fpr_evacuate_look(&seen, 100, now + EVACUATE_QUIET / 2));
	now += EVACUATE_QUIET + EVACUATE_TICK;
	KUNIT_EXPECT_TRUE(test, fpr_evacuate_look(&seen, 100, now));
	KUNIT_EXPECT_TRUE(test, fpr_evacuate_look(&seen, 100, now));
	KUNIT_EXPECT_FALSE(test, fpr_evacuate_look(&seen, 101, now));
	now += EVACUATE_QUIET + EVACUATE_TICK;
	KUNIT_EXPECT_TRUE(test, fpr_evacuate_look(&seen, 101, now));

	KUNIT_EXPECT_EQ(test, seen.failures, 0);
}

/* What the admin guide says evacuation costs in memory. */
static void six_bytes_a_unit(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(struct evacuate_seen), (size_t)6);
}

static void failure_makes_wait(struct kunit *test)
{
	unsigned long now = 1000UL * HZ, wait = EVACUATE_QUIET, early;
	struct evacuate_seen seen = {};
	int i;

	fpr_evacuate_look(&seen, 100, now);
	for (i = 0; i < 8; i++) {
		fpr_evacuate_failed(&seen, now);
		wait *= 2;
		/* Ticks are whole, and what that takes away doubles as well. */
		early = now + wait - wait / 16 - 2 * EVACUATE_TICK;
		KUNIT_EXPECT_FALSE(test, fpr_evacuate_look(&seen, 100, early));
		KUNIT_EXPECT_TRUE(test, fpr_evacuate_look(&seen, 100, now + wait + EVACUATE_TICK));
	}
	for (i = 0; i < 100; i++)
		fpr_evacuate_failed(&seen, now);
	KUNIT_EXPECT_LE(test, seen.failures, EVACUATE_BACKOFF_MAX);
}

static void large_folios_need_large_holes(struct kunit *test)
{
	unsigned int have[NR_PAGE_ORDERS] = {}, need[NR_PAGE_ORDERS] = {};

	KUNIT_EXPECT_TRUE(test, fpr_evacuate_fits(have, need));
	have[0] = 100;
	need[0] = 100;
	KUNIT_EXPECT_TRUE(test, fpr_evacuate_fits(have, need));
	/* Much room, but none that is large enough. */
	need[0] = 0;
	need[4] = 1;
	KUNIT_EXPECT_FALSE(test, fpr_evacuate_fits(have, need));
	have[5] = 1;
	KUNIT_EXPECT_TRUE(test, fpr_evacuate_fits(have, need));
	need[4] = 2;
	KUNIT_EXPECT_TRUE(test, fpr_evacuate_fits(have, need));
	need[0] = 101;
	KUNIT_EXPECT_FALSE(test, fpr_evacuate_fits(have, need));
	need[4] = 1;
	KUNIT_EXPECT_TRUE(test, fpr_evacuate_fits(have, need));
	need[0] = 117;
	KUNIT_EXPECT_FALSE(test, fpr_evacuate_fits(have, need));
}

static void share_follows_idle_time(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fpr_evacuate_share(500, 1000), (unsigned int)EVACUATE_SHARE_IDLE);
	KUNIT_EXPECT_EQ(test, fpr_evacuate_share(499, 1000), (unsigned int)EVACUATE_SHARE_BUSY);
	KUNIT_EXPECT_EQ(test, fpr_evacuate_share(0, 0), (unsigned int)EVACUATE_SHARE_BUSY);
}

static void pauses_keep_to_the_share(struct kunit *test)
{
	/* 10 ms at 2 %: 490 ms of rest. */
	KUNIT_EXPECT_GE(test, fpr_evacuate_pause(10000, 2, 0), msecs_to_jiffies(490));
	KUNIT_EXPECT_LE(test, fpr_evacuate_pause(10000, 2, 0), msecs_to_jiffies(490) + 2);
	KUNIT_EXPECT_GE(test, fpr_evacuate_pause(10000, 25, 0), msecs_to_jiffies(30));
	/* Not more than so many page frames a second, however fast that was. */
	KUNIT_EXPECT_GE(test, fpr_evacuate_pause(0, 25, EVACUATE_LOOK_PAGES), (unsigned long)HZ);
	KUNIT_EXPECT_EQ(test, fpr_evacuate_pause(0, 25, 0), 1UL);
}

static struct kunit_case evacuate_policy_cases[] = {
	KUNIT_CASE(half_full_units_pair_up),
	KUNIT_CASE(emptiest_into_fullest),
	KUNIT_CASE(blocked_units_are_filled_first),
	KUNIT_CASE(kernel_units_are_filled_last),
	KUNIT_CASE(full_units_go_into_the_kernels_holes),
	KUNIT_CASE(whole_and_full_units_stay),
	KUNIT_CASE(gain_exceeds_cost),
	KUNIT_CASE(random_plans_are_sound),
	KUNIT_CASE(quiet_takes_time),
	KUNIT_CASE(six_bytes_a_unit),
	KUNIT_CASE(failure_makes_wait),
	KUNIT_CASE(large_folios_need_large_holes),
	KUNIT_CASE(share_follows_idle_time),
	KUNIT_CASE(pauses_keep_to_the_share),
	{}
};

static struct kunit_suite evacuate_policy_suite = {
	.name = "page_reporting_evacuate",
	.init = evacuate_policy_init,
	.test_cases = evacuate_policy_cases,
};

kunit_test_suite(evacuate_policy_suite);
