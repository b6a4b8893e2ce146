// SPDX-License-Identifier: GPL-2.0-or-later
/* "autoballoonctl simulate": traces and scenarios; needs no daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "ctl.h"
#include "recording.h"
#include "simulate.h"

static int list_scenarios(void)
{
	unsigned int i;

	for (i = 0; arena_scenario_name(i); i++)
		printf("%-10s %s\n", arena_scenario_name(i), arena_scenario_text(i));
	return EXIT_SUCCESS;
}

/* The name of a scenario, or a file with a recording. */
static int find_scenario(unsigned int *s, unsigned int *p)
{
	const char *policy = opts.policy ? opts.policy : "own";
	FILE *file;
	int err;

	if (strcmp(opts.scenario, "recorded") && !arena_find(opts.scenario, policy, s, p))
		return EXIT_SUCCESS;
	file = fopen(opts.scenario, "re");
	if (!file || arena_find("recorded", policy, s, p)) {
		if (file)
			fclose(file);
		return ctl_usage("no such scenario or policy; see -e help and --help");
	}
	err = recording_read(file, opts.scenario);
	fclose(file);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int play_scenario(const struct config *config)
{
	struct arena_options options = {
		.reporting = opts.reporting, .growth = (double)opts.growth / (double)MIB,
		.trace = opts.verbose ? stdout : NULL, .log = opts.verbose ? stdout : NULL,
	};
	struct arena_score score;
	unsigned int s, p, i;
	int err;

	if (!strcmp(opts.scenario, "help"))
		return list_scenarios();
	err = find_scenario(&s, &p);
	if (err)
		return err;
	printf("%-9s %8s %8s %8s %7s %8s %6s %6s %8s\n", "POLICY", "BELOW-0", "GiB*s", "REREAD",
	       "SWINGS", "CHANGES", "PULLS", "KILLS", "TAKEN");
	for (i = 0; arena_policy_name(i); i++) {
		if (opts.policy && i != p)
			continue;
		arena_run(config, s, i, &options, &score);
		printf("%-9s %7us %8.0f %7.1fG %7u %8u %6u %6u %7.1fG\n", arena_policy_name(i),
		       score.below, score.depth, score.reread, score.swings, score.changes,
		       score.pulls, score.kills, score.taken);
	}
	return EXIT_SUCCESS;
}

static int replay(const struct config *config, const char *path)
{
	FILE *trace = strcmp(path, "-") ? fopen(path, "re") : stdin;
	int err;

	if (!trace) {
		fprintf(stderr, "autoballoonctl: %s: %s\n", path, strerror(errno));
		return EXIT_FAILURE;
	}
	err = simulate(config, trace, path, stdout);
	if (trace != stdin)
		fclose(trace);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/**
 * cmd_simulate - replay a trace, or play a scenario
 *
 * Return: exit status.
 */
int cmd_simulate(void)
{
	static struct config config;

	if (opts.nr_words != (opts.scenario ? 1 : 2))
		return ctl_usage("simulate needs a trace or --scenario NAME");
	config_defaults(&config);
	if (opts.config ? config_read(&config, opts.config) : config_check(&config)) {
		fprintf(stderr, "autoballoonctl: %s\n", config.error);
		return EXIT_FAILURE;
	}
	return opts.scenario ? play_scenario(&config) : replay(&config, opts.words[1]);
}
