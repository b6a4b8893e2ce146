/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of KUnit as the pure suites use.  Each suite registers itself; main()
 * is in main.c.
 */
#ifndef TESTS_PURE_KUNIT_TEST_H
#define TESTS_PURE_KUNIT_TEST_H

#include <setjmp.h>

struct kunit {
	void *priv;
	bool failed;
	jmp_buf end;
};

struct kunit_case {
	const char *name;
	void (*run)(struct kunit *test);
};

struct kunit_suite {
	const char *name;
	int (*init)(struct kunit *test);
	void (*exit)(struct kunit *test);
	struct kunit_case *test_cases;
};

void kunit_register(struct kunit_suite *suite);
void *kunit_kzalloc(struct kunit *test, size_t size, gfp_t gfp);

#define KUNIT_CASE(function)	{ .name = #function, .run = function }

#define kunit_test_suites(...)							\
static __attribute__((constructor)) void kunit_register_all(void)		\
{										\
	struct kunit_suite *suites[] = { __VA_ARGS__ };				\
	size_t i;								\
										\
	for (i = 0; i < ARRAY_SIZE(suites); i++)				\
		kunit_register(suites[i]);					\
}										\
_Static_assert(1, "")
#define kunit_test_suite(suite)	kunit_test_suites(&(suite))

#define kunit_info(test, ...)	do { printf("    # " __VA_ARGS__); putchar('\n'); } while (0)

#define kunit_check(test, a, op, b, ...) ({					\
	__auto_type _left = (a);						\
	__auto_type _right = (b);						\
	bool _ok = _left op _right;						\
										\
	if (!_ok) {								\
		printf("    # %s:%d: not %lld " #op " %lld\n", __FILE__, __LINE__,	\
		       (s64)_left, (s64)_right);				\
		__VA_ARGS__;							\
		(test)->failed = true;						\
	}									\
	_ok;									\
})
#define kunit_say(...)	printf("    # " __VA_ARGS__)

#define KUNIT_EXPECT_EQ(test, a, b)	kunit_check(test, a, ==, b)
#define KUNIT_EXPECT_NE(test, a, b)	kunit_check(test, a, !=, b)
#define KUNIT_EXPECT_LT(test, a, b)	kunit_check(test, a, <, b)
#define KUNIT_EXPECT_LE(test, a, b)	kunit_check(test, a, <=, b)
#define KUNIT_EXPECT_GT(test, a, b)	kunit_check(test, a, >, b)
#define KUNIT_EXPECT_GE(test, a, b)	kunit_check(test, a, >=, b)
#define KUNIT_EXPECT_TRUE(test, a)	kunit_check(test, !!(a), ==, true)
#define KUNIT_EXPECT_FALSE(test, a)	kunit_check(test, !!(a), ==, false)
#define KUNIT_EXPECT_EQ_MSG(test, a, b, ...) kunit_check(test, a, ==, b, kunit_say(__VA_ARGS__))
#define KUNIT_EXPECT_LE_MSG(test, a, b, ...) kunit_check(test, a, <=, b, kunit_say(__VA_ARGS__))
#define KUNIT_EXPECT_TRUE_MSG(test, a, ...) kunit_check(test, !!(a), ==, true, kunit_say(__VA_ARGS__))

#define kunit_demand(test, ok)	do { if (!(ok)) longjmp((test)->end, 1); } while (0)
#define KUNIT_ASSERT_EQ(test, a, b)	kunit_demand(test, KUNIT_EXPECT_EQ(test, a, b))
#define KUNIT_ASSERT_LE(test, a, b)	kunit_demand(test, KUNIT_EXPECT_LE(test, a, b))
#define KUNIT_ASSERT_GT(test, a, b)	kunit_demand(test, KUNIT_EXPECT_GT(test, a, b))
#define KUNIT_ASSERT_TRUE(test, a)	kunit_demand(test, KUNIT_EXPECT_TRUE(test, a))

#endif
