// SPDX-License-Identifier: GPL-2.0-or-later
/* The last decisions about each guest: a ring, the oldest is lost. */
#include "history.h"

/**
 * history_add - note a decision
 * @history: of the guest
 * @action: what is done
 * @verdict: what was found out about the guest
 * @host: what was known of the host
 * @actual: size of the guest before
 */
void history_add(struct history *history, const struct policy_action *action,
		 const struct policy_verdict *verdict, const struct policy_host *host,
		 uint64_t actual)
{
	struct decision *d = &history->last[history->next];
	bool known = verdict->stats_usable;

	history->next = (history->next + 1) % HISTORY_LENGTH;
	*d = (struct decision){
		.time_ms = host->time_ms,
		.kind = action->kind,
		.why = action->why,
		.level = host->level,
		.from = actual,
		.to = action->target,
		.free = known ? verdict->free : UNSET,
		.cache = known ? verdict->cache : UNSET,
		.need = known ? verdict->need : UNSET,
		.slack = known ? verdict->slack : UNSET,
		.floor = verdict->floor,
		.headroom = host->headroom,
	};
}

/**
 * history_report - the decisions as JSON, the newest first
 * @history: of the guest
 * @time_ms: the time now
 * @tb: where to; inside an object
 */
void history_report(const struct history *history, uint64_t time_ms, struct textbuf *tb)
{
	unsigned int i;

	out_open(tb, "decisions", '[');
	for (i = 0; i < HISTORY_LENGTH; i++) {
		const struct decision *d = &history->last[(history->next + HISTORY_LENGTH - 1 - i) %
							  HISTORY_LENGTH];

		if (!d->time_ms)
			break;
		out_open(tb, NULL, '{');
		out_u64(tb, "ms_ago", sub_floor(time_ms, d->time_ms));
		out_string(tb, "action", d->kind == POLICY_TAKE ? "take" : "give");
		out_u64(tb, "from", d->from);
		out_u64(tb, "to", d->to);
		out_string(tb, "why", why_name(d->why));
		out_string(tb, "text", why_text(d->why));
		out_string(tb, "level", level_name(d->level));
		out_u64(tb, "headroom", d->headroom);
		out_u64(tb, "free", d->free);
		out_u64(tb, "cache", d->cache);
		out_u64(tb, "need", d->need);
		out_u64(tb, "slack", d->slack);
		out_u64(tb, "floor", d->floor);
		out_close(tb, '}');
	}
	out_close(tb, ']');
}
