// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Cloud Hypervisor's VMs, by their API socket. There are no events. Versions that
 * have no vm.balloon-stats send no statistics: such a guest is sized only when it
 * is asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "reply.h"
#include "rest.h"

#define SANE_RAM_MAX ((uint64_t)1 << 56)

enum command { CMD_TARGET, CMD_INFO, CMD_STATS, NR_COMMANDS };

static void done_target(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	(void)json;
	guest_set_accepted(guest, time_ms);
}

static uint64_t zone_size(struct json_object *zone)
{
	uint64_t size = 0, plugged = 0;

	reply_u64(zone, "size", &size);
	reply_u64(zone, "hotplugged_size", &plugged);
	return min_u64(add_cap(size, plugged), SANE_RAM_MAX);
}

static void take_memory_config(struct guest *guest, struct json_object *memory)
{
	struct json_object *zones = reply_array(memory, "zones");
	uint64_t ram = zone_size(memory), page = 2 * MIB;
	bool huge = false, zone_huge;
	size_t i;

	reply_bool(memory, "hugepages", &huge);
	reply_u64(memory, "hugepage_size", &page);
	for (i = 0; zones && i < json_object_array_length(zones); i++) {
		struct json_object *zone = json_object_array_get_idx(zones, i);

		ram = min_u64(add_cap(ram, zone_size(zone)), SANE_RAM_MAX);
		huge |= reply_bool(zone, "hugepages", &zone_huge) && zone_huge;
	}
	if (ram)
		guest->ram = ram;
	guest->page_size = huge ? page : 4 * KIB;
}

static bool has_items(struct json_object *from, const char *key)
{
	struct json_object *items = reply_array(from, key);

	return items && json_object_array_length(items);
}

static void done_info(struct guest *guest, struct json_object *json, uint64_t time_ms)
{
	struct json_object *config = reply_object(json, "config");
	struct json_object *balloon = reply_object(config, "balloon");
	struct json_object *platform = reply_object(config, "platform");
	const char *state = reply_string(json, "state"), *uuid;
	uint64_t actual;

	(void)time_ms;
	if (!config || !state)
		return;
	guest_set_run_state(guest, state, !strcmp(state, "Running"));
	uuid = reply_string(platform, "system_uuid");
	guest_set_uuid(guest, uuid ? uuid : reply_string(platform, "uuid"));
	take_memory_config(guest, reply_object(config, "memory"));
	guest->assigned = has_items(config, "devices") || has_items(config, "user_devices") ||
			  has_items(config, "vdpa");
	guest->has_device = balloon != NULL;
	copy_string(guest->device, sizeof(guest->device), balloon ? "balloon" : "");
	guest->offers_oom = false;
	reply_bool(balloon, "deflate_on_oom", &guest->offers_oom);
	guest->has_oom = guest->offers_oom;
	guest->offers_reporting = false;
	reply_bool(balloon, "free_page_reporting", &guest->offers_reporting);
	guest->has_reporting = guest->offers_reporting;
	if (reply_u64(json, "memory_actual_size", &actual))
		guest_set_actual(guest, actual);
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
		{ "oom_kills", offsetof(struct policy_stats, oom_kills) },
		{ "alloc_stalls", offsetof(struct policy_stats, alloc_stalls) },
	};
	uint64_t balloon, update = 0, wall = (uint64_t)time(NULL);
	struct policy_stats stats;

	guest->offers_stats = true;
	if (reply_u64(json, "balloon_actual", &balloon))
		guest_set_actual(guest, sub_floor(guest->ram, balloon));
	if (!reply_u64(json, "last_update", &update) || !update ||
	    update == guest->stats_update)
		return;
	if (!rest_stats(reply_object(json, "stats"), keys, ARRAY_SIZE(keys), &stats))
		return;
	guest->stats_update = update;
	guest_set_interval(guest);
	/* Milliseconds. */
	guest_set_stats(guest, &stats, min_u64(sub_floor(wall, update / 1000), 86400) * 1000,
			time_ms);
	guest->driver_ok = true;
}

/* An older one; it is asked again with each new session only. */
static void failed_stats(struct guest *guest)
{
	guest->stats_refused = true;
	/* Nothing tells then whether there is a driver: it may well be. */
	guest->driver_ok = true;
}

static const struct rest_command commands[NR_COMMANDS] = {
	[CMD_TARGET] = { "PUT", "/api/v1/vm.resize", done_target, guest_set_refused },
	[CMD_INFO] = { "GET", "/api/v1/vm.info", done_info, NULL },
	[CMD_STATS] = { "GET", "/api/v1/vm.balloon-stats", done_stats, failed_stats },
};

static uint32_t wanted(const struct guest *guest, enum topic topic)
{
	switch (topic) {
	case TOPIC_ALL:
		return WANT(CMD_INFO) | WANT(CMD_STATS);
	case TOPIC_FACTS:
	case TOPIC_STATE:
		return WANT(CMD_INFO);
	case TOPIC_TARGET:
		return WANT(CMD_TARGET);
	case TOPIC_ACTUAL:
		return guest->offers_stats ? WANT(CMD_STATS) : WANT(CMD_INFO);
	case TOPIC_STATS:
		return guest->stats_refused ? 0 : WANT(CMD_STATS);
	default:
		return 0;	/* TOPIC_PERIOD: each question brings statistics */
	}
}

static int ask(struct guest *guest, unsigned int command, uint64_t time_ms)
{
	char body[64] = "";

	if (command == CMD_TARGET)
		snprintf(body, sizeof(body), "{\"desired_balloon\":%" PRIu64 "}",
			 sub_floor(guest->ram, guest->target));
	return rest_ask(guest, commands, command, body, time_ms);
}

static int receive(struct guest *guest, const char *data, size_t len, uint64_t time_ms)
{
	return rest_receive(guest, commands, data, len, time_ms);
}

const struct transport transport_cloud_hypervisor = {
	.name = "cloud-hypervisor",
	.no_stats = "this version has no vm.balloon-stats",
	.open = rest_open,
	.close = rest_close,
	.commands = wanted,
	.ask = ask,
	.receive = receive,
};
