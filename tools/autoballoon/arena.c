// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A policy that manages the guests of a scenario, and how that went.
 *
 * The daemon's own policy runs as it does in the daemon: floors are looked at
 * and statistics come once a second, stalls raise the level, and policy_step()
 * decides. The rivals see the same host and guests.
 *
 * A swing is a turn in the sum of the guests' sizes: it has moved by more than
 * a fifth of itself in one direction, and then by as much in the other. The
 * first fall of a crisis is none.
 */
#include "arena.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "levels.h"
#include "pressure.h"
#include "recording.h"
#include "rivals.h"
#include "scenarios.h"

#define INFLATE 300
#define SWING 0.2
#define SWING_SECONDS 300
#define BOOT_SECONDS 5		/* not scored */
#define START_MS 1000000

static struct model model;

/* The daemon, as far as the policy needs it. */
static struct {
	const struct config *config;
	struct policy_guest guests[POLICY_MAX_GUESTS];
	struct policy_memory memory[POLICY_MAX_GUESTS];
	struct policy_result result;
	struct policy_host host;
	struct level_state level;
	/* statistics of the last seconds, and the sizes they are about */
	struct policy_stats stats[POLICY_MAX_GUESTS][ARENA_LAG_MAX + 1];
	uint64_t sizes[POLICY_MAX_GUESTS][ARENA_LAG_MAX + 1];
	unsigned int lag;
	unsigned int takes;
	FILE *log;
} own;

static uint64_t bytes(double mib)
{
	return mib > 0 ? (uint64_t)(mib * MIB) : 0;
}

static void tell_pressure(enum level level, uint64_t now)
{
	if (level == LEVEL_NONE)
		return;
	own.host.events[level]++;
	level_event(&own.level, level, now);
}

/* What the kernel's triggers would say of a stall, after their defaults. */
static enum level stall_level(const struct config *config, double some)
{
	int level;

	for (level = LEVEL_CRITICAL; level > LEVEL_NONE; level--) {
		const struct psi_trigger *psi = &config->psi[level];
		/* Not all tasks wait whenever some do. */
		double stall = psi->full ? some * 0.6 : some;

		if (psi->on && stall * (double)psi->window_ms >= (double)psi->stall_ms)
			break;
	}
	return (enum level)level;
}

static void look_at_host(uint64_t now)
{
	const struct config *c = own.config;
	uint64_t left = bytes(model_available(&model)), whole = bytes(model.memory);

	memset(own.host.events, 0, sizeof(own.host.events));
	own.host.headroom = left;
	own.host.headroom_low = amount_of(&c->available[LEVEL_LOW], whole);
	if (pressure_believed(left, own.host.headroom_low, false))
		tell_pressure(stall_level(c, model_stall(&model)), now);
	tell_pressure(floor_level(left, whole, c->available), now);
	level_tick(&own.level, now, c->quiet_ms);
	own.host.time_ms = now;
	own.host.level = own.level.now;
	own.host.level_since_ms = own.level.since_ms;
}

static void look_at_guest(struct policy_guest *p, const struct model_guest *g)
{
	struct guest_rule rule;
	double free = model_unused(g), available = free - 40 + 0.95 * (g->hot + g->cold);

	config_rule(own.config, "", "", "", &rule);
	*p = (struct policy_guest){
		.present = true, .enabled = true, .has_device = true, .has_driver = true,
		.running = true, .yields = g->yields, .reporting = g->reporting,
		.ram = bytes(g->ram), .actual = bytes(g->actual),
		.charged = bytes(g->charged + 40), .disk_reads = UNSET,
		.stats = {
			.total = bytes(g->ram), .free = bytes(free),
			.available = min_u64(bytes(available), bytes(g->ram)),
			.caches = bytes(g->hot + g->cold),
			.major_faults = (uint64_t)g->faults, .oom_kills = (uint64_t)g->kills,
		},
		.stats_seq = model.seconds + 1, .stats_age_ms = 500, .stats_interval_ms = 1000,
		.min = amount_of(&rule.min, bytes(g->ram)),
		.max = amount_of(&rule.max, bytes(g->ram)),
		.shares = g->shares, .band = g->band, .pulse = (enum pulse_mode)rule.pulse,
	};
	if (g->lies)
		p->stats.free = p->stats.available = p->stats.caches = MIB;
}

