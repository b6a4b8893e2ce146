// SPDX-License-Identifier: GPL-2.0-or-later
/* autoballoonctl's commands that tell the daemon to do something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "reply.h"

int cmd_inject(void)
{
	struct json_object *req;

	if (opts.nr_words != 2)
		return ctl_usage("inject needs a level: low, medium or critical");
	req = ctl_request("inject");
	ctl_add_string(req, "level", opts.words[1]);
	ctl_add_u64(req, "count", opts.count);
	return ctl_ask_and_forget(req);
}

/* What became of a target. -1: still under way. */
static int judge(struct json_object *g, uint64_t wanted)
{
	uint64_t target = 0, actual = 0;

	if (!g || !reply_u64(g, "actual", &actual)) {
		fprintf(stderr, "autoballoonctl: the guest has gone\n");
		return EXIT_FAILURE;
	}
	reply_u64(g, "target", &target);
	if (ctl_flag(g, "stuck")) {
		fprintf(stderr, "autoballoonctl: the guest does not follow\n");
		return EXIT_STUCK;
	}
	if (target != wanted) {
		fprintf(stderr, "autoballoonctl: the target was changed: %s\n",
			ctl_text(g, "last_why"));
		return !strcmp(ctl_text(g, "last_why"), "unstick") ? EXIT_STUCK : EXIT_REFUSED;
	}
	return ctl_flag(g, "settled") ? EXIT_SUCCESS : -1;
}

static int wait_for(const char *name, uint64_t target)
{
	static const struct timespec pause = { 0, 200 * 1000 * 1000 };
	uint64_t end = now_ms() + opts.timeout_ms;
	struct json_object *reply;
	int status;

	do {
		nanosleep(&pause, NULL);
		reply = ctl_ask(ctl_request("status"), &status);
		if (!reply)
			return status;
		status = judge(ctl_find_guest(reply, name), target);
		json_object_put(reply);
	} while (status < 0 && now_ms() < end);
	if (status < 0) {
		fprintf(stderr, "autoballoonctl: time is over\n");
		return EXIT_TIMEOUT;
	}
	return status;
}

int cmd_set(void)
{
	struct json_object *req, *reply;
	uint64_t size = 0, target;
	bool automatic;
	int status;

	if (opts.nr_words != 3)
		return ctl_usage("set needs a guest and a size");
	automatic = !strcmp(opts.words[2], "auto");
	if (!automatic && (parse_size(opts.words[2], &size) || !size))
		return ctl_usage("cannot understand the size");
	req = ctl_request("set");
	ctl_add_string(req, "guest", opts.words[1]);
	if (!automatic)
		ctl_add_u64(req, "size", size);
	reply = ctl_ask(req, &status);
	if (!reply)
		return status;
	if (!automatic && reply_u64(reply, "target", &target) && opts.wait)
		status = wait_for(opts.words[1], target);
	if (opts.json)
		return ctl_print_json(reply) ? EXIT_FAILURE : status;
	json_object_put(reply);
	return status;
}

int cmd_hold(void)
{
	struct json_object *req;
	uint64_t size;

	if (opts.nr_words != 2 && opts.nr_words != 3)
		return ctl_usage("hold needs a guest, and perhaps a size or \"off\"");
	req = ctl_request("hold");
	ctl_add_string(req, "guest", opts.words[1]);
	if (opts.nr_words == 3 && !strcmp(opts.words[2], "off")) {
		json_object_object_add(req, "off", json_object_new_boolean(true));
	} else if (opts.nr_words == 3) {
		if (parse_size(opts.words[2], &size) || !size) {
			json_object_put(req);
			return ctl_usage("cannot understand the size");
		}
		ctl_add_u64(req, "size", size);
	}
	return ctl_ask_and_forget(req);
}

int cmd_enable(void)
{
	struct json_object *req;

	if (opts.nr_words != (opts.all ? 1 : 2))
		return ctl_usage("name one guest, or say --all");
	req = ctl_request(opts.words[0]);
	if (opts.all)
		json_object_object_add(req, "all", json_object_new_boolean(true));
	else
		ctl_add_string(req, "guest", opts.words[1]);
	return ctl_ask_and_forget(req);
}

int cmd_limit(void)
{
	struct json_object *req;
	uint64_t size = 0;

	if (opts.nr_words != 3)
		return ctl_usage("needs a guest, and a size or \"default\"");
	if (strcmp(opts.words[2], "default") && (parse_size(opts.words[2], &size) || !size))
		return ctl_usage("cannot understand the size");
	req = ctl_request(opts.words[0]);
	ctl_add_string(req, "guest", opts.words[1]);
	if (size)
		ctl_add_u64(req, "size", size);
	return ctl_ask_and_forget(req);
}

int cmd_forget(void)
{
	struct json_object *req;

	if (opts.nr_words != 2)
		return ctl_usage("forget needs a guest");
	req = ctl_request("forget");
	ctl_add_string(req, "guest", opts.words[1]);
	return ctl_ask_and_forget(req);
}

/* Exit status 0 means that there is room; 4 that nobody can give it, 5 that time is over. */
int cmd_reserve(void)
{
	static const struct timespec pause = { 0, 200 * 1000 * 1000 };
	uint64_t end = now_ms() + opts.timeout_ms, size;
	struct json_object *req, *reply;
	bool first = true, ready;
	int status;

	if (opts.nr_words != 2 || parse_size(opts.words[1], &size))
		return ctl_usage("reserve needs a size; 0 ends it");
	for (;;) {
		req = ctl_request("reserve");
		if (first) {
			ctl_add_u64(req, "size", size);
			ctl_add_u64(req, "timeout_ms", opts.timeout_ms);
		}
		first = false;
		reply = ctl_ask(req, &status);
		if (!reply)
			return status;
		ready = !strcmp(ctl_text(reply, "state"), "ready");
		if (!size || ready || !opts.wait || now_ms() >= end)
			break;
		json_object_put(reply);
		nanosleep(&pause, NULL);
	}
	if (opts.wait && size && !ready) {
		bool nobody = ctl_flag(reply, "no_donors");

		fprintf(stderr, "autoballoonctl: %s\n", nobody ? "no guest can give so much" :
			"time is over");
		status = nobody ? EXIT_REFUSED : EXIT_TIMEOUT;
	}
	if (opts.json)
		return ctl_print_json(reply) ? EXIT_FAILURE : status;
	json_object_put(reply);
	return status;
}
