// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policy. One step looks at all guests and decides, in this order:
 *
 *   1. guest first	a guest in need gets memory back now and is then held
 *   2. follow-up	pulses end, targets that nobody follows are taken back
 *   3. request		what the administrator asked for
 *   4. take		the host is short: victims give, low bands first
 *   5. right-size	guests in that mode are probed
 *   6. give		the host is quiet: sizes rise slowly
 *
 * A guest gets at most one new target in a step, and the first rule that has
 * one for it wins. Slow gives wait until everything that is being taken has
 * arrived (take first, then give); a guest in need does not wait.
 *
 * Whatever the rules say, set_target() is the only way out. It keeps every
 * target within the guest's limits and every take above the guest's floor.
 */
#include "policy.h"

#include <string.h>

#define MINUTE_MS 60000
#define RACE_MS 2500		/* actual is looked at once a second */
#define MOVE_BYTES (256 * KIB)	/* less is no progress */

struct step {
	const struct policy_config *config;
	const struct policy_host *host;
	const struct policy_guest *guests;
	struct policy_memory *memory;
	struct policy_result *result;
	unsigned int nr;
	uint64_t owed;		/* given to guests in need in this step */
};

/**
 * policy_defaults - the documented defaults
 * @config: set to them
 */
void policy_defaults(struct policy_config *config)
{
	*config = (struct policy_config){
		.proportional = true,
		.goal_percent = { 0, 2, 5, 10 },
		.step_percent = { 0, 5, 15, 40 },
		.take_interval_ms = 5000,
		.changes_per_minute = 6,
		.reserve_bytes = 64 * MIB,
		.overhead_bytes = 48 * MIB,
		.hold_ms = 60000,
		.stuck_ms = 5000,
		.cool_ms = 60000,
		.foreign_ms = 300000,
		.boot_ms = 60000,
		.give_after_ms = 30000,
		.give_interval_ms = 10000,
		.give_percent = 5,
		.fault_limit = 200,
		.swap_limit = MIB,
		.pulse_interval_ms = 60000,
		.pulse_timeout_ms = 10000,
		.rightsize_interval_ms = 10000,
		.rightsize_fault_limit = 20,
	};
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool may_act(const struct step *s, unsigned int i)
{
	return s->result->action[i].kind == POLICY_NOTHING;
}

/* Takes leave room in the minute's budget for the gives that may follow. */
static bool budget_left(const struct step *s, unsigned int i, unsigned int keep)
{
	const struct policy_memory *m = &s->memory[i];
	unsigned int k, used = 0;

	for (k = 0; k < POLICY_CHANGES; k++)
		if (m->changes_ms[k] && sub_floor(s->host->time_ms, m->changes_ms[k]) < MINUTE_MS)
			used++;
	return used + keep < s->config->changes_per_minute;
}

/*
 * The only place a target comes from. A target below the present size is a
 * take: it stays above the floor, and needs statistics. Without any, only an
 * administrator may go down, and to the configured minimum at most.
 */
static bool set_target(struct step *s, unsigned int i, enum why why, uint64_t target)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_action *a = &s->result->action[i];
	struct policy_memory *m = &s->memory[i];
	bool meant = target < g->actual, take;

	if (!may_act(s, i))
		return false;
	target &= ~(uint64_t)4095;
	target = min_u64(max_u64(target, v->low), v->high);
	take = target < g->actual;
	if (take) {
		/* Nothing that is taken here would reach the host. */
		if (g->hugetlb || g->mem_locked || g->assigned)
			return false;
		if (v->stats_usable)
			target = max_u64(target, why == WHY_PROBE ? v->floor_tight : v->floor);
		else if (why != WHY_REQUEST && target <= m->target)
			return false;
	}
	/* The clamps may not turn a take into a give or the other way round. */
	if (target == m->target || meant != take || (take && target >= g->actual))
		return false;

	a->kind = take ? POLICY_TAKE : POLICY_GIVE;
	a->why = why;
	a->target = target;
	v->why = why;
	m->race_until_ms = m->settled ? 0 : s->host->time_ms + RACE_MS;
	m->target = target;
	m->lowest = g->actual;
	m->settled = distance(target, g->actual) <= POLICY_TOLERANCE;
	m->stuck = false;
	m->changed_ms = s->host->time_ms;
	m->progress_ms = s->host->time_ms;
	if (take)
		m->took_ms = s->host->time_ms;
	m->changes_ms[m->next_change] = s->host->time_ms;
	m->next_change = (m->next_change + 1) % POLICY_CHANGES;
	return true;
}

