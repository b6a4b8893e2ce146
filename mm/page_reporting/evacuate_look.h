/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Can a unit be emptied?  What keeps it, and how much of it is free.
 */
#ifndef _MM_PAGE_REPORTING_EVACUATE_LOOK_H
#define _MM_PAGE_REPORTING_EVACUATE_LOOK_H

#include <linux/types.h>

#include "state.h"

struct folio;
struct page;

bool fpr_type_is_ordinary(struct page *page);
enum fpr_left fpr_folio_left(struct folio *folio);
bool fpr_unit_is_free(unsigned long start);
enum fpr_left fpr_unit_look(unsigned long start, u16 *nr_free, unsigned long *looked);
unsigned int fpr_unit_in_use(unsigned long start);

#endif /* _MM_PAGE_REPORTING_EVACUATE_LOOK_H */
