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
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "client.h"
#include "qmp.h"
#include "simulate.h"

#define DEFAULT_SOCKET "/run/autoballoon/control"
#define MAX_WORDS 4

enum { EXIT_USAGE = 2, EXIT_STUCK = 3, EXIT_REFUSED = 4, EXIT_TIMEOUT = 5 };

const char *argp_program_version = "autoballoonctl 1.0";

static struct {
	const char *socket;
	const char *config;
	bool json;
	bool wait;
	bool all;
	uint64_t timeout_ms;
	uint64_t count;
	const char *scenario;
	const char *policy;
	bool reporting;
	bool verbose;
	uint64_t growth;
	const char *words[MAX_WORDS];
	int nr_words;
} opts = { .socket = DEFAULT_SOCKET, .timeout_ms = 60000, .count = 1, .growth = 10 * MIB };

enum { OPTION_SCENARIO = 256, OPTION_POLICY, OPTION_REPORTING, OPTION_GROWTH };

static const struct argp_option option_list[] = {
	{ "socket", 's', "PATH", 0, "Control socket instead of " DEFAULT_SOCKET, 0 },
	{ "json", 'j', NULL, 0, "Print the daemon's answer as JSON", 0 },
	{ "wait", 'w', NULL, 0, "set: wait until the guest has the size", 0 },
	{ "timeout", 't', "TIME", 0, "set --wait: give up after TIME (60s)", 0 },
	{ "count", 'n', "N", 0, "inject: as if N events had come", 0 },
	{ "all", 'a', NULL, 0, "enable, disable: all guests", 0 },
	{ "config", 'c', "FILE", 0, "simulate: configuration to go by", 0 },
	{ "scenario", OPTION_SCENARIO, "NAME", 0, "simulate: play a scenario; help lists them", 0 },
	{ "policy", OPTION_POLICY, "NAME", 0,
	  "simulate: own, nothing, proxmox, mom or squeezed; all of them without it", 0 },
	{ "reporting", OPTION_REPORTING, NULL, 0, "simulate: guests have free page reporting", 0 },
	{ "growth", OPTION_GROWTH, "SIZE", 0,
	  "simulate: page cache that each guest reads in a second (10M)", 0 },
	{ "verbose", 'v', NULL, 0, "simulate: print actions and sizes, too", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 's':
		opts.socket = arg;
		return 0;
	case 'j':
		opts.json = true;
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
	case OPTION_SCENARIO:
		opts.scenario = arg;
		return 0;
	case OPTION_POLICY:
		opts.policy = arg;
		return 0;
	case OPTION_REPORTING:
		opts.reporting = true;
		return 0;
	case OPTION_GROWTH:
		if (parse_size(arg, &opts.growth))
			argp_error(state, "cannot understand the size \"%s\"", arg);
		return 0;
	case 'v':
		opts.verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		if (opts.nr_words == MAX_WORDS)
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
	       "  simulate TRACE        replay a trace through the policy; needs no daemon\n"
	       "  simulate --scenario A play a scenario with a model of host and guests\n"
	       "  metrics               print the metrics\n",
};

static int usage(const char *text)
{
	fprintf(stderr, "autoballoonctl: %s\n", text);
	return EXIT_USAGE;
}

static struct json_object *make_request(const char *command)
{
	struct json_object *req = json_object_new_object();

	json_object_object_add(req, "command", json_object_new_string(command));
	return req;
}

static void add_string(struct json_object *req, const char *key, const char *text)
{
	json_object_object_add(req, key, json_object_new_string(text));
}

static void add_u64(struct json_object *req, const char *key, uint64_t value)
{
	json_object_object_add(req, key, json_object_new_uint64(value));
}

/* Ask, and report an error. Returns NULL and sets *status if there is one. */
static struct json_object *ask(struct json_object *req, int *status)
{
	struct json_object *reply = client_ask(opts.socket, req);
	const char *error, *code;
	bool ok = false;

	*status = EXIT_FAILURE;
	if (!reply) {
		fprintf(stderr, "autoballoonctl: %s\n", client_error());
		return NULL;
	}
	qmp_bool(reply, "ok", &ok);
	if (ok) {
		*status = EXIT_SUCCESS;
		return reply;
	}
	error = qmp_string(reply, "error");
	code = qmp_string(reply, "code");
	fprintf(stderr, "autoballoonctl: %s\n", error ? error : "the daemon refused");
	if (code && !strcmp(code, "guest-refused"))
		*status = EXIT_REFUSED;
	json_object_put(reply);
	return NULL;
}

static int print_json(struct json_object *reply)
{
	printf("%s\n", json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PRETTY));
	json_object_put(reply);
	return EXIT_SUCCESS;
}