/* A guest in need: all of it while the host can, else in two or three pieces. */
static void give_back(struct step *s, unsigned int i, enum why why)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];
	uint64_t base = m->target > g->actual ? m->target : g->actual;
	uint64_t target = v->high;

	m->hold_until_ms = s->host->time_ms + s->config->hold_ms;
	m->pulsing = false;
	if (base >= v->high && m->target >= v->high) {
		v->why = g->hold_max ? WHY_HELD : why;
		return;
	}
	if (g->rightsize)
		rightsize_hurt(s->config, m, s->host->time_ms);
	if (s->host->level >= LEVEL_MEDIUM)
		target = max_u64(base + g->ram / 2, v->stats_usable ? v->floor : 0);
	target = max_u64(target, base);
	if (set_target(s, i, why, target))
		s->owed = add_cap(s->owed, sub_floor(m->target, base));
}

/* A reset guest boots at full size; re-inflating it now would starve the boot. */
static void follow_reset(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_memory *m = &s->memory[i];

	if (m->reset_seq == g->reset_seq)
		return;
	m->reset_seq = g->reset_seq;
	m->hold_until_ms = 0;
	m->cool_until_ms = 0;
	m->pulsing = false;
	m->seq = 0;
	if (g->enabled && m->target < s->result->verdict[i].high)
		set_target(s, i, WHY_RESET, s->result->verdict[i].high);
}

/* The guest stopped short of its target, or never moved. */
static void follow_stuck(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_memory *m = &s->memory[i];

	if (g->actual > m->target) {
		/* Ends the guest's own retries, five a second. */
		set_target(s, i, WHY_UNSTICK, g->actual);
		m->cool_until_ms = s->host->time_ms + s->config->cool_ms;
	}
	m->settled = true;
	m->stuck = true;
	s->result->verdict[i].why = WHY_COOLING;
}

static void follow_pulse(struct step *s, unsigned int i)
{
	struct policy_memory *m = &s->memory[i];
	uint64_t now = s->host->time_ms;

	s->result->verdict[i].why = WHY_PULSING;
	if (!m->settled && sub_floor(now, m->progress_ms) < s->config->stuck_ms &&
	    sub_floor(now, m->pulse_ms) < s->config->pulse_timeout_ms)
		return;
	m->pulsing = false;
	set_target(s, i, WHY_PULSE_OUT, max_u64(m->pulse_return, s->guests[i].actual));
}

/* Compare what the guest has with what it was asked for. */
static void follow_guest(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];
	uint64_t now = s->host->time_ms;

	if (g->actual < m->lowest || now < m->race_until_ms)
		m->lowest = g->actual;
	if (distance(g->actual, m->target) <= POLICY_TOLERANCE) {
		m->settled = true;
		m->stuck = false;
	} else if (distance(g->actual, m->target) + MOVE_BYTES <
		   distance(m->last_actual, m->target)) {
		m->progress_ms = now;
	}
	m->last_actual = g->actual;

	if (g->actual > max_u64(m->target, m->lowest) + POLICY_TOLERANCE) {
		give_back(s, i, WHY_PULLED);
		/* Nothing was left to send: the guest's size is the target now. */
		if (may_act(s, i))
			m->target = g->actual;
	} else if (m->pulsing) {
		follow_pulse(s, i);
	} else if (m->settled && !m->stuck && g->actual + POLICY_TOLERANCE < m->target) {
		m->target = g->actual;
		m->lowest = g->actual;
		m->foreign_until_ms = now + s->config->foreign_ms;
		v->why = WHY_FOREIGN;
	} else if (!m->settled && sub_floor(now, m->progress_ms) >= s->config->stuck_ms) {
		follow_stuck(s, i);
	}
}

