// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a session has found out about its guest, and how it goes on. Whatever the
 * transport, texts are made fit for logs and terminals here, and numbers are
 * limited.
 */
#include "guest.h"

#include <inttypes.h>
#include <string.h>

#include "log.h"
#include "proc.h"

#define RESET_LOG_MS 1000

/**
 * guest_greeted - the other end is what it should be: find out everything
 * @guest: the guest
 * @time_ms: the time now
 */
void guest_greeted(struct guest *guest, uint64_t time_ms)
{
	guest->phase = GUEST_PROBING;
	guest->since_ms = time_ms;
	guest->wants = guest->transport->commands(guest, TOPIC_ALL);
}

/**
 * guest_sent - a command is under way
 * @guest: the guest
 * @command: the command
 * @time_ms: the time now
 */
void guest_sent(struct guest *guest, unsigned int command, uint64_t time_ms)
{
	guest->in_flight = (int)command;
	guest->in_flight_ms = time_ms;
}

/**
 * guest_want - ask about a topic as soon as it is its turn
 * @guest: the guest
 * @topic: the topic
 */
void guest_want(struct guest *guest, enum topic topic)
{
	guest->wants |= guest->transport->commands(guest, topic);
}

/**
 * guest_set_name - name a guest
 * @guest: the guest
 * @name: a name from outside; what is not plain in it becomes "_", for names go to
 *        logs, terminals and file formats
 */
void guest_set_name(struct guest *guest, const char *name)
{
	copy_string(guest->name, sizeof(guest->name), name);
	clean_text(guest->name);
}

/**
 * guest_set_uuid - note a guest's UUID
 * @guest: the guest
 * @uuid: text from outside; ignored if it is not a UUID
 */
void guest_set_uuid(struct guest *guest, const char *uuid)
{
	size_t i;

	guest->uuid[0] = '\0';
	if (!uuid || strlen(uuid) != 36 || !strcmp(uuid, "00000000-0000-0000-0000-000000000000"))
		return;
	for (i = 0; uuid[i]; i++)
		if (!strchr("0123456789abcdefABCDEF-", uuid[i]))
			return;
	copy_string(guest->uuid, sizeof(guest->uuid), uuid);
}

/**
 * guest_set_run_state - note whether a guest runs
 * @guest: the guest
 * @state: what its hypervisor calls it
 * @running: whether it runs
 */
void guest_set_run_state(struct guest *guest, const char *state, bool running)
{
	guest->running = running;
	copy_string(guest->run_state, sizeof(guest->run_state), state);
	clean_text(guest->run_state);
}

/**
 * guest_set_process - note the hypervisor's process
 * @guest: the guest
 * @pid: the process, 0: unknown
 */
void guest_set_process(struct guest *guest, pid_t pid)
{
	guest->pid = pid;
	guest->pid_start = proc_start_time(pid);
}

/**
 * guest_set_actual - note the size that a guest has
 * @guest: the guest
 * @actual: bytes; a guest may have made it up
 */
void guest_set_actual(struct guest *guest, uint64_t actual)
{
	guest->actual = guest->ram ? min_u64(actual, guest->ram) : actual;
	guest->actual_high = max_u64(guest->actual_high, guest->actual);
}

/**
 * guest_set_stats - new statistics have come
 * @guest: the guest
 * @stats: the statistics
 * @age_ms: how old they are
 * @time_ms: the time now
 *
 * They are up to a second older than the size. Taken with the largest size since the
 * ones before, the guest's use comes out too high rather than too low while
 * the balloon moves.
 */
void guest_set_stats(struct guest *guest, const struct policy_stats *stats, uint64_t age_ms,
		     uint64_t time_ms)
{
	guest->stats_actual = max_u64(guest->actual_high, guest->actual);
	guest->actual_high = guest->actual;
	guest->stats = *stats;
	guest->stats_seq++;
	guest->stats_ms = max_u64(sub_floor(time_ms, age_ms), 1);
	guest->interval_age_s = guest->interval_set_s;
}

/**
 * guest_set_accepted - the target that was sent is accepted
 * @guest: the guest
 * @time_ms: the time now
 */
void guest_set_accepted(struct guest *guest, uint64_t time_ms)
{
	guest->refused = false;
	guest->sent_ms = time_ms;
	guest_want(guest, TOPIC_ACTUAL);
}

/**
 * guest_set_refused - the target that was sent is not accepted; guest->error says why
 * @guest: the guest
 *
 * It is logged once, because it is asked for again.
 */
void guest_set_refused(struct guest *guest)
{
	if (!guest->refused)
		log_warn("event=target-refused guest=%s target=%" PRIu64 " reason=\"%s\"",
			 guest->name, guest->target, guest->error);
	guest->refused = true;
	guest->errors++;
}

/**
 * guest_set_interval - statistics will come as often as was asked for
 * @guest: the guest
 */
void guest_set_interval(struct guest *guest)
{
	guest->interval_set_s = guest->interval_s;
	if (!guest->interval_age_s)
		guest->interval_age_s = guest->interval_s;
}

/**
 * guest_set_reset - the guest was reset
 * @guest: the guest
 * @time_ms: the time now
 */
void guest_set_reset(struct guest *guest, uint64_t time_ms)
{
	/* A guest may reset itself as often as it likes; the log is ours. */
	if (!guest->reset_ms || time_ms - guest->reset_ms >= RESET_LOG_MS)
		log_info("event=reset guest=%s", guest->name[0] ? guest->name : "-");
	guest->reset_seq++;
	guest->reset_ms = time_ms;
	guest->driver_ok = false;
	guest->stats_ms = 0;
	memset(&guest->stats, 0xff, sizeof(guest->stats));
	guest->refresh_ms = time_ms;
}
