/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A write to a file of the kernel as a part of a command. */
#ifndef PAGE_REPORTING_PUT_H
#define PAGE_REPORTING_PUT_H

#include "commands.h"

enum exit_status put(const char *path, const char *text);

#endif
