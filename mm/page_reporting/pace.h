/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pace: how long memory stays free before it is reported.
 *
 * Pure: no locks.  Amounts are pages, times are jiffies.
 */
#ifndef _MM_PAGE_REPORTING_PACE_H
#define _MM_PAGE_REPORTING_PACE_H

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* Memory that is needed again within this time was reported by mistake. */
#define PACE_SOON	(5 * HZ)
/* A longer delay is halved for each period of this length in which it was useless. */
#define PACE_COOLING	(30 * HZ)
/* The longest delay, as a multiple of the configured one. */
#define PACE_MAX	16
/*
 * Mistakes count when they make up this part of the pages that were reported lately
 * and of the pages that were needed since: one in four.
 */
#define PACE_SHARE	4
/* Fewer mistakes, in pages, do not count: a small job must not hold up a large one. */
#define PACE_WORTH	(SZ_16M >> PAGE_SHIFT)

/**
 * struct pace - what was reported lately, and what came of it
 * @nr: pages in the latest burst of reports
 * @first: when the first of them were reported
 * @last: when the last of them were
 * @waited: how long they had been free by then, at most
 * @taken: reported pages that were needed again meanwhile
 * @reused: of these, pages whose report was a mistake
 * @reused_at: when the first of these was needed; valid if @reused is not 0
 * @hold: the longer delay that would have avoided earlier mistakes; 0: none
 * @used_at: when @hold was last useful
 */
struct pace {
	unsigned long nr;
	unsigned long first;
	unsigned long last;
	unsigned long waited;
	unsigned long taken;
	unsigned long reused;
	unsigned long reused_at;
	unsigned long hold;
	unsigned long used_at;
};

void fpr_pace_reported(struct pace *pace, unsigned long nr, unsigned long waited,
		       unsigned long now);
bool fpr_pace_is_mistake(const struct pace *pace, unsigned long nr_dirty,
			 unsigned long now);
void fpr_pace_taken(struct pace *pace, unsigned long nr, bool mistake, unsigned long now);
void fpr_pace_kept(struct pace *pace, unsigned long age, unsigned long base,
		   unsigned long now);
unsigned long fpr_pace_delay(struct pace *pace, unsigned long base, unsigned long now);

#endif /* _MM_PAGE_REPORTING_PACE_H */
