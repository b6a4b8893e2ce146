/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What other managers would do with the model's guests. */
#ifndef AUTOBALLOON_RIVALS_H
#define AUTOBALLOON_RIVALS_H

#include "model.h"

void rival_nothing(struct model *model);
void rival_proxmox(struct model *model);
void rival_mom(struct model *model);
void rival_squeezed(struct model *model);

#endif
