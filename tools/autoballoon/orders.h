/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the administrator tells the daemon to do, as requests on the control socket. */
#ifndef AUTOBALLOON_ORDERS_H
#define AUTOBALLOON_ORDERS_H

#include <json-c/json.h>
#include <stdbool.h>

#include "textbuf.h"

bool orders_dispatch(const char *command, struct json_object *req, struct textbuf *tb);

#endif
