/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's numbers as text. */
#ifndef AUTOBALLOON_METRICS_H
#define AUTOBALLOON_METRICS_H

#include "textbuf.h"

/* Bytes of all numbers of as many guests as there may be, at most. */
#define METRICS_MAX (6 * 1024 * 1024)

enum metrics_form { METRICS_CLASSIC, METRICS_OPEN };

void metrics_format(struct textbuf *tb, enum metrics_form form);
int metrics_write(const char *path);

#endif
