// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of the policy: rules one by one, a simulated guest that follows its
 * targets, and a property test over random states.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "donors.h"
#include "policy.h"

static struct policy_config config;
static struct policy_host host;
static struct policy_guest guests[POLICY_MAX_GUESTS];
static struct policy_memory memory[POLICY_MAX_GUESTS];
static struct policy_result result;
static unsigned int nr;

/* A guest of 1 GiB that uses 200 MiB, has 100 MiB of cache and touched it all. */
static struct policy_guest *add_guest(void)
{
	struct policy_guest *g = &guests[nr++];

	*g = (struct policy_guest){
		.present = true, .enabled = true, .has_device = true, .has_driver = true,
		.running = true, .yields = true, .ram = GIB, .actual = GIB, .charged = GIB + 48 * MIB,
		.stats = { .total = 980 * MIB, .free = 700 * MIB, .available = 800 * MIB,
			   .caches = 100 * MIB, .swap_in = 0, .swap_out = 0,
			   .major_faults = 0, .oom_kills = UNSET, .alloc_stalls = UNSET },
		.stats_seq = 1, .stats_age_ms = 500, .stats_interval_ms = 1000,
		.min = 256 * MIB, .max = GIB, .shares = 1000, .pulse = PULSE_AUTO,
	};
	return g;
}

static int setup(void **state)
{
	(void)state;
	policy_defaults(&config);
	memset(&host, 0, sizeof(host));
	memset(guests, 0, sizeof(guests));
	memset(memory, 0, sizeof(memory));
	host.time_ms = 1000000;
	host.headroom = UNSET;
	nr = 0;
	return 0;
}

static void step(void)
{
	policy_step(&config, &host, guests, memory, nr, &result);
	memset(host.events, 0, sizeof(host.events));
	memset(host.injected, 0, sizeof(host.injected));
	for (unsigned int i = 0; i < nr; i++)
		guests[i].request = 0;
}

/* Time passes; guests obey at once and send statistics that fit. */
static void pass(uint64_t ms)
{
	host.time_ms += ms;
	for (unsigned int i = 0; i < nr; i++) {
		struct policy_guest *g = &guests[i];
		uint64_t gone = g->actual - memory[i].target;

		guests[i].stats_seq++;
		if (!memory[i].target || !g->has_driver || !g->running)
			continue;
		g->actual = memory[i].target;
		if (g->stats.free != UNSET)
			g->stats.free = sub_floor(g->stats.free, gone);
		if (g->stats.available != UNSET)
			g->stats.available -= gone;
		g->stats.caches = min_u64(g->stats.caches, g->stats.available);
	}
}

static void sign(enum level level)
{
	host.events[level]++;
	host.level = level;
	host.level_since_ms = host.time_ms;
}

static void assert_action(unsigned int i, enum policy_kind kind, enum why why, uint64_t target)
{
	assert_int_equal(result.action[i].kind, kind);
	assert_string_equal(why_name(result.action[i].why), why_name(why));
	assert_int_equal(result.action[i].target, target);
}

static void assert_left_alone(unsigned int i, enum why why)
{
	assert_int_equal(result.action[i].kind, POLICY_NOTHING);
	assert_string_equal(why_name(result.verdict[i].why), why_name(why));
}

static void test_calm_host_changes_nothing(void **state)
{
	(void)state;
	add_guest();
	for (int i = 0; i < 100; i++) {
		step();
		assert_left_alone(0, WHY_NONE);
		pass(1000);
	}
}

static void test_presets_move_by_exact_amount(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < nr_level_presets; p++) {
		for (int level = LEVEL_LOW; level < NR_LEVELS; level++) {
			setup(NULL);
			config.proportional = false;
			memcpy(config.amount, level_presets[p].amount, sizeof(config.amount));
			add_guest();
			step();
			host.injected[level] = 2;
			step();
			if (!level_presets[p].amount[level])
				assert_left_alone(0, WHY_NONE);
			else
				assert_action(0, POLICY_TAKE, WHY_PRESSURE,
					      GIB - 2 * level_presets[p].amount[level]);
		}
	}
}

static void test_preset_stops_at_floor(void **state)
{
	(void)state;
	config.proportional = false;
	config.amount[LEVEL_CRITICAL] = 128 * MIB;
	add_guest();
	for (int i = 0; i < 20; i++) {
		host.injected[LEVEL_CRITICAL] = 1;
		step();
		assert_true(memory[0].target >= result.verdict[0].floor);
		pass(1000);
	}
	/* need = 224 MiB, and 10 %, and 64 MiB */
	assert_in_range(guests[0].actual, 310 * MIB, 312 * MIB);
	assert_left_alone(0, WHY_AT_FLOOR);
}

static void test_low_takes_only_slack(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	/* Free in the guest, but the host does not pay for it. */
	g->charged = 372 * MIB;
	sign(LEVEL_LOW);
	step();
	assert_left_alone(0, WHY_REPORTED);
	g->charged = 672 * MIB;
	pass(1000);
	sign(LEVEL_LOW);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
}

static void test_reporting_without_charge_is_trusted(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->reporting = true;
	g->charged = UNSET;
	sign(LEVEL_LOW);
	step();
	assert_left_alone(0, WHY_REPORTED);
	config.proportional = false;
	config.amount[LEVEL_LOW] = MIB;
	host.injected[LEVEL_LOW] = 1;
	step();
	assert_left_alone(0, WHY_REPORTED);
}

static void test_low_keeps_the_cache(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->stats.free = 70 * MIB;
	g->stats.caches = 730 * MIB;
	config.step_percent[LEVEL_LOW] = 100;
	config.goal_percent[LEVEL_LOW] = 100;
	sign(LEVEL_LOW);
	step();
	assert_action(0, POLICY_TAKE, WHY_PRESSURE, GIB - 6 * MIB);
	pass(10000);
	sign(LEVEL_MEDIUM);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
}

static void test_step_limit(void **state)
{
	(void)state;
	add_guest();
	config.goal_percent[LEVEL_CRITICAL] = 100;
	sign(LEVEL_CRITICAL);
	step();
	assert_action(0, POLICY_TAKE, WHY_PRESSURE, (GIB - percent_of(GIB, 40)) / 4096 * 4096);
}

static void test_rate_limit(void **state)
{
	unsigned int changes = 0;

	(void)state;
	add_guest()->min = 0;
	guests[0].ram = guests[0].actual = guests[0].max = 64 * GIB;
	guests[0].charged = 64 * GIB;
	guests[0].stats.total = 63 * GIB;
	guests[0].stats.free = guests[0].stats.available = 62 * GIB;
	config.step_percent[LEVEL_LOW] = 1;
	for (int i = 0; i < 60; i++) {
		sign(LEVEL_LOW);
		step();
		changes += result.action[0].kind != POLICY_NOTHING;
		pass(1000);
	}
	assert_in_range(changes, 2, config.changes_per_minute);
}

static void test_shares_split(void **state)
{
	uint64_t a, b;

	(void)state;
	add_guest()->shares = 1000;
	add_guest()->shares = 3000;
	config.step_percent[LEVEL_MEDIUM] = 20;
	sign(LEVEL_MEDIUM);
	step();
	a = GIB - result.action[0].target;
	b = GIB - result.action[1].target;
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_int_equal(result.action[1].kind, POLICY_TAKE);
	assert_in_range(a, b * 3 - b / 20 * 3, b * 3 + b / 20 * 3);
}

static void test_low_band_first(void **state)
{
	(void)state;
	add_guest()->band = 7;
	add_guest()->band = 1;
	sign(LEVEL_MEDIUM);
	step();
	assert_left_alone(0, WHY_NOT_ASKED);
	assert_int_equal(result.action[1].kind, POLICY_TAKE);
	/* When the low band cannot give enough, the next one does. */
	pass(10000);
	config.goal_percent[LEVEL_CRITICAL] = 40;
	sign(LEVEL_CRITICAL);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_int_equal(result.action[1].kind, POLICY_TAKE);
}

static void test_other_cgroup_untouched(void **state)
{
	(void)state;
	add_guest();
	add_guest()->outside = true;
	sign(LEVEL_CRITICAL);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_left_alone(1, WHY_OUTSIDE);
}

