/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Evacuation: free memory that lies in pieces becomes whole.
 */
#ifndef _MM_PAGE_REPORTING_EVACUATE_H
#define _MM_PAGE_REPORTING_EVACUATE_H

#include <linux/types.h>

#ifdef CONFIG_PAGE_REPORTING_EVACUATE
void fpr_evacuate_start(void);
void fpr_evacuate_now(unsigned long until);
bool fpr_evacuate_wait(unsigned long until);
#else
static inline void fpr_evacuate_start(void) { }
static inline void fpr_evacuate_now(unsigned long until) { }
static inline bool fpr_evacuate_wait(unsigned long until) { return true; }
#endif

#endif /* _MM_PAGE_REPORTING_EVACUATE_H */
