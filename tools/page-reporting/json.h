/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes JSON, one value after the other; commas come by themselves. */
#ifndef PAGE_REPORTING_JSON_H
#define PAGE_REPORTING_JSON_H

#include <stdbool.h>

#include "number.h"

void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_string(const char *key, const char *text);
void json_u64(const char *key, uint64_t n);
void json_number(const char *key, struct number number);
void json_bool(const char *key, bool value);
void json_null(const char *key);

#endif
