/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free pages to move to, taken from units that are to be filled.
 */
#ifndef _MM_PAGE_REPORTING_EVACUATE_TARGETS_H
#define _MM_PAGE_REPORTING_EVACUATE_TARGETS_H

#include <linux/mmzone.h>
#include <linux/types.h>

struct folio;
struct zone;

/**
 * struct evacuate_targets - free pages that have been taken off the free lists
 * @list: the blocks, by order, linked by page->lru
 * @nr: how many of each order
 * @nr_pages: pages in all of them
 * @bad: blocks with a page that was found to be bad
 * @pfn: the page frame where to go on taking
 * @room: how many pages may still be taken there
 */
struct evacuate_targets {
	struct list_head list[NR_PAGE_ORDERS];
	unsigned int nr[NR_PAGE_ORDERS];
	unsigned int nr_pages;
	struct list_head bad;
	unsigned long pfn;
	unsigned int room;
};

bool fpr_zone_can_spare_unit(struct zone *zone);
void fpr_targets_init(struct evacuate_targets *targets);
void fpr_targets_from(struct evacuate_targets *targets, unsigned long pfn, unsigned int room);
bool fpr_targets_take(struct evacuate_targets *targets, struct zone *zone, unsigned int need);
void fpr_targets_put(struct evacuate_targets *targets, struct zone *zone);
struct folio *fpr_target_alloc(struct folio *src, unsigned long private);
void fpr_target_free(struct folio *dst, unsigned long private);

#endif /* _MM_PAGE_REPORTING_EVACUATE_TARGETS_H */
