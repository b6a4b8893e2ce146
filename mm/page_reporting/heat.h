/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Heat: how much of what becomes free will soon be needed again.
 *
 * Pure: no locks, no pages.  Amounts are granules, times are jiffies.
 */
#ifndef _MM_PAGE_REPORTING_HEAT_H
#define _MM_PAGE_REPORTING_HEAT_H

#include <linux/types.h>

/* A reuse within this time of a report means that the report was a mistake. */
#define HEAT_SOON		(5 * HZ)
/* Heat falls by one for every such time in which nobody had use of it. */
#define HEAT_COOLING		(30 * HZ)
/* No delay would have kept what had been free for so long. */
#define HEAT_COLD		(30 * HZ)
/* Reports remembered apart, each of up to HEAT_SOON / HEAT_BATCHES. */
#define HEAT_BATCHES		5

/**
 * struct heat_batch - what was reported at one time
 * @nr: granules, less those whose reuse has been seen
 * @first: when the first of them were reported
 * @last: when the last of them were
 * @waited: how long they had been free by then
 */
struct heat_batch {
	unsigned long nr;
	unsigned long first;
	unsigned long last;
	unsigned long waited;
};

/**
 * struct heat - the heat that is to be given to what becomes free
 * @nr: how many granules more get it
 * @level: how much, as in a granule's record
 * @stamp: when somebody last had use of it
 * @given: when it was first given after that; 0 when it has not been
 * @batch: the latest reports, the latest first
 */
struct heat {
	unsigned long nr;
	unsigned int level;
	unsigned long stamp;
	unsigned long given;
	struct heat_batch batch[HEAT_BATCHES];
};

void heat_reported(struct heat *heat, unsigned long nr, unsigned long waited,
		   unsigned long now);
bool heat_reused(struct heat *heat, unsigned long nr_dirty, unsigned long now,
		 unsigned long base);
void heat_kept(struct heat *heat, unsigned int level, unsigned long now);
unsigned int heat_freed(struct heat *heat, unsigned long now, unsigned long base,
			unsigned long *since);

#endif /* _MM_PAGE_REPORTING_HEAT_H */
