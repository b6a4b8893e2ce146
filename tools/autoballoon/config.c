// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration.
 *
 * One table holds every option with its kind and limits; setting, checking and
 * printing go by it, so that none of them can forget an option. Unknown
 * sections and options are errors: a misspelt limit must not be ignored.
 */
#include "config.h"

#include <errno.h>
#include <fnmatch.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, LIST, PLACE, SIZE, TIME, NUMBER, BOOL, AMOUNT, PSI, CHOICE };

struct option {
	const char *section;
	const char *key;
	enum kind kind;
	size_t offset;
	uint64_t min, max;		/* for SIZE (bytes), TIME (ms) and NUMBER */
	const char *choices;		/* for CHOICE: words separated by spaces */
	bool at_start;			/* a reload does not change it */
};

#define AT(field) offsetof(struct config, field)
#define POLICY(field) offsetof(struct config, policy.field)
#define RULE(field) offsetof(struct guest_rule, field)

static const struct option options[] = {
	{ "daemon", "run-directory", PLACE, AT(run_dir), 1, 0, NULL, true },
	{ "daemon", "state-directory", PLACE, AT(keep_dir), 0, 0, NULL, true },
	{ "daemon", "control-socket", PLACE, AT(control_socket), 1, 0, NULL, true },
	{ "daemon", "control-group", TEXT, AT(control_group), 0, 0, NULL, true },
	{ "daemon", "metrics-file", PLACE, AT(metrics_file), 0, 0, NULL, false },
	{ "daemon", "metrics-interval", TIME, AT(metrics_interval_ms), 1000, 3600000, NULL, false },
	{ "daemon", "socket-directories", LIST, AT(directories), 0, 0, NULL, true },
	{ "daemon", "socket-pattern", TEXT, AT(pattern), 0, 0, NULL, true },
	{ "daemon", "libvirt-sockets", LIST, AT(sockets[TRANSPORT_LIBVIRT]), 0, 0, NULL, true },
	{ "daemon", "firecracker-sockets", LIST, AT(sockets[TRANSPORT_FIRECRACKER]), 0, 0, NULL,
	  true },
	{ "daemon", "cloud-hypervisor-sockets", LIST, AT(sockets[TRANSPORT_CLOUD_HYPERVISOR]), 0, 0,
	  NULL, true },
	{ "daemon", "idle-interval", TIME, AT(idle_interval_ms), 1000, 60000, NULL, false },
	{ "daemon", "release-on-exit", BOOL, AT(release_on_exit), 0, 0, NULL, false },
	{ "daemon", "lock-memory", BOOL, AT(lock_memory), 0, 0, NULL, true },
	{ "daemon", "dry-run", BOOL, AT(dry_run), 0, 0, NULL, false },
	{ "daemon", "debug", BOOL, AT(debug), 0, 0, NULL, false },
	{ "pressure", "source", CHOICE, AT(source), 0, 0, "psi vmpressure none", true },
	{ "pressure", "cgroup", PLACE, AT(cgroup), 0, 0, NULL, true },
	{ "pressure", "cgroup-memory", PLACE, AT(cgroup_memory), 0, 0, NULL, true },
	{ "pressure", "psi-low", PSI, AT(psi[LEVEL_LOW]), 0, 0, NULL, true },
	{ "pressure", "psi-medium", PSI, AT(psi[LEVEL_MEDIUM]), 0, 0, NULL, true },
	{ "pressure", "psi-critical", PSI, AT(psi[LEVEL_CRITICAL]), 0, 0, NULL, true },
	{ "pressure", "available-low", AMOUNT, AT(available[LEVEL_LOW]), 0, 0, NULL, false },
	{ "pressure", "available-medium", AMOUNT, AT(available[LEVEL_MEDIUM]), 0, 0, NULL, false },
	{ "pressure", "available-critical", AMOUNT, AT(available[LEVEL_CRITICAL]), 0, 0, NULL, false },
	{ "pressure", "headroom-low", AMOUNT, AT(headroom[LEVEL_LOW]), 0, 0, NULL, false },
	{ "pressure", "headroom-medium", AMOUNT, AT(headroom[LEVEL_MEDIUM]), 0, 0, NULL, false },
	{ "pressure", "headroom-critical", AMOUNT, AT(headroom[LEVEL_CRITICAL]), 0, 0, NULL, false },
	{ "pressure", "quiet", TIME, AT(quiet_ms), 1000, 3600000, NULL, false },
	{ "pressure", "vmpressure-rate", NUMBER, AT(vmpressure_rate), 1, 6000, NULL, false },
	{ "pressure", "vmpressure-burst", NUMBER, AT(vmpressure_burst), 1, 1000, NULL, false },
	{ "policy", "amounts", TEXT, AT(amounts), 0, 0, NULL, false },
	{ "policy", "amount-low", SIZE, AT(amount[LEVEL_LOW]), 0, 1024 * GIB, NULL, false },
	{ "policy", "amount-medium", SIZE, AT(amount[LEVEL_MEDIUM]), 0, 1024 * GIB, NULL, false },
	{ "policy", "amount-critical", SIZE, AT(amount[LEVEL_CRITICAL]), 0, 1024 * GIB, NULL,
	  false },
	{ "policy", "goal-low", NUMBER, POLICY(goal_percent[LEVEL_LOW]), 0, 100, NULL, false },
	{ "policy", "goal-medium", NUMBER, POLICY(goal_percent[LEVEL_MEDIUM]), 0, 100, NULL, false },
	{ "policy", "goal-critical", NUMBER, POLICY(goal_percent[LEVEL_CRITICAL]), 0, 100, NULL, false },
	{ "policy", "step-low", NUMBER, POLICY(step_percent[LEVEL_LOW]), 1, 100, NULL, false },
	{ "policy", "step-medium", NUMBER, POLICY(step_percent[LEVEL_MEDIUM]), 1, 100, NULL, false },
	{ "policy", "step-critical", NUMBER, POLICY(step_percent[LEVEL_CRITICAL]), 1, 100, NULL, false },
	{ "policy", "take-interval", TIME, POLICY(take_interval_ms), 1000, 3600000, NULL, false },
	{ "policy", "changes-per-minute", NUMBER, POLICY(changes_per_minute), 3, POLICY_CHANGES,
	  NULL, false },
	{ "policy", "reserve", SIZE, POLICY(reserve_bytes), 8 * MIB, 16 * GIB, NULL, false },
	{ "policy", "overhead", SIZE, POLICY(overhead_bytes), 0, 4 * GIB, NULL, false },
	{ "policy", "hold", TIME, POLICY(hold_ms), 1000, 86400000, NULL, false },
	{ "policy", "stuck-after", TIME, POLICY(stuck_ms), 2000, 600000, NULL, false },
	{ "policy", "stuck-pause", TIME, POLICY(cool_ms), 1000, 86400000, NULL, false },
	{ "policy", "foreign-pause", TIME, POLICY(foreign_ms), 1000, 86400000, NULL, false },
	{ "policy", "boot-pause", TIME, POLICY(boot_ms), 0, 3600000, NULL, false },
	{ "policy", "give-after", TIME, POLICY(give_after_ms), 0, 86400000, NULL, false },
	{ "policy", "give-interval", TIME, POLICY(give_interval_ms), 1000, 3600000, NULL, false },
	{ "policy", "give-step", NUMBER, POLICY(give_percent), 1, 100, NULL, false },
	{ "policy", "fault-limit", NUMBER, POLICY(fault_limit), 1, 1000000, NULL, false },
	{ "policy", "swap-limit", SIZE, POLICY(swap_limit), 4096, 16 * GIB, NULL, false },
	{ "policy", "pulse-interval", TIME, POLICY(pulse_interval_ms), 1000, 86400000, NULL, false },
	{ "policy", "pulse-timeout", TIME, POLICY(pulse_timeout_ms), 1000, 600000, NULL, false },
	{ "policy", "right-size-interval", TIME, POLICY(rightsize_interval_ms), 1000, 3600000,
	  NULL, false },
	{ "policy", "right-size-faults", NUMBER, POLICY(rightsize_fault_limit), 1, 1000000, NULL, false },
	{ "guest", "socket", PLACE, RULE(socket), 0, 0, NULL, false },
	{ "guest", "transport", CHOICE, RULE(transport), 0, 0,
	  "qmp libvirt firecracker cloud-hypervisor", false },
	{ "guest", "automatic", BOOL, RULE(automatic), 0, 0, NULL, false },
	{ "guest", "min", AMOUNT, RULE(min), 0, 0, NULL, false },
	{ "guest", "max", AMOUNT, RULE(max), 0, 0, NULL, false },
	{ "guest", "shares", NUMBER, RULE(shares), 1, 1000000, NULL, false },
	{ "guest", "band", NUMBER, RULE(band), 0, 1000, NULL, false },
	{ "guest", "pulse", CHOICE, RULE(pulse), 0, 0, "no auto yes", false },
	{ "guest", "right-size", BOOL, RULE(rightsize), 0, 0, NULL, false },
};

