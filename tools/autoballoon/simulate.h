/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replaying a trace through the policy. */
#ifndef AUTOBALLOON_SIMULATE_H
#define AUTOBALLOON_SIMULATE_H

#include <stdio.h>

#include "config.h"

int simulate(const struct config *config, FILE *trace, const char *name, FILE *out);

#endif
