/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed access to JSON from elsewhere. */
#ifndef AUTOBALLOON_REPLY_H
#define AUTOBALLOON_REPLY_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool json_memory(size_t len, size_t before);

/* False, and the value untouched, if it is not what it should be. */
struct json_object *reply_object(struct json_object *from, const char *key);
struct json_object *reply_array(struct json_object *from, const char *key);
const char *reply_string(struct json_object *from, const char *key);
bool reply_u64(struct json_object *from, const char *key, uint64_t *value);
bool reply_bool(struct json_object *from, const char *key, bool *value);
bool reply_has_word(struct json_object *array, const char *prefix);

#endif
