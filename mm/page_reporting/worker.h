/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker: when a pass runs.
 */
#ifndef _MM_PAGE_REPORTING_WORKER_H
#define _MM_PAGE_REPORTING_WORKER_H

#include <linux/types.h>

extern struct workqueue_struct *fpr_wq;

void fpr_worker_note(unsigned long nr_pages);
void fpr_worker_kick(void);
void fpr_worker_start(void);
void fpr_worker_stop(void);
int fpr_worker_apply_order(void);
void fpr_drain_free(void);
bool fpr_drain_free_if_due(void);
bool fpr_drain_lru(unsigned long until);

#endif /* _MM_PAGE_REPORTING_WORKER_H */
