/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of autoballoonctl share. */
#ifndef AUTOBALLOON_CTL_H
#define AUTOBALLOON_CTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"

#define CTL_MAX_WORDS 4

enum { EXIT_USAGE = 2, EXIT_STUCK = 3, EXIT_REFUSED = 4, EXIT_TIMEOUT = 5 };

struct ctl_options {
	const char *socket;
	const char *config;
	const char *agent;		/* park, unpark: the guest agent's socket */
	bool json;
	bool wait;
	bool all;
	uint64_t timeout_ms;
	uint64_t count;
	/* simulate */
	const char *scenario;
	const char *policy;
	bool reporting;
	bool verbose;
	uint64_t growth;		/* bytes a second */
	unsigned int given;		/* options that were given, a bit each */
	const char *words[CTL_MAX_WORDS];
	int nr_words;
};

extern struct ctl_options opts;

int ctl_usage(const char *text);
struct json_object *ctl_request(const char *command);
void ctl_add_string(struct json_object *req, const char *key, const char *text);
void ctl_add_u64(struct json_object *req, const char *key, uint64_t value);
struct json_object *ctl_ask(struct json_object *req, int *status);
int ctl_ask_and_forget(struct json_object *req);
int ctl_print_json(struct json_object *reply);
const char *ctl_size(struct json_object *from, const char *key, char *buf, size_t size);
bool ctl_flag(struct json_object *from, const char *key);
const char *ctl_text(struct json_object *from, const char *key);
struct json_object *ctl_find_guest(struct json_object *status, const char *name);

/* ctl_orders.c; each returns an exit status */
int cmd_inject(void);
int cmd_set(void);
int cmd_hold(void);
int cmd_enable(void);
int cmd_limit(void);
int cmd_forget(void);
int cmd_reserve(void);

/* ctl_park.c */
int cmd_park(void);

/* ctl_setup.c */
int cmd_setup(void);

/* ctl_record.c */
int cmd_record(void);

/* ctl_simulate.c */
int cmd_simulate(void);

#endif
