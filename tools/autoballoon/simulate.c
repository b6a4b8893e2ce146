// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replaying a trace through the policy: what would it have done, and why?
 *
 * A trace is a text of "key=value" words, a line for each change:
 *
 *	t=0   guest=web ram=1G free=600M available=700M caches=100M rss=1G
 *	t=0   host headroom=2G headroom-low=1G
 *	t=10  pressure=low
 *	t=12  inject=medium count=2
 *	t=20  guest=web available=10M free=5M
 *	t=60  end
 *
 * Between the lines time passes in steps of a second. A guest follows its
 * target at once, unless the trace says what "actual" is; its free memory falls
 * and rises with it.
 */
#include "simulate.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "donors.h"

struct sim_guest {
	char name[64];
	bool fixed_actual;
};

struct sim {
	const struct config *config;
	FILE *out;
	struct sim_guest names[POLICY_MAX_GUESTS];
	struct policy_guest guests[POLICY_MAX_GUESTS];
	struct policy_memory memory[POLICY_MAX_GUESTS];
	struct policy_result result;
	struct policy_host host;
	struct level_state level;
	unsigned int nr;
	uint64_t time_ms;
};

static struct sim sim;

static struct policy_guest *sim_guest(const char *name)
{
	struct policy_guest *g;
	struct guest_rule rule;
	unsigned int i;

	for (i = 0; i < sim.nr; i++)
		if (!strcmp(sim.names[i].name, name))
			return &sim.guests[i];
	if (sim.nr == POLICY_MAX_GUESTS)
		return NULL;
	g = &sim.guests[sim.nr];
	copy_string(sim.names[sim.nr++].name, sizeof(sim.names[0].name), name);
	config_rule(sim.config, name, "", "", &rule);
	*g = (struct policy_guest){
		.present = true, .enabled = rule.automatic, .has_device = true,
		.has_driver = true, .running = true, .yields = true,
		.charged = UNSET, .disk_reads = UNSET,
		.stats_age_ms = 0, .stats_interval_ms = 1000,
		.shares = rule.shares, .band = rule.band,
		.pulse = (enum pulse_mode)rule.pulse, .rightsize = rule.rightsize,
	};
	memset(&g->stats, 0xff, sizeof(g->stats));
	g->min = UNSET;
	g->max = UNSET;
	return g;
}

/* Limits given as shares are known once the size is. */
static void apply_limits(struct policy_guest *g, const char *name)
{
	struct guest_rule rule;

	config_rule(sim.config, name, "", "", &rule);
	if (g->min == UNSET)
		g->min = amount_of(&rule.min, g->ram);
	if (g->max == UNSET)
		g->max = amount_of(&rule.max, g->ram);
	if (!g->actual)
		g->actual = g->ram;
	if (g->stats.total == UNSET)
		g->stats.total = g->ram;
}

static bool set_size(const char *key, const char *text, uint64_t *value, const char *name)
{
	return !strcmp(key, name) && !parse_size(text, value);
}

static bool set_flag(const char *key, const char *text, bool *value, const char *name)
{
	return !strcmp(key, name) && !parse_bool(text, value);
}

static int guest_word(struct policy_guest *g, const char *key, const char *text)
{
	struct policy_stats *s = &g->stats;
	uint64_t number;

	if (set_size(key, text, &g->actual, "actual")) {
		sim.names[g - sim.guests].fixed_actual = true;
		return 0;
	}
	if (set_size(key, text, &g->ram, "ram") || set_size(key, text, &g->charged, "rss") ||
	    set_size(key, text, &g->min, "min") || set_size(key, text, &g->max, "max") ||
	    set_size(key, text, &s->free, "free") || set_size(key, text, &s->total, "total") ||
	    set_size(key, text, &s->available, "available") ||
	    set_size(key, text, &s->caches, "caches") ||
	    set_size(key, text, &s->swap_in, "swap-in") ||
	    set_size(key, text, &s->swap_out, "swap-out") ||
	    set_size(key, text, &g->disk_reads, "disk-reads") ||
	    set_flag(key, text, &g->yields, "deflate-on-oom") ||
	    set_flag(key, text, &g->reporting, "reporting") ||
	    set_flag(key, text, &g->running, "running") ||
	    set_flag(key, text, &g->has_driver, "driver") ||
	    set_flag(key, text, &g->hugetlb, "hugetlb") ||
	    set_flag(key, text, &g->outside, "outside") ||
	    set_flag(key, text, &g->rightsize, "right-size"))
		return 0;
	if (!strcmp(key, "major-faults") && !parse_u64(text, 0, UINT64_MAX, &number)) {
		s->major_faults = number;
		return 0;
	}
	return -EINVAL;
}

static const char *sim_name(unsigned int i)
{
	return sim.names[i].name;
}

