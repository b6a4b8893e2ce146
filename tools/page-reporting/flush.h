/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flush as a part of something larger. */
#ifndef PAGE_REPORTING_FLUSH_H
#define PAGE_REPORTING_FLUSH_H

#include "commands.h"

enum exit_status flush_all(uint64_t timeout_ms, unsigned int flags);

#endif
