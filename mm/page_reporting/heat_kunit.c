// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of heat, alone and with a model of an allocator that gives out last what
 * was reported.
 */
#include <kunit/test.h>
#include <linux/jiffies.h>

#include "granule.h"
#include "heat.h"
#include "policy.h"

#define BASE	((unsigned long)HZ)
#define NOW	(ULONG_MAX - 100)	/* it wraps in the middle of everything */

static unsigned int freed(struct heat *heat, unsigned long now)
{
	unsigned long since;

	return heat_freed(heat, now, BASE, &since);
}

static void no_mistake_no_heat(struct kunit *test)
{
	struct heat heat = {};

	KUNIT_EXPECT_EQ(test, freed(&heat, NOW), 0U);
	KUNIT_EXPECT_FALSE(test, heat_reused(&heat, 0, NOW, BASE));
	heat_reported(&heat, 10, BASE, NOW);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW), 0U);
}

static void soon_is_a_mistake(struct kunit *test)
{
	struct heat heat = {};

	heat_reported(&heat, 3, BASE, NOW);
	KUNIT_EXPECT_TRUE(test, heat_reused(&heat, 0, NOW, BASE));
	KUNIT_EXPECT_TRUE(test, heat_reused(&heat, 0, NOW + HEAT_SOON - 1, BASE));
	KUNIT_EXPECT_FALSE(test, heat_reused(&heat, 0, NOW + HEAT_SOON, BASE));
}

static void as_much_as_was_reported(struct kunit *test)
{
	struct heat heat = {};
	int i;

	heat_reported(&heat, 3, BASE, NOW);
	heat_reported(&heat, 2, BASE, NOW + HZ / 10);
	heat_reported(&heat, 2, BASE, NOW + 4 * HZ);
	for (i = 0; i < 7; i++)
		KUNIT_EXPECT_TRUE(test, heat_reused(&heat, 0, NOW + 4 * HZ, BASE));
	/* What else is reused was reported long ago. */
	KUNIT_EXPECT_FALSE(test, heat_reused(&heat, 0, NOW + 4 * HZ, BASE));
	for (i = 0; i < 7; i++)
		KUNIT_EXPECT_NE(test, freed(&heat, NOW + 4 * HZ), 0U);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW + 4 * HZ), 0U);
}

static void a_trickle_does_not_add_up(struct kunit *test)
{
	struct heat heat = {};
	unsigned long now = NOW;
	int i, soon = 0;

	for (i = 0; i < 1000; i++, now += HZ)
		heat_reported(&heat, 1, BASE, now);
	for (i = 0; i < 1000; i++)
		soon += heat_reused(&heat, 0, now, BASE);
	KUNIT_EXPECT_LE(test, soon, HEAT_SOON / HZ);
	KUNIT_EXPECT_GE(test, soon, HEAT_SOON / HZ - 1);
}

static void the_allocators_choice_is_no_mistake(struct kunit *test)
{
	struct heat heat = {};

	heat_reported(&heat, 3, BASE, NOW);
	KUNIT_EXPECT_FALSE(test, heat_reused(&heat, 3, NOW, BASE));
	KUNIT_EXPECT_TRUE(test, heat_reused(&heat, 2, NOW, BASE));
	KUNIT_EXPECT_FALSE(test, heat_reused(&heat, 2, NOW, BASE));
}

static void the_level_is_enough(struct kunit *test)
{
	unsigned long waited, age;

	for (waited = BASE; waited <= 8 * BASE; waited *= 2) {
		for (age = 0; age < HEAT_SOON; age += HZ / 10) {
			unsigned long was_free = waited + age;
			struct heat heat = {};
			unsigned int level;

			heat_reported(&heat, 1, waited, NOW);
			heat_reused(&heat, 0, NOW + age, BASE);
			level = freed(&heat, NOW + age);
			/* Not due after the same time again, and no longer away than needed. */
			KUNIT_EXPECT_GT(test, policy_earliest(BASE, level), was_free);
			KUNIT_EXPECT_LE(test, policy_earliest(BASE, level - 1), was_free);
		}
	}
}