static void test_bars(void **state)
{
	static const struct {
		size_t flag;
		bool value;
		enum why why;
	} bars[] = {
		{ offsetof(struct policy_guest, enabled), false, WHY_DISABLED },
		{ offsetof(struct policy_guest, has_device), false, WHY_NO_DEVICE },
		{ offsetof(struct policy_guest, has_driver), false, WHY_NO_DRIVER },
		{ offsetof(struct policy_guest, running), false, WHY_PAUSED },
		{ offsetof(struct policy_guest, migrating), true, WHY_MIGRATING },
		{ offsetof(struct policy_guest, hugetlb), true, WHY_HUGETLB },
		{ offsetof(struct policy_guest, mem_locked), true, WHY_MEM_LOCK },
		{ offsetof(struct policy_guest, assigned), true, WHY_ASSIGNED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bars); i++) {
		setup(NULL);
		*((bool *)((char *)add_guest() + bars[i].flag)) = bars[i].value;
		sign(LEVEL_CRITICAL);
		step();
		assert_left_alone(0, bars[i].why);
		assert_true(result.no_donors);
	}
}

static const char *test_name(unsigned int i)
{
	static char name[64];

	snprintf(name, sizeof(name), i ? "a-name-as-long-as-a-name-may-be-%031u" : "a b,c:d", i);
	return name;
}

/* All of them are counted, those that fit are named, and it fits into a log line. */
static void test_no_donors_says_why(void **state)
{
	char text[DONORS_TEXT_MAX];
	struct textbuf tb;
	unsigned int i, commas = 0, more = 0;

	(void)state;
	sign(LEVEL_CRITICAL);
	step();
	textbuf_init(&tb, text, sizeof(text));
	donors_explain(&tb, guests, &result, nr, test_name);
	assert_string_equal(text, "guests=0 reasons=- against=-");

	add_guest()->running = false;
	add_guest()->stats.available = 300 * MIB;
	guests[1].stats.free = 100 * MIB;
	guests[1].charged = 100 * MIB;
	guests[1].stats.caches = 0;
	sign(LEVEL_CRITICAL);
	step();
	textbuf_init(&tb, text, sizeof(text));
	donors_explain(&tb, guests, &result, nr, test_name);
	assert_true(result.no_donors);
	assert_string_equal(text, "guests=2 reasons=paused:1,nothing-to-gain:1 against="
			    "a_b_c_d:paused,a-name-as-long-as-a-name-may-be-"
			    "0000000000000000000000000000001:nothing-to-gain");

	/* As many as there may be, with every reason that there is. */
	while (nr < POLICY_MAX_GUESTS)
		add_guest();
	for (i = 0; i < nr; i++)
		result.verdict[i].why = (enum why)(i % NR_WHYS);
	textbuf_init(&tb, text, sizeof(text));
	donors_explain(&tb, guests, &result, nr, test_name);
	assert_false(tb.overflow);
	assert_non_null(strstr(text, ",other:"));
	for (i = 0; strstr(text, "against=")[i]; i++)
		commas += strstr(text, "against=")[i] == ',';
	assert_int_equal(sscanf(strstr(text, "more="), "more=%u", &more), 1);
	assert_int_equal(commas + 1 + more, POLICY_MAX_GUESTS);
}

static void test_bad_statistics_observe_only(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->stats_age_ms = 3001;
	sign(LEVEL_CRITICAL);
	step();
	assert_left_alone(0, WHY_STALE_STATS);
	g->stats_age_ms = UNSET;
	sign(LEVEL_CRITICAL);
	step();
	assert_left_alone(0, WHY_NO_STATS);
	g->stats_age_ms = 0;
	g->stats.free = UNSET;
	sign(LEVEL_CRITICAL);
	step();
	assert_left_alone(0, WHY_NO_STATS);
	g->stats.free = g->stats.total + 1;
	sign(LEVEL_CRITICAL);
	step();
	assert_left_alone(0, WHY_ODD_STATS);
	g->stats = (struct policy_stats){ 0 };
	sign(LEVEL_CRITICAL);
	step();
	assert_left_alone(0, WHY_ODD_STATS);
}

/* Take a guest down, so that there is something to give back. */
static void squeeze(void)
{
	step();
	config.goal_percent[LEVEL_CRITICAL] = 50;
	sign(LEVEL_CRITICAL);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	pass(1000);
	step();
}

static void test_guest_took_back(void **state)
{
	(void)state;
	add_guest();
	squeeze();
	host.level = LEVEL_NONE;
	guests[0].actual += 4 * MIB;
	host.time_ms += 1000;
	step();
	assert_action(0, POLICY_GIVE, WHY_PULLED, GIB);
	/* And it is held: pressure may not undo it. */
	pass(1000);
	sign(LEVEL_MEDIUM);
	step();
	assert_left_alone(0, WHY_GUEST_HOLD);
	pass(config.hold_ms);
	sign(LEVEL_MEDIUM);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
}

static void test_guest_low_on_memory_wins_over_host(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	squeeze();
	g->stats.available = 10 * MIB;
	g->stats.free = 5 * MIB;
	g->stats_seq++;
	host.time_ms += 1000;
	sign(LEVEL_CRITICAL);
	step();
	/* What it needs now; the rest comes in pieces, as long as it asks. */
	assert_int_equal(result.action[0].kind, POLICY_GIVE);
	assert_int_equal(result.action[0].why, WHY_LOW_MEMORY);
	assert_in_range(memory[0].target, result.verdict[0].floor, GIB - GIB / 16);
	assert_true(result.no_donors);
	for (int i = 0; i < 3; i++) {
		uint64_t before = memory[0].target;

		pass(1000);
		g->stats.available = g->stats.free = 10 * MIB;
		sign(LEVEL_CRITICAL);
		step();
		assert_int_equal(result.action[0].kind, POLICY_GIVE);
		assert_in_range(memory[0].target - before, 1, GIB / 4);
	}
	assert_int_equal(memory[0].target, GIB);
	assert_int_equal(memory[0].debt, 0);
}

static void test_old_sign_is_not_acted_on_twice(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->ram = g->actual = g->max = 16 * GIB;
	g->charged = g->stats.total = 16 * GIB;
	g->stats.free = g->stats.available = 15 * GIB;
	config.step_percent[LEVEL_CRITICAL] = 90;
	config.goal_percent[LEVEL_CRITICAL] = 80;
	step();
	sign(LEVEL_CRITICAL);
	step();
	pass(1000);
	assert_true(g->actual < 4 * GIB);
	host.level = LEVEL_MEDIUM;
	g->stats.available = MIB;
	g->stats.free = MIB;
	g->stats_seq++;
	host.time_ms += 1000;
	step();
	assert_int_equal(result.action[0].kind, POLICY_GIVE);
	host.time_ms += 10;
	step();
	assert_int_equal(result.action[0].kind, POLICY_NOTHING);
}

static void test_faults_and_swap(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	squeeze();
	host.level = LEVEL_NONE;
	/* Faults while plenty is free: a program starting, not need. */
	g->stats.major_faults += 100000;
	pass(1000);
	step();
	assert_left_alone(0, WHY_NONE);
	g->stats.major_faults += 100000;
	g->stats.free = 10 * MIB;
	pass(1000);
	step();
	assert_action(0, POLICY_GIVE, WHY_FAULTING, GIB);

	setup(NULL);
	g = add_guest();
	squeeze();
	host.level = LEVEL_NONE;
	g->stats.swap_out += 8 * MIB;
	g->stats.available = g->stats.free = 120 * MIB;
	pass(1000);
	step();
	assert_action(0, POLICY_GIVE, WHY_SWAPPING, GIB);

	setup(NULL);
	g = add_guest();
	g->stats.oom_kills = 3;
	squeeze();
	host.level = LEVEL_NONE;
	g->stats.oom_kills = 4;
	g->stats.available = g->stats.free = 120 * MIB;
	pass(1000);
	step();
	assert_action(0, POLICY_GIVE, WHY_OOM, GIB);
}

