/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers that files of the kernel may or may not have, and arithmetic that stays sane. */
#ifndef PAGE_REPORTING_NUMBER_H
#define PAGE_REPORTING_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

struct number {
	bool known;
	uint64_t n;	/* 0 unless known */
};

int parse_u64(const char *text, uint64_t *n);
struct number number_parse(const char *text);
struct number number_of(uint64_t n);
uint64_t add_sat(uint64_t a, uint64_t b);
uint64_t sub_floor(uint64_t a, uint64_t b);
uint64_t mul_sat(uint64_t a, uint64_t b);
uint64_t min_u64(uint64_t a, uint64_t b);

#endif
