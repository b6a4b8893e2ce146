/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest still holds, by who holds it.  Pure. */
#ifndef PAGE_REPORTING_RESIDUAL_H
#define PAGE_REPORTING_RESIDUAL_H

#include "snapshot.h"

enum part {
	PART_ANONYMOUS,
	PART_SHARED,
	PART_PAGE_CACHE,
	PART_SWAP_CACHE,
	PART_HUGETLB,
	PART_SLAB,
	PART_PAGE_TABLES,
	PART_KERNEL_STACKS,
	PART_PER_CPU_DATA,
	PART_BALLOON,
	PART_OTHER,
	PART_FREE_SMALL,
	PART_FREE_PER_CPU,
	PART_IN_FLIGHT,
	PART_NOT_YET,
	NR_PARTS
};

struct part_info {
	const char *name;	/* for programs */
	const char *label;
	const char *why;
};

extern const struct part_info part_info[NR_PARTS];

/* The sum of the parts, less "twice", is the total less what is reported. */
struct residual {
	uint64_t total;
	struct number reported;
	uint64_t held;			/* total less reported */
	uint64_t part[NR_PARTS];
	uint64_t twice;			/* counted in two parts */
	struct number blocked;		/* of what is too small: in units that cannot be emptied */
};

bool residual_make(const struct snapshot *shot, struct residual *residual);

#endif