/* A container that is killed at its own limit again and again, or swaps: no need. */
static void test_containers_are_no_need(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->stats.oom_kills = 3;
	g->stats.alloc_stalls = 100;
	squeeze();
	host.level = LEVEL_NONE;
	for (int i = 0; i < 60; i++) {
		g->stats.oom_kills++;
		g->stats.alloc_stalls += 100;
		g->stats.swap_in += 8 * MIB;
		g->stats.swap_out += 8 * MIB;
		host.time_ms += 1000;
		g->stats_seq++;
		step();
		assert_int_equal(result.verdict[0].hurt, WHY_NONE);
		assert_int_equal(result.action[0].kind, POLICY_NOTHING);
		host.level_since_ms = host.time_ms;
	}
	/* And it goes on giving. */
	sign(LEVEL_CRITICAL);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
}

/* It reads what it maps again and again, whatever its size: that is no need either. */
static void test_usual_faults(void **state)
{
	struct policy_guest *g = add_guest();
	unsigned int hurt = 0;

	(void)state;
	g->stats.free = 60 * MIB;
	g->stats.caches = 740 * MIB;
	for (int i = 0; i < 60; i++) {
		g->stats.major_faults += 1000;
		pass(1000);
		step();
		hurt += result.verdict[0].hurt != WHY_NONE;
	}
	assert_in_range(hurt, 1, 30);
	sign(LEVEL_CRITICAL);
	host.headroom = 0;
	host.headroom_low = 100 * MIB;
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	/* More of them, now that it is smaller, are. */
	host.level = LEVEL_NONE;
	g->stats.major_faults += 2000;
	pass(1000);
	g->stats.free = 60 * MIB;
	step();
	assert_int_equal(result.action[0].why, WHY_FAULTING);
}

/* Quiet for ten minutes: whatever may be given back is. */
static void pass_quietly(void)
{
	host.level = LEVEL_NONE;
	host.level_since_ms = 1;
	for (int t = 0; t < 600; t++) {
		pass(1000);
		step();
	}
}

/* Small at first sight, as with libvirt's currentMemory: nobody asked us to change that. */
static void test_size_of_others_is_a_ceiling(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->actual = 700 * MIB;
	g->stats.free = 400 * MIB;
	g->stats.available = 500 * MIB;
	step();
	pass_quietly();
	assert_int_equal(memory[0].changed_ms, 0);
	assert_int_equal(memory[0].target, 700 * MIB);
	/* Not even if it is in need. */
	g->stats.free = g->stats.available = 10 * MIB;
	g->stats_seq++;
	step();
	assert_left_alone(0, WHY_LOW_MEMORY);
	g->stats.free = 400 * MIB;
	g->stats.available = 500 * MIB;
	/* What we take ourselves comes back, and no more. */
	pass(config.hold_ms);
	sign(LEVEL_CRITICAL);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_int_equal(memory[0].debt, 700 * MIB - memory[0].target);
	pass_quietly();
	assert_int_equal(memory[0].target, 700 * MIB);
	/* It empties its balloon while it boots and fills it again: no target of ours. */
	g->reset_seq++;
	g->reset_ms = host.time_ms;
	memory[0].changed_ms = 0;
	g->actual = GIB;
	g->stats.free = 900 * MIB;
	for (int t = 0; t < 50; t++) {
		host.time_ms += 1000;
		g->actual = t < 40 ? GIB : 700 * MIB;
		g->stats_seq++;
		step();
		assert_int_equal(result.action[0].kind, POLICY_NOTHING);
	}
	pass_quietly();
	assert_int_equal(memory[0].changed_ms, 0);
}

/* "virsh setmem", down and up, to a guest that we took from. */
static void test_foreign_change_ends_the_debt(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	squeeze();
	assert_true(memory[0].debt > 0);
	g->actual = 550 * MIB;
	host.time_ms += 1000;
	step();
	assert_left_alone(0, WHY_FOREIGN);
	assert_int_equal(memory[0].debt, 0);
	pass_quietly();
	assert_int_equal(memory[0].target, 550 * MIB);
	/* A guest that cannot take memory back itself did not do this. */
	g->yields = false;
	g->actual = 800 * MIB;
	host.time_ms += 1000;
	step();
	assert_left_alone(0, WHY_FOREIGN);
	pass_quietly();
	assert_int_equal(memory[0].target, 800 * MIB);
}

/* Memory that is plugged and unplugged is neither taken nor given, whichever news is first. */
static void test_plugging_keeps_the_debt(void **state)
{
	struct policy_guest *g = add_guest();
	uint64_t debt, target;

	(void)state;
	squeeze();
	host.level = LEVEL_NONE;
	host.level_since_ms = host.time_ms;
	debt = memory[0].debt;
	target = memory[0].target;
	for (int round = 0; round < 2; round++) {
		uint64_t ram = round ? GIB : 2 * GIB;

		g->max = g->ram = ram;
		for (int t = 0; t < 4; t++) {
			if (t == 2)
				g->actual = target + ram - GIB;
			host.time_ms += 500;
			g->stats_seq++;
			step();
			assert_int_equal(result.action[0].kind, POLICY_NOTHING);
			assert_int_equal(memory[0].debt, debt);
		}
		assert_int_equal(memory[0].target, target + ram - GIB);
	}
}

/*
 * A guest of 64 GiB says that it has only 2, then that it is out of memory, while
 * the host is short: it gets nothing, and the others pay nothing for it.
 */
static void test_lies_cost_others_nothing(void **state)
{
	struct policy_guest *liar = add_guest();

	(void)state;
	memset(config.goal_percent, 0, sizeof(config.goal_percent));
	liar->ram = liar->max = liar->actual = liar->stats.total = 64 * GIB;
	liar->min = 0;
	liar->stats.free = liar->stats.available = 60 * GIB;
	for (int i = 0; i < 6; i++)
		add_guest();
	step();
	liar->actual = 2 * GIB;
	for (int t = 0; t < 120; t++) {
		liar->stats.free = liar->stats.available = liar->stats.caches = MIB;
		liar->stats_seq++;
		host.time_ms += 1000;
		host.headroom = 11 * GIB / 10;
		host.headroom_low = GIB;
		sign(LEVEL_MEDIUM);
		step();
		liar->actual = 2 * GIB + (uint64_t)t * 100 * MIB;
		for (unsigned int i = 0; i < nr; i++)
			assert_true(result.action[i].kind != POLICY_TAKE || !i ||
				    memory[i].target >= GIB - 50 * MIB);
	}
	for (unsigned int i = 1; i < nr; i++)
		assert_true(memory[i].target >= GIB - 50 * MIB);
}

/* Only memory that can be had counts: a huge guest that cannot give is not a reason. */
static void test_goal_is_of_donors(void **state)
{
	uint64_t alone;

	(void)state;
	for (int round = 0; round < 2; round++) {
		setup(NULL);
		add_guest();
		add_guest();
		if (round) {
			add_guest()->hugetlb = true;
			guests[2].ram = guests[2].actual = guests[2].max = 512 * GIB;
			add_guest()->enabled = false;
			add_guest()->running = false;
		}
		sign(LEVEL_LOW);
		step();
		assert_int_equal(result.action[0].kind, POLICY_TAKE);
		if (!round)
			alone = memory[0].debt;
		else
			assert_int_equal(memory[0].debt, alone);
	}
	/* Where the headroom is known, it alone says what is missing. */
	setup(NULL);
	add_guest();
	host.headroom = 990 * MIB;
	host.headroom_low = GIB;
	config.step_percent[LEVEL_LOW] = 100;
	sign(LEVEL_LOW);
	step();
	assert_in_range(memory[0].debt, 289 * MIB, 300 * MIB);
	/* However little: a share of the guests' memory is not what is missing. */
	setup(NULL);
	add_guest();
	host.headroom = 480 * MIB;
	host.headroom_low = 400 * MIB;
	config.goal_percent[LEVEL_MEDIUM] = 50;
	sign(LEVEL_MEDIUM);
	step();
	assert_in_range(memory[0].debt, 19 * MIB, 21 * MIB);
	/* Room for a guest to come is missing as well, also more than there is at all. */
	for (int round = 0; round < 2; round++) {
		setup(NULL);
		add_guest()->min = 0;
		host.headroom = 300 * MIB;
		host.headroom_low = round ? 100 * MIB : 0;
		host.wanted = 500 * MIB;
		config.step_percent[LEVEL_MEDIUM] = 100;
		sign(LEVEL_MEDIUM);
		step();
		assert_in_range(memory[0].debt, (round ? 325 : 200) * MIB - 4096,
				(round ? 335 : 210) * MIB);
	}
}

