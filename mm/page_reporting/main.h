/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life of the engine: what a user can ask for.
 */
#ifndef _MM_PAGE_REPORTING_MAIN_H
#define _MM_PAGE_REPORTING_MAIN_H

#include <linux/types.h>

int fpr_set_order(unsigned int order);
int fpr_set_pause(bool on);
void fpr_resync(void);

#endif /* _MM_PAGE_REPORTING_MAIN_H */
