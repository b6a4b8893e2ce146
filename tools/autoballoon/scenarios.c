// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Scenarios: a host and its guests at the start, and what happens to them in each
 * second, whatever the policy. A to E are crises of a host of 64 GiB with twenty
 * guests of 4 GiB.
 */
#include "scenarios.h"

#include "recording.h"

/* Twenty guests of 4 GiB on 64 GiB, each with 1.65 GiB in use. */
static void setup_twenty(struct model *m)
{
	unsigned int i;

	m->memory = 64 * 1024;
	m->own_use = 4 * 1024;
	for (i = 0; i < 20; i++) {
		struct model_guest *g;

		model_add(m, 4096);
		g = &m->guests[i];
		g->programs = g->programs_wanted = 1126;
		g->hot = g->hot_wanted = 400;
		g->cold = g->cold_max = 300;
		g->charged = 2355;
	}
}

static void want_cache(struct model *m, double mib)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		m->guests[i].cold_max = mib;
}

static void play_a(struct model *m, unsigned int t)
{
	if (t == 60)
		want_cache(m, 2253);
	if (t >= 60 && t < 70)
		m->own_use += 1434;
}

static void play_b(struct model *m, unsigned int t)
{
	unsigned int i;

	m->own_use = 5 * 1024;
	want_cache(m, 500);
	for (i = 0; i < m->nr; i++)
		m->guests[i].programs_wanted =
			t >= 60 && i % 4 == t / 90 % 4 && t % 90 < 75 ? 2970 : 1126;
}

static void play_c(struct model *m, unsigned int t)
{
	unsigned int i;

	want_cache(m, 2253);
	if (t >= 60 && t < 65)
		m->own_use += 2662;
	for (i = 0; t == 120 && i < 4; i++)
		m->guests[i].programs_wanted = 2970;
}

static void play_d(struct model *m, unsigned int t)
{
	unsigned int i;

	want_cache(m, 2253);
	if (t >= 30 && t < 60)
		m->own_use += 512;
	if (t >= 240 && t < 250)
		m->own_use -= 922;
	for (i = 0; t == 250 && i < m->nr; i++)
		m->guests[i].programs_wanted = 1638;
}

static void play_e(struct model *m, unsigned int t)
{
	want_cache(m, 600);
	if (t >= 60 && t < 130)
		m->own_use += 307;
}

/* A container at its own limit stalls all the time; the host has 90 % left. */
static void setup_container(struct model *m)
{
	setup_twenty(m);
	m->memory = 512 * 1024;
	m->container_stall = 1;
}

static void play_container(struct model *m, unsigned int t)
{
	(void)m;
	(void)t;
}

/* As A, and the first guest lets itself be small, then says that it has nothing left. */
static void play_liar(struct model *m, unsigned int t)
{
	play_a(m, t);
	if (t == 50)
		m->guests[0].actual = m->guests[0].target = m->guests[0].charged = 2048;
	m->guests[0].lies = t >= 100;
}

/* Two guests whose programs fit into what the host has left, and whose page cache does not. */
static void setup_tight(struct model *m)
{
	unsigned int i;

	m->memory = 8 * 1024;
	m->own_use = 1024;
	for (i = 0; i < 2; i++) {
		struct model_guest *g;

		model_add(m, 4096);
		g = &m->guests[i];
		g->programs = g->programs_wanted = 900;
		g->hot = g->hot_wanted = 900;
		g->cold = g->cold_max = 900;
		g->charged = 2850;
	}
}

static void play_tight(struct model *m, unsigned int t)
{
	if (t == 60)
		m->own_use += 3 * 1024;
	if (t == 100)
		m->guests[0].programs_wanted = 1900;
}

static uint32_t fleet_seed;

static unsigned int fleet_random(unsigned int below)
{
	fleet_seed = fleet_seed * 1664525 + 1013904223;
	return (fleet_seed >> 8) % below;
}

/* Of all sizes and three bands, a quarter more than the host has. */
static void setup_fleet(struct model *m)
{
	unsigned int i;
	double sum = 0;

	fleet_seed = 1;
	for (i = 0; i < 200; i++) {
		double ram = (double)(1024U << fleet_random(5));
		struct model_guest *g;

		model_add(m, ram);
		g = &m->guests[i];
		g->programs = g->programs_wanted = ram * (20 + fleet_random(20)) / 100;
		g->hot = g->hot_wanted = ram * fleet_random(10) / 100;
		g->cold_max = ram;
		g->growth = ram / 400;
		g->charged = ram / 2;
		g->band = fleet_random(3);
		g->reporting = fleet_random(2);
		sum += ram;
	}
	m->memory = sum / 1.25;
	m->own_use = m->memory / 20;
}

/* Guests are busy for a while now and then, and the host needs a tenth itself at times. */
static void play_fleet(struct model *m, unsigned int t)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		struct model_guest *g = &m->guests[i];

		if (t % 60 == i % 60 && fleet_random(4) == 0)
			g->programs_wanted = g->ram * (20 + fleet_random(40)) / 100;
	}
	if (t % 300 >= 200 && t % 300 < 210)
		m->own_use += m->memory / 100;
	if (t % 300 >= 250 && t % 300 < 260)
		m->own_use -= m->memory / 100;
}

const struct scenario scenarios[] = {
	{
		.name = "A",
		.text = "the host takes 14 GiB within 10 s",
		.seconds = 420, .setup = setup_twenty, .play = play_a,
	},
	{
		.name = "B",
		.text = "five guests in turn use 1.8 GiB more",
		.seconds = 420, .setup = setup_twenty, .play = play_b,
	},
	{
		.name = "C",
		.text = "the host takes 13 GiB, then four guests use 1.8 GiB more",
		.seconds = 420, .setup = setup_twenty, .play = play_c,
	},
	{
		.name = "D",
		.text = "the host takes 15 GiB and frees 9, then all guests use 0.5 GiB more",
		.seconds = 420, .setup = setup_twenty, .play = play_d,
	},
	{
		.name = "E",
		.text = "the host takes 21 GiB within 70 s",
		.seconds = 420, .setup = setup_twenty, .play = play_e,
	},
	{
		.name = "container",
		.text = "a container of the host stalls at its own limit",
		.seconds = 420, .setup = setup_container, .play = play_container,
	},
	{
		.name = "liar",
		.text = "as A, and a guest makes itself small, then says it has nothing left",
		.seconds = 420, .setup = setup_twenty, .play = play_liar,
	},
	{
		.name = "tight",
		.text = "the page cache of two guests does not fit any more",
		.seconds = 420, .setup = setup_tight, .play = play_tight,
	},
	{
		.name = "fleet",
		.text = "200 guests, busy now and then",
		.seconds = 1800, .setup = setup_fleet, .play = play_fleet, .own_growth = true,
	},
	{
		.name = "recorded",
		.text = "a recording, if its file is named instead",
		.seconds = 0, .setup = recording_setup, .play = recording_play,
	},
};

const unsigned int nr_scenarios = ARRAY_SIZE(scenarios);
