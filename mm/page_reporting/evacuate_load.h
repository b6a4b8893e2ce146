/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What else the guest does: how idle its CPUs are, and whether memory moves or is short.
 */
#ifndef _MM_PAGE_REPORTING_EVACUATE_LOAD_H
#define _MM_PAGE_REPORTING_EVACUATE_LOAD_H

#include <linux/types.h>

unsigned int fpr_evacuate_cpu_share(void);
bool fpr_memory_was_active(void);
bool fpr_memory_is_calm(void);

#endif /* _MM_PAGE_REPORTING_EVACUATE_LOAD_H */
