// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking: the host is short, and guests give.
 *
 * The goal is what is missing of the host's headroom. Guests of low bands give
 * first. Within a band free memory that the host still pays for goes first, of
 * all guests, because nobody misses it; then, from MEDIUM on, page cache, and of that
 * only as much as the low floor needs.
 *
 * A balloon grows over free memory before it evicts any cache. Where a guest has
 * reported its free memory, that part of the way brings the host nothing, but it
 * ends what the guest's cache can grow by. A pulse, down and back up again, keeps
 * nothing, and helps if the pressure passes by itself. So pulses come in
 * one wave, at MEDIUM, of as few guests as the goal needs; if there is pressure
 * again soon after it, or more of it, what is taken is kept.
 */
#include "step.h"

/* The level that the newest signs speak of; steady pressure is not a new sign. */
static enum level event_level(const struct policy_host *host)
{
	int level;

	for (level = LEVEL_CRITICAL; level > LEVEL_NONE; level--)
		if (host->events[level] || host->injected[level])
			break;
	return (enum level)level;
}

static bool was_injected(const struct policy_host *host)
{
	return host->injected[LEVEL_LOW] || host->injected[LEVEL_MEDIUM] ||
	       host->injected[LEVEL_CRITICAL];
}

/* What a guest has to take, on the way down from its target or its size. */
struct supply {
	uint64_t free;		/* goes first */
	uint64_t slack;		/* of it, that the host would get */
	uint64_t cache;		/* follows, all of it gain */
};

/* Less what it was already asked for: that is on its way. */
static struct supply supply_of(const struct step *s, unsigned int i)
{
	const struct policy_verdict *v = &s->result->verdict[i];
	uint64_t coming = sub_floor(s->guests[i].actual, s->memory[i].target);
	struct supply u = { .free = sub_floor(v->free, coming) };

	if (v->free)
		u.slack = (uint64_t)((double)v->slack * ((double)u.free / (double)v->free));
	u.cache = sub_floor(v->cache, sub_floor(coming, v->free));
	return u;
}

/* What a take brings the host. */
static uint64_t gain_of(const struct supply *u, uint64_t amount)
{
	if (amount >= u->free)
		return add_cap(amount - u->free, u->slack);
	return (uint64_t)((double)amount * (double)u->slack / (double)u->free);
}

/* How much to take for a gain. */
static uint64_t amount_for(const struct supply *u, uint64_t gain)
{
	if (gain >= u->slack)
		return add_cap(u->free, gain - u->slack);
	return (uint64_t)((double)gain * (double)u->free / (double)u->slack);
}

/**
 * take_arriving - what the host will get of what was asked for and is not there yet
 * @s: the step
 *
 * Return: bytes.
 */
uint64_t take_arriving(const struct step *s)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		const struct policy_verdict *v = &s->result->verdict[i];
		const struct policy_memory *m = &s->memory[i];
		uint64_t coming = sub_floor(s->guests[i].actual, m->target);
		struct supply all = { .free = v->free, .slack = v->slack };

		if (s->guests[i].present && !v->barred && !m->settled)
			sum = add_cap(sum, v->stats_usable ? gain_of(&all, coming) : coming);
	}
	return sum;
}

/* Whether a guest may be asked now; sets the reason if not. */
static bool may_take(struct step *s, unsigned int i, enum level level)
{
	const struct policy_memory *m = &s->memory[i];
	struct policy_verdict *v = &s->result->verdict[i];
	uint64_t interval = s->config->take_interval_ms;
	/* Small steps at LOW leave room for those at MEDIUM; CRITICAL has no budget. */
	unsigned int keep = level == LEVEL_LOW ? s->config->changes_per_minute / 2 : 0;

	if (!step_may_act(s, i) || m->pulsing ||
	    !assess_gain(s->config, &s->guests[i], m, v, level))
		return false;
	if (was_injected(s->host))
		return true;
	if (level == LEVEL_CRITICAL)
		interval /= 2;
	if ((m->took_ms && sub_floor(s->host->time_ms, m->took_ms) < interval) ||
	    (level < LEVEL_CRITICAL && !step_budget_left(s, i, keep))) {
		v->why = WHY_RATE;
		return false;
	}
	return true;
}

/* The original design: every event moves every guest by the level's amount. */
static bool take_fixed(struct step *s, enum level level)
{
	const struct policy_config *c = s->config;
	const struct policy_host *h = s->host;
	uint64_t amount = 0;
	unsigned int i, l;
	bool taken = false;

	if (h->events[level])
		amount = c->amount[level];
	for (l = LEVEL_LOW; l < NR_LEVELS; l++)
		amount = add_cap(amount, h->injected[l] * c->amount[l]);
	if (!amount)
		return true;
	for (i = 0; i < s->nr; i++) {
		uint64_t base;

		if (!s->guests[i].present || !may_take(s, i, level))
			continue;
		base = min_u64(s->memory[i].target, s->guests[i].actual);
		taken |= step_set_target(s, i, WHY_PRESSURE, sub_floor(base, amount));
	}
	return taken;
}

