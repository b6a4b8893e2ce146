/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last decisions about each guest, with what they were made from. */
#ifndef AUTOBALLOON_HISTORY_H
#define AUTOBALLOON_HISTORY_H

#include "policy.h"
#include "textbuf.h"

#define HISTORY_LENGTH 10

struct decision {
	uint64_t time_ms;		/* 0: none */
	enum policy_kind kind;
	enum why why;
	enum level level;
	uint64_t from, to;		/* sizes in bytes */
	uint64_t free, cache, need, slack, floor;
	uint64_t headroom;		/* of the host, or UNSET */
};

struct history {
	struct decision last[HISTORY_LENGTH];
	unsigned int next;
};

void history_add(struct history *history, const struct policy_action *action,
		 const struct policy_verdict *verdict, const struct policy_host *host,
		 uint64_t actual);
void history_report(const struct history *history, uint64_t time_ms, struct textbuf *tb);

#endif
