/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the service manager. */
#ifndef AUTOBALLOON_NOTIFY_H
#define AUTOBALLOON_NOTIFY_H

#include <stdint.h>

void notify(const char *message);

#endif
