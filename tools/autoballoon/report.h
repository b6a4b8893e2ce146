/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's state as JSON. */
#ifndef AUTOBALLOON_REPORT_H
#define AUTOBALLOON_REPORT_H

#include "levels.h"
#include "textbuf.h"

void report_status(struct textbuf *tb);
void report_plan(struct textbuf *tb, const enum level *level);
void report_doctor(struct textbuf *tb);

#endif
