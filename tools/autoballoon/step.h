/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a policy step share. Nobody else includes this. */
#ifndef AUTOBALLOON_STEP_H
#define AUTOBALLOON_STEP_H

#include "policy.h"

struct step {
	const struct policy_config *config;
	const struct policy_host *host;
	const struct policy_guest *guests;
	struct policy_memory *memory;
	struct policy_result *result;
	unsigned int nr;
	enum why asks[POLICY_MAX_GUESTS];	/* sign of need that is to be answered now */
	uint64_t owed;				/* given to guests in need in this step */
};

/* A guest that gives or gets in this step, and how much of a sum falls to it. */
struct party {
	unsigned int guest;
	unsigned int band;
	uint64_t cap;		/* most */
	double weight;
	uint64_t share;
};

/* policy.c */
bool step_may_act(const struct step *s, unsigned int i);
bool step_budget_left(const struct step *s, unsigned int i, unsigned int keep);
bool step_set_target(struct step *s, unsigned int i, enum why why, uint64_t target);
uint64_t step_ceiling(const struct step *s, unsigned int i);

/* party.c */
void party_add(struct party *parties, unsigned int *nr, const struct party *party,
	       bool high_band_first);
unsigned int party_band_end(const struct party *parties, unsigned int nr, unsigned int first);
uint64_t party_split(uint64_t goal, struct party *parties, unsigned int nr);

/* take.c */
uint64_t take_arriving(const struct step *s);
void take_memory(struct step *s);

/* give.c */
void give_to_needy(struct step *s);
void give_slowly(struct step *s);

#endif
