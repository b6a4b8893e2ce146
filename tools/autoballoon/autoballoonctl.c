// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * autoballoonctl: talk to autoballoond.
 *
 * Each command is a small function that asks and prints. Exit status: 0 done,
 * 1 error, 2 usage; for "set --wait" also 3 stuck, 4 the guest refused,
 * 5 time over.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "ctl.h"
#include "place.h"
#include "reply.h"


const char *argp_program_version = "autoballoonctl 1.0";

struct ctl_options opts = {
	.socket = PLACE_CONTROL, .timeout_ms = 60000, .count = 1, .growth = 10 * MIB,
};

static const struct argp_option option_list[] = {
	{ "socket", 's', "PATH", 0, "Control socket instead of " PLACE_CONTROL, 0 },
	{ "json", 'j', NULL, 0, "Print the daemon's answer as JSON", 0 },
	{ "wait", 'w', NULL, 0, "set, reserve: wait until it is done", 0 },
	{ "user", 'u', NULL, 0, "Talk to the user's own daemon", 0 },
	{ "timeout", 't', "TIME", 0,
	  "set --wait, park, unpark: give up after TIME (60s); record: end after it", 0 },
	{ "agent", 'q', "PATH", 0, "park, unpark: the guest agent's socket; needs no daemon", 0 },
	{ "count", 'n', "N", 0, "inject: as if N events had come", 0 },
	{ "all", 'a', NULL, 0, "enable, disable: all guests", 0 },
	{ "config", 'c', "FILE", 0, "simulate: configuration to go by", 0 },
	{ "scenario", 'e', "NAME", 0, "simulate: play a scenario or a recording; help lists them", 0 },
	{ "policy", 'p', "NAME", 0,
	  "simulate: own, nothing, proxmox, mom or squeezed; all of them without it", 0 },
	{ "reporting", 'r', NULL, 0, "simulate: guests have free page reporting", 0 },
	{ "growth", 'g', "SIZE", 0,
	  "simulate: page cache that each guest reads in a second (10M)", 0 },
	{ "verbose", 'v', NULL, 0, "simulate: print actions and sizes, too", 0 },
	{ 0 }
};