_Static_assert(ARRAY_SIZE(options) <= CONFIG_OPTIONS_MAX, "room for every option's place");

static bool is_guest(const struct option *o)
{
	return !strcmp(o->section, "guest");
}

/* The bit of a guest's option in "given": those of guests come last in the table. */
static unsigned int guest_bit(size_t i)
{
	size_t first = 0;

	while (!is_guest(&options[first]))
		first++;
	return 1U << (i - first);
}

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
		.keep_dir = "/var/lib/autoballoon",
		.control_socket = "/run/autoballoon/control",
		.metrics_interval_ms = 15000,
		.directories = "/run/autoballoon/guests",
		.pattern = "*.qmp",
		.sockets = { [TRANSPORT_LIBVIRT] = "/run/autoballoon/libvirt/*.sock" },
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
	struct psi_trigger new;
	char stall[32], window[32], word[8];
	int end = 0;

	/* Without what is between its members: a reload compares triggers. */
	memset(&new, 0, sizeof(new));
	new.on = true;
	if (!strcmp(text, "off")) {
		psi->on = false;
		return 0;
	}
	if (sscanf(text, "%7s %31[^/ ]/%31s%n", word, stall, window, &end) != 3 ||
	    text[end] || parse_time_ms(stall, &new.stall_ms) || parse_time_ms(window, &new.window_ms))
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
	case LIST:
		return copy_string(at, CONFIG_LIST_MAX, text) ? 0 : -ERANGE;
	case PLACE:
		if (*text ? *text != '/' : o->min)
			return -ENOTDIR;
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
	return -EINVAL;
}

