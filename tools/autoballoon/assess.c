// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One guest by itself: what it needs, what it could give, whether it suffers.
 *
 * Model. "actual" is the size QEMU reports: RAM less the balloon. Whether the
 * balloon counts as used memory inside the guest depends on DEFLATE_ON_OOM, so
 * the guest's own total is not used for arithmetic; what it calls free and
 * available is the same in both ways of counting:
 *
 *	used  = actual - free		memory in use, page cache included
 *	need  = actual - available	memory in use that cannot be dropped
 *	slack = charged - overhead - used, at most free
 *					free in the guest, still paid for by the host
 *
 * The floor keeps a guest off the cliff: need + 10 % + reserve, and never less
 * than the configured minimum; right-sizing keeps a margin of 5 % only, if the
 * guest can take memory back by itself. Memory that was plugged but not onlined is not
 * available, so it counts as needed and is not asked for.
 *
 * All of it comes from the guest and may be a lie. Every number is clamped to
 * the guest's own RAM: a lie can only cost the guest that tells it.
 */
#include "policy.h"

#define MARGIN_MIN (8 * MIB)

/* Sizes travel as 4 KiB pages. */
static uint64_t page_down(uint64_t bytes)
{
	return bytes & ~(uint64_t)4095;
}

static uint64_t page_up(uint64_t bytes)
{
	return page_down(add_cap(bytes, 4095));
}

/* Statistics that cannot be true: whatever they are, do not act on them. */
static bool stats_odd(const struct policy_guest *guest)
{
	const struct policy_stats *s = &guest->stats;

	if (s->total == UNSET || !s->total || s->total > guest->ram)
		return true;
	if (s->free > s->total)
		return true;
	if (s->available != UNSET && s->available > s->total)
		return true;
	return s->caches != UNSET && s->caches > s->total;
}

static uint64_t counter_delta(uint64_t now, uint64_t before)
{
	if (now == UNSET || before == UNSET)
		return 0;
	return sub_floor(now, before);
}

/* Rates need two sets of statistics from the same boot. */
static void update_rates(const struct policy_guest *guest, struct policy_memory *memory,
			 uint64_t time_ms)
{
	const struct policy_stats *s = &guest->stats, *b = &memory->before;
	uint64_t ms = sub_floor(time_ms, memory->seq_ms);
	uint64_t swapped;

	memory->fresh = guest->stats_seq != memory->seq;
	if (!memory->fresh)
		return;
	memory->fault_rate = 0;
	memory->swap_rate = 0;
	memory->oom = false;
	if (memory->seq && ms && guest->reset_seq == memory->reset_seq) {
		swapped = add_cap(counter_delta(s->swap_in, b->swap_in),
				  counter_delta(s->swap_out, b->swap_out));
		/* The counters are the guest's: divide first where they are huge. */
		memory->fault_rate = counter_delta(s->major_faults, b->major_faults);
		memory->fault_rate = memory->fault_rate > UNSET / 1000 ? UNSET :
				     memory->fault_rate * 1000 / ms;
		/* Whatever these are for, it is not for what we took. */
		if (!memory->debt)
			memory->usual_faults += memory->fault_rate / 8 - memory->usual_faults / 8;
		memory->swap_rate = swapped > UNSET / 1000 ? UNSET : swapped * 1000 / ms;
		memory->oom = counter_delta(s->oom_kills, b->oom_kills) ||
			      counter_delta(s->alloc_stalls, b->alloc_stalls) > 8;
	}
	memory->worst_fault_rate = max_u64(memory->worst_fault_rate,
					   add_cap(memory->fault_rate,
						   memory->swap_rate / 4096));
	memory->before = *s;
	memory->seq = guest->stats_seq;
	memory->seq_ms = time_ms;
}

/*
 * Signs of need. Faults count only while free memory is scarce as well: a
 * program that starts in a guest with plenty of free memory faults too, and
 * more memory would not help it. Nor do those count that it makes with all its
 * memory as well. Kills, stalls and swapping count only while
 * little is available, page cache included: the counters are the whole guest's,
 * and a container at a limit of its own makes them rise for ever.
 */