/* Small takes at LOW, more than a minute may have, do not keep the higher levels from theirs. */
static void test_low_leaves_budget(void **state)
{
	(void)state;
	for (int level = LEVEL_MEDIUM; level < NR_LEVELS; level++) {
		setup(NULL);
		add_guest()->min = 0;
		config.step_percent[LEVEL_LOW] = 1;
		for (int t = 0; t < 45; t++) {
			sign(LEVEL_LOW);
			step();
			pass(1000);
		}
		pass(config.take_interval_ms);
		sign((enum level)level);
		step();
		assert_int_equal(result.action[0].kind, POLICY_TAKE);
	}
	/* And CRITICAL goes on as long as it lasts. */
	for (int t = 0; t < 60; t++) {
		guests[0].stats.free = guests[0].stats.available = 400 * MIB;
		guests[0].ram = guests[0].actual = guests[0].max = GIB;
		memory[0].target = GIB;
		pass(config.take_interval_ms / 2);
		guests[0].actual = GIB;
		guests[0].stats.free = guests[0].stats.available = 400 * MIB;
		memory[0].settled = true;
		memory[0].lowest = GIB;
		memory[0].target = GIB;
		sign(LEVEL_CRITICAL);
		step();
		assert_int_equal(result.action[0].kind, POLICY_TAKE);
	}
}

/* High bands first, and within a band by shares. */
static void test_gives_by_band_and_shares(void **state)
{
	static const struct {
		unsigned int band, shares;
	} who[] = { { 0, 1000 }, { 5, 1000 }, { 5, 3000 } };
	uint64_t got[ARRAY_SIZE(who)], more[ARRAY_SIZE(who)];

	(void)state;
	config.give_after_ms = 0;
	config.goal_percent[LEVEL_CRITICAL] = 100;
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++) {
		add_guest()->band = who[i].band;
		guests[i].shares = who[i].shares;
	}
	sign(LEVEL_CRITICAL);
	step();
	pass(60000);
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++)
		assert_true(memory[i].debt >= 300 * MIB);
	host.level = LEVEL_NONE;
	host.level_since_ms = 1;
	host.headroom_low = GIB;
	host.headroom = 3 * GIB / 2 + 40 * MIB;
	step();
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++)
		got[i] = memory[i].promised;
	assert_int_equal(got[0], 0);
	assert_in_range(got[1], 9 * MIB, 11 * MIB);
	assert_in_range(got[2], 29 * MIB, 31 * MIB);
	/* What was given and is not used yet is not given a second time. */
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++)
		guests[i].charged = guests[i].actual + config.overhead_bytes;
	pass(config.give_interval_ms);
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++)
		guests[i].stats.free = got[i];
	step();
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++) {
		assert_int_equal(result.action[i].kind, POLICY_NOTHING);
		assert_int_equal(memory[i].promised, got[i]);
	}
	/* In need, all get what they need, and the high band what else there is. */
	pass(1000);
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++) {
		guests[i].stats.free = guests[i].stats.available = 20 * MIB;
		guests[i].charged = guests[i].actual + 48 * MIB;
	}
	host.headroom = GIB + 400 * MIB;
	step();
	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++) {
		uint64_t floor = result.verdict[i].floor, target = memory[i].target;

		assert_int_equal(result.action[i].kind, POLICY_GIVE);
		assert_in_range(target, floor - 4096, who[i].band ? GIB : floor);
		more[i] = sub_floor(target, floor);
	}
	assert_in_range(more[2], 2 * more[1], 4 * more[1]);
}

/* A guest that cannot help itself is not taken from as fast; nor is one unheard of. */
static void test_smaller_steps(void **state)
{
	for (int round = 0; round < 2; round++) {
		setup(state);
		add_guest();
		config.goal_percent[LEVEL_CRITICAL] = 100;
		if (round)
			guests[0].yields = false;
		else
			guests[0].stats_age_ms = 2500;
		sign(LEVEL_CRITICAL);
		step();
		assert_int_equal(memory[0].debt / MIB, GIB / 5 / MIB);
	}
}

/* Page cache is taken up to the low floor, what is free a quarter beyond it. */
static void test_cache_only_up_to_the_floor(void **state)
{
	for (int round = 0; round < 2; round++) {
		setup(state);
		add_guest();
		guests[0].stats.free = 20 * MIB;
		guests[0].stats.available = 700 * MIB;
		guests[0].stats.caches = 680 * MIB;
		host.headroom_low = 400 * MIB;
		host.headroom = round ? 350 * MIB : 420 * MIB;
		sign(LEVEL_MEDIUM);
		step();
		/* 50 MiB are gained once the 20 that are free are gone, which the host pays for. */
		assert_in_range(memory[0].debt, round ? 49 * MIB : 0, round ? 51 * MIB : 0);
	}
}

/* The way to the cache leads over free memory that brings nothing, and is gone in one step. */
static void test_free_memory_comes_on_top(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->reporting = true;
	g->pulse = PULSE_NO;
	g->charged = 348 * MIB;
	g->stats.available = 900 * MIB;
	g->stats.caches = 200 * MIB;
	host.headroom_low = GIB;
	host.headroom = 960 * MIB;
	sign(LEVEL_MEDIUM);
	step();
	assert_in_range(memory[0].debt, 700 * MIB, 800 * MIB);
}

/* The reserve is a sixteenth of a small guest; right-sizing keeps 5 %, 8 MiB at least. */
static void test_margins(void **state)
{
	static const struct {
		uint64_t need, margin;
	} who[] = { { 400 * MIB, 20 * MIB }, { 100 * MIB, 8 * MIB } };

	for (unsigned int i = 0; i < ARRAY_SIZE(who); i++) {
		setup(state);
		add_guest()->rightsize = true;
		guests[0].ram = guests[0].actual = guests[0].max = 512 * MIB;
		guests[0].stats.total = 500 * MIB;
		guests[0].stats.free = guests[0].stats.available = 512 * MIB - who[i].need;
		guests[0].stats.caches = 0;
		step();
		assert_int_equal(result.verdict[0].reserve, 32 * MIB);
		assert_int_equal(result.verdict[0].margin, who[i].margin);
	}
}

static void test_need_is_taken_from_others(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	squeeze();
	add_guest();
	pass(1000);
	step();
	g->stats.available = MIB;
	g->stats.free = MIB;
	config.goal_percent[LEVEL_MEDIUM] = 0;
	pass(1000);
	sign(LEVEL_MEDIUM);
	step();
	assert_int_equal(result.action[0].kind, POLICY_GIVE);
	assert_int_equal(result.action[1].kind, POLICY_TAKE);
}

static void test_give_waits_for_take(void **state)
{
	(void)state;
	config.give_after_ms = 0;
	add_guest();
	squeeze();
	add_guest();
	host.level = LEVEL_NONE;
	host.level_since_ms = 1;
	step();
	guests[1].request = 800 * MIB;
	pass(20000);
	step();
	assert_action(1, POLICY_TAKE, WHY_REQUEST, 800 * MIB);
	host.time_ms += 1000;
	guests[1].actual = 900 * MIB;
	step();
	assert_int_equal(result.action[0].kind, POLICY_NOTHING);
	host.time_ms += 1000;
	guests[1].actual = 800 * MIB;
	step();
	assert_int_equal(result.action[0].kind, POLICY_GIVE);
	assert_string_equal(why_name(result.action[0].why), "host-quiet");
}