static void look_at_guest(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];

	assess_guest(s->config, s->host, g, m, v);
	if (g->absent != WHY_NONE || !g->has_device || g->ram < MIB)
		return;
	if (!m->target) {
		/* First sight: whatever size it has is the one it should have. */
		m->target = g->actual;
		m->lowest = g->actual;
		m->last_actual = g->actual;
		m->settled = true;
		m->reset_seq = g->reset_seq;
	}
	follow_reset(s, i);
	if (v->barred) {
		m->progress_ms = s->host->time_ms;
		m->last_actual = g->actual;
		m->lowest = g->actual;
		return;
	}
	follow_guest(s, i);
	if (v->stats_usable && v->hurt != WHY_NONE && m->fresh && may_act(s, i))
		give_back(s, i, v->hurt);
}

/* Memory that guests were asked for and have not handed over yet. */
static uint64_t arriving(const struct step *s)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		const struct policy_memory *m = &s->memory[i];

		if (s->guests[i].present && !s->result->verdict[i].barred && !m->settled &&
		    !m->pulsing)
			sum = add_cap(sum, sub_floor(s->guests[i].actual, m->target));
	}
	return sum;
}

static void follow_request(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	bool calm = v->why == WHY_NONE || v->why == WHY_OUTSIDE;

	if (v->barred)
		return;
	if (g->request) {
		s->memory[i].pulsing = false;
		set_target(s, i, WHY_REQUEST, g->request);
	} else if (calm && v->stats_usable && v->hurt == WHY_NONE && v->fits &&
		   s->memory[i].target > v->high && g->actual > v->high + POLICY_TOLERANCE) {
		set_target(s, i, WHY_LIMIT, v->high);
	}
}

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

/* Whether a guest may be asked now; sets the reason if not. */
static bool may_take(struct step *s, unsigned int i, enum level level)
{
	const struct policy_memory *m = &s->memory[i];
	struct policy_verdict *v = &s->result->verdict[i];
	uint64_t interval = s->config->take_interval_ms;

	if (!may_act(s, i) || m->pulsing ||
	    !assess_gain(s->config, &s->guests[i], m, v, level))
		return false;
	if (was_injected(s->host))
		return true;
	if (level == LEVEL_CRITICAL)
		interval /= 2;
	if ((m->took_ms && sub_floor(s->host->time_ms, m->took_ms) < interval) ||
	    !budget_left(s, i, 2)) {
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
		taken |= set_target(s, i, WHY_PRESSURE, sub_floor(base, amount));
	}
	return taken;
}

/* Squeezing cache out of a guest that reports: down, and back up at once. */
static bool wants_pulse(const struct step *s, unsigned int i, enum level level)
{
	const struct policy_guest *g = &s->guests[i];
	const struct policy_verdict *v = &s->result->verdict[i];

	if (level < LEVEL_MEDIUM || v->slack >= v->reserve || g->pulse == PULSE_NO)
		return false;
	return g->pulse == PULSE_YES || g->reporting;
}

static bool start_pulse(struct step *s, unsigned int i, uint64_t cache)
{
	const struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];
	uint64_t base = min_u64(m->target, s->guests[i].actual);
	uint64_t before = m->target;

	/* The balloon eats free memory first; only what follows squeezes. */
	if (!set_target(s, i, WHY_PULSE_IN, sub_floor(base, v->free + cache)))
		return false;
	m->pulsing = true;
	m->pulse_return = before;
	m->pulse_ms = s->host->time_ms;
	return true;
}

/* A guest that may give, and how much of the goal falls to it. */
struct donor {
	unsigned int guest;
	unsigned int band;
	uint64_t cap;		/* most it may give in this step */
	double weight;
	uint64_t share;
};

/*
 * Split "goal" in proportion to weight, where nobody gives more than its cap:
 * what one cannot give, the others do. Returns what was found.
 */
static uint64_t split_goal(uint64_t goal, struct donor *donors, unsigned int nr)
{
	uint64_t given = 0;
	unsigned int i, round;

	for (round = 0; round < 8 && given < goal; round++) {
		uint64_t left = goal - given;
		double sum = 0;

		for (i = 0; i < nr; i++)
			if (donors[i].share < donors[i].cap)
				sum += donors[i].weight;
		for (i = 0; i < nr && sum > 0; i++) {
			struct donor *d = &donors[i];
			uint64_t part = (uint64_t)((double)left * (d->weight / sum));

			part = min_u64(min_u64(part, d->cap - d->share), goal - given);
			d->share += part;
			given += part;
		}
	}
	return given;
}

