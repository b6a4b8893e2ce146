/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: one request a line, one reply a line, both JSON. */
#ifndef AUTOBALLOON_CONTROL_H
#define AUTOBALLOON_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "textbuf.h"

int control_open(const struct config *config);
void control_tick(uint64_t time_ms);
void control_close(void);
void control_request(const char *text, size_t len, struct textbuf *reply);

#endif