static void test_give_keeps_headroom(void **state)
{
	(void)state;
	config.give_after_ms = 0;
	add_guest();
	squeeze();
	host.level = LEVEL_NONE;
	host.level_since_ms = 1;
	host.headroom = 100 * MIB;
	host.headroom_low = 80 * MIB;
	pass(60000);
	step();
	assert_left_alone(0, WHY_NONE);
	host.headroom = GIB;
	pass(1000);
	step();
	assert_int_equal(result.action[0].kind, POLICY_GIVE);
}

static void test_stuck(void **state)
{
	(void)state;
	add_guest();
	step();
	host.injected[LEVEL_CRITICAL] = 1;
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	for (int i = 0; i < 4; i++) {
		host.time_ms += 1000;
		guests[0].stats_seq++;
		step();
		assert_int_equal(result.action[0].kind, POLICY_NOTHING);
	}
	host.time_ms += 1000;
	step();
	assert_action(0, POLICY_GIVE, WHY_UNSTICK, GIB);
	assert_true(memory[0].stuck);
	host.time_ms += 1000;
	host.injected[LEVEL_CRITICAL] = 1;
	step();
	assert_left_alone(0, WHY_COOLING);
}

/* A job kept it from following; a host in need does not wait once that is over. */
static void test_stuck_until_the_job_ends(void **state)
{
	(void)state;
	add_guest();
	guests[0].stats.free = 200 * MIB;
	guests[0].stats.available = 200 * MIB;
	step();
	host.injected[LEVEL_CRITICAL] = 1;
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	for (int i = 0; i < 5; i++) {
		host.time_ms += 1000;
		guests[0].stats_seq++;
		step();
	}
	assert_true(memory[0].stuck);
	for (int i = 0; i < 2; i++) {
		host.time_ms += 1000;
		guests[0].stats_seq++;
		host.injected[LEVEL_CRITICAL] = 1;
		step();
		assert_left_alone(0, WHY_COOLING);
	}
	guests[0].stats.free = 700 * MIB;
	guests[0].stats.available = 700 * MIB;
	for (int i = 0; i < 2 && result.action[0].kind != POLICY_TAKE; i++) {
		host.time_ms += 1000;
		guests[0].stats_seq++;
		host.injected[LEVEL_CRITICAL] = 1;
		step();
	}
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
}

static void test_pause_is_not_stuck(void **state)
{
	(void)state;
	add_guest();
	step();
	host.injected[LEVEL_CRITICAL] = 1;
	step();
	guests[0].running = false;
	for (int i = 0; i < 100; i++) {
		host.time_ms += 1000;
		step();
		assert_left_alone(0, WHY_PAUSED);
	}
	assert_false(memory[0].stuck);
}

static void test_foreign_change(void **state)
{
	(void)state;
	add_guest();
	step();
	guests[0].actual = 600 * MIB;
	pass(0);
	guests[0].actual = 600 * MIB;
	host.time_ms += 1000;
	step();
	assert_left_alone(0, WHY_FOREIGN);
	host.time_ms += 1000;
	sign(LEVEL_CRITICAL);
	step();
	assert_left_alone(0, WHY_FOREIGN);
}

static void test_reset_gives_all(void **state)
{
	(void)state;
	add_guest();
	squeeze();
	guests[0].reset_seq++;
	guests[0].reset_ms = host.time_ms;
	guests[0].has_driver = false;
	step();
	assert_action(0, POLICY_GIVE, WHY_RESET, GIB);
	guests[0].has_driver = true;
	pass(5000);
	sign(LEVEL_CRITICAL);
	step();
	assert_left_alone(0, WHY_BOOTING);
}

static void test_request_keeps_limits(void **state)
{
	(void)state;
	add_guest();
	step();
	guests[0].request = 1;
	step();
	assert_action(0, POLICY_TAKE, WHY_REQUEST, result.verdict[0].floor);
	guests[0].request = 100 * GIB;
	pass(1000);
	guests[0].request = 100 * GIB;
	step();
	assert_action(0, POLICY_GIVE, WHY_REQUEST, GIB);
}

static void test_hold_is_mandatory(void **state)
{
	(void)state;
	add_guest();
	guests[0].hold_max = 700 * MIB;
	step();
	assert_action(0, POLICY_TAKE, WHY_LIMIT, 700 * MIB);
	pass(1000);
	guests[0].stats.available = MIB;
	guests[0].stats.free = MIB;
	step();
	assert_left_alone(0, WHY_HELD);
}

/* A guest on its way below the limit is not called back to it. */
static void test_hold_lets_a_take_go_on(void **state)
{
	(void)state;
	config.proportional = false;
	config.amount[LEVEL_CRITICAL] = 256 * MIB;
	add_guest();
	step();
	host.injected[LEVEL_CRITICAL] = 1;
	step();
	assert_action(0, POLICY_TAKE, WHY_PRESSURE, 768 * MIB);
	guests[0].hold_max = 900 * MIB;
	host.time_ms += 100;
	step();
	assert_int_equal(result.action[0].kind, POLICY_NOTHING);
	assert_int_equal(memory[0].target, 768 * MIB);
}

static void test_hold_below_need_waits(void **state)
{
	(void)state;
	add_guest();
	guests[0].hold_max = 260 * MIB;
	step();
	assert_int_equal(result.action[0].kind, POLICY_NOTHING);
}

static void test_pulse(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->reporting = true;
	g->charged = 48 * MIB + 324 * MIB;
	sign(LEVEL_LOW);
	step();
	assert_left_alone(0, WHY_REPORTED);
	pass(1000);
	sign(LEVEL_MEDIUM);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_string_equal(why_name(result.action[0].why), "pulse-in");
	assert_true(result.action[0].target < GIB - g->stats.free);
	assert_true(result.action[0].target >= result.verdict[0].floor);
	host.time_ms += 1000;
	step();
	assert_left_alone(0, WHY_PULSING);
	g->actual = memory[0].target;
	host.time_ms += 1000;
	step();
	assert_action(0, POLICY_GIVE, WHY_PULSE_OUT, GIB);
	g->actual = GIB;
	host.time_ms += 1000;
	g->stats_seq++;
	assert_int_equal(memory[0].debt, 0);
	/* The pressure comes back: now what is taken is kept. */
	pass(config.take_interval_ms + config.pulse_timeout_ms);
	sign(LEVEL_MEDIUM);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_string_equal(why_name(result.action[0].why), "host-pressure");
	assert_false(memory[0].pulsing);
}

/* A pulse that did not end the pressure is not undone, and CRITICAL has none. */
static void test_pulse_is_kept(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->reporting = true;
	g->charged = 372 * MIB;
	host.headroom = 500 * MIB;
	host.headroom_low = GIB;
	sign(LEVEL_MEDIUM);
	step();
	assert_true(memory[0].pulsing);
	g->actual = memory[0].target;
	host.time_ms += 1000;
	host.headroom = 900 * MIB;
	step();
	assert_false(memory[0].pulsing);
	assert_int_equal(result.action[0].kind, POLICY_NOTHING);
	assert_int_equal(memory[0].debt, GIB - g->actual);

	setup(NULL);
	g = add_guest();
	g->reporting = true;
	g->charged = 372 * MIB;
	sign(LEVEL_CRITICAL);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_false(memory[0].pulsing);
}

/* As many pulses as the goal needs, of those that come first, and then others. */
static void test_pulses_are_staggered(void **state)
{
	unsigned int pulsing[2] = { 0, 0 };

	(void)state;
	for (int i = 0; i < 20; i++) {
		add_guest()->reporting = true;
		guests[i].charged = 372 * MIB;
		guests[i].stats.available = 900 * MIB;
		guests[i].stats.caches = 200 * MIB;
	}
	host.headroom_low = GIB;
	for (int round = 0; round < 2; round++) {
		/* Each has 200 MiB of cache and gives half of it: two of them at once. */
		host.headroom = GIB - 150 * MIB;
		sign(LEVEL_MEDIUM);
		step();
		for (unsigned int i = 0; i < nr; i++)
			pulsing[round] += memory[i].pulsing;
		host.headroom = 2 * GIB;
		pass(5000);
		step();
		pass(1000);
		for (unsigned int i = 0; i < nr; i++)
			assert_false(memory[i].pulsing);
	}
	assert_int_equal(pulsing[0], 2);
	assert_int_equal(pulsing[1], 2);
}

