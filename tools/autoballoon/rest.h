/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and answers of REST APIs, for the transports that have one. Nobody else
 * includes this. guest->session is a struct http.
 */
#ifndef AUTOBALLOON_REST_H
#define AUTOBALLOON_REST_H

#include <json-c/json.h>

#include "guest.h"

struct rest_command {
	const char *method, *path;
	void (*done)(struct guest *guest, struct json_object *json, uint64_t time_ms);
	void (*failed)(struct guest *guest);	/* guest->error says why */
};

/* Numbers of a JSON object and where they go in statistics. */
struct rest_stat {
	const char *key;
	size_t offset;
};

int rest_open(struct guest *guest);
void rest_close(struct guest *guest);
int rest_ask(struct guest *guest, const struct rest_command *table, unsigned int command,
	     const char *body, uint64_t time_ms);
int rest_receive(struct guest *guest, const struct rest_command *table, const char *data,
		 size_t len, uint64_t time_ms);
bool rest_stats(struct json_object *json, const struct rest_stat *keys, size_t nr,
		struct policy_stats *stats);

#endif