static int ask_and_forget(struct json_object *req)
{
	struct json_object *reply;
	int status;

	reply = ask(req, &status);
	json_object_put(reply);
	return status;
}

static const char *size_of(struct json_object *from, const char *key, char *buf, size_t size)
{
	uint64_t value = UNSET;

	qmp_u64(from, key, &value);
	return format_size(buf, size, value);
}

static bool flag(struct json_object *from, const char *key)
{
	bool value = false;

	qmp_bool(from, key, &value);
	return value;
}

static const char *text_of(struct json_object *from, const char *key)
{
	const char *text = qmp_string(from, key);

	return text ? text : "-";
}

static void print_guest(struct json_object *g)
{
	char ram[16], actual[16], target[16], floor[16], rss[16], slack[16], cache[16];

	printf("%-20s %8s %8s %8s %8s %8s %8s %8s  %-9s %s\n", text_of(g, "name"),
	       size_of(g, "ram", ram, sizeof(ram)),
	       size_of(g, "actual", actual, sizeof(actual)),
	       size_of(g, "target", target, sizeof(target)),
	       size_of(g, "floor", floor, sizeof(floor)),
	       size_of(g, "rss", rss, sizeof(rss)),
	       size_of(g, "slack", slack, sizeof(slack)),
	       size_of(g, "cache", cache, sizeof(cache)),
	       flag(g, "reporting") ? "yes" : flag(g, "reporting_offered") ? "offered" : "no",
	       text_of(g, "why"));
}

static int cmd_status(void)
{
	struct json_object *reply, *host, *guests;
	char available[16], headroom[16];
	uint64_t level_ms = 0;
	size_t i, n;
	int status;

	reply = ask(make_request("status"), &status);
	if (!reply)
		return status;
	if (opts.json)
		return print_json(reply);
	host = qmp_object(reply, "host");
	qmp_u64(reply, "level_for_ms", &level_ms);
	printf("pressure %s for %" PRIu64 " s, available %s, headroom %s, amounts %s%s%s\n",
	       text_of(reply, "level"), level_ms / 1000,
	       size_of(host, "available", available, sizeof(available)),
	       size_of(host, "headroom", headroom, sizeof(headroom)), text_of(reply, "amounts"),
	       flag(reply, "dry_run") ? ", dry run" : "",
	       flag(reply, "suspended") ? ", disabled for all guests" : "");
	printf("%-20s %8s %8s %8s %8s %8s %8s %8s  %-9s %s\n", "GUEST", "RAM", "ACTUAL", "TARGET",
	       "FLOOR", "RSS", "SLACK", "CACHE", "REPORTING", "STATE");
	guests = qmp_array(reply, "guests");
	n = guests ? json_object_array_length(guests) : 0;
	for (i = 0; i < n; i++)
		print_guest(json_object_array_get_idx(guests, i));
	json_object_put(reply);
	return EXIT_SUCCESS;
}

static int cmd_plan(void)
{
	struct json_object *req = make_request("plan"), *reply, *guests;
	size_t i, n;
	int status;

	if (opts.nr_words > 1)
		add_string(req, "level", opts.words[1]);
	reply = ask(req, &status);
	if (!reply)
		return status;
	if (opts.json)
		return print_json(reply);
	guests = qmp_array(reply, "guests");
	n = guests ? json_object_array_length(guests) : 0;
	for (i = 0; i < n; i++) {
		struct json_object *g = json_object_array_get_idx(guests, i);
		const char *action = text_of(g, "action");
		char from[16], to[16];

		if (!strcmp(action, "nothing"))
			printf("%s: nothing. %s\n", text_of(g, "name"), text_of(g, "text"));
		else
			printf("%s: %s, %s to %s. %s\n", text_of(g, "name"), action,
			       size_of(g, "from", from, sizeof(from)),
			       size_of(g, "to", to, sizeof(to)), text_of(g, "text"));
	}
	if (flag(reply, "no_donors"))
		printf("No guest can give anything.\n");
	json_object_put(reply);
	return EXIT_SUCCESS;
}

