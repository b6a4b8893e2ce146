/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing files that may be on a slow disk, without making the loop wait. */
#ifndef AUTOBALLOON_WRITER_H
#define AUTOBALLOON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "textbuf.h"

/* Files that are written so, one place for each. */
enum writer_file { WRITER_METRICS, WRITER_STATE, NR_WRITER_FILES };

int writer_put(enum writer_file file, const char *path, const struct textbuf *tb);
int writer_error(enum writer_file file);
void writer_flush(uint64_t limit_ms);

#endif
