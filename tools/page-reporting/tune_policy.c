// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tells from what a discard costs how large the host's pages are.  Pure.
 *
 * A host frees each of its pages by itself, so a MiB of 4 KiB pages costs it more than a part
 * of a huge page: 64 to 86 us and 4 to 7 on the machine where this was tried.  Whatever else the host does makes a measurement
 * dearer, none cheaper: the cheapest counts.
 *
 * To take huge pages for small ones would do harm, as granules smaller than them split
 * them and bring nothing back.  The other mistake merely leaves things as they are.  The
 * limits are chosen by that.
 */
#include "tune_policy.h"

#define NS_HUGE_MOST	UINT64_C(8000)
#define NS_SMALL_LEAST	UINT64_C(16000)

/* Used and freed at a time, in bytes. */
#define SAMPLE_LEAST	(UINT64_C(8) << 20)
#define SAMPLE_MOST	(UINT64_C(64) << 20)

/* Fewer may all have come when the host was busy. */
#define MEASUREMENTS	6

/* How much to measure with where so much is free, in bytes; 0 if that is too little. */
uint64_t tune_sample(uint64_t free)
{
	uint64_t sample = min_u64(free / 4, SAMPLE_MOST);

	return sample < SAMPLE_LEAST ? 0 : sample - sample % TUNE_LARGE;
}

void tune_add(struct tune *tune, uint64_t bytes, uint64_t host_us)
{
	uint64_t kib = bytes >> 10, cost;

	if (!kib)
		return;
	cost = mul_sat(mul_sat(host_us, 1000), 1024) / kib;
	if (!tune->nr++ || cost < tune->cheapest)
		tune->cheapest = cost;
}

enum backing tune_backing(const struct tune *tune)
{
	if (tune->nr && tune->cheapest <= NS_HUGE_MOST)
		return BACKING_HUGE;
	if (tune->nr >= MEASUREMENTS && tune->cheapest >= NS_SMALL_LEAST)
		return BACKING_SMALL;
	return BACKING_UNKNOWN;
}

/* The granule to have, in bytes: what it is if nothing is known, or somebody chose another. */
uint64_t tune_granule(enum backing backing, uint64_t granule)
{
	if (granule != TUNE_LARGE && granule != TUNE_SMALL)
		return granule;
	return backing == BACKING_HUGE ? TUNE_LARGE :
	       backing == BACKING_SMALL ? TUNE_SMALL : granule;
}
