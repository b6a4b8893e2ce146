// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Scenarios in the model: one host, many guests, and a policy that manages them.
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

#define INFLATE 300
#define SWING 0.2
#define SWING_SECONDS 300
#define BOOT_SECONDS 5		/* not scored */
#define START_MS 1000000

struct scenario {
	const char *name;
	const char *text;
	unsigned int seconds;
	void (*setup)(struct model *model);
	void (*play)(struct model *model, unsigned int t);
};

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

static const struct {
	const char *name;
	void (*decide)(struct model *model);
} policies[] = {
	{ "own", rival_own },
	{ "nothing", rival_nothing },
	{ "proxmox", rival_proxmox },
	{ "mom", rival_mom },
	{ "squeezed", rival_squeezed },
};

/* Twenty guests of 4 GiB on 64 GiB, each with 1.65 GiB in use. */
static void setup_twenty(struct model *m)
{
	unsigned int i;

	m->memory = 64 * 1024;
	m->own_use = 4 * 1024;
	for (i = 0; i < 20; i++) {
		struct model_guest *g;

		model_add(m, 4096);
		g = &m->guests[i];
		g->programs = g->programs_wanted = 1126;
		g->hot = g->hot_wanted = 400;
		g->cold = g->cold_max = 300;
		g->charged = 2355;
	}
}

static void want_cache(struct model *m, double mib)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		m->guests[i].cold_max = mib;
}

static void play_a(struct model *m, unsigned int t)
{
	if (t == 60)
		want_cache(m, 2253);
	if (t >= 60 && t < 70)
		m->own_use += 1434;
}

static void play_b(struct model *m, unsigned int t)
{
	unsigned int i;

	m->own_use = 5 * 1024;
	want_cache(m, 500);
	for (i = 0; i < m->nr; i++)
		m->guests[i].programs_wanted =
			t >= 60 && i % 4 == t / 90 % 4 && t % 90 < 75 ? 2970 : 1126;
}

static void play_c(struct model *m, unsigned int t)
{
	unsigned int i;

	want_cache(m, 2253);
	if (t >= 60 && t < 65)
		m->own_use += 2662;
	for (i = 0; t == 120 && i < 4; i++)
		m->guests[i].programs_wanted = 2970;
}

static void play_d(struct model *m, unsigned int t)
{
	unsigned int i;

	want_cache(m, 2253);
	if (t >= 30 && t < 60)
		m->own_use += 512;
	if (t >= 240 && t < 250)
		m->own_use -= 922;
	for (i = 0; t == 250 && i < m->nr; i++)
		m->guests[i].programs_wanted = 1638;
}

static void play_e(struct model *m, unsigned int t)
{
	want_cache(m, 600);
	if (t >= 60 && t < 130)
		m->own_use += 307;
}

/* A container at its own limit stalls all the time; the host has 90 % left. */
static void setup_container(struct model *m)
{
	setup_twenty(m);
	m->memory = 512 * 1024;
	m->container_stall = 1;
}

static void play_container(struct model *m, unsigned int t)
{
	(void)m;
	(void)t;
}

/* As A, and the first guest lets itself be small, then says that it has nothing left. */
static void play_liar(struct model *m, unsigned int t)
{
	play_a(m, t);
	if (t == 50)
		m->guests[0].actual = m->guests[0].target = m->guests[0].charged = 2048;
	m->guests[0].lies = t >= 100;
}

/* Two guests whose programs fit into what the host has left, and whose page cache does not. */
static void setup_tight(struct model *m)
{
	unsigned int i;

	m->memory = 8 * 1024;
	m->own_use = 1024;
	for (i = 0; i < 2; i++) {
		struct model_guest *g;

		model_add(m, 4096);
		g = &m->guests[i];
		g->programs = g->programs_wanted = 900;
		g->hot = g->hot_wanted = 900;
		g->cold = g->cold_max = 900;
		g->charged = 2850;
	}
}