static struct guest_rule *find_rule(struct config *config, const char *pattern,
				    const struct config_place *place)
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
	rule->place = *place;
	config->nr_rules++;
	return rule;
}

/**
 * config_section - a section begins
 * @config: the configuration
 * @section: its name
 * @place: where it stands
 *
 * Return: 0, or -EINVAL; config->error then says what is wrong.
 */
int config_section(struct config *config, const char *section, const struct config_place *place)
{
	size_t i;

	if (!strcmp(section, "guest"))
		return set_error(config, "[guest]: a guest section needs a pattern");
	if (!strncmp(section, "guest ", 6)) {
		if (!find_rule(config, section + 6 + strspn(section + 6, " \t"), place))
			return set_error(config, "[%s]: more than %d guest sections", section,
					 CONFIG_RULES_MAX);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!is_guest(&options[i]) && !strcmp(options[i].section, section))
			return 0;
	return set_error(config, "[%s]: no such section", section);
}

/**
 * config_set - set one option
 * @config: the configuration
 * @section: its section
 * @key: its name
 * @text: its value
 * @place: where it stands
 *
 * Return: 0, or -EINVAL; config->error then says what is wrong.
 */
int config_set(struct config *config, const char *section, const char *key, const char *text,
	       const struct config_place *place)
{
	struct guest_rule *rule = NULL;
	char *base = (char *)config;
	size_t i;

	if (!strncmp(section, "guest ", 6)) {
		rule = find_rule(config, section + 6 + strspn(section + 6, " \t"), place);
		if (!rule)
			return set_error(config, "[%s]: no such section", section);
		section = "guest";
		base = (char *)rule;
	}
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(options[i].section, section) && !strcmp(options[i].key, key))
			break;
	if (i == ARRAY_SIZE(options) || (!rule && is_guest(&options[i])))
		return set_error(config, "[%s] %s: no such option", section, key);
	switch (set_option(&options[i], base, text)) {
	case 0:
		break;
	case -ERANGE:
		return set_error(config, "[%s] %s: \"%s\" is out of range", section, key, text);
	case -ENOTDIR:
		return set_error(config, "[%s] %s: must be an absolute path", section, key);
	default:
		return set_error(config, "[%s] %s: cannot understand \"%s\"", section, key, text);
	}
	config->places[i] = *place;
	if (rule)
		rule->given |= guest_bit(i);
	return 0;
}

