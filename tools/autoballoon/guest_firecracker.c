// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Firecracker's microVMs, by their API socket. There are no events, and sizes are
 * whole MiB. Statistics are sent only if the balloon was made with an interval; they
 * carry no time, so that they count as one interval old.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "reply.h"
#include "rest.h"

#define SANE_RAM_MIB ((uint64_t)1 << 36)
#define HUGE_PAGE (2 * MIB)

enum command { CMD_TARGET, CMD_INFO, CMD_MACHINE, CMD_BALLOON, CMD_PERIOD, CMD_STATS,
	       NR_COMMANDS };

static void done_target(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	(void)json;
	guest_set_accepted(guest, time_ms);
}

/* Before its start there is nothing to size. */
static void done_info(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	const char *id = reply_string(json, "id"), *state = reply_string(json, "state");

	(void)time_ms;
	if (id && *id)
		guest_set_name(guest, id);
	if (state)
		guest_set_run_state(guest, state, !strcmp(state, "Running"));
}

static void done_machine(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	const char *pages = reply_string(json, "huge_pages");
	uint64_t size;

	(void)time_ms;
	if (reply_u64(json, "mem_size_mib", &size) && size <= SANE_RAM_MIB)
		guest->ram = size * MIB;
	guest->page_size = pages && !strcmp(pages, "2M") ? HUGE_PAGE : 4 * KIB;
}

static uint64_t size_beside(const struct guest *guest, uint64_t balloon_mib)
{
	return sub_floor(guest->ram, min_u64(balloon_mib, SANE_RAM_MIB) * MIB);
}

static void done_balloon(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	uint64_t amount, interval = 0;

	(void)time_ms;
	guest->has_device = reply_u64(json, "amount_mib", &amount);
	if (!guest->has_device)
		return;
	copy_string(guest->device, sizeof(guest->device), "balloon");
	reply_bool(json, "deflate_on_oom", &guest->offers_oom);
	guest->has_oom = guest->offers_oom;
	reply_bool(json, "free_page_reporting", &guest->offers_reporting);
	guest->has_reporting = guest->offers_reporting;
	reply_u64(json, "stats_polling_interval_s", &interval);
	guest->offers_stats = interval != 0;
	/* Without statistics nothing tells whether there is a driver: it may well be. */
	guest->driver_ok = !guest->offers_stats || guest->stats_ms;
	/* What it has comes with the statistics; without, what it should have is all there is. */
	if (!guest->offers_stats || !guest->actual)
		guest_set_actual(guest, size_beside(guest, amount));
}

static void failed_balloon(struct guest *guest)
{
	guest->has_device = false;
}

static void done_period(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	(void)json;
	(void)time_ms;
	guest_set_interval(guest);
}

static void done_stats(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	static const struct rest_stat keys[] = {
		{ "total_memory", offsetof(struct policy_stats, total) },
		{ "free_memory", offsetof(struct policy_stats, free) },
		{ "available_memory", offsetof(struct policy_stats, available) },
		{ "disk_caches", offsetof(struct policy_stats, caches) },
		{ "swap_in", offsetof(struct policy_stats, swap_in) },
		{ "swap_out", offsetof(struct policy_stats, swap_out) },
		{ "major_faults", offsetof(struct policy_stats, major_faults) },
		{ "oom_kill", offsetof(struct policy_stats, oom_kills) },
		{ "alloc_stall", offsetof(struct policy_stats, alloc_stalls) },
	};
	struct policy_stats stats;
	uint64_t actual;

	if (reply_u64(json, "actual_mib", &actual))
		guest_set_actual(guest, size_beside(guest, actual));
	if (rest_stats(json, keys, ARRAY_SIZE(keys), &stats))
		guest_set_stats(guest, &stats, max_u64(guest->interval_set_s, 1) * 1000, time_ms);
	guest->driver_ok = guest->stats_ms != 0;
}

static const struct rest_command commands[NR_COMMANDS] = {
	[CMD_TARGET] = { "PATCH", "/balloon", done_target, guest_set_refused },
	[CMD_INFO] = { "GET", "/", done_info, NULL },
	[CMD_MACHINE] = { "GET", "/machine-config", done_machine, NULL },
	[CMD_BALLOON] = { "GET", "/balloon", done_balloon, failed_balloon },
	[CMD_PERIOD] = { "PATCH", "/balloon/statistics", done_period, NULL },
	[CMD_STATS] = { "GET", "/balloon/statistics", done_stats, NULL },
};

static uint32_t wanted(const struct guest *guest, enum topic topic)
{
	switch (topic) {
	case TOPIC_ALL:
	case TOPIC_FACTS:
		return WANT(CMD_INFO) | WANT(CMD_MACHINE) | WANT(CMD_BALLOON);
	case TOPIC_TARGET:
		return WANT(CMD_TARGET);
	case TOPIC_ACTUAL:
		return guest->offers_stats ? WANT(CMD_STATS) : WANT(CMD_BALLOON);
	case TOPIC_STATS:
		return guest->offers_stats ? WANT(CMD_STATS) : 0;
	case TOPIC_PERIOD:
		return guest->offers_stats ? WANT(CMD_PERIOD) : 0;
	case TOPIC_STATE:
		return WANT(CMD_INFO);
	default:
		return 0;
	}
}

static int ask(struct guest *guest, unsigned int command, uint64_t time_ms)
{
	uint64_t balloon = sub_floor(guest->ram, guest->target);
	char body[64] = "";

	/* To the nearest MiB: that is within the tolerance of the policy. */
	if (command == CMD_TARGET)
		snprintf(body, sizeof(body), "{\"amount_mib\":%" PRIu64 "}",
			 (balloon + MIB / 2) / MIB);
	else if (command == CMD_PERIOD)
		snprintf(body, sizeof(body), "{\"stats_polling_interval_s\":%" PRIu64 "}",
			 guest->interval_s);
	return rest_ask(guest, commands, command, body, time_ms);
}

static int receive(struct guest *guest, const char *data, size_t len, uint64_t time_ms)
{
	return rest_receive(guest, commands, data, len, time_ms);
}

const struct transport transport_firecracker = {
	.name = "firecracker",
	.no_stats = "the balloon has to be made with stats_polling_interval_s",
	.open = rest_open,
	.close = rest_close,
	.commands = wanted,
	.ask = ask,
	.receive = receive,
};