/* Memory the host wants now, less what is already on its way. */
static uint64_t host_goal(const struct step *s, enum level level)
{
	const struct policy_config *c = s->config;
	const struct policy_host *h = s->host;
	uint64_t managed = 0, goal = 0;
	unsigned int i, l;

	for (i = 0; i < s->nr; i++)
		if (s->guests[i].present && !s->guests[i].outside)
			managed = add_cap(managed, s->guests[i].actual);
	if (h->events[level])
		goal = percent_of(managed, c->goal_percent[level]);
	for (l = LEVEL_LOW; l < NR_LEVELS; l++)
		goal = add_cap(goal, percent_of(managed, c->goal_percent[l]) * h->injected[l]);
	if (h->headroom != UNSET)
		goal = max_u64(goal, sub_floor(h->headroom_low + h->headroom_low / 4,
					       h->headroom));
	if (level >= LEVEL_MEDIUM)
		goal = add_cap(goal, s->owed);
	return sub_floor(goal, arriving(s));
}

static uint64_t step_limit(const struct step *s, unsigned int i, enum level level)
{
	return max_u64(percent_of(s->guests[i].ram, s->config->step_percent[level]), MIB);
}

/*
 * How much of what a take brings is gain for the host. A balloon grows over
 * free memory first, and of that the host gets only the slack; what follows is
 * page cache, all of it gain.
 */
static double yield(const struct policy_verdict *v)
{
	if (v->slack < v->reserve || v->slack >= v->free)
		return 1;
	return (double)v->slack / (double)v->free;
}

static bool take_share(struct step *s, unsigned int i, enum level level, uint64_t share)
{
	const struct policy_verdict *v = &s->result->verdict[i];
	const struct policy_guest *g = &s->guests[i];
	uint64_t base = min_u64(s->memory[i].target, g->actual);

	if (share < max_u64(MIB, g->ram / 400))
		return false;
	if (wants_pulse(s, i, level))
		return start_pulse(s, i, share);
	share = min_u64((uint64_t)((double)share / yield(v)), step_limit(s, i, level));
	/* Without slack the free memory has to go before any cache does. */
	if (v->slack < v->reserve)
		share = step_limit(s, i, level);
	return set_target(s, i, WHY_PRESSURE, sub_floor(base, min_u64(share, v->room)));
}

/* Who may give how much, ordered by band. Returns their number. */
static unsigned int find_donors(struct step *s, enum level level, struct donor *donors)
{
	unsigned int i, k, nr = 0;

	for (i = 0; i < s->nr; i++) {
		const struct policy_guest *g = &s->guests[i];
		struct policy_verdict *v = &s->result->verdict[i];
		const struct policy_memory *m = &s->memory[i];
		uint64_t cap;

		if (!g->present || !may_take(s, i, level))
			continue;
		cap = min_u64(v->gain, (uint64_t)((double)step_limit(s, i, level) * yield(v)));
		if (wants_pulse(s, i, level)) {
			cap = min_u64(cap, v->cache);
			if (m->pulse_ms && sub_floor(s->host->time_ms, m->pulse_ms) <
					   s->config->pulse_interval_ms) {
				v->why = WHY_RATE;
				continue;
			}
		}
		v->why = WHY_NOT_ASKED;
		for (k = nr++; k && donors[k - 1].band > g->band; k--)
			donors[k] = donors[k - 1];
		donors[k] = (struct donor){
			.guest = i,
			.band = g->band,
			.cap = cap,
			.weight = (double)cap / (double)max_u64(g->shares, 1),
		};
	}
	return nr;
}