/* Where an option was set, as the start of a message. */
static const char *place_of(const struct config *config, const char *key, char *buf, size_t size)
{
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		const struct config_place *place = &config->places[i];

		if (strcmp(options[i].key, key) || !place->file)
			continue;
		if (place->line)
			snprintf(buf, size, "%.200s:%u: ", place->file, place->line);
		else
			snprintf(buf, size, "%.200s: ", place->file);
	}
	return buf;
}

/* Amounts of one kind can be told apart without knowing the whole. */
static bool is_above(const struct amount *a, const struct amount *b)
{
	if (a->percent >= 0 && b->percent >= 0)
		return a->percent > b->percent;
	return a->percent < 0 && b->percent < 0 && a->bytes > b->bytes;
}

static int check_order(struct config *config, const char *name, bool wrong)
{
	char where[256], key[64];

	if (!wrong)
		return 0;
	/* Told at the place of the last of the three that was set. */
	snprintf(key, sizeof(key), "%s-critical", name);
	if (!*place_of(config, key, where, sizeof(where))) {
		snprintf(key, sizeof(key), "%s-medium", name);
		if (!*place_of(config, key, where, sizeof(where)))
			snprintf(key, sizeof(key), "%s-low", name);
	}
	place_of(config, key, where, sizeof(where));
	return set_error(config, "%s%s-low, %s-medium and %s-critical are not in order", where,
			 name, name, name);
}

static int check_orders(struct config *config)
{
	const struct amount *a = config->available, *h = config->headroom;
	const unsigned int *goal = config->policy.goal_percent;
	const unsigned int *step = config->policy.step_percent;
	int err;

	err = check_order(config, "available", is_above(&a[LEVEL_MEDIUM], &a[LEVEL_LOW]) ||
			  is_above(&a[LEVEL_CRITICAL], &a[LEVEL_MEDIUM]));
	if (!err)
		err = check_order(config, "headroom", is_above(&h[LEVEL_MEDIUM], &h[LEVEL_LOW]) ||
				  is_above(&h[LEVEL_CRITICAL], &h[LEVEL_MEDIUM]));
	if (!err)
		err = check_order(config, "goal", goal[LEVEL_LOW] > goal[LEVEL_MEDIUM] ||
				  goal[LEVEL_MEDIUM] > goal[LEVEL_CRITICAL]);
	if (!err)
		err = check_order(config, "step", step[LEVEL_LOW] > step[LEVEL_MEDIUM] ||
				  step[LEVEL_MEDIUM] > step[LEVEL_CRITICAL]);
	return err;
}

/**
 * config_is_proxmox - whether a path is among Proxmox's own monitors
 * @path: a socket or a directory
 *
 * One who holds them locks Proxmox out of its guests.
 *
 * Return: true if the daemon must not touch it.
 */