static enum why find_need(const struct policy_config *config, const struct policy_guest *guest,
			  const struct policy_memory *memory, const struct policy_verdict *v)
{
	uint64_t fault_limit = config->fault_limit, scarce = v->reserve / 2;
	uint64_t ample = v->reserve + guest->ram / 16;
	uint64_t available = guest->stats.available == UNSET ? guest->stats.free :
			     guest->stats.available;

	/* Right-sizing goes by faults itself, and closer: leave mild signs to it. */
	if (guest->rightsize) {
		fault_limit *= 10;
		scarce = min_u64(scarce, v->margin / 2);
	}
	if (available < scarce)
		return WHY_LOW_MEMORY;
	if (memory->oom && available < ample)
		return WHY_OOM;
	if (memory->swap_rate >= config->swap_limit && available < ample)
		return WHY_SWAPPING;
	if (sub_floor(memory->fault_rate, memory->usual_faults) >= fault_limit && v->free < v->reserve + guest->actual / 16)
		return WHY_FAULTING;
	return WHY_NONE;
}

/* Why nothing can or may be done to the guest at all. */
static enum why find_bar(const struct policy_guest *guest)
{
	if (guest->absent != WHY_NONE)
		return guest->absent;
	if (!guest->has_device)
		return WHY_NO_DEVICE;
	if (guest->ram < MIB)
		return WHY_NO_SIZE;
	if (!guest->enabled)
		return WHY_DISABLED;
	if (guest->migrating)
		return WHY_MIGRATING;
	if (!guest->running)
		return WHY_PAUSED;
	if (!guest->has_driver)
		return WHY_NO_DRIVER;
	return WHY_NONE;
}

/* Why nothing is to be taken from it; giving back is always safe. */
static enum why find_pause(const struct policy_config *config, const struct policy_host *host,
			   const struct policy_guest *guest, const struct policy_memory *memory)
{
	uint64_t now = host->time_ms;

	if (guest->hugetlb)
		return WHY_HUGETLB;
	if (guest->mem_locked)
		return WHY_MEM_LOCK;
	if (guest->assigned)
		return WHY_ASSIGNED;
	if (guest->outside)
		return WHY_OUTSIDE;
	if (guest->reset_ms && sub_floor(now, guest->reset_ms) < config->boot_ms)
		return WHY_BOOTING;
	if (now < memory->foreign_until_ms)
		return WHY_FOREIGN;
	if (now < memory->cool_until_ms)
		return WHY_COOLING;
	/* At CRITICAL the last three quarters of a hold no longer protect. */
	if (now < memory->hold_until_ms &&
	    (host->level < LEVEL_CRITICAL ||
	     memory->hold_until_ms - now > config->hold_ms - config->hold_ms / 4))
		return WHY_GUEST_HOLD;
	return WHY_NONE;
}

static enum why find_stats_fault(const struct policy_guest *guest)
{
	if (guest->stats.total == UNSET || guest->stats.free == UNSET ||
	    guest->stats_age_ms == UNSET)
		return WHY_NO_STATS;
	if (guest->stats_age_ms > 3 * guest->stats_interval_ms)
		return WHY_STALE_STATS;
	if (stats_odd(guest))
		return WHY_ODD_STATS;
	return WHY_NONE;
}

static void find_sizes(const struct policy_config *config, const struct policy_guest *guest,
		       struct policy_verdict *v)
{
	const struct policy_stats *s = &guest->stats;
	uint64_t size = max_u64(guest->stats_actual, guest->actual);
	uint64_t free = min_u64(s->free, size), available = free;

	if (s->available != UNSET)
		available = min_u64(s->available, size);
	v->used = min_u64(size - free, guest->actual);
	v->need = min_u64(size - available, guest->actual);
	v->free = guest->actual - v->used;
	/* Only what the guest counts as available can be squeezed out of its cache. */
	v->cache = sub_floor(available, free);
	if (s->caches != UNSET)
		v->cache = min_u64(v->cache, s->caches);
	v->floor = v->need + v->need / 10 + v->reserve;
	v->floor_cached = max_u64(v->floor, v->used + v->reserve);
	/* Only a guest that can help itself is brought so close to its need. */
	v->margin = v->floor - v->need;
	if (guest->yields)
		v->margin = min_u64(v->margin, max_u64(v->need / 20, MARGIN_MIN));
	v->floor_tight = v->need + v->margin;
	v->fits = v->floor <= v->high;
	v->floor = min_u64(v->high, max_u64(v->low, page_up(v->floor)));
	v->floor_cached = min_u64(v->high, max_u64(v->low, page_up(v->floor_cached)));
	v->floor_tight = min_u64(v->high, max_u64(v->low, page_up(v->floor_tight)));
	if (guest->charged == UNSET)
		v->slack = guest->reporting ? 0 : v->free;
	else
		v->slack = min_u64(v->free, sub_floor(guest->charged,
						      config->overhead_bytes + v->used));
}