static int cmd_doctor(void)
{
	struct json_object *reply, *findings;
	size_t i, n;
	int status;

	reply = ask(make_request("doctor"), &status);
	if (!reply)
		return status;
	if (opts.json)
		return print_json(reply);
	findings = qmp_array(reply, "findings");
	n = findings ? json_object_array_length(findings) : 0;
	for (i = 0; i < n; i++) {
		struct json_object *f = json_object_array_get_idx(findings, i);
		const char *guest = text_of(f, "guest");

		printf("%-8s %s: %s: %s\n", text_of(f, "severity"), *guest ? guest : "host",
		       text_of(f, "what"), text_of(f, "text"));
	}
	json_object_put(reply);
	return EXIT_SUCCESS;
}

static int cmd_inject(void)
{
	struct json_object *req;

	if (opts.nr_words != 2)
		return usage("inject needs a level: low, medium or critical");
	req = make_request("inject");
	add_string(req, "level", opts.words[1]);
	add_u64(req, "count", opts.count);
	return ask_and_forget(req);
}

static struct json_object *find_guest(struct json_object *reply, const char *name)
{
	struct json_object *guests = qmp_array(reply, "guests");
	size_t i, n = guests ? json_object_array_length(guests) : 0;

	for (i = 0; i < n; i++) {
		struct json_object *g = json_object_array_get_idx(guests, i);

		if (!strcmp(text_of(g, "name"), name) || !strcmp(text_of(g, "uuid"), name) ||
		    !strcmp(text_of(g, "socket"), name))
			return g;
	}
	return NULL;
}

/* What became of a target. -1: still under way. */
static int judge(struct json_object *g, uint64_t wanted)
{
	uint64_t target = 0, actual = 0;

	if (!g || !qmp_u64(g, "actual", &actual))
		return EXIT_FAILURE;
	qmp_u64(g, "target", &target);
	if (flag(g, "stuck")) {
		fprintf(stderr, "autoballoonctl: the guest does not follow\n");
		return EXIT_STUCK;
	}
	if (target != wanted) {
		fprintf(stderr, "autoballoonctl: the target was changed: %s\n",
			text_of(g, "last_why"));
		return !strcmp(text_of(g, "last_why"), "unstick") ? EXIT_STUCK : EXIT_REFUSED;
	}
	return flag(g, "settled") ? EXIT_SUCCESS : -1;
}

static int wait_for(const char *name, uint64_t target)
{
	static const struct timespec pause = { 0, 200 * 1000 * 1000 };
	uint64_t end = now_ms() + opts.timeout_ms;
	struct json_object *reply;
	int status;

	do {
		nanosleep(&pause, NULL);
		reply = ask(make_request("status"), &status);
		if (!reply)
			return status;
		status = judge(find_guest(reply, name), target);
		json_object_put(reply);
	} while (status < 0 && now_ms() < end);
	if (status < 0) {
		fprintf(stderr, "autoballoonctl: time is over\n");
		return EXIT_TIMEOUT;
	}
	return status;
}

static int cmd_set(void)
{
	struct json_object *req, *reply;
	uint64_t size = 0, target;
	bool automatic;
	int status;

	if (opts.nr_words != 3)
		return usage("set needs a guest and a size");
	automatic = !strcmp(opts.words[2], "auto");
	if (!automatic && (parse_size(opts.words[2], &size) || !size))
		return usage("cannot understand the size");
	req = make_request("set");
	add_string(req, "guest", opts.words[1]);
	if (!automatic)
		add_u64(req, "size", size);
	reply = ask(req, &status);
	if (!reply)
		return status;
	if (!automatic && qmp_u64(reply, "target", &target) && opts.wait)
		status = wait_for(opts.words[1], target);
	json_object_put(reply);
	return status;
}

