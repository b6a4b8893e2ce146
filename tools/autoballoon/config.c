// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration file.
 *
 * One table holds every option with its kind and limits; reading, checking and
 * printing go by it, so that none of them can forget an option. Unknown
 * sections and options are errors: a misspelt limit must not be ignored.
 */
#include "config.h"

#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, SIZE, TIME, NUMBER, BOOL, AMOUNT, PSI, CHOICE };

struct option {
	const char *section;
	const char *key;
	enum kind kind;
	size_t offset;
	uint64_t min, max;		/* for SIZE (bytes), TIME (ms) and NUMBER */
	const char *choices;		/* for CHOICE: words separated by spaces */
};

#define AT(field) offsetof(struct config, field)
#define POLICY(field) offsetof(struct config, policy.field)
#define RULE(field) offsetof(struct guest_rule, field)

static const struct option options[] = {
	{ "daemon", "run-directory", TEXT, AT(run_dir), 0, 0, NULL },
	{ "daemon", "control-socket", TEXT, AT(control_socket), 0, 0, NULL },
	{ "daemon", "control-group", TEXT, AT(control_group), 0, 0, NULL },
	{ "daemon", "metrics-file", TEXT, AT(metrics_file), 0, 0, NULL },
	{ "daemon", "metrics-interval", TIME, AT(metrics_interval_ms), 1000, 3600000, NULL },
	{ "daemon", "socket-directories", TEXT, AT(directories), 0, 0, NULL },
	{ "daemon", "socket-pattern", TEXT, AT(pattern), 0, 0, NULL },
	{ "daemon", "idle-interval", TIME, AT(idle_interval_ms), 1000, 60000, NULL },
	{ "daemon", "release-on-exit", BOOL, AT(release_on_exit), 0, 0, NULL },
	{ "daemon", "lock-memory", BOOL, AT(lock_memory), 0, 0, NULL },
	{ "daemon", "dry-run", BOOL, AT(dry_run), 0, 0, NULL },
	{ "daemon", "debug", BOOL, AT(debug), 0, 0, NULL },
	{ "pressure", "source", CHOICE, AT(source), 0, 0, "psi vmpressure none" },
	{ "pressure", "cgroup", TEXT, AT(cgroup), 0, 0, NULL },
	{ "pressure", "cgroup-memory", TEXT, AT(cgroup_memory), 0, 0, NULL },
	{ "pressure", "psi-low", PSI, AT(psi[LEVEL_LOW]), 0, 0, NULL },
	{ "pressure", "psi-medium", PSI, AT(psi[LEVEL_MEDIUM]), 0, 0, NULL },
	{ "pressure", "psi-critical", PSI, AT(psi[LEVEL_CRITICAL]), 0, 0, NULL },
	{ "pressure", "available-low", AMOUNT, AT(available[LEVEL_LOW]), 0, 0, NULL },
	{ "pressure", "available-medium", AMOUNT, AT(available[LEVEL_MEDIUM]), 0, 0, NULL },
	{ "pressure", "available-critical", AMOUNT, AT(available[LEVEL_CRITICAL]), 0, 0, NULL },
	{ "pressure", "headroom-low", AMOUNT, AT(headroom[LEVEL_LOW]), 0, 0, NULL },
	{ "pressure", "headroom-medium", AMOUNT, AT(headroom[LEVEL_MEDIUM]), 0, 0, NULL },
	{ "pressure", "headroom-critical", AMOUNT, AT(headroom[LEVEL_CRITICAL]), 0, 0, NULL },
	{ "pressure", "quiet", TIME, AT(quiet_ms), 1000, 3600000, NULL },
	{ "pressure", "vmpressure-rate", NUMBER, AT(vmpressure_rate), 1, 6000, NULL },
	{ "pressure", "vmpressure-burst", NUMBER, AT(vmpressure_burst), 1, 1000, NULL },
	{ "policy", "amounts", TEXT, AT(amounts), 0, 0, NULL },
	{ "policy", "goal-low", NUMBER, POLICY(goal_percent[LEVEL_LOW]), 0, 100, NULL },
	{ "policy", "goal-medium", NUMBER, POLICY(goal_percent[LEVEL_MEDIUM]), 0, 100, NULL },
	{ "policy", "goal-critical", NUMBER, POLICY(goal_percent[LEVEL_CRITICAL]), 0, 100, NULL },
	{ "policy", "step-low", NUMBER, POLICY(step_percent[LEVEL_LOW]), 1, 100, NULL },
	{ "policy", "step-medium", NUMBER, POLICY(step_percent[LEVEL_MEDIUM]), 1, 100, NULL },
	{ "policy", "step-critical", NUMBER, POLICY(step_percent[LEVEL_CRITICAL]), 1, 100, NULL },
	{ "policy", "take-interval", TIME, POLICY(take_interval_ms), 1000, 3600000, NULL },
	{ "policy", "changes-per-minute", NUMBER, POLICY(changes_per_minute), 3, POLICY_CHANGES,
	  NULL },
	{ "policy", "reserve", SIZE, POLICY(reserve_bytes), 8 * MIB, 16 * GIB, NULL },
	{ "policy", "overhead", SIZE, POLICY(overhead_bytes), 0, 4 * GIB, NULL },
	{ "policy", "hold", TIME, POLICY(hold_ms), 1000, 86400000, NULL },
	{ "policy", "stuck-after", TIME, POLICY(stuck_ms), 2000, 600000, NULL },
	{ "policy", "stuck-pause", TIME, POLICY(cool_ms), 1000, 86400000, NULL },
	{ "policy", "foreign-pause", TIME, POLICY(foreign_ms), 1000, 86400000, NULL },
	{ "policy", "boot-pause", TIME, POLICY(boot_ms), 0, 3600000, NULL },
	{ "policy", "give-after", TIME, POLICY(give_after_ms), 0, 86400000, NULL },
	{ "policy", "give-interval", TIME, POLICY(give_interval_ms), 1000, 3600000, NULL },
	{ "policy", "give-step", NUMBER, POLICY(give_percent), 1, 100, NULL },
	{ "policy", "fault-limit", NUMBER, POLICY(fault_limit), 1, 1000000, NULL },
	{ "policy", "swap-limit", SIZE, POLICY(swap_limit), 4096, 16 * GIB, NULL },
	{ "policy", "pulse-interval", TIME, POLICY(pulse_interval_ms), 1000, 86400000, NULL },
	{ "policy", "pulse-timeout", TIME, POLICY(pulse_timeout_ms), 1000, 600000, NULL },
	{ "policy", "right-size-interval", TIME, POLICY(rightsize_interval_ms), 1000, 3600000,
	  NULL },
	{ "policy", "right-size-faults", NUMBER, POLICY(rightsize_fault_limit), 1, 1000000, NULL },
	{ "guest", "socket", TEXT, RULE(socket), 0, 0, NULL },
	{ "guest", "automatic", BOOL, RULE(automatic), 0, 0, NULL },
	{ "guest", "min", AMOUNT, RULE(min), 0, 0, NULL },
	{ "guest", "max", AMOUNT, RULE(max), 0, 0, NULL },
	{ "guest", "shares", NUMBER, RULE(shares), 1, 1000000, NULL },
	{ "guest", "band", NUMBER, RULE(band), 0, 1000, NULL },
	{ "guest", "pulse", CHOICE, RULE(pulse), 0, 0, "no auto yes" },
	{ "guest", "right-size", BOOL, RULE(rightsize), 0, 0, NULL },
};