static void the_level_saturates(struct kunit *test)
{
	struct heat heat = {};

	heat_reported(&heat, 1, HEAT_COLD, NOW);
	heat_reused(&heat, 0, NOW + HZ, 1);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW + HZ), GRANULE_HEAT_MAX);
}

static void heat_stays_with_the_amount(struct kunit *test)
{
	struct heat heat = {};

	heat_kept(&heat, 3, NOW);
	heat_kept(&heat, 1, NOW);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW), 3U);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW), 3U);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW), 0U);
}

static void the_first_of_a_job_tells(struct kunit *test)
{
	struct heat heat = {};
	unsigned int level;

	heat_reported(&heat, 9, BASE, NOW);
	heat_reused(&heat, 0, NOW + HZ, BASE);
	heat_reused(&heat, 0, NOW + 4 * HZ, BASE);
	level = freed(&heat, NOW + 4 * HZ);
	KUNIT_EXPECT_EQ(test, level, 2U);
	/* The next job was away for longer. */
	heat_reused(&heat, 0, NOW + 4 * HZ, BASE);
	KUNIT_EXPECT_GT(test, freed(&heat, NOW + 4 * HZ), level);
}

static void heat_cools(struct kunit *test)
{
	struct heat heat = {};

	heat_kept(&heat, 3, NOW);
	heat_kept(&heat, 3, NOW);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW + HEAT_COOLING), 2U);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW + 3 * HEAT_COOLING), 0U);
	/* What has cooled down is not there when something gets hot again. */
	heat_kept(&heat, 1, NOW + 3 * HEAT_COOLING);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW + 3 * HEAT_COOLING), 1U);
	KUNIT_EXPECT_EQ(test, freed(&heat, NOW + 3 * HEAT_COOLING), 0U);
}

static void what_trickles_in_is_due_with_the_rest(struct kunit *test)
{
	struct heat heat = {};
	unsigned long since;
	int i;

	for (i = 0; i < 5; i++)
		heat_kept(&heat, 3, NOW);
	heat_freed(&heat, NOW, BASE, &since);
	KUNIT_EXPECT_EQ(test, since, NOW);
	heat_freed(&heat, NOW + 3 * BASE, BASE, &since);
	KUNIT_EXPECT_LE(test, since - NOW, 1UL);
	/* But not before the base delay is over ... */
	heat_freed(&heat, NOW + 9 * BASE, BASE, &since);
	KUNIT_EXPECT_EQ(test, since + 8 * BASE, NOW + 9 * BASE + BASE);
	/* ... and not with what had been in use meanwhile. */
	heat_kept(&heat, 3, NOW + 10 * BASE);
	heat_freed(&heat, NOW + 10 * BASE, BASE, &since);
	KUNIT_EXPECT_EQ(test, since, NOW + 10 * BASE);
}

/*
 * Free memory, as the allocator has it: the first is taken next.  Freed goes to
 * the front, reported to the end.
 */
#define MODEL_GRANULES	64

struct model {
	struct heat heat;
	unsigned long now;
	unsigned long reported;	/* granules, so far */
	u32 free[MODEL_GRANULES];
	int nr_free;
};

static void model_init(struct model *m)
{
	*m = (struct model){ .now = NOW, .nr_free = MODEL_GRANULES };
	for (int i = 0; i < MODEL_GRANULES; i++)
		m->free[i] = granule_make(GRANULE_REPORTED, 0, NOW);
}

static int model_dirty(const struct model *m)
{
	int i, nr = 0;

	for (i = 0; i < m->nr_free; i++)
		nr += granule_kind(m->free[i]) == GRANULE_DIRTY;
	return nr;
}

static void model_take(struct model *m, int nr)
{
	for (int i = 0; i < nr; i++) {
		if (granule_kind(m->free[i]) == GRANULE_REPORTED)
			heat_reused(&m->heat, model_dirty(m), m->now, BASE);
		else if (granule_heat(m->free[i]))
			heat_kept(&m->heat, granule_heat(m->free[i]), m->now);
	}
	m->nr_free -= nr;
	memmove(m->free, m->free + nr, m->nr_free * sizeof(m->free[0]));
}

