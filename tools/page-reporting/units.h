/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as people read them. */
#ifndef PAGE_REPORTING_UNITS_H
#define PAGE_REPORTING_UNITS_H

#include "number.h"

enum unit { UNIT_COUNT, UNIT_BYTES, UNIT_US, UNIT_PAGES };

#define HUMAN_SIZE 32

const char *human_bytes(char *buf, uint64_t bytes);
const char *human(char *buf, enum unit unit, struct number number);
enum unit unit_of_name(const char *name);

#endif
