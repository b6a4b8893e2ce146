/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's state, and what ties guests, pressure and policy together. */
#ifndef AUTOBALLOON_ENGINE_H
#define AUTOBALLOON_ENGINE_H

#include "config.h"
#include "guest.h"
#include "history.h"
#include "loop.h"
#include "policy.h"
#include "pressure.h"
#include "reserve.h"
#include "state.h"

/* A guest with what the daemon keeps about it. */
struct slot {
	struct guest guest;
	struct source source;
	struct guest_rule rule;		/* what is configured for it */
	bool adopted;			/* rule and saved state have been applied */
	pid_t pid;			/* the QEMU that the policy's memory is about */
	uint64_t pid_start;
	struct saved_guest *saved;	/* once adopted; the administrator's word is in it */
	uint64_t request;		/* size to ask for in the next step, 0: none */
	uint64_t reset_seq;		/* when its size was last asked for again */
	bool ask_again;			/* the size that was set has to be asked for */
	/* counters */
	uint64_t takes, gives;
	uint64_t taken_bytes, given_bytes;
	uint64_t pulled, stuck;
	enum why last_why;		/* of the last action */
	uint64_t last_ms;
	bool needy;			/* its need was logged */
	struct history history;
};

struct engine {
	struct config config;
	struct slot slots[POLICY_MAX_GUESTS];
	unsigned int nr;		/* slots in use or used before */
	struct policy_guest guests[POLICY_MAX_GUESTS];
	struct policy_memory memory[POLICY_MAX_GUESTS];
	struct policy_result result;
	struct policy_host host;
	struct level_state level;
	struct pressure_sample sample;
	bool dry_run;
	bool ending;			/* no more decisions */
	struct reserve reserve;
	struct saved_host said;		/* by the administrator, about all guests */
	bool state_changed;
	bool word_changed;		/* state_changed, and worth keeping over a reboot */
	bool save_failed;
	unsigned int unmanaged;		/* sockets there was no room for, at the last look */
	bool crowded;			/* that there are such was logged */
	bool look_again;		/* a slot has become free: tell all sockets once more */
	int metrics_err;		/* -errno of the last attempt */
	bool step_wanted;		/* do not wait for the tick */
	uint64_t events[NR_LEVELS];	/* ever */
	uint64_t injected[NR_LEVELS];	/* ever */
	uint64_t ignored[NR_LEVELS];	/* stalls that were not believed, ever */
	uint64_t ignored_ms;		/* when that was last logged */
	uint64_t no_donors;		/* in this span of pressure */
	uint64_t no_donors_ever;
	uint64_t started_ms;
	uint64_t metrics_ms;
};

extern struct engine engine;

void engine_guest_there(const struct transport *transport, const char *path, bool there);
void engine_add_named(void);
void engine_pressure(enum level level, const char *source);
void engine_inject(enum level level, unsigned int count);
void engine_tick(uint64_t time_ms);
void engine_step(uint64_t time_ms);
void engine_observe(uint64_t time_ms);
void engine_plan(const enum level *level, struct policy_result *result, uint64_t time_ms);
struct slot *engine_find(const char *name);
bool engine_can_act(void);
const struct word *engine_word(const struct slot *slot);
void engine_word_changed(void);
void engine_set_size(struct slot *slot, uint64_t size, uint64_t time_ms);
void engine_save(void);
void engine_rules_changed(void);
void engine_release(uint64_t time_ms);
void engine_close(void);

#endif
