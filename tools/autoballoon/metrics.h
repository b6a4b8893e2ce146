/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's numbers as OpenMetrics text. */
#ifndef AUTOBALLOON_METRICS_H
#define AUTOBALLOON_METRICS_H

#include "textbuf.h"

void metrics_format(struct textbuf *tb);
int metrics_write(const char *path);

#endif
