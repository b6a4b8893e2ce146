/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells from what a discard costs how large the host's pages are.  Pure. */
#ifndef PAGE_REPORTING_TUNE_POLICY_H
#define PAGE_REPORTING_TUNE_POLICY_H

#include "number.h"

/* Granules for each kind of host, in bytes. */
#define TUNE_LARGE	(UINT64_C(2) << 20)
#define TUNE_SMALL	(UINT64_C(64) << 10)

enum backing { BACKING_UNKNOWN, BACKING_HUGE, BACKING_SMALL };

/* Freed memory that the host has taken, time and again. */
struct tune {
	unsigned int nr;		/* measurements so far */
	uint64_t cheapest;		/* of them, in ns per MiB */
};

uint64_t tune_sample(uint64_t free);
void tune_add(struct tune *tune, uint64_t bytes, uint64_t host_us);
enum backing tune_backing(const struct tune *tune);
uint64_t tune_granule(enum backing backing, uint64_t granule);

#endif
