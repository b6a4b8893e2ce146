// SPDX-License-Identifier: GPL-2.0
/* Tests of how much one request holds, with hosts of known cost. */
#include <kunit/test.h>

#include "../request.h"

#define PAGES(mib)	((mib) * (unsigned long)(SZ_1M >> PAGE_SHIFT))
#define US(us)		((u64)(us) * NSEC_PER_USEC)

/* What a host takes for a request: something for itself, and something for each MiB. */
static u64 host_ns(unsigned long nr, u64 request_us, u64 mib_us)
{
	return US(request_us) + US(mib_us) * nr / PAGES(1);
}

static void size_settles_within_three(struct kunit *test)
{
	static const u64 costs[] = { 1, 3, 10, 35, 78, 200, 500 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(costs); i++) {
		unsigned long limit = REQUEST_FIRST, ideal;
		unsigned int n;

		for (n = 0; n < 3; n++)
			limit = fpr_request_limit(limit, limit, host_ns(limit, 0, costs[i]));
		ideal = clamp(PAGES(2500) / (unsigned long)costs[i],
			      (unsigned long)REQUEST_MIN, (unsigned long)REQUEST_MAX);
		KUNIT_EXPECT_GE(test, limit, ideal - ideal / 20);
		KUNIT_EXPECT_LE(test, limit, ideal + ideal / 20);
	}
}

static void cost_of_a_request_counts(struct kunit *test)
{
	unsigned long limit = REQUEST_FIRST;
	unsigned int n;

	for (n = 0; n < 6; n++)
		limit = fpr_request_limit(limit, limit, host_ns(limit, 500, 40));
	/* 0.5 ms, and 2 ms for 50 MiB. */
	KUNIT_EXPECT_GE(test, limit, PAGES(48));
	KUNIT_EXPECT_LE(test, limit, PAGES(52));
}

static void small_requests_teach_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fpr_request_limit(PAGES(64), PAGES(2), US(900)), PAGES(64));
	KUNIT_EXPECT_EQ(test, fpr_request_limit(PAGES(64), 1, US(1)), PAGES(64));
}

static void one_slow_answer_is_forgotten(struct kunit *test)
{
	unsigned long limit = PAGES(500);

	limit = fpr_request_limit(limit, limit, US(900000));
	KUNIT_EXPECT_EQ(test, limit, PAGES(125));
	limit = fpr_request_limit(limit, limit, host_ns(limit, 0, 5));
	KUNIT_EXPECT_EQ(test, limit, PAGES(500));
}

static void limit_has_limits(struct kunit *test)
{
	unsigned long limit = REQUEST_FIRST;
	unsigned int n;

	KUNIT_EXPECT_EQ(test, fpr_request_limit(PAGES(64), PAGES(64), 0), PAGES(512));
	for (n = 0; n < 9; n++)
		limit = fpr_request_limit(limit, limit, 0);
	KUNIT_EXPECT_EQ(test, limit, (unsigned long)REQUEST_MAX);
	for (n = 0; n < 9; n++)
		limit = fpr_request_limit(limit, 1, U64_MAX);
	KUNIT_EXPECT_EQ(test, limit, (unsigned long)REQUEST_MIN);
}

static struct kunit_case request_cases[] = {
	KUNIT_CASE(size_settles_within_three),
	KUNIT_CASE(cost_of_a_request_counts),
	KUNIT_CASE(small_requests_teach_nothing),
	KUNIT_CASE(one_slow_answer_is_forgotten),
	KUNIT_CASE(limit_has_limits),
	{}
};

static struct kunit_suite request_suite = {
	.name = "page_reporting_request",
	.test_cases = request_cases,
};

kunit_test_suite(request_suite);
