// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host and its guests, a second at a time. Pure and deterministic.
 *
 * A guest has memory of its kernel and its programs, hot page cache, which is
 * read all the time, and cold page cache, which grows as long as memory is free
 * and is never read again. The host is charged for what a guest has touched:
 * with reporting that is what is in use, without it all that ever was.
 *
 * A balloon grows over free memory first, then evicts cold cache, then hot.
 * What is missing of the hot cache is read again and again, and makes faults.
 * Programs that find no memory evict cache, then take memory out of the balloon
 * if the guest may; else they are killed.
 *
 * Speeds are those of a Linux guest on a slow host; none of them is measured
 * for a certain machine. What the model is good for is comparing policies.
 */
#include "model.h"

#define DEFLATE 1500		/* MiB a second, as all the speeds here */
#define ALLOCATE 600		/* programs that grow */
#define READ 150		/* hot cache that comes back */
#define THRASH 100		/* hot cache that is missing, read over and over */
#define FAULTS_PER_MIB 8
#define OVERHEAD 40		/* QEMU's own memory */
#define WATERMARK 16		/* free memory that a guest keeps, MiB */
#define CACHE_STOPS 60		/* free memory at which cache grows no more */
#define BALLOON_STOPS 48	/* what a balloon leaves besides programs */
#define LEAST 0.01		/* less is nothing, MiB */
#define REPORTING_LAG 20	/* free and not reported yet */

static double min_f(double a, double b)
{
	return a < b ? a : b;
}

static double max_f(double a, double b)
{
	return a > b ? a : b;
}

/**
 * model_in_use - memory of a guest that is not free
 * @guest: the guest
 *
 * Return: MiB, page cache included.
 */
double model_in_use(const struct model_guest *guest)
{
	return guest->kernel + guest->programs + guest->hot + guest->cold;
}

/**
 * model_unused - free memory of a guest
 * @guest: the guest
 *
 * Return: MiB.
 */
double model_unused(const struct model_guest *guest)
{
	return max_f(0, guest->actual - model_in_use(guest));
}

/**
 * model_add - add a guest that has booted and read little
 * @model: the model
 * @ram: its size, MiB; it has all of it
 */
void model_add(struct model *model, double ram)
{
	model->guests[model->nr++] = (struct model_guest){
		.ram = ram, .actual = ram, .target = ram, .yields = true, .shares = 1000,
		.kernel = 150, .growth = 10,
	};
}

/**
 * model_set_target - ask a guest for a size
 * @guest: the guest
 * @target: MiB
 */
void model_set_target(struct model_guest *guest, double target)
{
	target = min_f(target, guest->ram);
	guest->changes += target < guest->target - 0.25 || target > guest->target + 0.25;
	guest->target = target;
}

/* Cold cache goes first: the guest knows what it used last. */
static void evict(struct model_guest *g, double amount)
{
	double cold = min_f(g->cold, amount);

	g->cold -= cold;
	g->hot = max_f(0, g->hot - (amount - cold));
}

static void move_balloon(struct model_guest *g, double inflate)
{
	double amount, unused, from_free, paid;

	if (g->actual <= g->target) {
		g->actual = min_f(g->target, g->actual + DEFLATE);
		return;
	}
	amount = min_f(g->actual - g->target, inflate);
	amount = min_f(amount, g->actual - g->kernel - g->programs - BALLOON_STOPS);
	if (amount <= 0)
		return;
	unused = model_unused(g);
	from_free = min_f(amount, max_f(0, unused - WATERMARK));
	/* Of the free memory only a part was ever touched. */
	paid = max_f(0, g->charged - model_in_use(g));
	if (unused > 0)
		g->charged -= from_free * min_f(1, paid / unused);
	evict(g, amount - from_free);
	g->charged -= amount - from_free;
	g->actual -= amount;
}

static void run_programs(struct model_guest *g)
{
	double wanted = g->programs_wanted - g->programs, room;

	if (wanted <= 0) {
		g->programs = g->programs_wanted;
		return;
	}
	wanted = min_f(wanted, ALLOCATE);
	room = g->actual - model_in_use(g) - WATERMARK;
	if (wanted > room)
		evict(g, wanted - max_f(0, room));
	room = g->actual - model_in_use(g) - WATERMARK;
	if (wanted > room + LEAST && g->yields && g->actual < g->ram) {
		g->actual = min_f(g->ram, g->actual + wanted - room + 64);
		g->pulls++;
		room = g->actual - model_in_use(g) - WATERMARK;
	}
	if (wanted > room + LEAST) {
		wanted = max_f(0, room);
		g->kills++;
	}
	g->programs += wanted;
}

static void read_files(struct model_guest *g, bool booted)
{
	double room = g->actual - model_in_use(g) - CACHE_STOPS, amount, missing;

	amount = min_f(min_f(g->hot_wanted - g->hot, READ), room + g->cold);
	if (amount > 0) {
		g->cold -= min_f(g->cold, max_f(0, amount - max_f(0, room)));
		g->hot += amount;
	}
	missing = min_f(max_f(0, g->hot_wanted * 0.98 - g->hot), THRASH);
	if (booted) {
		g->reread += max_f(0, amount) + missing;
		g->faults += (max_f(0, amount) + missing) * FAULTS_PER_MIB;
	}
	room = g->actual - model_in_use(g) - CACHE_STOPS;
	amount = min_f(min_f(g->growth, room), g->cold_max - g->cold);
	if (amount > 0)
		g->cold += amount;
}

static void charge_host(struct model_guest *g)
{
	double in_use = model_in_use(g);

	if (g->reporting)
		g->charged = in_use + REPORTING_LAG;
	g->charged = min_f(max_f(g->charged, in_use), g->actual);
}

/**
 * model_second - let a second pass
 * @model: the model
 */
void model_second(struct model *model)
{
	unsigned int i;

	for (i = 0; i < model->nr; i++) {
		struct model_guest *g = &model->guests[i];

		move_balloon(g, model->inflate);
		run_programs(g);
		read_files(g, model->seconds >= 5);
		charge_host(g);
	}
	model->seconds++;
}

/**
 * model_available - memory the host has left
 * @model: the model
 *
 * Return: MiB; below zero the host would swap or kill.
 */
double model_available(const struct model *model)
{
	double left = model->memory - model->own_use;
	unsigned int i;

	for (i = 0; i < model->nr; i++)
		left -= model->guests[i].charged + OVERHEAD;
	return left;
}

/**
 * model_stall - the share of time in which some task of the host waits for memory
 * @model: the model
 *
 * Reclaim begins at the last hundredth of the memory; a container at a limit of
 * its own stalls whatever is left.
 *
 * Return: 0 to 1, as in PSI's "some".
 */
double model_stall(const struct model *model)
{
	double last = model->memory / 100;

	return max_f(model->container_stall,
		     min_f(1, max_f(0, (last - model_available(model)) / last)));
}