static void print_step(void)
{
	char text[DONORS_TEXT_MAX];
	struct textbuf tb;
	unsigned int i;

	for (i = 0; i < sim.nr; i++) {
		const struct policy_action *a = &sim.result.action[i];
		char from[32], to[32];

		if (a->kind == POLICY_NOTHING)
			continue;
		fprintf(sim.out, "t=%" PRIu64 " guest=%s action=%s from=%s to=%s why=%s level=%s\n",
			sim.time_ms / 1000, sim.names[i].name,
			a->kind == POLICY_TAKE ? "take" : "give",
			format_size(from, sizeof(from), sim.guests[i].actual),
			format_size(to, sizeof(to), a->target), why_name(a->why),
			level_name(sim.host.level));
	}
	if (sim.result.no_donors) {
		textbuf_init(&tb, text, sizeof(text));
		donors_explain(&tb, sim.guests, &sim.result, sim.nr, sim_name);
		fprintf(sim.out, "t=%" PRIu64 " no-donors level=%s %s\n", sim.time_ms / 1000,
			level_name(sim.host.level), text);
	}
}

/* Guests do as they are told; what they lose is free memory first, then cache. */
static void follow(void)
{
	unsigned int i;

	for (i = 0; i < sim.nr; i++) {
		struct policy_guest *g = &sim.guests[i];
		uint64_t target = sim.memory[i].target, before = g->actual;
		uint64_t *sizes[] = { &g->stats.free, &g->stats.available };
		unsigned int k;

		if (!target || sim.names[i].fixed_actual || !g->running || !g->has_driver)
			continue;
		g->actual = target;
		for (k = 0; k < ARRAY_SIZE(sizes); k++)
			if (*sizes[k] != UNSET)
				*sizes[k] = target < before ?
					    sub_floor(*sizes[k], before - target) :
					    min_u64(add_cap(*sizes[k], target - before),
						    g->stats.total);
		if (g->charged != UNSET && target < before)
			g->charged = sub_floor(g->charged, before - target);
	}
}

static void sim_step(void)
{
	unsigned int i;

	level_tick(&sim.level, sim.time_ms + 1, sim.config->quiet_ms);
	sim.host.time_ms = sim.time_ms + 1;
	sim.host.level = sim.level.now;
	sim.host.level_since_ms = sim.level.since_ms;
	for (i = 0; i < sim.nr; i++)
		sim.guests[i].stats_seq++;
	policy_step(&sim.config->policy, &sim.host, sim.guests, sim.memory, sim.nr, &sim.result);
	print_step();
	memset(sim.host.events, 0, sizeof(sim.host.events));
	memset(sim.host.injected, 0, sizeof(sim.host.injected));
	follow();
}

static int host_word(const char *key, const char *text)
{
	if (set_size(key, text, &sim.host.headroom, "headroom") ||
	    set_size(key, text, &sim.host.headroom_low, "headroom-low"))
		return 0;
	return -EINVAL;
}

static int run_line(char *line, unsigned int *nr_words)
{
	struct policy_guest *guest = NULL;
	enum level inject = LEVEL_NONE, level;
	const char *name = NULL;
	uint64_t number, count = 1;
	char *word, *rest = NULL, *value;
	bool host = false;

	*nr_words = 0;
	for (word = strtok_r(line, " \t\r\n", &rest); word && *word != '#';
	     word = strtok_r(NULL, " \t\r\n", &rest)) {
		(*nr_words)++;
		if (!strcmp(word, "host") || !strcmp(word, "end")) {
			host = true;
			continue;
		}
		value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value++ = '\0';
		if (!strcmp(word, "t")) {
			if (*nr_words != 1 || parse_time_ms(value, &number) ||
			    number < sim.time_ms)
				return -EINVAL;
			for (; sim.time_ms < number; sim.time_ms += 1000)
				sim_step();
			sim.time_ms = number;
		} else if (!strcmp(word, "guest")) {
			name = value;
			guest = sim_guest(name);
			if (!guest)
				return -ENOSPC;
		} else if (!strcmp(word, "pressure")) {
			if (level_parse(value, &level) || level == LEVEL_NONE)
				return -EINVAL;
			sim.host.events[level]++;
			level_event(&sim.level, level, sim.time_ms + 1);
		} else if (!strcmp(word, "inject")) {
			if (level_parse(value, &inject) || inject == LEVEL_NONE)
				return -EINVAL;
			level_event(&sim.level, inject, sim.time_ms + 1);
		} else if (!strcmp(word, "count")) {
			if (parse_u64(value, 1, 1000, &count))
				return -EINVAL;
		} else if (guest ? guest_word(guest, word, value) :
			   host ? host_word(word, value) : -EINVAL) {
			return -EINVAL;
		}
	}
	if (inject)
		sim.host.injected[inject] += (unsigned int)count;
	if (guest && !guest->ram)
		return -EINVAL;
	if (guest)
		apply_limits(guest, name);
	return 0;
}

/**
 * simulate - replay a trace
 * @config: amounts, limits and guest sections to go by
 * @trace: the trace
 * @name: its name, for messages
 * @out: where the actions go, a line each
 *
 * Return: 0, or -EINVAL after a message on stderr.
 */
int simulate(const struct config *config, FILE *trace, const char *name, FILE *out)
{
	unsigned int nr = 0, words;
	char line[1024];

	memset(&sim, 0, sizeof(sim));
	sim.config = config;
	sim.out = out;
	sim.host.headroom = UNSET;
	while (fgets(line, sizeof(line), trace)) {
		nr++;
		if (run_line(line, &words)) {
			fprintf(stderr, "%s:%u: cannot understand word %u\n", name, nr, words);
			return -EINVAL;
		}
	}
	sim_step();
	return 0;
}