/**
 * assess_guest - find out what a guest needs and whether it may be asked
 * @config: the policy's configuration
 * @host: the host's state
 * @guest: what is known about the guest
 * @memory: what is remembered about it; its rates are brought up to date
 * @verdict: where the result goes; "why" is WHY_NONE if the guest may donate
 */
void assess_guest(const struct policy_config *config, const struct policy_host *host,
		  const struct policy_guest *guest, struct policy_memory *memory,
		  struct policy_verdict *verdict)
{
	enum why stats_fault;

	*verdict = (struct policy_verdict){ .why = find_bar(guest) };
	verdict->high = page_down(min_u64(guest->max ? guest->max : guest->ram, guest->ram));
	verdict->low = min_u64(page_down(guest->min), verdict->high);
	if (guest->hold_max)
		verdict->high = max_u64(verdict->low, min_u64(verdict->high,
							      page_down(guest->hold_max)));
	verdict->reserve = min_u64(config->reserve_bytes, guest->ram / 16);
	/* Until the statistics say otherwise, all of it is needed. */
	verdict->floor = verdict->high;
	verdict->floor_cached = verdict->high;
	verdict->floor_tight = verdict->high;
	verdict->used = guest->actual;
	verdict->need = guest->actual;
	verdict->barred = verdict->why != WHY_NONE;
	if (verdict->barred)
		return;

	update_rates(guest, memory, host->time_ms);
	stats_fault = find_stats_fault(guest);
	if (stats_fault == WHY_NONE) {
		verdict->stats_usable = true;
		find_sizes(config, guest, verdict);
		verdict->hurt = find_need(config, guest, memory, verdict);
	}
	verdict->why = find_pause(config, host, guest, memory);
	if (verdict->why == WHY_NONE)
		verdict->why = stats_fault;
}

/**
 * assess_gain - memory the host would get from a take at a level
 * @config: the policy's configuration
 * @guest: what is known about the guest
 * @memory: what is remembered about it
 * @verdict: the guest's assessment; "gain" is set, and "why" if it is zero
 * @level: LOW takes free memory only, the higher levels page cache as well
 *
 * Memory that was never touched, or that free page reporting has returned,
 * is free in the guest and costs the host nothing: inflating over it gains
 * nothing, so a guest without slack is left alone at LOW.
 *
 * Return: bytes that the host would get, 0 if the guest is to be left alone.
 */
uint64_t assess_gain(const struct policy_config *config, const struct policy_guest *guest,
		     const struct policy_memory *memory, struct policy_verdict *verdict,
		     enum level level)
{
	uint64_t base = min_u64(memory->target, guest->actual);
	uint64_t gain, room;

	verdict->gain = 0;
	verdict->room = 0;
	if (verdict->why != WHY_NONE)
		return 0;
	/* For page cache alone no guest is spared when the host has next to nothing. */
	if (verdict->hurt != WHY_NONE &&
	    (level < LEVEL_CRITICAL || verdict->hurt != WHY_FAULTING)) {
		verdict->why = verdict->hurt;
		return 0;
	}
	room = sub_floor(base, level == LEVEL_LOW ? verdict->floor_cached : verdict->floor);
	if (room < MIB) {
		verdict->why = WHY_AT_FLOOR;
		return 0;
	}
	verdict->room = room;
	/* Fixed amounts without reporting are the original design: take anyway. */
	if (!config->proportional && !guest->reporting) {
		verdict->gain = room;
		return room;
	}
	gain = verdict->slack;
	if (level > LEVEL_LOW)
		gain += verdict->cache;
	if (gain < max_u64(verdict->reserve, MIB)) {
		verdict->why = WHY_REPORTED;
		return 0;
	}
	verdict->gain = min_u64(gain, room);
	return verdict->gain;
}