static void test_pulse_gives_up(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->reporting = true;
	g->charged = 372 * MIB;
	sign(LEVEL_MEDIUM);
	step();
	assert_true(memory[0].pulsing);
	host.time_ms += config.stuck_ms;
	step();
	assert_action(0, POLICY_GIVE, WHY_PULSE_OUT, GIB);
}

static void test_plugged_but_not_onlined(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	/* 512 MiB were plugged; the guest has 600 MiB online, 400 of them in use. */
	g->ram = 1536 * MIB;
	g->max = 1536 * MIB;
	g->actual = 1112 * MIB;
	g->stats.total = 560 * MIB;
	g->stats.free = 150 * MIB;
	g->stats.available = 160 * MIB;
	g->charged = 2 * GIB;
	for (int i = 0; i < 20; i++) {
		host.injected[LEVEL_CRITICAL] = 1;
		step();
		assert_true(memory[0].target >= 1112 * MIB - 160 * MIB);
		host.time_ms += 1000;
	}
}

/*
 * A guest that follows its target, has anonymous memory, a hot cache that it
 * reads all the time and a cold one that it never reads again, and keeps some
 * memory for itself. What it lacks of the hot cache comes back from disk: as
 * major faults where it is mapped, else only the disk sees it. The lists of free
 * pages that its CPUs keep make what it calls free and available flicker.
 */
struct sim {
	uint64_t ram, anon, hot, cold;
	bool mapped;
	bool in_turn;		/* reads the hot cache in turn: if any is missing, all is */
	uint64_t stream;	/* bytes a second read once, whatever the size */
};

static uint64_t sim_own(const struct sim *sim)
{
	return sim->ram / 64;
}

/* Returns what is missing of the hot cache, bytes. */
static uint64_t sim_run(struct sim *sim, struct policy_guest *g, const struct policy_memory *m)
{
	uint64_t room, cached, missing;
	uint64_t noise = (g->stats_seq % 7) * min_u64(sim->ram / 1024, 4 * MIB);

	if (m->target)
		g->actual = m->target;
	room = sub_floor(g->actual, sim->anon + sim_own(sim));
	missing = sub_floor(sim->hot, room);
	if (missing && sim->in_turn)
		missing = sim->hot;
	sim->cold = min_u64(sim->cold, sub_floor(room, sim->hot));
	cached = min_u64(sim->hot, room) + sim->cold;
	if (sim->stream)
		cached = room;
	g->stats.free = sub_floor(sub_floor(g->actual, sim->anon + cached), noise);
	g->stats.caches = cached;
	g->stats.available = sub_floor(room, noise);
	g->stats.total = sim->ram;
	if (sim->mapped)
		g->stats.major_faults += missing / 4096 / 200;
	g->disk_reads += missing / 2 + sim->stream;
	g->stats_seq++;
	g->charged = g->actual + 48 * MIB;
	return missing;
}

static struct policy_guest *sim_guest(const struct sim *sim)
{
	struct policy_guest *g = add_guest();

	g->ram = g->actual = g->max = sim->ram;
	g->min = 0;
	g->disk_reads = 0;
	g->yields = true;
	g->rightsize = true;
	return g;
}

/*
 * Everybody ends within 10 % of the working set, not below it either, and lacks
 * something of it in a small part of the time only.
 */
static void test_rightsize_converges(void **state)
{
	static const struct sim sims[] = {
		{ .ram = 4 * GIB, .anon = 1200 * MIB, .hot = 800 * MIB, .cold = 500 * MIB,
		  .mapped = true },
		{ .ram = 4 * GIB, .anon = 500 * MIB, .hot = 2500 * MIB, .cold = 100 * MIB },
		{ .ram = 1 * GIB, .anon = 200 * MIB, .hot = 500 * MIB, .cold = 100 * MIB },
		{ .ram = 16 * GIB, .anon = 3 * GIB, .hot = 6 * GIB, .cold = 1 * GIB,
		  .mapped = true },
		/* Nothing but memory of its own: nothing tells when it is too little. */
		{ .ram = 1 * GIB, .anon = 440 * MIB },
		{ .ram = 256 * MIB, .anon = 120 * MIB },
		{ .ram = 32 * GIB, .anon = 2 * GIB },
		/* It reads a stream all the time, which no memory would spare it. */
		{ .ram = 2 * GIB, .anon = 400 * MIB, .hot = 600 * MIB, .cold = 800 * MIB,
		  .stream = 30 * MIB },
		{ .ram = 1 * GIB, .anon = 300 * MIB, .hot = 200 * MIB, .cold = 200 * MIB,
		  .in_turn = true },
		{ .ram = 8 * GIB, .anon = 300 * MIB, .hot = 2 * GIB, .mapped = true,
		  .in_turn = true },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(sims); k++) {
		struct sim sim = sims[k];
		uint64_t set = sim.anon + sim.hot + sim_own(&sim), sum = 0;
		unsigned int lacking = 0;
		struct policy_guest *g;

		setup(NULL);
		g = sim_guest(&sim);
		for (int t = 0; t < 3600; t++) {
			lacking += sim_run(&sim, g, &memory[0]) > sim.hot / 100;
			step();
			host.time_ms += 1000;
			if (t >= 3000)
				sum += g->actual / 600;
		}
		print_message("working set %u MiB, mean size %u MiB, at the end %u MiB, "
			      "too small for %u s of an hour\n",
			      (unsigned int)(set / MIB), (unsigned int)(sum / MIB),
			      (unsigned int)(g->actual / MIB), lacking);
		assert_in_range(sum, set - set / 50, set + set / 10);
		assert_in_range(g->actual, set - set / 50, set + set / 10);
		assert_in_range(lacking, 0, 3600 / 25);
	}
}

/* A guest that cannot help itself keeps what every take leaves to it. */
static void test_rightsize_keeps_more_where_it_must(void **state)
{
	struct sim sim = { .ram = 1 * GIB, .anon = 440 * MIB };
	struct policy_guest *g = sim_guest(&sim);

	(void)state;
	g->yields = false;
	for (int t = 0; t < 1000; t++) {
		sim_run(&sim, g, &memory[0]);
		step();
		host.time_ms += 1000;
		assert_true(memory[0].target >= 456 * MIB + 45 * MIB + 64 * MIB);
	}
	assert_true(g->actual < 456 * MIB + 46 * MIB + 80 * MIB);
}

/* A load that comes and goes finds its memory: it is seldom taken away between. */
static void test_rightsize_load_that_comes_and_goes(void **state)
{
	struct sim sim = { .ram = 2 * GIB, .anon = 300 * MIB };
	struct policy_guest *g = sim_guest(&sim);
	unsigned int hurt[2] = { 0, 0 };

	(void)state;
	for (int t = 0; t < 4 * 3600; t++) {
		uint64_t load = t % 300 < 30 ? 600 * MIB : 0, lack;

		sim.anon = 300 * MIB + load;
		sim_run(&sim, g, &memory[0]);
		/* What it lacks it takes back by itself. */
		lack = sub_floor(sim.anon + sim_own(&sim) + 8 * MIB, g->actual);
		g->actual += lack;
		g->stats.free = g->stats.available = g->actual - sim.anon - sim_own(&sim);
		hurt[t >= 2 * 3600] += lack > 0;
		step();
		host.time_ms += 1000;
	}
	print_message("a load of every 5 minutes lacked memory %u times, then %u times in 2 hours\n",
		      hurt[0], hurt[1]);
	assert_in_range(hurt[0], 1, 8);
	assert_in_range(hurt[1], 0, 3);
	assert_true(g->actual < 2 * GIB);
}