static int cmd_hold(void)
{
	struct json_object *req;
	uint64_t size;

	if (opts.nr_words != 2 && opts.nr_words != 3)
		return usage("hold needs a guest, and perhaps a size or \"off\"");
	req = make_request("hold");
	add_string(req, "guest", opts.words[1]);
	if (opts.nr_words == 3 && !strcmp(opts.words[2], "off")) {
		json_object_object_add(req, "off", json_object_new_boolean(true));
	} else if (opts.nr_words == 3) {
		if (parse_size(opts.words[2], &size) || !size) {
			json_object_put(req);
			return usage("cannot understand the size");
		}
		add_u64(req, "size", size);
	}
	return ask_and_forget(req);
}

static int cmd_enable(void)
{
	struct json_object *req;

	if (opts.nr_words != (opts.all ? 1 : 2))
		return usage("name one guest, or say --all");
	req = make_request(opts.words[0]);
	if (opts.all)
		json_object_object_add(req, "all", json_object_new_boolean(true));
	else
		add_string(req, "guest", opts.words[1]);
	return ask_and_forget(req);
}

static int cmd_metrics(void)
{
	struct json_object *reply;
	int status;

	reply = ask(make_request("metrics"), &status);
	if (!reply)
		return status;
	fputs(text_of(reply, "text"), stdout);
	json_object_put(reply);
	return EXIT_SUCCESS;
}

static int list_scenarios(void)
{
	unsigned int i;

	for (i = 0; arena_scenario_name(i); i++)
		printf("%-10s %s\n", arena_scenario_name(i), arena_scenario_text(i));
	return EXIT_SUCCESS;
}

static int play_scenario(const struct config *config)
{
	struct arena_options options = {
		.reporting = opts.reporting, .growth = (double)opts.growth / (double)MIB,
		.trace = opts.verbose ? stdout : NULL, .log = opts.verbose ? stdout : NULL,
	};
	struct arena_score score;
	unsigned int s, p, i;

	if (!strcmp(opts.scenario, "help"))
		return list_scenarios();
	if (arena_find(opts.scenario, opts.policy ? opts.policy : "own", &s, &p))
		return usage("no such scenario or policy; see --scenario help and --help");
	printf("%-9s %8s %8s %8s %7s %8s %6s %6s %8s\n", "POLICY", "BELOW-0", "GiB*s", "REREAD",
	       "SWINGS", "CHANGES", "PULLS", "KILLS", "TAKEN");
	for (i = 0; arena_policy_name(i); i++) {
		if (opts.policy && i != p)
			continue;
		arena_run(config, s, i, &options, &score);
		printf("%-9s %7us %8.0f %7.1fG %7u %8u %6u %6u %7.1fG\n", arena_policy_name(i),
		       score.below, score.depth, score.reread, score.swings, score.changes,
		       score.pulls, score.kills, score.taken);
	}
	return EXIT_SUCCESS;
}

static int cmd_simulate(void)
{
	static struct config config;
	FILE *trace;
	int err;

	if (opts.nr_words != (opts.scenario ? 1 : 2))
		return usage("simulate needs a trace or --scenario NAME");
	config_defaults(&config);
	if (opts.config ? config_read(&config, opts.config) : config_check(&config)) {
		fprintf(stderr, "autoballoonctl: %s\n", config.error);
		return EXIT_FAILURE;
	}
	if (opts.scenario)
		return play_scenario(&config);
	trace = strcmp(opts.words[1], "-") ? fopen(opts.words[1], "re") : stdin;
	if (!trace) {
		fprintf(stderr, "autoballoonctl: %s: %s\n", opts.words[1], strerror(errno));
		return EXIT_FAILURE;
	}
	err = simulate(&config, trace, opts.words[1], stdout);
	if (trace != stdin)
		fclose(trace);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const struct {
	const char *name;
	int (*run)(void);
} commands[] = {
	{ "status", cmd_status },
	{ "plan", cmd_plan },
	{ "doctor", cmd_doctor },
	{ "inject", cmd_inject },
	{ "set", cmd_set },
	{ "hold", cmd_hold },
	{ "enable", cmd_enable },
	{ "disable", cmd_enable },
	{ "simulate", cmd_simulate },
	{ "metrics", cmd_metrics },
};

int main(int argc, char **argv)
{
	size_t i;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, opts.words[0]))
			return commands[i].run();
	return usage("no such command; see --help");
}
