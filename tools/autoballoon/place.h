/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directories the daemon works in: made if they are not there, and its own alone. */
#ifndef AUTOBALLOON_PLACE_H
#define AUTOBALLOON_PLACE_H

#include "config.h"

#define PLACE_CONFIG "/etc/autoballoon.conf"
#define PLACE_CONTROL "/run/autoballoon/control"

int place_user(struct config *config, char *file, size_t size);
const char *place_user_control(char *path, size_t size);
int place_open(const struct config *config);

#endif