/* Fields as wide as their kind says; the policy's counters are 64 bits wide. */
static bool is_wide(const struct option *o)
{
	return o->kind != NUMBER || o->offset == POLICY(fault_limit) ||
	       o->offset == POLICY(rightsize_fault_limit);
}

static void rule_defaults(struct guest_rule *rule)
{
	*rule = (struct guest_rule){
		.pattern = "*",
		.automatic = true,
		.min = { .percent = 25 },
		.max = { .percent = 100 },
		.shares = 1000,
		.band = 0,
		.pulse = PULSE_AUTO,
	};
}

/**
 * config_defaults - the documented defaults
 * @config: set to them
 */
void config_defaults(struct config *config)
{
	*config = (struct config){
		.run_dir = "/run/autoballoon",
		.control_socket = "/run/autoballoon/control",
		.metrics_interval_ms = 15000,
		.directories = "/run/autoballoon/guests",
		.pattern = "*.qmp",
		.idle_interval_ms = 5000,
		.lock_memory = true,
		.source = SOURCE_PSI,
		.psi = {
			[LEVEL_LOW] = { true, false, 100, 5000 },
			[LEVEL_MEDIUM] = { true, false, 200, 1000 },
			[LEVEL_CRITICAL] = { true, true, 100, 1000 },
		},
		.available = {
			[LEVEL_LOW] = { .percent = 10 },
			[LEVEL_MEDIUM] = { .percent = 5 },
			[LEVEL_CRITICAL] = { .percent = 3 },
		},
		.headroom = {
			[LEVEL_LOW] = { .percent = 10 },
			[LEVEL_MEDIUM] = { .percent = 5 },
			[LEVEL_CRITICAL] = { .percent = 2 },
		},
		.quiet_ms = 10000,
		.vmpressure_rate = 12,
		.vmpressure_burst = 2,
		.amounts = "proportional",
	};
	policy_defaults(&config->policy);
}