/* News takes its time; sizes are known at once. */
static void age_stats(struct policy_guest *p, unsigned int i)
{
	unsigned int now = model.seconds % (ARENA_LAG_MAX + 1), then, k;

	own.stats[i][now] = p->stats;
	own.sizes[i][now] = p->actual;
	if (model.seconds < own.lag)
		return;
	then = (model.seconds - own.lag) % (ARENA_LAG_MAX + 1);
	p->stats = own.stats[i][then];
	p->stats_age_ms = 500 + own.lag * 1000;
	/* As the daemon does: the largest size since then. */
	for (k = 0; k <= own.lag; k++)
		p->stats_actual = max_u64(p->stats_actual,
					  own.sizes[i][(then + k) % (ARENA_LAG_MAX + 1)]);
}

static void rival_own(struct model *m)
{
	uint64_t now = START_MS + (uint64_t)m->seconds * 1000;
	unsigned int i;

	look_at_host(now);
	for (i = 0; i < m->nr; i++) {
		look_at_guest(&own.guests[i], &m->guests[i]);
		age_stats(&own.guests[i], i);
	}
	policy_step(&own.config->policy, &own.host, own.guests, own.memory, m->nr, &own.result);
	for (i = 0; i < m->nr; i++) {
		const struct policy_action *a = &own.result.action[i];

		if (a->kind == POLICY_NOTHING)
			continue;
		own.takes += a->kind == POLICY_TAKE;
		if (own.log)
			fprintf(own.log, "t=%u guest=%u action=%s from=%" PRIu64 " to=%" PRIu64
				" why=%s level=%s\n", m->seconds, i,
				a->kind == POLICY_TAKE ? "take" : "give",
				own.guests[i].actual / MIB, a->target / MIB, why_name(a->why),
				level_name(own.host.level));
		model_set_target(&m->guests[i], (double)a->target / (double)MIB);
	}
}

static const struct rival own_policy = { "own", rival_own };

/* Our own is the first. */
static const struct rival *policy_at(unsigned int policy)
{
	if (!policy)
		return &own_policy;
	return policy <= nr_rivals ? &rivals[policy - 1] : NULL;
}

/**
 * arena_scenario_name - name of a scenario
 * @scenario: its number
 *
 * Return: the name, NULL if there are not so many.
 */
const char *arena_scenario_name(unsigned int scenario)
{
	return scenario < nr_scenarios ? scenarios[scenario].name : NULL;
}

/**
 * arena_scenario_text - what happens in a scenario
 * @scenario: its number
 *
 * Return: a text for people.
 */
const char *arena_scenario_text(unsigned int scenario)
{
	return scenarios[scenario].text;
}

/**
 * arena_policy_name - name of a policy
 * @policy: its number
 *
 * Return: the name, NULL if there are not so many.
 */
const char *arena_policy_name(unsigned int policy)
{
	return policy_at(policy) ? policy_at(policy)->name : NULL;
}

/**
 * arena_find - look a scenario and a policy up
 * @scenario: name of the scenario
 * @policy: name of the policy
 * @s: set to the number of the scenario
 * @p: set to the number of the policy
 *
 * Return: 0, or -ENOENT.
 */
int arena_find(const char *scenario, const char *policy, unsigned int *s, unsigned int *p)
{
	for (*s = 0; *s < nr_scenarios; (*s)++)
		if (!strcmp(scenarios[*s].name, scenario))
			break;
	for (*p = 0; policy_at(*p); (*p)++)
		if (!strcmp(policy_at(*p)->name, policy))
			break;
	return *s < nr_scenarios && policy_at(*p) ? 0 : -ENOENT;
}