static void play_tight(struct model *m, unsigned int t)
{
	if (t == 60)
		m->own_use += 3 * 1024;
	if (t == 100)
		m->guests[0].programs_wanted = 1900;
}

static uint32_t fleet_seed;

static unsigned int fleet_random(unsigned int below)
{
	fleet_seed = fleet_seed * 1664525 + 1013904223;
	return (fleet_seed >> 8) % below;
}

/* Of all sizes and three bands, a quarter more than the host has. */
static void setup_fleet(struct model *m)
{
	unsigned int i;
	double sum = 0;

	fleet_seed = 1;
	for (i = 0; i < 200; i++) {
		double ram = (double)(1024U << fleet_random(5));
		struct model_guest *g;

		model_add(m, ram);
		g = &m->guests[i];
		g->programs = g->programs_wanted = ram * (20 + fleet_random(20)) / 100;
		g->hot = g->hot_wanted = ram * fleet_random(10) / 100;
		g->cold_max = ram;
		g->growth = ram / 400;
		g->charged = ram / 2;
		g->band = fleet_random(3);
		g->reporting = fleet_random(2);
		sum += ram;
	}
	m->memory = sum / 1.25;
	m->own_use = m->memory / 20;
}

/* Guests are busy for a while now and then, and the host needs a tenth itself at times. */
static void play_fleet(struct model *m, unsigned int t)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		struct model_guest *g = &m->guests[i];

		if (t % 60 == i % 60 && fleet_random(4) == 0)
			g->programs_wanted = g->ram * (20 + fleet_random(40)) / 100;
	}
	if (t % 300 >= 200 && t % 300 < 210)
		m->own_use += m->memory / 100;
	if (t % 300 >= 250 && t % 300 < 260)
		m->own_use -= m->memory / 100;
}

static const struct scenario scenarios[] = {
	{ "A", "the host takes 14 GiB within 10 s", 420, setup_twenty, play_a },
	{ "B", "five guests in turn use 1.8 GiB more", 420, setup_twenty, play_b },
	{ "C", "the host takes 13 GiB, then four guests use 1.8 GiB more", 420, setup_twenty,
	  play_c },
	{ "D", "the host takes 15 GiB and frees 9, then all guests use 0.5 GiB more", 420,
	  setup_twenty, play_d },
	{ "E", "the host takes 21 GiB within 70 s", 420, setup_twenty, play_e },
	{ "container", "a container of the host stalls at its own limit", 420, setup_container,
	  play_container },
	{ "liar", "as A, and a guest makes itself small, then says it has nothing left", 420,
	  setup_twenty, play_liar },
	{ "tight", "the page cache of two guests does not fit any more", 420, setup_tight,
	  play_tight },
	{ "fleet", "200 guests, busy now and then", 1800, setup_fleet, play_fleet },
	{ "recorded", "a recording, if its file is named instead", 0, recording_setup,
	  recording_play },
};

/**
 * arena_scenario_name - name of a scenario
 * @scenario: its number
 *
 * Return: the name, NULL if there are not so many.
 */
const char *arena_scenario_name(unsigned int scenario)
{
	return scenario < ARRAY_SIZE(scenarios) ? scenarios[scenario].name : NULL;
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
	return policy < ARRAY_SIZE(policies) ? policies[policy].name : NULL;
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
	for (*s = 0; *s < ARRAY_SIZE(scenarios); (*s)++)
		if (!strcmp(scenarios[*s].name, scenario))
			break;
	for (*p = 0; *p < ARRAY_SIZE(policies); (*p)++)
		if (!strcmp(policies[*p].name, policy))
			break;
	return *s < ARRAY_SIZE(scenarios) && *p < ARRAY_SIZE(policies) ? 0 : -ENOENT;
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
		if (s->setup != setup_fleet)
			model.guests[i].growth = options->growth;
		if (model.guests[i].reporting)
			model.guests[i].charged = 0;
	}
	for (t = 0; t < score->seconds; t++) {
		double left, sizes = 0, ram = 0;

		s->play(&model, t);
		policies[policy].decide(&model);
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