static int parse_psi(const char *text, struct psi_trigger *psi)
{
	struct psi_trigger new = { .on = true };
	char stall[32], window[32], word[8];

	if (!strcmp(text, "off")) {
		psi->on = false;
		return 0;
	}
	if (sscanf(text, "%7s %31[^/]/%31s", word, stall, window) != 3 ||
	    parse_time_ms(stall, &new.stall_ms) || parse_time_ms(window, &new.window_ms))
		return -EINVAL;
	new.full = !strcmp(word, "full");
	if (!new.full && strcmp(word, "some"))
		return -EINVAL;
	/* The kernel takes windows from half a second to ten. */
	if (new.window_ms < 500 || new.window_ms > 10000 || !new.stall_ms ||
	    new.stall_ms > new.window_ms)
		return -ERANGE;
	*psi = new;
	return 0;
}

static int parse_choice(const char *text, const char *choices, unsigned int *value)
{
	size_t len = strlen(text);
	unsigned int i = 0;

	for (; *choices; choices += strcspn(choices, " "), choices += *choices == ' ', i++) {
		if (len && !strncmp(choices, text, len) &&
		    (choices[len] == ' ' || !choices[len])) {
			*value = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_option(const struct option *o, char *base, const char *text)
{
	void *at = base + o->offset;
	uint64_t number;
	int err;

	switch (o->kind) {
	case TEXT:
		return copy_string(at, CONFIG_TEXT_MAX, text) ? 0 : -ERANGE;
	case BOOL:
		return parse_bool(text, at);
	case AMOUNT:
		return parse_amount(text, at);
	case PSI:
		return parse_psi(text, at);
	case CHOICE:
		return parse_choice(text, o->choices, at);
	case SIZE:
		err = parse_size(text, &number);
		break;
	case TIME:
		err = parse_time_ms(text, &number);
		break;
	default:
		err = parse_u64(text, 0, UINT32_MAX, &number);
		break;
	}
	if (err)
		return err;
	if (number < o->min || number > o->max)
		return -ERANGE;
	if (is_wide(o))
		memcpy(at, &number, sizeof(number));
	else
		*(unsigned int *)at = (unsigned int)number;
	return 0;
}

__attribute__((format(printf, 2, 3)))
static int set_error(struct config *config, const char *fmt, ...)
{
	va_list args;

	if (!config->error[0]) {
		va_start(args, fmt);
		vsnprintf(config->error, sizeof(config->error), fmt, args);
		va_end(args);
	}
	return 0;
}

static struct guest_rule *find_rule(struct config *config, const char *pattern)
{
	struct guest_rule *rule;
	unsigned int i;

	for (i = 0; i < config->nr_rules; i++)
		if (!strcmp(config->rules[i].pattern, pattern))
			return &config->rules[i];
	if (config->nr_rules == CONFIG_RULES_MAX)
		return NULL;
	rule = &config->rules[config->nr_rules];
	memset(rule, 0, sizeof(*rule));
	if (!copy_string(rule->pattern, sizeof(rule->pattern), pattern))
		return NULL;
	config->nr_rules++;
	return rule;
}

/* inih's handler: 1 is success, 0 an error on this line. */
static int on_option(void *user, const char *section, const char *key, const char *text)
{
	struct config *config = user;
	struct guest_rule *rule = NULL;
	char *base = (char *)config;
	size_t i;
	int err;

	if (!strncmp(section, "guest ", 6)) {
		rule = find_rule(config, section + 6);
		if (!rule)
			return set_error(config, "[%s]: too many guest sections", section);
		section = "guest";
		base = (char *)rule;
	}
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(options[i].section, section) && !strcmp(options[i].key, key))
			break;
	if (i == ARRAY_SIZE(options) || (!rule && !strcmp(section, "guest")))
		return set_error(config, "[%s] %s: no such option", section, key);
	err = set_option(&options[i], base, text);
	if (err == -ERANGE)
		return set_error(config, "[%s] %s: \"%s\" is out of range", section, key, text);
	if (err)
		return set_error(config, "[%s] %s: cannot understand \"%s\"", section, key, text);
	if (rule)
		rule->given |= 1U << (i % 32);
	return 1;
}

/**
 * config_check - rules that concern more than one option
 * @config: the configuration; on error, config->error says what is wrong
 *
 * Takes over a preset's amounts.
 *
 * Return: 0, or -EINVAL.
 */
int config_check(struct config *config)
{
	const struct level_preset *preset;

	config->policy.proportional = !strcmp(config->amounts, "proportional");
	if (!config->policy.proportional) {
		preset = level_preset_find(config->amounts);
		if (!preset) {
			set_error(config, "[policy] amounts: no preset \"%s\"", config->amounts);
			return -EINVAL;
		}
		memcpy(config->policy.amount, preset->amount, sizeof(preset->amount));
	}
	if (config->source == SOURCE_VMPRESSURE && !config->cgroup_memory[0]) {
		set_error(config,
			  "[pressure] source: vmpressure needs cgroup-memory, a cgroup v1 directory");
		return -EINVAL;
	}
	return 0;
}

/**
 * config_read - read a configuration file over what is there
 * @config: start from config_defaults()
 * @path: the file
 *
 * Return: 0, or -errno; config->error then says where and what.
 */
int config_read(struct config *config, const char *path)
{
	char what[sizeof(config->error) / 2];
	int line = ini_parse(path, on_option, config);

	if (line < 0) {
		snprintf(config->error, sizeof(config->error), "%s: %s", path,
			 line == -1 ? strerror(errno) : "out of memory");
		return -ENOENT;
	}
	if (line > 0) {
		copy_string(what, sizeof(what), config->error[0] ? config->error :
			    "neither a section nor an option");
		snprintf(config->error, sizeof(config->error), "%.200s:%d: %s", path, line, what);
		return -EINVAL;
	}
	if (config_check(config)) {
		copy_string(what, sizeof(what), config->error);
		snprintf(config->error, sizeof(config->error), "%.200s: %s", path, what);
		return -EINVAL;
	}
	return 0;
}

static void print_time(FILE *out, uint64_t ms)
{
	if (ms % 1000)
		fprintf(out, "%" PRIu64 "ms", ms);
	else
		fprintf(out, "%" PRIu64 "s", ms / 1000);
}

static void print_option(const struct option *o, const char *base, FILE *out)
{
	const void *at = base + o->offset;
	const struct psi_trigger *psi = at;
	const struct amount *amount = at;
	const char *choice = o->choices;
	uint64_t number = 0;
	unsigned int i;

	if (o->kind == SIZE || o->kind == TIME || (o->kind == NUMBER && is_wide(o)))
		memcpy(&number, at, sizeof(number));
	else if (o->kind == NUMBER)
		number = *(const unsigned int *)at;
	fprintf(out, "%s = ", o->key);
	switch (o->kind) {
	case TEXT:
		fprintf(out, "%s", (const char *)at);
		break;
	case BOOL:
		fprintf(out, "%s", *(const bool *)at ? "yes" : "no");
		break;
	case AMOUNT:
		if (amount->percent >= 0)
			fprintf(out, "%g%%", amount->percent);
		else
			fprintf(out, "%" PRIu64, amount->bytes);
		break;
	case PSI:
		if (!psi->on) {
			fprintf(out, "off");
			break;
		}
		fprintf(out, "%s ", psi->full ? "full" : "some");
		print_time(out, psi->stall_ms);
		fprintf(out, "/");
		print_time(out, psi->window_ms);
		break;
	case CHOICE:
		for (i = *(const unsigned int *)at; i; i--)
			choice += strcspn(choice, " ") + 1;
		fprintf(out, "%.*s", (int)strcspn(choice, " "), choice);
		break;
	case TIME:
		print_time(out, number);
		break;
	default:
		fprintf(out, "%" PRIu64, number);
		break;
	}
	fprintf(out, "\n");
}

/**
 * config_print - write the configuration in force as a file
 * @config: the configuration
 * @out: where to
 */
void config_print(const struct config *config, FILE *out)
{
	const char *section = "";
	struct guest_rule rule;
	size_t i;
	unsigned int k;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		if (!strcmp(options[i].section, "guest"))
			break;
		if (strcmp(section, options[i].section)) {
			section = options[i].section;
			fprintf(out, "[%s]\n", section);
		}
		print_option(&options[i], (const char *)config, out);
	}
	for (k = 0; k < config->nr_rules + 1; k++) {
		if (k == config->nr_rules)
			rule_defaults(&rule);
		else
			config_rule(config, config->rules[k].pattern, "", "", &rule);
		if (k == config->nr_rules && config->nr_rules)
			break;
		fprintf(out, "[guest %s]\n",
			k < config->nr_rules ? config->rules[k].pattern : rule.pattern);
		if (k < config->nr_rules)
			copy_string(rule.socket, sizeof(rule.socket), config->rules[k].socket);
		for (i = 0; i < ARRAY_SIZE(options); i++)
			if (!strcmp(options[i].section, "guest"))
				print_option(&options[i], (const char *)&rule, out);
	}
}

static size_t kind_size(const struct option *o)
{
	switch (o->kind) {
	case BOOL:
		return sizeof(bool);
	case AMOUNT:
		return sizeof(struct amount);
	case TEXT:
		return CONFIG_TEXT_MAX;
	default:
		return sizeof(unsigned int);
	}
}

/**
 * config_rule - what is configured for one guest
 * @config: the configuration
 * @name: its name
 * @uuid: its UUID, or ""
 * @socket: path of its QMP socket
 * @rule: where the result goes: the defaults, then every section that matches,
 *        in the order of the file
 */
void config_rule(const struct config *config, const char *name, const char *uuid,
		 const char *socket, struct guest_rule *rule)
{
	const struct guest_rule *r;
	size_t i;

	rule_defaults(rule);
	for (r = config->rules; r < config->rules + config->nr_rules; r++) {
		if (fnmatch(r->pattern, name, 0) && strcmp(r->pattern, name) &&
		    strcmp(r->pattern, uuid) && (!r->socket[0] || strcmp(r->socket, socket)))
			continue;
		for (i = 0; i < ARRAY_SIZE(options); i++)
			if (!strcmp(options[i].section, "guest") &&
			    r->given & 1U << (i % 32))
				memcpy((char *)rule + options[i].offset,
				       (const char *)r + options[i].offset,
				       kind_size(&options[i]));
	}
}
