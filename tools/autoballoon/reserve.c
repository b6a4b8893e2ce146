// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Room for a guest that is about to start. While it is wanted, and until the
 * time for it is over, so much of the host's headroom counts as used: guests
 * are asked for what is missing, and what is there is not given away. Pure.
 */
#include "reserve.h"

#include "util.h"

/**
 * reserve_start - want room
 * @reserve: replaces what was wanted before
 * @bytes: how much, 0: none any more
 * @until_ms: until when
 */
void reserve_start(struct reserve *reserve, uint64_t bytes, uint64_t until_ms)
{
	*reserve = (struct reserve){ .bytes = bytes, .until_ms = until_ms };
}

/**
 * reserve_look - whether there is room
 * @reserve: what is wanted
 * @headroom: what the host has left, bytes
 * @keep: what it is to keep beside, bytes
 * @time_ms: the time now
 *
 * Once it was there it stays so: the guest that it is for uses it.
 *
 * Return: the state.
 */
enum reserve_state reserve_look(struct reserve *reserve, uint64_t headroom, uint64_t keep,
				uint64_t time_ms)
{
	if (reserve->bytes && time_ms >= reserve->until_ms)
		reserve->bytes = 0;
	if (!reserve->bytes)
		return RESERVE_NONE;
	if (headroom != UNSET && headroom >= add_cap(reserve->bytes, keep))
		reserve->ready = true;
	return reserve->ready ? RESERVE_READY : RESERVE_WAITING;
}

/**
 * reserve_wanted - room that guests have to make
 * @reserve: what is wanted
 *
 * Return: bytes.
 */
uint64_t reserve_wanted(const struct reserve *reserve)
{
	/* What was there is being used now: it must not count twice. */
	return reserve->ready ? 0 : reserve->bytes;
}
