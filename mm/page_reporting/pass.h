/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One pass: from the dirty bits to the host and back.
 */
#ifndef _MM_PAGE_REPORTING_PASS_H
#define _MM_PAGE_REPORTING_PASS_H

#include <linux/page_reporting.h>

/**
 * struct pass_result - what a pass has done and left
 * @nr_pages: pages that the host took
 * @young_pages: pages left dirty because they have not been free for long enough
 * @due_in: jiffies until the first of these falls due
 * @passed_over_pages: pages left dirty because their zone is short of memory, or
 *	their pageblock is isolated
 * @err: what the device said, if it refused
 */
struct pass_result {
	unsigned long nr_pages;
	unsigned long young_pages;
	unsigned long due_in;
	unsigned long passed_over_pages;
	int err;
};

struct pass_result fpr_pass_run(struct page_reporting_dev_info *prdev,
				unsigned long delay);
void fpr_take_poisoned_off(void);

#endif /* _MM_PAGE_REPORTING_PASS_H */