/* What a guest reads with all its memory is not for want of it. */
static void test_rightsize_reads(void **state)
{
	struct policy_guest *g = add_guest();
	unsigned int k;

	(void)state;
	g->rightsize = true;
	g->yields = true;
	g->disk_reads = 1;
	for (k = 0; k < 3; k++) {
		g->disk_reads += 50 * MIB * config.rightsize_interval_ms / 1000;
		step();
		assert_int_equal(result.action[0].kind,
				 k ? POLICY_TAKE : POLICY_NOTHING);
		pass(config.rightsize_interval_ms);
	}
	/* Three times as much is a sign, if not at the full size. */
	g->disk_reads += 150 * MIB * config.rightsize_interval_ms / 1000;
	step();
	assert_int_equal(result.action[0].kind, POLICY_GIVE);
	assert_string_equal(why_name(result.action[0].why), "right-size-back-off");
	assert_int_equal(memory[0].bottom_doublings, 0);
	/* What was lost is read back: no sign either, unless it goes on. */
	for (k = 0; k < 2; k++) {
		pass(config.rightsize_interval_ms);
		g->disk_reads += 150 * MIB * config.rightsize_interval_ms / 1000;
		step();
		assert_int_equal(result.action[0].kind, k ? POLICY_GIVE : POLICY_NOTHING);
	}
}

static void test_rightsize_backs_off(void **state)
{
	struct policy_guest *g = add_guest();

	(void)state;
	g->rightsize = true;
	step();
	pass(config.rightsize_interval_ms);
	step();
	assert_int_equal(result.action[0].kind, POLICY_TAKE);
	assert_string_equal(why_name(result.action[0].why), "right-size-probe");
	g->stats.major_faults += 60 * config.rightsize_interval_ms / 1000;
	pass(config.rightsize_interval_ms);
	step();
	assert_int_equal(result.action[0].kind, POLICY_GIVE);
	assert_string_equal(why_name(result.action[0].why), "right-size-back-off");
}

/* Two guests that take turns in being busy must not make the sizes swing. */
static void test_alternating_load(void **state)
{
	unsigned int changes[2] = { 0, 0 };

	(void)state;
	add_guest();
	add_guest();
	config.hold_ms = 10000;
	for (int t = 0; t < 300; t++) {
		uint64_t sum = 0;

		for (unsigned int i = 0; i < 2; i++) {
			struct policy_guest *g = &guests[i];
			bool busy = (unsigned int)t / 30 % 2 == i;
			uint64_t used = busy ? 700 * MIB : 150 * MIB;

			if (memory[i].target)
				g->actual = memory[i].target;
			g->stats.free = sub_floor(g->actual, used);
			g->stats.available = g->stats.free;
			g->stats.caches = 0;
			g->stats_seq++;
			g->charged = busy ? g->actual : min_u64(g->charged, g->actual);
			sum += g->charged;
		}
		host.headroom = sub_floor(1700 * MIB, sum);
		host.headroom_low = 170 * MIB;
		host.level = host.headroom < host.headroom_low ? LEVEL_MEDIUM : LEVEL_NONE;
		host.level_since_ms = host.level ? host.time_ms : host.level_since_ms;
		host.events[host.level]++;
		host.events[LEVEL_NONE] = 0;
		step();
		for (unsigned int i = 0; i < 2; i++)
			changes[i] += result.action[i].kind != POLICY_NOTHING;
		host.time_ms += 1000;
	}
	print_message("changes in 5 minutes: %u and %u\n", changes[0], changes[1]);
	assert_in_range(changes[0], 1, 30);
	assert_in_range(changes[1], 1, 30);
}

static void test_hysteresis(void **state)
{
	struct level_state level = { 0 };

	(void)state;
	assert_true(level_event(&level, LEVEL_CRITICAL, 1000));
	assert_false(level_event(&level, LEVEL_LOW, 5000));
	assert_false(level_tick(&level, 10999, 10000));
	assert_true(level_tick(&level, 11000, 10000));
	assert_int_equal(level.now, LEVEL_MEDIUM);
	assert_false(level_tick(&level, 20999, 10000));
	assert_true(level_tick(&level, 21000, 10000));
	assert_true(level_event(&level, LEVEL_MEDIUM, 22000));
	assert_true(level_tick(&level, 32000, 10000));
	assert_true(level_tick(&level, 42000, 10000));
	assert_false(level_tick(&level, 99000, 10000));
	assert_int_equal(level.now, LEVEL_NONE);
}

static uint64_t seed = 88172645463325252ULL;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* A number as a hostile guest would choose it. */
static uint64_t odd_number(uint64_t near)
{
	switch (rnd() % 8) {
	case 0:
		return 0;
	case 1:
		return UNSET;
	case 2:
		return UNSET - rnd() % 10;
	case 3:
		return rnd();
	case 4:
		return near;
	case 5:
		return near + rnd() % 4096;
	default:
		return rnd() % max_u64(near, 1);
	}
}

static void random_guest(struct policy_guest *g)
{
	uint64_t ram = rnd() % 16 ? (rnd() % (64 * KIB) + 1) * MIB : odd_number(GIB);
	uint64_t *stat = (uint64_t *)&g->stats;

	g->present = rnd() % 16;
	g->absent = rnd() % 16 ? WHY_NONE : WHY_NOT_CONNECTED;
	g->enabled = rnd() % 8;
	g->outside = !(rnd() % 16);
	g->has_device = rnd() % 32;
	g->has_driver = rnd() % 16;
	g->running = rnd() % 16;
	g->migrating = !(rnd() % 16);
	g->hugetlb = !(rnd() % 32);
	g->mem_locked = !(rnd() % 32);
	g->assigned = !(rnd() % 32);
	g->reporting = rnd() % 2;
	g->ram = ram;
	g->actual = rnd() % 4 ? ram - (ram ? rnd() % ram : 0) : min_u64(odd_number(ram), ram);
	g->charged = odd_number(ram);
	for (size_t i = 0; i < sizeof(g->stats) / sizeof(*stat); i++)
		stat[i] = odd_number(ram);
	if (rnd() % 2) {
		g->stats.total = ram;
		g->stats.free = rnd() % max_u64(ram, 1);
		g->stats.available = g->stats.free + rnd() % max_u64(ram - g->stats.free, 1);
	}
	g->stats_actual = rnd() % 2 ? 0 : min_u64(odd_number(ram), ram);
	g->stats_seq += rnd() % 2;
	g->stats_age_ms = rnd() % 4 ? rnd() % 3000 : odd_number(5000);
	g->stats_interval_ms = 1000;
	g->reset_seq += !(rnd() % 64);
	g->reset_ms = rnd() % 16 ? 0 : host.time_ms;
	g->min = rnd() % 4 ? ram / 4 : odd_number(ram);
	g->max = rnd() % 4 ? ram : odd_number(ram);
	g->shares = (unsigned int)(rnd() % 3000);
	g->band = (unsigned int)(rnd() % 3);
	g->pulse = (enum pulse_mode)(rnd() % 3);
	g->rightsize = !(rnd() % 4);
	g->manual = !(rnd() % 8);
	g->request = rnd() % 16 ? 0 : odd_number(ram);
	g->hold_max = rnd() % 16 ? 0 : odd_number(ram);
	g->yields = rnd() % 2;
	g->disk_reads = rnd() % 4 ? g->disk_reads + rnd() % GIB : odd_number(ram);
}

