// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands and replies in QMP's form. */
#include "talk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "reply.h"

/**
 * talk_ask - send a command
 * @guest: a guest with a session and no command under way
 * @table: the transport's commands
 * @command: one of them
 * @arguments: JSON, as `,"arguments":{...}`, or ""
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int talk_ask(struct guest *guest, const struct talk_command *table, unsigned int command,
	     const char *arguments, uint64_t time_ms)
{
	char line[768];
	int n;

	n = snprintf(line, sizeof(line), "{\"execute\":\"%s\"%s,\"id\":%" PRIu64 "}\r\n",
		     table[command].name, arguments, ++guest->in_flight_id);
	if (n < 0 || (size_t)n >= sizeof(line))
		return -EINVAL;
	guest_sent(guest, command, time_ms);
	return link_send(&guest->link, line, (size_t)n);
}

/**
 * talk_reply - take the reply to the command under way
 * @guest: the guest
 * @table: the transport's commands
 * @message: the reply; one that does not belong to the command is counted as
 *           an error and changes nothing
 * @time_ms: the time now
 */
void talk_reply(struct guest *guest, const struct talk_command *table,
		struct json_object *message, uint64_t time_ms)
{
	const struct talk_command *command;
	struct json_object *ret, *error;
	uint64_t id;

	if (guest->in_flight < 0 || !reply_u64(message, "id", &id) ||
	    id != guest->in_flight_id) {
		guest->errors++;
		return;
	}
	command = &table[guest->in_flight];
	guest->in_flight = -1;
	error = reply_object(message, "error");
	if (error) {
		const char *desc = reply_string(error, "desc");

		guest->errors += command->failed == NULL;
		copy_string(guest->error, sizeof(guest->error), desc ? desc : "");
		clean_words(guest->error);
		log_debug("event=command-error guest=%s command=%s desc=\"%s\"", guest->name,
			  command->name, guest->error);
		if (command->failed)
			command->failed(guest);
	} else if (json_object_object_get_ex(message, "return", &ret)) {
		command->done(guest, ret, time_ms);
	}
}

/**
 * talk_set_stats - take statistics in QMP's form
 * @guest: the guest
 * @ret: "stats" with the numbers, and "last-update" with when they came, in seconds
 * @time_ms: the time now
 */
void talk_set_stats(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	static const struct {
		const char *key;
		size_t offset;
	} fields[] = {
		{ "stat-total-memory", offsetof(struct policy_stats, total) },
		{ "stat-free-memory", offsetof(struct policy_stats, free) },
		{ "stat-available-memory", offsetof(struct policy_stats, available) },
		{ "stat-disk-caches", offsetof(struct policy_stats, caches) },
		{ "stat-swap-in", offsetof(struct policy_stats, swap_in) },
		{ "stat-swap-out", offsetof(struct policy_stats, swap_out) },
		{ "stat-major-faults", offsetof(struct policy_stats, major_faults) },
		{ "stat-oom-kills", offsetof(struct policy_stats, oom_kills) },
		{ "stat-alloc-stalls", offsetof(struct policy_stats, alloc_stalls) },
	};
	struct json_object *numbers = reply_object(ret, "stats");
	uint64_t new, wall = (uint64_t)time(NULL);
	struct policy_stats stats;
	size_t i;

	if (!numbers || !reply_u64(ret, "last-update", &new) || !new ||
	    new == guest->stats_update)
		return;
	memset(&stats, 0xff, sizeof(stats));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		reply_u64(numbers, fields[i].key,
			  (uint64_t *)(void *)((char *)&stats + fields[i].offset));
	guest->stats_update = new;
	guest_set_stats(guest, &stats, min_u64(sub_floor(wall, new), 86400) * 1000, time_ms);
}
