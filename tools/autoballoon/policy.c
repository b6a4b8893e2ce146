// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policy. One step looks at all guests and decides, in this order:
 *
 *   1. follow-up	pulses end, targets that nobody follows are taken back
 *   2. guest first	a guest in need gets memory back now and is then held
 *   3. request		what the administrator asked for
 *   4. take		the host is short: victims give, low bands first
 *   5. right-size	guests in that mode are probed
 *   6. give		the host is quiet: debts are paid back slowly
 *
 * A guest gets at most one new target in a step, and the first rule that has
 * one for it wins. Slow gives wait until everything that is being taken has
 * arrived (take first, then give); a guest in need does not wait.
 *
 * The debt to a guest is what was taken from it and not given back. Its size and
 * its debt are the size it would have without us: that, not its RAM, is what it
 * can get back to, because others may have set its size as well.
 *
 * Whatever the rules say, step_set_target() is the only way out. It keeps every
 * target within the guest's limits and every take above the guest's floor.
 */
#include "step.h"

#include <string.h>

#define MINUTE_MS 60000
#define PROMISE_MS 120000	/* what is not used by then will not be soon */
#define FREED_SHARE 16		/* of a stuck guest's RAM: with so much more it can move */
#define RACE_MS 2500		/* actual is looked at once a second */
#define MOVE_BYTES (256 * KIB)	/* less is no progress */

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
		.fault_limit = 100,
		.swap_limit = MIB,
		.pulse_interval_ms = 300000,
		.pulse_timeout_ms = 10000,
		.rightsize_interval_ms = 10000,
		.rightsize_fault_limit = 20,
	};
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/**
 * step_may_act - whether a guest has no new target in this step yet
 * @s: the step
 * @i: the guest
 *
 * Return: true if it may get one.
 */
bool step_may_act(const struct step *s, unsigned int i)
{
	return s->result->action[i].kind == POLICY_NOTHING;
}

/**
 * step_budget_left - whether a guest's size may be changed once more in this minute
 * @s: the step
 * @i: the guest
 * @keep: changes to leave for others: takes leave room for the gives that follow
 *
 * Return: true if it may.
 */
bool step_budget_left(const struct step *s, unsigned int i, unsigned int keep)
{
	const struct policy_memory *m = &s->memory[i];
	unsigned int k, used = 0;

	for (k = 0; k < POLICY_CHANGES; k++)
		if (m->changes_ms[k] && sub_floor(s->host->time_ms, m->changes_ms[k]) < MINUTE_MS)
			used++;
	return used + keep < s->config->changes_per_minute;
}

/**
 * step_ceiling - the size a guest would have without us
 * @s: the step
 * @i: the guest
 *
 * Return: bytes, within its limits.
 */
uint64_t step_ceiling(const struct step *s, unsigned int i)
{
	const struct policy_memory *m = &s->memory[i];

	return min_u64(add_cap(m->target, m->debt), s->result->verdict[i].high);
}

/**
 * policy_moved - keep the books: what we took, and what we gave that is not used yet
 * @memory: what is remembered about the guest
 * @target: size that is asked for, bytes
 * @actual: size that it has
 */
void policy_moved(struct policy_memory *memory, uint64_t target, uint64_t actual)
{
	uint64_t before = memory->target;

	memory->debt = add_cap(sub_floor(memory->debt, sub_floor(target, before)),
			       sub_floor(before, target));
	memory->promised = add_cap(sub_floor(memory->promised, sub_floor(before, target)),
				   sub_floor(target, max_u64(before, actual)));
	memory->target = target;
}

/* A size that somebody else has set: nothing is owed, and it stays so for a while. */
static void adopt_size(struct step *s, unsigned int i)
{
	struct policy_memory *m = &s->memory[i];

	m->target = s->guests[i].actual;
	m->lowest = m->target;
	m->debt = 0;
	m->promised = 0;
	m->pulsing = false;
	m->settled = true;
	m->foreign_until_ms = s->host->time_ms + s->config->foreign_ms;
	s->result->verdict[i].why = WHY_FOREIGN;
}

/**
 * step_set_target - ask a guest for a size
 * @s: the step
 * @i: the guest
 * @why: the reason
 * @target: bytes; kept within the guest's limits
 *
 * The only place a target comes from. A target below the present size is a
 * take: it stays above the floor, and needs statistics. Without any, only an
 * administrator may go down, and to the configured minimum at most.
 *
 * Return: whether there is a new target.
 */
bool step_set_target(struct step *s, unsigned int i, enum why why, uint64_t target)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_action *a = &s->result->action[i];
	struct policy_memory *m = &s->memory[i];
	bool meant = target < g->actual, take;

	if (!step_may_act(s, i))
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
	policy_moved(m, target, g->actual);
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

/* A reset guest boots with all that is its own; re-inflating now would starve it. */
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
	if (g->enabled && m->target < step_ceiling(s, i))
		step_set_target(s, i, WHY_RESET, step_ceiling(s, i));
}

/*
 * Memory was plugged or unplugged: QEMU keeps the size of the balloon, so that
 * sizes and what was asked for move with it. "actual" may come a bit later.
 */
static void follow_plugging(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_memory *m = &s->memory[i];

	if (m->ram && m->ram != g->ram) {
		m->target = sub_floor(add_cap(m->target, g->ram), m->ram);
		/* Nothing is left of what was known: as at first sight. */
		if (!m->target)
			m->debt = 0;
		m->race_until_ms = s->host->time_ms + RACE_MS;
		m->progress_ms = s->host->time_ms;
		m->settled = false;
	}
	m->ram = g->ram;
}