static bool take_proportional(struct step *s, enum level level)
{
	struct donor donors[POLICY_MAX_GUESTS];
	uint64_t goal = host_goal(s, level);
	unsigned int nr = find_donors(s, level, donors);
	unsigned int first, end, i;
	bool taken = false;

	/* Low bands first; the next one gives only what is still missing. */
	for (first = 0; first < nr && goal >= MIB; first = end) {
		for (end = first; end < nr && donors[end].band == donors[first].band;)
			end++;
		goal -= split_goal(goal, &donors[first], end - first);
		for (i = first; i < end; i++)
			taken |= take_share(s, donors[i].guest, level, donors[i].share);
	}
	return taken || goal < MIB;
}

/* Whether somebody could give, only not in this step. */
static bool donors_wait(const struct step *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->guests[i].present && (s->result->verdict[i].why == WHY_RATE ||
					     s->result->verdict[i].why == WHY_PULSING))
			return true;
	return arriving(s) > 0;
}

static void take_memory(struct step *s)
{
	enum level level = event_level(s->host);
	bool taken;

	if (level == LEVEL_NONE)
		return;
	taken = s->config->proportional ? take_proportional(s, level) : take_fixed(s, level);
	s->result->no_donors = !taken && !donors_wait(s);
}

static void rightsize(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];
	enum why why = WHY_NONE;
	uint64_t target;

	if (g->rightsize && v->stats_usable)
		rightsize_watch(m, v);
	if (!g->rightsize || g->manual || !may_act(s, i) || !m->settled || m->pulsing ||
	    v->why != WHY_NONE || v->hurt != WHY_NONE || !budget_left(s, i, 0))
		return;
	target = rightsize_next(s->config, g, m, v, s->host->time_ms, &why);
	if (target)
		set_target(s, i, why, target);
}

/* How much may be promised without bringing the pressure straight back. */
static uint64_t spare_headroom(const struct policy_host *host)
{
	if (host->headroom == UNSET)
		return UNSET;
	return sub_floor(host->headroom, host->headroom_low + host->headroom_low / 2);
}

static void give_slowly(struct step *s)
{
	const struct policy_config *c = s->config;
	uint64_t now = s->host->time_ms, spare = spare_headroom(s->host);
	unsigned int i;

	if (s->host->level != LEVEL_NONE || arriving(s) ||
	    sub_floor(now, s->host->level_since_ms) < c->give_after_ms)
		return;
	for (i = 0; i < s->nr; i++) {
		const struct policy_guest *g = &s->guests[i];
		const struct policy_verdict *v = &s->result->verdict[i];
		struct policy_memory *m = &s->memory[i];
		uint64_t step;

		if (!g->present || v->barred || g->rightsize || g->manual ||
		    !may_act(s, i) || !m->settled ||
		    m->pulsing || now < m->foreign_until_ms || now < m->cool_until_ms ||
		    m->target >= v->high || !budget_left(s, i, 1) ||
		    sub_floor(now, m->changed_ms) < c->give_interval_ms)
			continue;
		step = max_u64(percent_of(g->ram, c->give_percent), 16 * MIB);
		step = min_u64(step, v->high - m->target);
		if (step > spare)
			continue;
		if (set_target(s, i, WHY_QUIET, m->target + step) && spare != UNSET)
			spare -= step;
	}
}

/**
 * policy_step - decide what every guest is asked for
 * @config: the configuration
 * @host: the host's state; events are those since the step before
 * @guests: what is known about the guests
 * @memory: what the policy remembers about them; brought up to date as if the
 *          actions were carried out
 * @nr: number of guests, at most POLICY_MAX_GUESTS
 * @result: actions and verdicts
 *
 * For a dry run, call it with a copy of @memory.
 */
void policy_step(const struct policy_config *config, const struct policy_host *host,
		 const struct policy_guest *guests, struct policy_memory *memory,
		 unsigned int nr, struct policy_result *result)
{
	struct step s = {
		.config = config,
		.host = host,
		.guests = guests,
		.memory = memory,
		.result = result,
		.nr = nr,
	};
	unsigned int i;

	memset(result, 0, sizeof(*result));
	for (i = 0; i < nr; i++)
		if (guests[i].present)
			look_at_guest(&s, i);
	for (i = 0; i < nr; i++)
		if (guests[i].present)
			follow_request(&s, i);
	take_memory(&s);
	for (i = 0; i < nr; i++)
		if (guests[i].present)
			rightsize(&s, i);
	give_slowly(&s);
}
