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

/* With and without reporting, in every scenario of a crisis. */
static void test_crises(void **state)
{
	static const char *const names[] = { "A", "B", "C", "D", "E" };
	double reread = 0, mom = 0;
	unsigned int i, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		for (k = 0; k < 2; k++) {
			struct arena_score score = run(names[i], "own", k);

			assert_in_range(score.below, 0, *names[i] == 'C' ? 10 : 5);
			assert_in_range(score.swings, 0, 1);
			assert_int_equal(score.kills, 0);
			reread += score.reread;
			mom += run(names[i], "mom", k).reread;
		}
	}
	print_message("%.1f GiB read again, with MOM %.1f\n", reread, mom);
	assert_true(reread <= mom / 2);
}

/* What a container does at its own limit is not the host's shortage. */
static void test_container(void **state)
{
	(void)state;
	assert_int_equal(run("container", "own", false).takes, 0);
	assert_int_equal(run("container", "own", true).takes, 0);
}

/* It has made itself small: it gets no more, and others give at most what it keeps. */
static void test_liar(void **state)
{
	unsigned int i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		double others = 0, honest = 0;

		run("A", "own", k);
		for (i = 1; i < arena_model()->nr; i++)
			honest += arena_model()->guests[i].actual;
		assert_in_range(run("liar", "own", k).below, 0, 5);
		for (i = 1; i < arena_model()->nr; i++)
			others += arena_model()->guests[i].actual;
		assert_true(arena_model()->guests[0].actual <= 2048);
		assert_true(others + arena_model()->guests[0].actual >= honest);
	}
}

/* What programs need comes first, then the host, then page cache. */
static void test_tight(void **state)
{
	unsigned int k;

	(void)state;
	for (k = 0; k < 2; k++) {
		struct arena_score score = run("tight", "own", k);

		assert_in_range(score.below, 0, 10);
		assert_int_equal(score.kills, 0);
		run("tight", "mom", k);
	}
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void test_fleet(void **state)
{
	unsigned int k;

	(void)state;
	for (k = 0; k < 2; k++) {
		double start = cpu_seconds(), spent;
		struct arena_score score = run("fleet", "own", k), mom;

		spent = cpu_seconds() - start;
		print_message("%.0f us of processor time a step\n", spent * 1e6 / score.seconds);
		mom = run("fleet", "mom", k);
		assert_in_range(score.below, 0, 5);
		assert_in_range(score.swings, 0, 1);
		assert_int_equal(score.kills, 0);
		assert_true(score.reread < mom.reread / 2);
		assert_true(spent < 0.005 * score.seconds);
	}
}

/* One run of each crisis, with and without reporting. Returns what was read again, GiB. */
static double run_all(const struct arena_options *how, unsigned int below)
{
	static const char *const names[] = { "A", "B", "C", "D", "E" };
	double reread = 0;
	unsigned int i, s, p;

	for (i = 0; i < 2 * ARRAY_SIZE(names); i++) {
		struct arena_options options = *how;
		struct arena_score score;

		options.reporting = i % 2;
		assert_false(arena_find(names[i / 2], "own", &s, &p));
		arena_run(&config, s, p, &options, &score);
		print_message("%s%s:%us/%.1fG/%u ", names[i / 2], i % 2 ? "r" : "", score.below,
			      score.reread, score.swings);
		assert_in_range(score.below, 0, below);
		assert_in_range(score.swings, 0, 1);
		assert_int_equal(score.kills, 0);
		reread += score.reread;
	}
	print_message("growth %.0f, inflate %.0f, lag %u\n", how->growth, how->inflate, how->lag);
	return reread;
}

/* The figures must not hang on one speed of page cache or balloons, or on news at once. */
static void test_other_speeds(void **state)
{
	static const double growth[] = { 0, 2, 5, 10, 20, 40 };
	unsigned int n, lag;

	(void)state;
	for (n = 0; n < ARRAY_SIZE(growth); n++)
		for (lag = 0; lag < 3; lag++)
			assert_true(run_all(&(struct arena_options){
				.growth = growth[n], .lag = lag }, 10) < 150);
	run_all(&(struct arena_options){ .growth = 10, .inflate = 1000 }, 10);
	/* So slow that no decision could be early enough. */
	run_all(&(struct arena_options){ .growth = 10, .inflate = 100 }, 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rivals),
		cmocka_unit_test(test_crises),
		cmocka_unit_test(test_container),
		cmocka_unit_test(test_liar),
		cmocka_unit_test(test_tight),
		cmocka_unit_test(test_fleet),
		cmocka_unit_test(test_other_speeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
