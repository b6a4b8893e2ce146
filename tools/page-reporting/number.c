// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers that files of the kernel may or may not have, and arithmetic that
 * stays sane: sums stop at 2^64-1, differences at 0.
 */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "number.h"

/* Decimal digits and white space after them, nothing else; returns 0 or -EINVAL. */
int parse_u64(const char *text, uint64_t *n)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	while (isspace((unsigned char)*end))
		end++;
	if (*end)
		return -EINVAL;
	*n = value;
	return 0;
}

/* NULL and whatever is not a number give one that is not known. */
struct number number_parse(const char *text)
{
	struct number number = { .known = false };

	if (text && !parse_u64(text, &number.n))
		number.known = true;
	return number;
}

struct number number_of(uint64_t n)
{
	return (struct number){ .known = true, .n = n };
}

uint64_t add_sat(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t sub_floor(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t mul_sat(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
