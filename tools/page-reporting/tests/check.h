/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For a test of a pure file, which is a program of its own. */
#ifndef PAGE_REPORTING_TESTS_CHECK_H
#define PAGE_REPORTING_TESTS_CHECK_H

#include <stdio.h>

static unsigned int failures;

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __func__, __LINE__, #condition); \
			failures++; \
		} \
	} while (0)

/* The program's exit status. */
static int checked(const char *what)
{
	if (!failures)
		printf("%s: all as it should be\n", what);
	return failures ? 1 : 0;
}

#endif
