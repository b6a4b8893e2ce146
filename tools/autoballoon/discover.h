/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding guests' sockets in directories. */
#ifndef AUTOBALLOON_DISCOVER_H
#define AUTOBALLOON_DISCOVER_H

#include <stdbool.h>

struct config;
struct transport;

/* A socket has come (true) or gone (false). */
typedef void (*discover_fn)(const struct transport *transport, const char *path, bool there);

int discover_open(const struct config *config, discover_fn fn);
void discover_tick(void);
void discover_rescan(void);
const char *discover_missing(int *err);
void discover_close(void);

#endif