/* Memory of those that can be asked, now or in a while. */
static uint64_t takeable(const struct step *s)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		const struct policy_verdict *v = &s->result->verdict[i];

		if (s->guests[i].present && v->stats_usable &&
		    (v->why == WHY_NONE || v->why == WHY_GUEST_HOLD || v->why == WHY_NOT_ASKED))
			sum = add_cap(sum, s->guests[i].actual);
	}
	return sum;
}

/*
 * Memory the host wants now, less what is on its way. Without a known headroom, or
 * if it stalls although there is enough, a share of the guests' memory.
 * *for_cache is as much of it as page cache may be taken for.
 */
static uint64_t host_goal(const struct step *s, enum level level, uint64_t *for_cache)
{
	const struct policy_config *c = s->config;
	const struct policy_host *h = s->host;
	uint64_t all = takeable(s), goal = 0, margin = h->headroom_low / 4, asked = 0;
	uint64_t arriving = take_arriving(s), owed = level >= LEVEL_MEDIUM ? s->owed : 0;
	unsigned int l;

	if (h->headroom != UNSET)
		goal = sub_floor(add_cap(add_cap(h->headroom_low, margin), h->wanted), h->headroom);
	if (h->events[level] && !goal)
		asked = percent_of(all, c->goal_percent[level]);
	for (l = LEVEL_LOW; l < NR_LEVELS; l++)
		asked = add_cap(asked, percent_of(all, c->goal_percent[l]) * h->injected[l]);
	*for_cache = max_u64(sub_floor(goal, margin), asked);
	goal = max_u64(goal, asked);
	*for_cache = sub_floor(add_cap(*for_cache, owed), arriving);
	return sub_floor(add_cap(goal, owed), arriving);
}

/*
 * Most of a guest's size that one step may take. Free memory that the host does
 * not pay for comes on top: it is on the way to the cache. Less of a guest that
 * cannot take memory back itself, or whose news is old.
 */
static uint64_t step_limit(const struct step *s, unsigned int i, enum level level)
{
	const struct policy_guest *g = &s->guests[i];
	uint64_t limit = percent_of(g->ram, s->config->step_percent[level]);
	struct supply u = supply_of(s, i);

	if (!g->yields || g->stats_age_ms > 2 * POLICY_BRISK_MS)
		limit /= 2;
	else if (level >= LEVEL_MEDIUM)
		limit = add_cap(limit, sub_floor(u.free, u.slack));
	return max_u64(limit, MIB);
}

/* Whether a guest was pulsed a short time ago, and how long that is. */
static bool was_pulsed(const struct step *s, unsigned int i, uint64_t *ago_ms)
{
	const struct policy_memory *m = &s->memory[i];

	*ago_ms = sub_floor(s->host->time_ms, m->pulse_ms);
	return m->pulse_ms && *ago_ms < s->config->pulse_interval_ms;
}

/* One wave of pulses in a while: it lasts as long as three pulses may. */
static bool pulses_may_help(const struct step *s, enum level level)
{
	uint64_t ago, oldest = 0;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->guests[i].present && was_pulsed(s, i, &ago))
			oldest = max_u64(oldest, ago);
	return level == LEVEL_MEDIUM && oldest <= 3 * s->config->pulse_timeout_ms;
}

static bool wants_pulse(const struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	const struct policy_verdict *v = &s->result->verdict[i];
	uint64_t ago;

	if (v->slack >= v->reserve || g->pulse == PULSE_NO || was_pulsed(s, i, &ago))
		return false;
	return g->pulse == PULSE_YES || g->reporting;
}

static bool start_pulse(struct step *s, unsigned int i, uint64_t cache)
{
	struct supply u = supply_of(s, i);
	struct policy_memory *m = &s->memory[i];
	uint64_t base = min_u64(m->target, s->guests[i].actual);
	uint64_t before = m->target;

	/* The balloon eats free memory first; only what follows squeezes. */
	if (!step_set_target(s, i, WHY_PULSE_IN, sub_floor(base, u.free + cache)))
		return false;
	m->pulsing = true;
	m->pulse_return = before;
	m->pulse_ms = s->host->time_ms;
	return true;
}

static bool take_share(struct step *s, unsigned int i, enum level level, uint64_t gain)
{
	const struct policy_verdict *v = &s->result->verdict[i];
	const struct policy_guest *g = &s->guests[i];
	uint64_t base = min_u64(s->memory[i].target, g->actual), amount;
	struct supply u = supply_of(s, i);

	if (gain < max_u64(MIB, g->ram / 400))
		return false;
	amount = min_u64(amount_for(&u, gain), step_limit(s, i, level));
	return step_set_target(s, i, WHY_PRESSURE, sub_floor(base, min_u64(amount, v->room)));
}