/* Bounds worked out anew here, from the definitions, not from the policy. */
static void check_target(const struct policy_guest *g, const struct policy_action *a,
			 uint64_t target_before)
{
	uint64_t high = min_u64(g->max ? g->max : g->ram, g->ram) & ~(uint64_t)4095;
	uint64_t low = min_u64(g->min & ~(uint64_t)4095, high);
	uint64_t need;

	if (g->hold_max)
		high = max_u64(low, min_u64(high, g->hold_max & ~(uint64_t)4095));
	assert_true(a->target >= low);
	assert_true(a->target <= high);
	assert_int_equal(a->target % 4096, 0);
	assert_true(g->present && g->enabled && g->has_device && g->absent == WHY_NONE);
	/* Raising a target that is being approached takes nothing more. */
	if (a->target >= g->actual || (target_before && a->target > target_before))
		return;
	assert_false(g->hugetlb || g->mem_locked || g->assigned);
	/* From here on memory is taken. */
	assert_true(g->running && g->has_driver && !g->migrating);
	/* Of a guest that tells nothing sensible, only the minimum is known. */
	if (a->why == WHY_REQUEST &&
	    (g->stats.free == UNSET || g->stats.total == UNSET || g->stats_age_ms > 3000 ||
	     g->stats.free > g->stats.total || !g->stats.total || g->stats.total > g->ram ||
	     (g->stats.available != UNSET && g->stats.available > g->stats.total) ||
	     (g->stats.caches != UNSET && g->stats.caches > g->stats.total)))
		return;
	assert_true(g->stats.free != UNSET && g->stats.total != UNSET);
	assert_true(g->stats_age_ms <= 3000);
	assert_true(g->stats.free <= g->stats.total && g->stats.total <= g->ram);
	need = g->actual - min_u64(g->stats.available == UNSET ? g->stats.free :
				   g->stats.available, g->actual);
	if (a->why == WHY_PROBE && g->yields)
		assert_true(a->target >= min_u64(high, need + need / 20));
	else
		assert_true(a->target >= min_u64(high, need + need / 10));
	if (a->why != WHY_REQUEST && a->why != WHY_LIMIT)
		assert_false(g->outside);
}

/* No more than what was taken comes back, but what an administrator asks for or sets as minimum. */
static void check_debt(const struct policy_guest *g, const struct policy_action *a,
		       uint64_t target_before, uint64_t debt_before)
{
	if (a->kind != POLICY_GIVE || a->why == WHY_REQUEST || !target_before)
		return;
	assert_true(a->target <= max_u64(add_cap(target_before, debt_before), g->actual) ||
		    a->target <= g->min);
}

static void test_property_targets_are_safe(void **state)
{
	static uint64_t before[POLICY_MAX_GUESTS], debt[POLICY_MAX_GUESTS];
	unsigned int takes = 0, gives = 0;

	(void)state;
	for (int run = 0; run < 400; run++) {
		setup(NULL);
		nr = (unsigned int)(rnd() % 24 + 1);
		config.proportional = rnd() % 3;
		for (int l = LEVEL_LOW; l < NR_LEVELS; l++)
			config.amount[l] = odd_number(128 * MIB);
		config.give_after_ms = rnd() % 2 ? 0 : 30000;
		for (unsigned int i = 0; i < nr; i++)
			random_guest(&guests[i]);
		for (int t = 0; t < 50; t++) {
			host.time_ms += rnd() % 20000;
			host.level = (enum level)(rnd() % NR_LEVELS);
			host.level_since_ms = host.time_ms - rnd() % 60000;
			for (int l = LEVEL_LOW; l < NR_LEVELS; l++) {
				host.events[l] = !(rnd() % 4);
				host.injected[l] = rnd() % 16 ? 0 : (unsigned int)rnd();
			}
			host.headroom = odd_number(GIB);
			host.headroom_low = rnd() % GIB;
			for (unsigned int i = 0; i < nr; i++) {
				before[i] = memory[i].ram && memory[i].ram != guests[i].ram ?
					    sub_floor(add_cap(memory[i].target, guests[i].ram),
						      memory[i].ram) : memory[i].target;
				debt[i] = memory[i].debt;
			}
			policy_step(&config, &host, guests, memory, nr, &result);
			for (unsigned int i = 0; i < nr; i++) {
				if (result.action[i].kind != POLICY_NOTHING)
					check_target(&guests[i], &result.action[i],
						     before[i]);
				check_debt(&guests[i], &result.action[i], before[i], debt[i]);
				takes += result.action[i].kind == POLICY_TAKE;
				gives += result.action[i].kind == POLICY_GIVE;
			}
			for (unsigned int i = 0; i < nr; i++) {
				guests[i].request = 0;
				if (rnd() % 2 && memory[i].target)
					guests[i].actual = min_u64(memory[i].target,
								   guests[i].ram);
				guests[i].stats_seq++;
				if (!(rnd() % 4))
					random_guest(&guests[i]);
			}
		}
	}
	print_message("%u takes and %u gives checked\n", takes, gives);
	assert_true(takes > 1000 && gives > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_calm_host_changes_nothing, setup),
		cmocka_unit_test_setup(test_presets_move_by_exact_amount, setup),
		cmocka_unit_test_setup(test_preset_stops_at_floor, setup),
		cmocka_unit_test_setup(test_low_takes_only_slack, setup),
		cmocka_unit_test_setup(test_reporting_without_charge_is_trusted, setup),
		cmocka_unit_test_setup(test_low_keeps_the_cache, setup),
		cmocka_unit_test_setup(test_step_limit, setup),
		cmocka_unit_test_setup(test_rate_limit, setup),
		cmocka_unit_test_setup(test_shares_split, setup),
		cmocka_unit_test_setup(test_low_band_first, setup),
		cmocka_unit_test_setup(test_other_cgroup_untouched, setup),
		cmocka_unit_test_setup(test_bars, setup),
		cmocka_unit_test_setup(test_no_donors_says_why, setup),
		cmocka_unit_test_setup(test_bad_statistics_observe_only, setup),
		cmocka_unit_test_setup(test_guest_took_back, setup),
		cmocka_unit_test_setup(test_guest_low_on_memory_wins_over_host, setup),
		cmocka_unit_test_setup(test_old_sign_is_not_acted_on_twice, setup),
		cmocka_unit_test_setup(test_faults_and_swap, setup),
		cmocka_unit_test_setup(test_containers_are_no_need, setup),
		cmocka_unit_test_setup(test_usual_faults, setup),
		cmocka_unit_test_setup(test_size_of_others_is_a_ceiling, setup),
		cmocka_unit_test_setup(test_foreign_change_ends_the_debt, setup),
		cmocka_unit_test_setup(test_plugging_keeps_the_debt, setup),
		cmocka_unit_test_setup(test_lies_cost_others_nothing, setup),
		cmocka_unit_test_setup(test_goal_is_of_donors, setup),
		cmocka_unit_test_setup(test_low_leaves_budget, setup),
		cmocka_unit_test_setup(test_gives_by_band_and_shares, setup),
		cmocka_unit_test_setup(test_smaller_steps, setup),
		cmocka_unit_test_setup(test_cache_only_up_to_the_floor, setup),
		cmocka_unit_test_setup(test_free_memory_comes_on_top, setup),
		cmocka_unit_test_setup(test_margins, setup),
		cmocka_unit_test_setup(test_need_is_taken_from_others, setup),
		cmocka_unit_test_setup(test_give_waits_for_take, setup),
		cmocka_unit_test_setup(test_give_keeps_headroom, setup),
		cmocka_unit_test_setup(test_stuck, setup),
		cmocka_unit_test_setup(test_stuck_until_the_job_ends, setup),
		cmocka_unit_test_setup(test_pause_is_not_stuck, setup),
		cmocka_unit_test_setup(test_foreign_change, setup),
		cmocka_unit_test_setup(test_reset_gives_all, setup),
		cmocka_unit_test_setup(test_request_keeps_limits, setup),
		cmocka_unit_test_setup(test_hold_is_mandatory, setup),
		cmocka_unit_test_setup(test_hold_lets_a_take_go_on, setup),
		cmocka_unit_test_setup(test_hold_below_need_waits, setup),
		cmocka_unit_test_setup(test_pulse, setup),
		cmocka_unit_test_setup(test_pulse_is_kept, setup),
		cmocka_unit_test_setup(test_pulses_are_staggered, setup),
		cmocka_unit_test_setup(test_pulse_gives_up, setup),
		cmocka_unit_test_setup(test_plugged_but_not_onlined, setup),
		cmocka_unit_test_setup(test_rightsize_converges, setup),
		cmocka_unit_test_setup(test_rightsize_keeps_more_where_it_must, setup),
		cmocka_unit_test_setup(test_rightsize_load_that_comes_and_goes, setup),
		cmocka_unit_test_setup(test_rightsize_reads, setup),
		cmocka_unit_test_setup(test_rightsize_backs_off, setup),
		cmocka_unit_test_setup(test_alternating_load, setup),
		cmocka_unit_test_setup(test_hysteresis, setup),
		cmocka_unit_test_setup(test_property_targets_are_safe, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
