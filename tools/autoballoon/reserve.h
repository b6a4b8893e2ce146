/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room for a guest that is about to start. */
#ifndef AUTOBALLOON_RESERVE_H
#define AUTOBALLOON_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

/* Room that is wanted, or kept for who asked for it. */
struct reserve {
	uint64_t bytes;		/* 0: none */
	uint64_t until_ms;	/* then it ends, whether it was used or not */
	bool ready;		/* it was there */
};

enum reserve_state { RESERVE_NONE, RESERVE_WAITING, RESERVE_READY };

void reserve_start(struct reserve *reserve, uint64_t bytes, uint64_t until_ms);
enum reserve_state reserve_look(struct reserve *reserve, uint64_t headroom, uint64_t keep,
				uint64_t time_ms);
uint64_t reserve_wanted(const struct reserve *reserve);

#endif