static char user_socket[PATH_MAX];

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	if (key >= 'a' && key <= 'z')
		opts.given |= 1U << (key - 'a');
	switch (key) {
	case 's':
		opts.socket = arg;
		return 0;
	case 'u':
		opts.socket = place_user_control(user_socket, sizeof(user_socket));
		if (!opts.socket)
			argp_error(state, "XDG_RUNTIME_DIR is not set: is this a login session?");
		return 0;
	case 'j':
		opts.json = true;
		return 0;
	case 'q':
		opts.agent = arg;
		return 0;
	case 'w':
		opts.wait = true;
		return 0;
	case 'a':
		opts.all = true;
		return 0;
	case 'c':
		opts.config = arg;
		return 0;
	case 't':
		if (parse_time_ms(arg, &opts.timeout_ms))
			argp_error(state, "cannot understand the time \"%s\"", arg);
		return 0;
	case 'n':
		if (parse_u64(arg, 1, 1000, &opts.count))
			argp_error(state, "the count must be between 1 and 1000");
		return 0;
	case 'e':
		opts.scenario = arg;
		return 0;
	case 'p':
		opts.policy = arg;
		return 0;
	case 'r':
		opts.reporting = true;
		return 0;
	case 'g':
		if (parse_size(arg, &opts.growth))
			argp_error(state, "cannot understand the size \"%s\"", arg);
		return 0;
	case 'v':
		opts.verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		if (opts.nr_words == CTL_MAX_WORDS)
			argp_error(state, "too many arguments");
		opts.words[opts.nr_words++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!opts.nr_words)
			argp_error(state, "no command given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_list,
	.parser = parse_option,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "Talk to autoballoond.\v"
	       "Commands:\n"
	       "  status                what every guest has, needs and is asked for\n"
	       "  plan [LEVEL]          what would be done now, or under LEVEL, and why\n"
	       "  doctor                why nothing happens\n"
	       "  inject LEVEL          act as if there were pressure: low, medium, critical\n"
	       "  set GUEST SIZE|auto   ask a guest for a size; auto: leave it to the daemon\n"
	       "  hold GUEST [SIZE|off] do not let a guest grow above SIZE (its present size)\n"
	       "  enable GUEST          manage a guest automatically (--all: every guest)\n"
	       "  disable GUEST         leave a guest alone\n"
	       "  min GUEST SIZE|default  its smallest size, over the configuration\n"
	       "  max GUEST SIZE|default  its largest size, over the configuration\n"
	       "  forget GUEST          drop all orders about a guest\n"
	       "  reserve SIZE          make room for a guest that is about to start\n"
	       "  park GUEST [cold|all|keep]  have it give back what it can, for a snapshot;\n"
	       "                        which page cache it drops (cold)\n"
	       "  unpark GUEST [resync] end that; report all again\n"
	       "  setup KIND GUEST      what to add to a guest: qemu, agent, libvirt, proxmox,\n"
	       "                        firecracker, cloud-hypervisor\n"
	       "  watch                 status again and again\n"
	       "  why GUEST             the last ten decisions about a guest\n"
	       "  record FILE           write what host and guests want, until interrupted\n"
	       "  simulate TRACE        replay a trace through the policy; needs no daemon\n"
	       "  simulate --scenario A play a scenario with a model of host and guests\n"
	       "  metrics               print the metrics\n",
};

int ctl_usage(const char *text)
{
	fprintf(stderr, "autoballoonctl: %s\n", text);
	return EXIT_USAGE;
}

struct json_object *ctl_request(const char *command)
{
	struct json_object *req = json_object_new_object();

	json_object_object_add(req, "command", json_object_new_string(command));
	return req;
}

void ctl_add_string(struct json_object *req, const char *key, const char *text)
{
	json_object_object_add(req, key, json_object_new_string(text));
}

void ctl_add_u64(struct json_object *req, const char *key, uint64_t value)
{
	json_object_object_add(req, key, json_object_new_uint64(value));
}

/* Ask, and report an error. Returns NULL and sets *status if there is one. */
struct json_object *ctl_ask(struct json_object *req, int *status)
{
	struct json_object *reply = client_ask(opts.socket, req);
	const char *error, *code;
	bool ok = false;

	*status = EXIT_FAILURE;
	if (!reply) {
		fprintf(stderr, "autoballoonctl: %s\n", client_error());
		return NULL;
	}
	reply_bool(reply, "ok", &ok);
	if (ok) {
		*status = EXIT_SUCCESS;
		return reply;
	}
	error = reply_string(reply, "error");
	code = reply_string(reply, "code");
	fprintf(stderr, "autoballoonctl: %s\n", error ? error : "the daemon refused");
	if (code && !strcmp(code, "guest-refused"))
		*status = EXIT_REFUSED;
	json_object_put(reply);
	return NULL;
}

int ctl_print_json(struct json_object *reply)
{
	printf("%s\n", json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PRETTY));
	json_object_put(reply);
	return EXIT_SUCCESS;
}

int ctl_ask_and_forget(struct json_object *req)
{
	struct json_object *reply;
	int status;

	reply = ctl_ask(req, &status);
	if (reply && opts.json)
		return ctl_print_json(reply);
	json_object_put(reply);
	return status;
}

const char *ctl_size(struct json_object *from, const char *key, char *buf, size_t size)
{
	uint64_t value = UNSET;

	reply_u64(from, key, &value);
	return format_size(buf, size, value);
}

bool ctl_flag(struct json_object *from, const char *key)
{
	bool value = false;

	reply_bool(from, key, &value);
	return value;
}

const char *ctl_text(struct json_object *from, const char *key)
{
	const char *text = reply_string(from, key);

	return text ? text : "-";
}

/* By name, UUID or socket; NULL if the daemon has none like that. */
struct json_object *ctl_find_guest(struct json_object *status, const char *name)
{
	struct json_object *guests = reply_array(status, "guests");
	size_t i, n = guests ? json_object_array_length(guests) : 0;

	for (i = 0; i < n; i++) {
		struct json_object *g = json_object_array_get_idx(guests, i);

		if (!strcmp(ctl_text(g, "name"), name) || !strcmp(ctl_text(g, "uuid"), name) ||
		    !strcmp(ctl_text(g, "socket"), name))
			return g;
	}
	return NULL;
}

