/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the daemon. */
#ifndef AUTOBALLOON_CLIENT_H
#define AUTOBALLOON_CLIENT_H

#include <json-c/json.h>

struct json_object *client_ask(const char *socket_path, struct json_object *request);
const char *client_error(void);

#endif