bool config_is_proxmox(const char *path)
{
	static const char *const dirs[] = { "/run/qemu-server", "/var/run/qemu-server" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (!strncmp(path, dirs[i], strlen(dirs[i])) &&
		    (!path[strlen(dirs[i])] || path[strlen(dirs[i])] == '/'))
			return true;
	return false;
}

static int check_rules(struct config *config)
{
	const struct guest_rule *r;
	struct guest_rule rule;
	char where[256] = "";

	for (r = config->rules; r < config->rules + config->nr_rules; r++) {
		if (r->place.line)
			snprintf(where, sizeof(where), "%.200s:%u: ", r->place.file, r->place.line);
		config_rule(config, r->pattern, "", "", &rule);
		if (is_above(&rule.min, &rule.max))
			return set_error(config, "%s[guest %.60s]: min is above max", where,
					 r->pattern);
		if (config_is_proxmox(r->socket))
			return set_error(config, "%s[guest %.60s] socket: Proxmox needs this one "
					 "for itself; see autoballoonctl setup proxmox", where,
					 r->pattern);
	}
	return 0;
}

static int check_directories(struct config *config)
{
	const char *p = config->directories;
	char where[256];

	place_of(config, "socket-directories", where, sizeof(where));
	for (; *p; p += strcspn(p, ":"), p += *p == ':') {
		char dir[CONFIG_LIST_MAX];

		snprintf(dir, sizeof(dir), "%.*s", (int)strcspn(p, ":"), p);
		if (*dir != '/')
			return set_error(config, "%s[daemon] socket-directories: \"%.100s\" is not "
					 "an absolute path", where, dir);
		if (strlen(dir) >= CONFIG_TEXT_MAX)
			return set_error(config, "%s[daemon] socket-directories: a path is too long",
					 where);
		if (config_is_proxmox(dir))
			return set_error(config, "%s[daemon] socket-directories: Proxmox needs the "
					 "sockets in %.100s for itself; see autoballoonctl setup "
					 "proxmox", where, dir);
	}
	return 0;
}

static int check_amounts(struct config *config)
{
	const struct level_preset *preset = level_preset_find(config->amounts);
	bool fixed = !strcmp(config->amounts, "fixed");
	char where[256];

	config->policy.proportional = !strcmp(config->amounts, "proportional");
	if (!fixed && (config->amount[LEVEL_LOW] || config->amount[LEVEL_MEDIUM] ||
		       config->amount[LEVEL_CRITICAL]))
		return set_error(config, "%s[policy] amount-low, amount-medium and amount-critical "
				 "need amounts = fixed",
				 place_of(config, "amounts", where, sizeof(where)));
	if (fixed)
		memcpy(config->policy.amount, config->amount, sizeof(config->amount));
	else if (preset)
		memcpy(config->policy.amount, preset->amount, sizeof(preset->amount));
	else if (!config->policy.proportional)
		return set_error(config, "%s[policy] amounts: no preset \"%s\"",
				 place_of(config, "amounts", where, sizeof(where)),
				 config->amounts);
	return 0;
}

/* A pattern's last part is the sockets' name, the others a directory. */
static int check_sockets(struct config *config, const char *key, const char *list)
{
	char where[256];
	size_t len;

	for (; *list; list += len, list += *list == ':') {
		len = strcspn(list, ":");
		if (*list != '/' || len >= CONFIG_TEXT_MAX || len < 2 || list[len - 1] == '/')
			return set_error(config, "%s[daemon] %s: \"%.*s\" is not the absolute path "
					 "of a socket", place_of(config, key, where, sizeof(where)),
					 key, (int)min_u64(len, 100), list);
	}
	return 0;
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
	char where[256];
	int err;

	err = check_amounts(config);
	if (!err)
		err = check_orders(config);
	if (!err)
		err = check_rules(config);
	if (!err)
		err = check_directories(config);
	if (!err)
		err = check_sockets(config, "libvirt-sockets", config->sockets[TRANSPORT_LIBVIRT]);
	if (!err)
		err = check_sockets(config, "firecracker-sockets",
				    config->sockets[TRANSPORT_FIRECRACKER]);
	if (!err)
		err = check_sockets(config, "cloud-hypervisor-sockets",
				    config->sockets[TRANSPORT_CLOUD_HYPERVISOR]);
	if (err)
		return err;
	if (config->source == SOURCE_VMPRESSURE && !config->cgroup_memory[0])
		return set_error(config,
				 "%s[pressure] source: vmpressure needs cgroup-memory, a cgroup v1 "
				 "directory", place_of(config, "source", where, sizeof(where)));
	if (config->control_group[0] && !getgrnam(config->control_group))
		return set_error(config, "%s[daemon] control-group: no group \"%s\"",
				 place_of(config, "control-group", where, sizeof(where)),
				 config->control_group);
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
	case LIST:
	case PLACE:
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

static size_t kind_size(const struct option *o)
{
	switch (o->kind) {
	case BOOL:
		return sizeof(bool);
	case AMOUNT:
		return sizeof(struct amount);
	case TEXT:
	case PLACE:
		return CONFIG_TEXT_MAX;
	case LIST:
		return CONFIG_LIST_MAX;
	case PSI:
		return sizeof(struct psi_trigger);
	case SIZE:
	case TIME:
		return sizeof(uint64_t);
	default:
		return is_wide(o) && o->kind == NUMBER ? sizeof(uint64_t) : sizeof(unsigned int);
	}
}

/* What a section says overrules what those before it have said. */
static void apply_rule(struct guest_rule *rule, const struct guest_rule *said)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (is_guest(&options[i]) && said->given & guest_bit(i))
			memcpy((char *)rule + options[i].offset,
			       (const char *)said + options[i].offset,
			       kind_size(&options[i]));
}

static void print_rule(const struct guest_rule *rule, unsigned int which, FILE *out)
{
	size_t i;

	fprintf(out, "[guest %s]\n", rule->pattern);
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (is_guest(&options[i]) && which & guest_bit(i))
			print_option(&options[i], (const char *)rule, out);
}

/*
 * A section for all guests that comes first is printed with the defaults; one is made up
 * where there is no section.  Of others only what they say themselves: a guest may have
 * the rest from sections before, which a default that is printed would overrule.
 */
static void print_rules(const struct config *config, FILE *out)
{
	const struct guest_rule *r = config->rules, *end = r + config->nr_rules;
	struct guest_rule all;

	rule_defaults(&all);
	if (r < end && !strcmp(r->pattern, all.pattern))
		apply_rule(&all, r++);
	if (r == config->rules + 1 || r == end)
		print_rule(&all, ~0U, out);
	for (; r < end; r++)
		print_rule(r, r->given, out);
}

/**
 * config_print - write the configuration in force as a file
 * @config: the configuration
 * @out: where to
 */
void config_print(const struct config *config, FILE *out)
{
	const char *section = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		if (is_guest(&options[i]))
			break;
		if (strcmp(section, options[i].section)) {
			section = options[i].section;
			fprintf(out, "[%s]\n", section);
		}
		print_option(&options[i], (const char *)config, out);
	}
	print_rules(config, out);
}

static bool is_same(const struct option *o, const char *old, const char *new)
{
	if (o->kind == TEXT || o->kind == LIST || o->kind == PLACE)
		return !strcmp(old, new);
	return !memcmp(old, new, kind_size(o));
}

/**
 * config_keep - carry over what takes effect at the start only
 * @running: the configuration in force
 * @fresh: the one that is to replace it
 * @kept: where the names go of options that differ and are not taken over
 */
void config_keep(const struct config *running, struct config *fresh, struct textbuf *kept)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		const char *old = (const char *)running + o->offset;
		char *new = (char *)fresh + o->offset;

		if (!o->at_start || is_guest(o) || is_same(o, old, new))
			continue;
		textbuf_printf(kept, "%s%s", kept->len ? "," : "", o->key);
		memcpy(new, old, kind_size(o));
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

	rule_defaults(rule);
	for (r = config->rules; r < config->rules + config->nr_rules; r++) {
		if (fnmatch(r->pattern, name, 0) && strcmp(r->pattern, name) &&
		    strcmp(r->pattern, uuid) && (!r->socket[0] || strcmp(r->socket, socket)))
			continue;
		apply_rule(rule, r);
	}
}