/* Who may give, in the order of bands; at first their slack only. */
static unsigned int find_donors(struct step *s, enum level level, struct party *donors)
{
	unsigned int i, nr = 0;

	for (i = 0; i < s->nr; i++) {
		const struct policy_guest *g = &s->guests[i];
		struct policy_verdict *v = &s->result->verdict[i];
		struct supply u;
		uint64_t cap;

		if (!g->present || !may_take(s, i, level))
			continue;
		v->why = WHY_NOT_ASKED;
		u = supply_of(s, i);
		cap = u.slack < v->reserve ? 0 :
		      min_u64(u.slack, gain_of(&u, min_u64(step_limit(s, i, level), v->room)));
		party_add(donors, &nr, &(struct party){
			.guest = i, .band = g->band, .cap = cap,
			.weight = (double)cap / (double)max_u64(g->shares, 1),
		}, false);
	}
	return nr;
}

/* From now on their page cache, too. */
static void offer_cache(struct step *s, enum level level, bool pulses, struct party *donors,
			unsigned int nr)
{
	unsigned int k;

	for (k = 0; k < nr; k++) {
		struct party *d = &donors[k];
		const struct policy_verdict *v = &s->result->verdict[d->guest];
		uint64_t limit = min_u64(step_limit(s, d->guest, level), v->room);
		struct supply u = supply_of(s, d->guest);
		uint64_t cap = min_u64(v->gain, gain_of(&u, limit));

		/* A long way to the cache: go it, though this step brings next to nothing. */
		if (limit < u.free && u.slack < v->reserve)
			cap = min_u64(v->gain, limit);
		/* The cold half: a pulse must not evict what is read all the time. */
		if (pulses && wants_pulse(s, d->guest))
			cap = min_u64(cap, u.cache / 2);
		d->cap = max_u64(cap, d->share);
		d->weight = (double)d->cap / (double)max_u64(s->guests[d->guest].shares, 1);
	}
}

/* How deep the pulses under way go. */
static uint64_t pulses_depth(const struct step *s)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->guests[i].present && s->memory[i].pulsing)
			sum = add_cap(sum, sub_floor(s->memory[i].pulse_return,
						     s->memory[i].target));
	return sum;
}

/*
 * Pulses are one guest's after the other's: what was to come from all of those
 * that could be pulsed comes from the first few, and only a tenth of the memory
 * is on its way down or up at a time.
 */
static void stagger_pulses(struct step *s, struct party *donors, unsigned int nr)
{
	uint64_t sum = 0, depth = pulses_depth(s), most = takeable(s) / 10;
	unsigned int k;

	for (k = 0; k < nr; k++) {
		if (!wants_pulse(s, donors[k].guest))
			continue;
		sum += donors[k].share;
		donors[k].share = 0;
	}
	for (k = 0; k < nr && sum; k++) {
		struct party *d = &donors[k];
		uint64_t free = s->result->verdict[d->guest].free;

		if (!wants_pulse(s, d->guest) ||
		    (depth && add_cap(depth, free + min_u64(sum, d->cap)) > most))
			continue;
		d->share = min_u64(sum, d->cap);
		depth = add_cap(depth, free + d->share);
		sum -= d->share;
	}
}

static bool take_band(struct step *s, enum level level, struct party *donors, unsigned int nr,
		      uint64_t *goal, uint64_t *for_cache)
{
	bool pulses = pulses_may_help(s, level), taken = false;
	uint64_t slack, cache = 0;
	unsigned int k;

	slack = party_split(*goal, donors, nr);
	*for_cache = sub_floor(*for_cache, slack);
	if (level > LEVEL_LOW && *for_cache >= MIB) {
		offer_cache(s, level, pulses, donors, nr);
		cache = party_split(*for_cache, donors, nr);
		*for_cache -= cache;
		if (pulses)
			stagger_pulses(s, donors, nr);
	}
	*goal = sub_floor(*goal, slack + cache);
	for (k = 0; k < nr; k++) {
		unsigned int i = donors[k].guest;

		if (pulses && donors[k].share >= MIB && wants_pulse(s, i))
			taken |= start_pulse(s, i, donors[k].share);
		else
			taken |= take_share(s, i, level, donors[k].share);
	}
	return taken;
}

static bool take_proportional(struct step *s, enum level level)
{
	struct party donors[POLICY_MAX_GUESTS];
	uint64_t for_cache, goal = host_goal(s, level, &for_cache);
	unsigned int nr = find_donors(s, level, donors);
	unsigned int first, end;
	bool taken = false;

	for (first = 0; first < nr && goal >= MIB; first = end) {
		end = party_band_end(donors, nr, first);
		taken |= take_band(s, level, &donors[first], end - first, &goal, &for_cache);
	}
	/* Nothing was missing; but if nobody could be asked, nobody knows. */
	return taken || (goal < MIB && nr);
}

/* Whether somebody could give, only not in this step. */
static bool donors_wait(const struct step *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->guests[i].present && (s->result->verdict[i].why == WHY_RATE ||
					     s->result->verdict[i].why == WHY_PULSING))
			return true;
	return take_arriving(s) > 0;
}

/**
 * take_memory - answer the newest signs of pressure
 * @s: the step
 */
void take_memory(struct step *s)
{
	enum level level = event_level(s->host);
	bool taken;

	if (level == LEVEL_NONE)
		return;
	taken = s->config->proportional ? take_proportional(s, level) : take_fixed(s, level);
	s->result->no_donors = !taken && !donors_wait(s);
}
