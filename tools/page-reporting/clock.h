/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time that passes, and time that this program takes of a CPU.  In microseconds. */
#ifndef PAGE_REPORTING_CLOCK_H
#define PAGE_REPORTING_CLOCK_H

#include <stdint.h>

uint64_t now_us(void);
uint64_t cpu_us(void);
void sleep_us(uint64_t us);

#endif
