/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host and its guests as "autoballoonctl record" saw them, to play in the model. */
#ifndef AUTOBALLOON_RECORDING_H
#define AUTOBALLOON_RECORDING_H

#include <stdio.h>

#include "model.h"

int recording_read(FILE *file, const char *name);
unsigned int recording_seconds(void);
void recording_setup(struct model *model);
void recording_play(struct model *model, unsigned int t);

#endif
