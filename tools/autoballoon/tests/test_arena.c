// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policy in a closed loop: what the host and the guests have of it, beside
 * what the rules of other managers would give them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "arena.h"

static struct config config;

static struct arena_score run(const char *scenario, const char *policy, bool reporting)
{
	struct arena_options options = { .reporting = reporting, .growth = 10 };
	struct arena_score score;
	unsigned int s, p;

	config_defaults(&config);
	assert_false(config_check(&config));
	assert_false(arena_find(scenario, policy, &s, &p));
	arena_run(&config, s, p, &options, &score);
	print_message("%-9s %-3s %-8s %3u s below zero, %5.0f GiB*s, %5.1f GiB read again, "
		      "swings %u, changes %u, pulls %u, kills %u, mean taken %.1f GiB\n",
		      scenario, reporting ? "FPR" : "-", policy, score.below, score.depth,
		      score.reread, score.swings, score.changes, score.pulls, score.kills,
		      score.taken);
	return score;
}

/* The rules of others, as the model has them: what they are known for shows. */
static void test_rivals(void **state)
{
	(void)state;
	assert_in_range(run("A", "nothing", false).below, 300, 420);
	assert_in_range(run("A", "proxmox", false).below, 60, 300);
	assert_in_range(run("A", "mom", false).below, 30, 200);
	assert_int_equal(run("A", "squeezed", false).below, 0);
	assert_true(run("B", "squeezed", false).reread > 100);
	assert_int_equal(run("B", "nothing", true).below, 0);
}

static void test_own(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; arena_scenario_name(i); i++) {
		run(arena_scenario_name(i), "own", false);
		run(arena_scenario_name(i), "own", true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rivals),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