/* Where the sum of the sizes turned. */
struct turns {
	int direction;			/* of the last large move, 0: none yet */
	double high, low;		/* since the last turn */
	unsigned int at[64];		/* seconds of the turns */
	unsigned int nr;
};

static void watch_turns(struct turns *turns, double sum, unsigned int t)
{
	int now = 0;

	if (!turns->high)
		turns->high = turns->low = sum;
	turns->high = sum > turns->high ? sum : turns->high;
	turns->low = sum < turns->low ? sum : turns->low;
	if (turns->direction >= 0 && sum < turns->high * (1 - SWING))
		now = -1;
	else if (turns->direction <= 0 && sum > turns->low * (1 + SWING))
		now = 1;
	if (!now)
		return;
	if (turns->direction && turns->nr < ARRAY_SIZE(turns->at))
		turns->at[turns->nr++] = t;
	turns->direction = now;
	turns->high = turns->low = sum;
}

static unsigned int count_swings(const struct turns *turns)
{
	unsigned int first, last, most = 0;

	for (first = 0; first < turns->nr; first++) {
		for (last = first; last + 1 < turns->nr &&
		     turns->at[last + 1] < turns->at[first] + SWING_SECONDS;)
			last++;
		if (last - first + 1 > most)
			most = last - first + 1;
	}
	return most;
}

static void finish(struct arena_score *score, const struct turns *turns)
{
	unsigned int i;

	score->swings = count_swings(turns);
	score->takes = own.takes;
	for (i = 0; i < model.nr; i++) {
		const struct model_guest *g = &model.guests[i];

		score->reread += g->reread / 1024;
		score->changes += g->changes;
		score->pulls += g->pulls;
		score->kills += (unsigned int)g->kills;
	}
}

/**
 * arena_run - play a scenario under a policy
 * @config: for the daemon's own policy
 * @scenario: number of the scenario
 * @policy: number of the policy
 * @options: how
 * @score: where the result goes
 */
void arena_run(const struct config *config, unsigned int scenario, unsigned int policy,
	       const struct arena_options *options, struct arena_score *score)
{
	const struct scenario *s = &scenarios[scenario];
	struct turns turns = { 0 };
	unsigned int t, i;

	memset(&model, 0, sizeof(model));
	memset(&own, 0, sizeof(own));
	*score = (struct arena_score){
		.seconds = s->seconds ? s->seconds : recording_seconds(),
	};
	own.config = config;
	own.log = options->log;
	own.lag = options->lag;
	model.inflate = options->inflate > 0 ? options->inflate : INFLATE;
	s->setup(&model);
	for (i = 0; i < model.nr; i++) {
		model.guests[i].reporting |= options->reporting;
		if (!s->own_growth)
			model.guests[i].growth = options->growth;
		if (model.guests[i].reporting)
			model.guests[i].charged = 0;
	}
	for (t = 0; t < score->seconds; t++) {
		double left, sizes = 0, ram = 0;

		s->play(&model, t);
		policy_at(policy)->decide(&model);
		model_second(&model);
		left = model_available(&model) / 1024;
		for (i = 0; i < model.nr; i++) {
			sizes += model.guests[i].actual / 1024;
			ram += model.guests[i].ram / 1024;
		}
		score->taken += (ram - sizes) / score->seconds;
		if (options->trace && t % 10 == 0)
			fprintf(options->trace, "t=%u available=%.1fG sizes=%.1fG level=%s\n", t,
				left, sizes, level_name(own.host.level));
		if (t < BOOT_SECONDS)
			continue;
		score->below += left < 0;
		score->depth += left < 0 ? -left : 0;
		watch_turns(&turns, sizes, t);
	}
	finish(score, &turns);
}

/**
 * arena_model - the model as the last run has left it
 *
 * Return: the model.
 */
const struct model *arena_model(void)
{
	return &model;
}
