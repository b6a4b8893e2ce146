// SPDX-License-Identifier: GPL-2.0
/* Runs all registered suites; one line for each case, in KTAP's form. */
#include <kunit/test.h>

#define MAX_SUITES 32

static struct kunit_suite *suites[MAX_SUITES];
static size_t nr_suites;

void kunit_register(struct kunit_suite *suite)
{
	if (nr_suites == MAX_SUITES)
		abort();
	suites[nr_suites++] = suite;
}

/* Freed with the case; one is all that any of them asks for. */
void *kunit_kzalloc(struct kunit *test, size_t size, gfp_t gfp)
{
	return calloc(1, size);
}

static bool run_case(const struct kunit_suite *suite, const struct kunit_case *kcase)
{
	struct kunit test = {};

	if (suite->init && suite->init(&test))
		test.failed = true;
	else if (!setjmp(test.end))
		kcase->run(&test);
	if (suite->exit)
		suite->exit(&test);
	free(test.priv);
	return !test.failed;
}

int main(void)
{
	bool failed = false;
	size_t i;

	/* A case that a sanitizer ends must not take the lines before it along. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < nr_suites; i++) {
		const struct kunit_case *kcase;

		for (kcase = suites[i]->test_cases; kcase->run; kcase++) {
			bool ok = run_case(suites[i], kcase);

			failed |= !ok;
			printf("%s %s.%s\n", ok ? "ok" : "not ok", suites[i]->name, kcase->name);
		}
	}
	return failed || !nr_suites;
}
