// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of another manager, for guests that are real.
 *
 *   rival RULE HOST RAM...	the host's memory and each guest's, MiB
 *
 * It reads a line a second: what the host has available, and each guest's size
 * and free memory. It answers each with a line: the sizes that the guests are to
 * have. All are MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rivals.h"

static bool read_second(struct model *model)
{
	double available, unused;
	unsigned int i;

	if (scanf("%lf", &available) != 1)
		return false;
	for (i = 0; i < model->nr; i++) {
		struct model_guest *g = &model->guests[i];

		if (scanf("%lf %lf", &g->actual, &unused) != 2)
			return false;
		g->kernel = g->actual - unused;
		g->programs = g->hot = g->cold = 0;
		g->target = g->actual;
	}
	/* The rules take the host's memory less what the model says is in use. */
	model->own_use = 0;
	model->own_use = model_available(model) - available;
	return true;
}

int main(int argc, char **argv)
{
	static struct model model;
	unsigned int i, rule;

	for (rule = 0; rule < nr_rivals; rule++)
		if (argc > 3 && !strcmp(argv[1], rivals[rule].name))
			break;
	if (rule == nr_rivals || argc - 3 > POLICY_MAX_GUESTS) {
		fprintf(stderr, "rival: nothing|proxmox|mom|squeezed HOST-MIB RAM-MIB...\n");
		return 2;
	}
	model.memory = atof(argv[2]);
	for (i = 3; i < (unsigned int)argc; i++)
		model_add(&model, atof(argv[i]));
	for (; read_second(&model); model.seconds++) {
		rivals[rule].decide(&model);
		for (i = 0; i < model.nr; i++)
			printf("%.0f%c", model.guests[i].target, i + 1 < model.nr ? ' ' : '\n');
		fflush(stdout);
	}
	return 0;
}
