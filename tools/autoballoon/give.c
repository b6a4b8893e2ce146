// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Giving: to a guest in need at once, to everybody else when the host is quiet.
 *
 * Nobody gets more than its debt, which is what the daemon itself took: a size
 * that somebody else has set is a ceiling, and a guest that tells lies can buy
 * no more than what was its own.
 *
 * What is given is spent in advance. A guest fills it with page cache soon, but
 * not yet when the next one is to be decided: so what was promised and is not
 * touched yet counts as gone.
 */
#include "step.h"

/* What was given a short time ago and is not used yet. */
static uint64_t promised(const struct step *s)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->guests[i].present)
			sum = add_cap(sum, s->memory[i].promised);
	return sum;
}

/* How much may be given so that the host keeps "keep" bytes. */
static uint64_t spare_headroom(const struct step *s, uint64_t keep)
{
	if (s->host->headroom == UNSET)
		return UNSET;
	return sub_floor(s->host->headroom, add_cap(add_cap(keep, s->host->wanted), promised(s)));
}

/*
 * A guest in need is worth some of the host's headroom: half of the way down to
 * nothing, which is where MEDIUM begins by default. Above that, all it is owed.
 */
static uint64_t spare_for_need(const struct step *s)
{
	uint64_t low = s->host->headroom_low;

	return spare_headroom(s, s->host->level == LEVEL_NONE ? low : low / 2 + low / 8);
}

static void add_needy(struct step *s, unsigned int i, uint64_t spare, struct party *needy,
		      unsigned int *nr)
{
	const struct policy_guest *g = &s->guests[i];
	const struct policy_verdict *v = &s->result->verdict[i];
	struct policy_memory *m = &s->memory[i];
	uint64_t base = max_u64(m->target, g->actual);
	uint64_t all = sub_floor(step_ceiling(s, i), base), least, most;
	bool cache_only;

	m->pulsing = false;
	if (g->rightsize && m->target < v->high)
		rightsize_hurt(s->config, m, s->host->time_ms);
	/* What programs need it gets whatever the host has, and others pay for it. */
	least = v->stats_usable ? sub_floor(v->floor, base) : g->ram / 64;
	if (s->host->level < LEVEL_CRITICAL)
		least = max_u64(least, g->ram / 64);
	least = min_u64(least, all);
	/* Page cache is not worth a host that goes down: then nobody is spared for it. */
	cache_only = s->asks[i] == WHY_FAULTING && s->host->level == LEVEL_CRITICAL && !least;
	if (!cache_only) {
		m->hold_until_ms = s->host->time_ms + s->config->hold_ms;
		s->result->verdict[i].why = g->hold_max && base >= v->high ? WHY_HELD : s->asks[i];
	}
	/* A piece is large where it makes no difference to the host. */
	most = max_u64(g->ram / 8, spare == UNSET ? 0 : spare / 8);
	most = s->host->level == LEVEL_NONE ? all : min_u64(all, max_u64(most, least));
	party_add(needy, nr, &(struct party){
		.guest = i, .band = g->band, .cap = most, .share = least, .weight = g->shares,
	}, true);
}

/**
 * give_to_needy - answer the guests that ask
 * @s: the step
 *
 * In pieces while the host is short, because a guest that is out of need again asks
 * no more.
 */
void give_to_needy(struct step *s)
{
	struct party needy[POLICY_MAX_GUESTS];
	unsigned int i, nr = 0, first, end;
	uint64_t spare = spare_for_need(s);

	for (i = 0; i < s->nr; i++)
		if (s->asks[i] != WHY_NONE)
			add_needy(s, i, spare, needy, &nr);
	for (i = 0; i < nr; i++)
		spare = sub_floor(spare, needy[i].share);
	for (first = 0; first < nr; first = end) {
		end = party_band_end(needy, nr, first);
		spare -= party_split(spare, &needy[first], end - first);
	}
	for (i = 0; i < nr; i++) {
		unsigned int k = needy[i].guest;
		struct policy_memory *m = &s->memory[k];
		uint64_t base = max_u64(m->target, s->guests[k].actual);

		/* Crumbs are not worth a change; what it took itself is to be confirmed. */
		if (needy[i].share < min_u64(needy[i].cap, 4 * MIB) && s->asks[k] != WHY_PULLED)
			continue;
		/* If nothing is owed, its target is not ours, nor what it does about it. */
		if (m->debt && step_set_target(s, k, s->asks[k], base + needy[i].share))
			s->owed = add_cap(s->owed, sub_floor(m->target, base));
		else if (s->asks[k] == WHY_PULLED)
			m->target = s->guests[k].actual;
	}
}

/* Whether a guest is to get something back now that the host is quiet. */
static bool may_repay(const struct step *s, unsigned int i)
{
	const struct policy_guest *g = &s->guests[i];
	const struct policy_memory *m = &s->memory[i];
	uint64_t now = s->host->time_ms;

	return g->present && !s->result->verdict[i].barred && !g->rightsize && !g->manual &&
	       step_may_act(s, i) && m->settled && !m->pulsing && now >= m->foreign_until_ms &&
	       now >= m->cool_until_ms && m->target < step_ceiling(s, i) &&
	       step_budget_left(s, i, 1) &&
	       sub_floor(now, m->changed_ms) >= s->config->give_interval_ms;
}

/**
 * give_slowly - pay debts back while the host is quiet
 * @s: the step
 *
 * High bands first, by shares within a band, and never so much that it would
 * bring the pressure straight back.
 */
void give_slowly(struct step *s)
{
	const struct policy_config *c = s->config;
	uint64_t low = s->host->headroom_low, spare = spare_headroom(s, add_cap(low, low / 2));
	struct party owners[POLICY_MAX_GUESTS];
	unsigned int i, nr = 0, first, end;

	if (s->host->level != LEVEL_NONE || take_arriving(s) ||
	    sub_floor(s->host->time_ms, s->host->level_since_ms) < c->give_after_ms)
		return;
	for (i = 0; i < s->nr; i++) {
		const struct policy_guest *g = &s->guests[i];
		uint64_t step = max_u64(percent_of(g->ram, c->give_percent), 16 * MIB);

		if (!may_repay(s, i))
			continue;
		step = min_u64(step, step_ceiling(s, i) - s->memory[i].target);
		party_add(owners, &nr, &(struct party){
			.guest = i, .band = g->band, .cap = step, .weight = g->shares,
		}, true);
	}
	for (first = 0; first < nr; first = end) {
		end = party_band_end(owners, nr, first);
		spare -= party_split(spare, &owners[first], end - first);
	}
	for (i = 0; i < nr; i++) {
		const struct party *p = &owners[i];

		/* Crumbs wait until they are worth a change. */
		if (p->share >= min_u64(p->cap, 4 * MIB) && p->share)
			step_set_target(s, p->guest, WHY_QUIET,
					s->memory[p->guest].target + p->share);
	}
}
