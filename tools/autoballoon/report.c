// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's state as JSON: status and plan. */
#include "report.h"

#include "engine.h"

static void report_host(struct textbuf *tb)
{
	const struct pressure_sample *s = &engine.sample;
	uint64_t now = now_ms();
	int level;

	out_string(tb, "level", level_name(engine.level.now));
	out_u64(tb, "level_for_ms", engine.level.since_ms ?
		sub_floor(now, engine.level.since_ms) : sub_floor(now, engine.started_ms));
	out_bool(tb, "dry_run", engine.dry_run);
	out_bool(tb, "suspended", engine.said.suspended);
	out_string(tb, "amounts", engine.config.amounts);
	out_u64(tb, "guests_without_room", engine.unmanaged);
	out_u64(tb, "uptime_ms", sub_floor(now, engine.started_ms));
	out_open(tb, "host", '{');
	out_u64(tb, "total", s->total);
	out_u64(tb, "available", s->available);
	out_string(tb, "cgroup", engine.config.cgroup);
	out_u64(tb, "cgroup_usage", s->usage);
	out_u64(tb, "cgroup_limit", s->limit);
	out_u64(tb, "headroom", s->headroom);
	out_u64(tb, "headroom_low", s->headroom_low);
	out_u64(tb, "psi_some_us", s->some_us);
	out_u64(tb, "psi_full_us", s->full_us);
	out_close(tb, '}');
	out_open(tb, "events", '{');
	for (level = LEVEL_LOW; level < NR_LEVELS; level++)
		out_u64(tb, level_name((enum level)level), engine.events[level]);
	out_close(tb, '}');
}

static void report_word(struct textbuf *tb, const struct word *word)
{
	static const char *const names[] = { "configured", "on", "off" };

	out_bool(tb, "manual", word->set != 0);
	out_string(tb, "said_automatic", names[word->automatic]);
	out_u64(tb, "set", word->set ? word->set : UNSET);
	out_u64(tb, "hold", word->hold ? word->hold : UNSET);
	out_u64(tb, "said_min", word->min ? word->min : UNSET);
	out_u64(tb, "said_max", word->max ? word->max : UNSET);
}

static void report_guest(struct textbuf *tb, unsigned int i)
{
	const struct policy_verdict *v = &engine.result.verdict[i];
	const struct policy_memory *m = &engine.memory[i];
	const struct policy_guest *o = &engine.guests[i];
	const struct slot *slot = &engine.slots[i];
	const struct guest *g = &slot->guest;
	bool stats = v->stats_usable;

	out_open(tb, NULL, '{');
	out_string(tb, "name", g->name[0] ? g->name : g->shown);
	out_string(tb, "uuid", g->uuid);
	out_string(tb, "socket", g->path);
	out_string(tb, "transport", g->transport->name);
	out_u64(tb, "pid", g->pid > 0 ? (uint64_t)g->pid : UNSET);
	out_bool(tb, "connected", guest_absent(g) == WHY_NONE);
	out_string(tb, "run_state", g->run_state);
	out_bool(tb, "driver", o->has_driver);
	out_bool(tb, "reporting_offered", g->offers_reporting);
	out_bool(tb, "reporting", g->has_reporting);
	out_u64(tb, "reported_buffers", g->reports);
	out_bool(tb, "deflate_on_oom", g->has_oom);
	out_u64(tb, "page_size", g->page_size ? g->page_size : UNSET);
	out_u64(tb, "ram", g->ram);
	out_u64(tb, "actual", g->actual);
	out_u64(tb, "target", m->target ? m->target : UNSET);
	out_u64(tb, "debt", m->debt);
	/* The policy does not follow a guest that is disabled. */
	out_bool(tb, "settled", m->settled ||
		 (m->target && sub_floor(max_u64(g->actual, m->target),
					 min_u64(g->actual, m->target)) <= POLICY_TOLERANCE));
	out_bool(tb, "stuck", m->stuck);
	out_u64(tb, "min", v->low);
	out_u64(tb, "max", v->high);
	out_u64(tb, "floor", v->floor);
	out_u64(tb, "right_size_floor", o->rightsize ? v->floor_tight : UNSET);
	out_u64(tb, "rss", g->rss);
	out_u64(tb, "free", stats ? v->free : UNSET);
	out_u64(tb, "cache", stats ? v->cache : UNSET);
	out_u64(tb, "need", stats ? v->need : UNSET);
	out_u64(tb, "slack", stats ? v->slack : UNSET);
	out_u64(tb, "fault_rate", stats ? m->fault_rate : UNSET);
	out_u64(tb, "disk_reads", g->disk_reads);
	out_u64(tb, "stats_age_ms", o->stats_age_ms);
	out_bool(tb, "enabled", o->enabled);
	report_word(tb, engine_word(slot));
	out_string(tb, "why", why_name(v->why));
	out_string(tb, "text", why_text(v->why));
	out_string(tb, "need_sign", why_name(v->hurt));
	out_u64(tb, "takes", slot->takes);
	out_u64(tb, "gives", slot->gives);
	out_string(tb, "last_why", why_name(slot->last_why));
	out_u64(tb, "last_ms_ago", slot->last_ms ? sub_floor(now_ms(), slot->last_ms) : UNSET);
	out_close(tb, '}');
}

/**
 * report_status - everything that is known
 * @tb: where to; inside an object
 */
void report_status(struct textbuf *tb)
{
	const struct saved_guest *saved = NULL;
	unsigned int i;

	engine_observe(now_ms());
	report_host(tb);
	out_open(tb, "guests", '[');
	for (i = 0; i < engine.nr; i++)
		if (engine.slots[i].guest.used)
			report_guest(tb, i);
	out_close(tb, ']');
	/* Guests that are not there, with what was said about them. */
	out_open(tb, "absent", '[');
	while ((saved = state_next_absent(saved))) {
		out_open(tb, NULL, '{');
		out_string(tb, "name", saved->name);
		out_string(tb, "uuid", saved->uuid);
		report_word(tb, &saved->word);
		out_close(tb, '}');
	}
	out_close(tb, ']');
}

/**
 * report_plan - what would be done and why, without doing it
 * @tb: where to; inside an object
 * @level: as if there were a sign of this level now, or NULL
 */
void report_plan(struct textbuf *tb, const enum level *level)
{
	static struct policy_result result;
	unsigned int i;

	engine_plan(level, &result, now_ms());
	out_string(tb, "level", level_name(level ? *level : engine.level.now));
	out_bool(tb, "no_donors", result.no_donors);
	out_open(tb, "guests", '[');
	for (i = 0; i < engine.nr; i++) {
		static const char *const kinds[] = { "nothing", "take", "give" };
		const struct policy_action *a = &result.action[i];
		const struct policy_verdict *v = &result.verdict[i];

		if (!engine.slots[i].guest.used)
			continue;
		out_open(tb, NULL, '{');
		out_string(tb, "name", engine.slots[i].guest.name);
		out_string(tb, "action", kinds[a->kind]);
		out_u64(tb, "from", engine.guests[i].actual);
		out_u64(tb, "to", a->kind == POLICY_NOTHING ? UNSET : a->target);
		out_u64(tb, "floor", v->floor);
		out_u64(tb, "slack", v->stats_usable ? v->slack : UNSET);
		out_u64(tb, "cache", v->stats_usable ? v->cache : UNSET);
		out_string(tb, "why", why_name(v->why));
		out_string(tb, "text", why_text(v->why));
		out_close(tb, '}');
	}
	out_close(tb, ']');
}