static void print_guest(struct json_object *g)
{
	char ram[16], actual[16], target[16], floor[16], rss[16], slack[16], cache[16];

	printf("%-20s %8s %8s %8s %8s %8s %8s %8s  %-9s %s\n", ctl_text(g, "name"),
	       ctl_size(g, "ram", ram, sizeof(ram)),
	       ctl_size(g, "actual", actual, sizeof(actual)),
	       ctl_size(g, "target", target, sizeof(target)),
	       ctl_size(g, "floor", floor, sizeof(floor)),
	       ctl_size(g, "rss", rss, sizeof(rss)),
	       ctl_size(g, "slack", slack, sizeof(slack)),
	       ctl_size(g, "cache", cache, sizeof(cache)),
	       ctl_flag(g, "reporting") ? "yes" : ctl_flag(g, "reporting_offered") ? "offered" : "no",
	       ctl_text(g, "why"));
}

static int by_name(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;

	return strcmp(ctl_text(*x, "name"), ctl_text(*y, "name"));
}

static void print_status(struct json_object *reply)
{
	struct json_object *host, *guests;
	char available[16], headroom[16];
	uint64_t level_ms = 0;
	size_t i, n;

	host = reply_object(reply, "host");
	reply_u64(reply, "level_for_ms", &level_ms);
	printf("pressure %s for %" PRIu64 " s, available %s, headroom %s, amounts %s%s%s\n",
	       ctl_text(reply, "level"), level_ms / 1000,
	       ctl_size(host, "available", available, sizeof(available)),
	       ctl_size(host, "headroom", headroom, sizeof(headroom)), ctl_text(reply, "amounts"),
	       ctl_flag(reply, "dry_run") ? ", dry run" : "",
	       ctl_flag(reply, "suspended") ? ", disabled for all guests" : "");
	printf("%-20s %8s %8s %8s %8s %8s %8s %8s  %-9s %s\n", "GUEST", "RAM", "ACTUAL", "TARGET",
	       "FLOOR", "RSS", "SLACK", "CACHE", "REPORTING", "STATE");
	guests = reply_array(reply, "guests");
	n = guests ? json_object_array_length(guests) : 0;
	if (guests)
		json_object_array_sort(guests, by_name);
	for (i = 0; i < n; i++)
		print_guest(json_object_array_get_idx(guests, i));
}

static int cmd_status(void)
{
	struct json_object *reply;
	int status;

	reply = ctl_ask(ctl_request("status"), &status);
	if (!reply)
		return status;
	if (opts.json)
		return ctl_print_json(reply);
	print_status(reply);
	json_object_put(reply);
	return EXIT_SUCCESS;
}

/* The status again and again, as long as there is a daemon. */
static int cmd_watch(void)
{
	static const struct timespec pause = { 2, 0 };
	struct json_object *reply;
	int status;

	for (;;) {
		reply = ctl_ask(ctl_request("status"), &status);
		if (!reply)
			return status;
		if (isatty(STDOUT_FILENO))
			printf("\033[H\033[J");
		print_status(reply);
		json_object_put(reply);
		if (fflush(stdout))
			return EXIT_FAILURE;
		nanosleep(&pause, NULL);
	}
}

/* What was decided about a guest, and from what. */
static int cmd_why(void)
{
	struct json_object *req, *reply, *decisions;
	char from[16], to[16], need[16], cache[16], headroom[16];
	uint64_t ms = 0;
	size_t i, n;
	int status;

	if (opts.nr_words != 2)
		return ctl_usage("why needs a guest");
	req = ctl_request("why");
	ctl_add_string(req, "guest", opts.words[1]);
	reply = ctl_ask(req, &status);
	if (!reply)
		return status;
	if (opts.json)
		return ctl_print_json(reply);
	printf("now: %s: %s\n", ctl_text(reply, "why"), ctl_text(reply, "text"));
	decisions = reply_array(reply, "decisions");
	n = decisions ? json_object_array_length(decisions) : 0;
	for (i = 0; i < n; i++) {
		struct json_object *d = json_object_array_get_idx(decisions, i);

		reply_u64(d, "ms_ago", &ms);
		printf("%" PRIu64 " s ago: %s, %s to %s: %s It needed %s, had %s of cache; "
		       "pressure %s, headroom %s.\n", ms / 1000, ctl_text(d, "action"),
		       ctl_size(d, "from", from, sizeof(from)), ctl_size(d, "to", to, sizeof(to)),
		       ctl_text(d, "text"), ctl_size(d, "need", need, sizeof(need)),
		       ctl_size(d, "cache", cache, sizeof(cache)), ctl_text(d, "level"),
		       ctl_size(d, "headroom", headroom, sizeof(headroom)));
	}
	json_object_put(reply);
	return EXIT_SUCCESS;
}

