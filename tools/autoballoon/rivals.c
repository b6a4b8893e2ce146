// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of other managers, for comparison. Each is called once a second.
 *
 * They are written after what the projects publish about their defaults:
 * Proxmox's pvestatd aims at 80 % of the host's memory every ten seconds and
 * moves a guest by 100 MiB at most; oVirt's MOM averages ten samples of five
 * seconds and moves all guests by 5 % every ten; Xen's squeezed gives every
 * guest the same share of what lies between its minimum and its maximum. All
 * three have a minimum of a quarter of the guest's RAM here, as the daemon does
 * by default.
 */
#include "rivals.h"

#include <string.h>

#include "util.h"

#define ROUND 10		/* seconds between decisions, of all three */
#define MOM_SAMPLES 10
#define MOM_SAMPLE_SECONDS 5

static double clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

static double minimum(const struct model_guest *g)
{
	return g->ram / 4;
}

/* Leave everybody alone. */
static void rival_nothing(struct model *model)
{
	(void)model;
}

/*
 * Move the chosen guests so that their sizes change by "goal" in sum, every
 * size above the minimum in proportion to shares. Returns what is left of it.
 */
static double share_out(struct model *model, const bool *chosen, double *sizes, double goal)
{
	unsigned int i, round;

	for (round = 0; round < 20 && (goal > 1 || goal < -1); round++) {
		double shares = 0, pool = goal, moved = 0;

		for (i = 0; i < model->nr; i++) {
			if (!chosen[i])
				continue;
			shares += model->guests[i].shares;
			pool += sizes[i] - minimum(&model->guests[i]);
		}
		for (i = 0; i < model->nr; i++) {
			const struct model_guest *g = &model->guests[i];
			double size;

			if (!chosen[i])
				continue;
			size = clamp(minimum(g) + pool * g->shares / shares, minimum(g), g->ram);
			/* In one direction only, and not far at a time. */
			size = goal > 0 ? clamp(size, sizes[i], g->actual + 100) :
					  clamp(size, g->actual - 100, sizes[i]);
			moved += size - sizes[i];
			sizes[i] = size;
		}
		if (moved < 1 && moved > -1)
			break;
		goal -= moved;
	}
	return goal;
}

/* What pvestatd would do. */
static void rival_proxmox(struct model *model)
{
	double goal = model_available(model) - 0.2 * model->memory, sizes[POLICY_MAX_GUESTS];
	bool first[POLICY_MAX_GUESTS] = { false }, all[POLICY_MAX_GUESTS] = { false };
	unsigned int i;

	if (model->seconds % ROUND || (goal > -10 && goal < 10))
		return;
	for (i = 0; i < model->nr; i++) {
		const struct model_guest *g = &model->guests[i];
		bool idle = model_unused(g) > minimum(g) / 4;

		all[i] = true;
		first[i] = goal < 0 ? idle : !idle;
		sizes[i] = g->actual;
	}
	share_out(model, all, sizes, share_out(model, first, sizes, goal));
	for (i = 0; i < model->nr; i++)
		model_set_target(&model->guests[i], sizes[i]);
}

static struct {
	double size[MOM_SAMPLES], unused[MOM_SAMPLES];
} mom_guests[POLICY_MAX_GUESTS];
static double mom_host[MOM_SAMPLES];
static unsigned int mom_nr;

/* Those that were never taken are zero. */
static double mean(const double *samples)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < MOM_SAMPLES; i++)
		sum += samples[i];
	return sum / (mom_nr < MOM_SAMPLES ? mom_nr : MOM_SAMPLES);
}

static void mom_sample(const struct model *model)
{
	unsigned int i, at = mom_nr++ % MOM_SAMPLES;

	mom_host[at] = model_available(model) / model->memory;
	for (i = 0; i < model->nr; i++) {
		mom_guests[i].size[at] = model->guests[i].actual;
		mom_guests[i].unused[at] = model_unused(&model->guests[i]);
	}
}

/* What oVirt's MOM would do. */
static void rival_mom(struct model *model)
{
	double left, keep, size;
	unsigned int i;

	if (!model->seconds) {
		mom_nr = 0;
		memset(mom_host, 0, sizeof(mom_host));
		memset(mom_guests, 0, sizeof(mom_guests));
	}
	if (model->seconds % MOM_SAMPLE_SECONDS == 0)
		mom_sample(model);
	if (model->seconds % ROUND)
		return;
	left = mean(mom_host);
	/* Short: guests keep less free memory the less there is, at last none. */
	keep = left <= 0.05 ? left - 0.05 : left;
	for (i = 0; i < model->nr; i++) {
		struct model_guest *g = &model->guests[i];
		double used = mean(mom_guests[i].size) - mean(mom_guests[i].unused);

		if (left < 0.2)
			size = clamp(used + keep * g->actual, g->actual * 0.95, g->actual);
		else
			size = clamp(used + 0.2 * g->ram, g->actual * 1.05, g->ram);
		size = clamp(size, minimum(g), g->ram);
		if (size > g->actual * 1.0025 || size < g->actual * 0.9975)
			model_set_target(g, size);
	}
}

/* What Xen's squeezed would do. */
static void rival_squeezed(struct model *model)
{
	double pool = 0.95 * model->memory - model->own_use, range = 0, share;
	unsigned int i;

	if (model->seconds % ROUND)
		return;
	for (i = 0; i < model->nr; i++) {
		pool -= minimum(&model->guests[i]) + 40;
		range += model->guests[i].ram - minimum(&model->guests[i]);
	}
	share = clamp(pool / range, 0, 1);
	for (i = 0; i < model->nr; i++) {
		struct model_guest *g = &model->guests[i];

		model_set_target(g, minimum(g) + share * (g->ram - minimum(g)));
	}
}

const struct rival rivals[] = {
	{ "nothing", rival_nothing },
	{ "proxmox", rival_proxmox },
	{ "mom", rival_mom },
	{ "squeezed", rival_squeezed },
};

const unsigned int nr_rivals = ARRAY_SIZE(rivals);