/* The guest stopped short of its target, or never moved. */
static void follow_stuck(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_memory *m = &s->memory[i];

	if (!m->changed_ms) {
		adopt_size(s, i);	/* the target was not ours */
		return;
	}
	if (g->actual > m->target) {
		/* Ends the guest's own retries, five a second. */
		step_set_target(s, i, WHY_UNSTICK, g->actual);
		m->cool_until_ms = s->host->time_ms + s->config->cool_ms;
		m->stuck_need = s->result->verdict[i].stats_usable ?
				s->result->verdict[i].need : 0;
	}
	m->settled = true;
	m->stuck = true;
	s->result->verdict[i].why = WHY_COOLING;
}

/* It was stuck because programs used its memory: they have ended. */
static bool can_move_again(const struct step *s, unsigned int i)
{
	const struct policy_verdict *v = &s->result->verdict[i];

	return v->stats_usable &&
	       add_cap(v->need, s->guests[i].ram / FREED_SHARE) <= s->memory[i].stuck_need;
}

/* Whether the host still needs what a pulse has brought. */
static bool pressure_stays(const struct policy_host *host)
{
	if (host->headroom != UNSET)
		return host->headroom < add_cap(host->headroom_low, host->wanted);
	return host->events[LEVEL_MEDIUM] || host->events[LEVEL_CRITICAL];
}

static void follow_pulse(struct step *s, unsigned int i)
{
	struct policy_memory *m = &s->memory[i];
	uint64_t now = s->host->time_ms, promised = m->promised, back;

	s->result->verdict[i].why = WHY_PULSING;
	if (!m->settled && sub_floor(now, m->progress_ms) < s->config->stuck_ms &&
	    sub_floor(now, m->pulse_ms) < s->config->pulse_timeout_ms)
		return;
	m->pulsing = false;
	if (pressure_stays(s->host))
		return;
	back = min_u64(m->pulse_return, step_ceiling(s, i));
	step_set_target(s, i, WHY_PULSE_OUT, max_u64(back, s->guests[i].actual));
	m->promised = promised;		/* most of it was unused before, too */
}

/* Compare what the guest has with what it was asked for. */
static void follow_guest(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
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
	if (now < m->cool_until_ms && can_move_again(s, i))
		m->cool_until_ms = now;

	if (g->actual > max_u64(m->target, m->lowest) + POLICY_TOLERANCE) {
		/* One that cannot do so itself was given it by somebody else. */
		if (g->yields)
			s->asks[i] = WHY_PULLED;
		else
			adopt_size(s, i);
	} else if (m->pulsing) {
		follow_pulse(s, i);
	} else if (m->settled && !m->stuck && g->actual + POLICY_TOLERANCE < m->target) {
		adopt_size(s, i);
	} else if (!m->settled && sub_floor(now, m->progress_ms) >= s->config->stuck_ms) {
		follow_stuck(s, i);
	}
}

/* What was given counts until it is used, or for a while. */
static void watch_promise(struct step *s, unsigned int i)
{
	const struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];
	uint64_t coming = sub_floor(m->target, s->guests[i].actual);

	if (sub_floor(s->host->time_ms, m->changed_ms) >= PROMISE_MS)
		m->promised = 0;
	else if (v->stats_usable)
		m->promised = min_u64(m->promised, add_cap(coming, v->free - v->slack));
}

/* While it boots its balloon is empty, and fills again as it was set. */
static bool is_booting(const struct step *s, const struct policy_guest *g)
{
	return g->reset_ms && sub_floor(s->host->time_ms, g->reset_ms) < s->config->boot_ms;
}

static void look_at_guest(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];

	assess_guest(s->config, s->host, g, m, v);
	if (g->absent != WHY_NONE || !g->has_device || g->ram < MIB)
		return;
	follow_plugging(s, i);
	if (!m->target) {
		/* First sight: whatever size it has is the one it should have. */
		m->target = g->actual;
		m->lowest = g->actual;
		m->last_actual = g->actual;
		m->settled = true;
		m->reset_seq = g->reset_seq;
	}
	follow_reset(s, i);
	if (v->barred || is_booting(s, g)) {
		m->progress_ms = s->host->time_ms;
		m->last_actual = g->actual;
		m->lowest = g->actual;
		return;
	}
	follow_guest(s, i);
	watch_promise(s, i);
	/* A sign from before the last change may be over by now: wait for the next one. */
	if (v->stats_usable && v->hurt != WHY_NONE && m->fresh && step_may_act(s, i) &&
	    s->asks[i] == WHY_NONE &&
	    sub_floor(s->host->time_ms, g->stats_age_ms) >= m->changed_ms)
		s->asks[i] = v->hurt;
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
		step_set_target(s, i, WHY_REQUEST, g->request);
	} else if (calm && v->stats_usable && v->hurt == WHY_NONE && v->fits &&
		   s->memory[i].target > v->high && g->actual > v->high + POLICY_TOLERANCE) {
		step_set_target(s, i, WHY_LIMIT, v->high);
	}
}

static void rightsize(struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];
	struct policy_verdict own = *v;
	enum why why = WHY_NONE;
	uint64_t target;

	own.high = step_ceiling(s, i);
	if (g->rightsize && v->stats_usable)
		rightsize_watch(m, v);
	if (!g->rightsize || g->manual || !step_may_act(s, i) || !m->settled || m->pulsing ||
	    v->why != WHY_NONE || v->hurt != WHY_NONE || !step_budget_left(s, i, 0))
		return;
	target = rightsize_next(s->config, g, m, &own, s->host->time_ms, &why);
	if (target)
		step_set_target(s, i, why, target);
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
	give_to_needy(&s);
	for (i = 0; i < nr; i++)
		if (guests[i].present)
			follow_request(&s, i);
	take_memory(&s);
	for (i = 0; i < nr; i++)
		if (guests[i].present)
			rightsize(&s, i);
	give_slowly(&s);
}