static int cmd_plan(void)
{
	struct json_object *req = ctl_request("plan"), *reply, *guests;
	size_t i, n;
	int status;

	if (opts.nr_words > 1)
		ctl_add_string(req, "level", opts.words[1]);
	reply = ctl_ask(req, &status);
	if (!reply)
		return status;
	if (opts.json)
		return ctl_print_json(reply);
	guests = reply_array(reply, "guests");
	n = guests ? json_object_array_length(guests) : 0;
	for (i = 0; i < n; i++) {
		struct json_object *g = json_object_array_get_idx(guests, i);
		const char *action = ctl_text(g, "action");
		char from[16], to[16];

		if (!strcmp(action, "nothing"))
			printf("%s: nothing. %s\n", ctl_text(g, "name"), ctl_text(g, "text"));
		else
			printf("%s: %s, %s to %s. %s\n", ctl_text(g, "name"), action,
			       ctl_size(g, "from", from, sizeof(from)),
			       ctl_size(g, "to", to, sizeof(to)), ctl_text(g, "text"));
	}
	if (ctl_flag(reply, "no_donors"))
		printf("No guest can give anything.\n");
	json_object_put(reply);
	return EXIT_SUCCESS;
}

/* Exit status 1 tells monitoring that there is a problem. */
static int cmd_doctor(void)
{
	struct json_object *reply, *findings;
	uint64_t problems = 0;
	size_t i, n;
	int status;

	reply = ctl_ask(ctl_request("doctor"), &status);
	if (!reply)
		return status;
	reply_u64(reply, "problems", &problems);
	status = problems ? EXIT_FAILURE : EXIT_SUCCESS;
	if (opts.json) {
		ctl_print_json(reply);
		return status;
	}
	findings = reply_array(reply, "findings");
	n = findings ? json_object_array_length(findings) : 0;
	for (i = 0; i < n; i++) {
		struct json_object *f = json_object_array_get_idx(findings, i);
		const char *guest = ctl_text(f, "guest"), *detail = ctl_text(f, "detail");

		printf("%-8s %s: %s: %s%s%s%s\n", ctl_text(f, "severity"),
		       *guest ? guest : "host", ctl_text(f, "what"), ctl_text(f, "text"),
		       *detail ? " (" : "", detail, *detail ? ")" : "");
	}
	json_object_put(reply);
	return status;
}

static int cmd_metrics(void)
{
	struct json_object *reply;
	int status;

	reply = ctl_ask(ctl_request("metrics"), &status);
	if (!reply)
		return status;
	if (opts.json)
		return ctl_print_json(reply);
	fputs(ctl_text(reply, "text"), stdout);
	json_object_put(reply);
	return EXIT_SUCCESS;
}

static const struct {
	const char *name;
	int (*run)(void);
	const char *options;		/* besides -s */
} commands[] = {
	{ "status", cmd_status, "j" },
	{ "plan", cmd_plan, "j" },
	{ "doctor", cmd_doctor, "j" },
	{ "inject", cmd_inject, "jn" },
	{ "set", cmd_set, "jtw" },
	{ "hold", cmd_hold, "j" },
	{ "enable", cmd_enable, "aj" },
	{ "disable", cmd_enable, "aj" },
	{ "min", cmd_limit, "j" },
	{ "max", cmd_limit, "j" },
	{ "forget", cmd_forget, "j" },
	{ "reserve", cmd_reserve, "jtw" },
	{ "park", cmd_park, "qt" },
	{ "unpark", cmd_park, "qt" },
	{ "setup", cmd_setup, "" },
	{ "watch", cmd_watch, "" },
	{ "why", cmd_why, "j" },
	{ "record", cmd_record, "t" },
	{ "simulate", cmd_simulate, "cegprv" },
	{ "metrics", cmd_metrics, "j" },
};

/* An option that the command does not have is a mistake that must not pass for one it has. */
static int run(size_t i)
{
	const struct argp_option *o;

	for (o = option_list; o->name; o++) {
		if (o->key == 's' || o->key == 'u' || strchr(commands[i].options, o->key) ||
		    !(opts.given & 1U << (o->key - 'a')))
			continue;
		fprintf(stderr, "autoballoonctl: %s has no option --%s\n", commands[i].name, o->name);
		return EXIT_USAGE;
	}
	return commands[i].run();
}

int main(int argc, char **argv)
{
	size_t i;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, opts.words[0]))
			return run(i);
	return ctl_usage("no such command; see --help");
}