static void model_free(struct model *m, int nr)
{
	memmove(m->free + nr, m->free, m->nr_free * sizeof(m->free[0]));
	for (int i = 0; i < nr; i++) {
		unsigned long since;
		unsigned int heat = heat_freed(&m->heat, m->now, BASE, &since);

		m->free[i] = granule_make(GRANULE_DIRTY, heat, since);
	}
	m->nr_free += nr;
}

static void model_pass(struct model *m)
{
	int i = 0, left = m->nr_free, nr = 0;

	while (left--) {
		u32 g = m->free[i];

		if (granule_kind(g) != GRANULE_DIRTY || !policy_due(g, m->now, BASE)) {
			i++;
			continue;
		}
		memmove(m->free + i, m->free + i + 1, (m->nr_free - i - 1) * sizeof(g));
		m->free[m->nr_free - 1] = granule_make(GRANULE_REPORTED, granule_heat(g), m->now);
		nr++;
	}
	heat_reported(&m->heat, nr, BASE, m->now);
	m->reported += nr;
}

/* Time passes. */
static void model_wait(struct model *m, unsigned long time)
{
	while (time--) {
		m->now++;
		if (!(m->now % (HZ / 10)))
			model_pass(m);
	}
}

/* A job that comes and goes; returns how often it was reported for nothing. */
static unsigned long churn(int nr, unsigned long use, unsigned long gap, int rounds)
{
	struct model m;

	model_init(&m);
	while (rounds--) {
		model_take(&m, nr);
		model_wait(&m, use);
		model_free(&m, nr);
		model_wait(&m, gap);
	}
	return m.reported / nr;
}

static void churn_teaches_at_once(struct kunit *test)
{
	static const int gaps[] = { 1, 2, 3, 4, 5 };
	int i;

	for (i = 0; i < ARRAY_SIZE(gaps); i++)
		KUNIT_EXPECT_EQ_MSG(test, 1, churn(8, 2 * HZ, gaps[i] * HZ, 10),
				    "gap %d s", gaps[i]);
	/* A job that stays away for long is worth every report. */
	KUNIT_EXPECT_EQ(test, 10, churn(8, 2 * HZ, 10 * HZ, 10));
	/* So is one that stays for long. */
	KUNIT_EXPECT_EQ(test, 5, churn(8, 5 * HEAT_COOLING, 3 * HZ, 5));
}

static void churn_does_not_hold_up_the_rest(struct kunit *test)
{
	struct model m;
	int i;

	model_init(&m);
	model_take(&m, 30);
	for (i = 0; i < 5; i++) {
		model_take(&m, 4);
		model_wait(&m, HZ);
		model_free(&m, 4);
		model_wait(&m, 2 * HZ);
	}
	/* A burst: all but as much as the churn needs goes after the base delay. */
	m.reported = 0;
	model_free(&m, 30);
	model_wait(&m, BASE + HZ / 10);
	KUNIT_EXPECT_GE(test, m.reported, 30UL - 4);
	/* And the churn's goes too, once it has ended. */
	model_wait(&m, 8 * BASE);
	KUNIT_EXPECT_EQ(test, m.reported, 30UL + 4);
}

static struct kunit_case heat_cases[] = {
	KUNIT_CASE(no_mistake_no_heat),
	KUNIT_CASE(soon_is_a_mistake),
	KUNIT_CASE(as_much_as_was_reported),
	KUNIT_CASE(a_trickle_does_not_add_up),
	KUNIT_CASE(the_allocators_choice_is_no_mistake),
	KUNIT_CASE(the_level_is_enough),
	KUNIT_CASE(the_level_saturates),
	KUNIT_CASE(heat_stays_with_the_amount),
	KUNIT_CASE(the_first_of_a_job_tells),
	KUNIT_CASE(heat_cools),
	KUNIT_CASE(what_trickles_in_is_due_with_the_rest),
	KUNIT_CASE(churn_teaches_at_once),
	KUNIT_CASE(churn_does_not_hold_up_the_rest),
	{}
};

static struct kunit_suite heat_suite = {
	.name = "page_reporting_heat",
	.test_cases = heat_cases,
};

kunit_test_suite(heat_suite);
