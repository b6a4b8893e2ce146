/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest does, and whether its tasks have to wait. */
#ifndef PAGE_REPORTING_LOAD_H
#define PAGE_REPORTING_LOAD_H

#include "number.h"
#include "trim_policy.h"

/* Sums, of which only differences say anything. */
struct load_sums {
	uint64_t now_us;
	uint64_t own_us;
	uint64_t busy_us;
	struct number memory_us;
	struct number cpu_us;
	uint64_t stalls;
	unsigned int cpus;
};

void load_read(struct load_sums *sums);
void load_between(const struct load_sums *then, const struct load_sums *now, struct load *load);
unsigned int load_runnable(void);

#endif
