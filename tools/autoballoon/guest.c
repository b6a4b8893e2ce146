// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One guest: a session that finds out who the guest is and what it can do, and
 * then keeps its size, statistics and state up to date.
 *
 * What is to be asked is a set of bits; one command is under way at a time, and
 * the most urgent one goes next. Answers may add to the set.
 */
#include "guest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "proc.h"

#define GREETING_MS 5000
#define REPLY_MS 10000
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define REFRESH_MS 30000
#define REFRESH_SOON_MS 2000
#define PROCESS_MS 15000
#define FLOOD_BYTES (256 * 1024)	/* between two ticks */

/* Whether others than root and the daemon can make sockets beside this one. */
static bool is_open_place(const char *path)
{
	char dir[GUEST_PATH_MAX];
	struct stat st;
	char *slash;

	copy_string(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (!slash)
		return true;
	*slash = '\0';
	return stat(*dir ? dir : "/", &st) || (st.st_uid && st.st_uid != geteuid()) ||
	       st.st_mode & (S_IWGRP | S_IWOTH);
}

/**
 * guest_init - fill a slot
 * @guest: the slot
 * @transport: how to talk to what listens there
 * @path: its socket
 * @found: whether it was found in a directory
 */
void guest_init(struct guest *guest, const struct transport *transport, const char *path,
		bool found)
{
	memset(guest, 0, sizeof(*guest));
	guest->transport = transport;
	link_init(&guest->link);
	guest->used = true;
	guest->found = found;
	guest->in_flight = -1;
	guest->interval_s = 1;
	copy_string(guest->path, sizeof(guest->path), path);
	copy_string(guest->shown, sizeof(guest->shown), path);
	clean_text(guest->shown);
	guest->open_place = found && is_open_place(path);
}

static void close_session(struct guest *guest)
{
	if (guest->session)
		guest->transport->close(guest);
	guest->session = NULL;
	link_close(&guest->link);
}

/**
 * guest_free - empty a slot
 * @guest: the slot
 */
void guest_free(struct guest *guest)
{
	close_session(guest);
	guest->used = false;
}

static void enter(struct guest *guest, enum guest_phase phase, uint64_t time_ms)
{
	guest->phase = phase;
	guest->since_ms = time_ms;
}

/* Everything that a new session has to find out again. */
static void forget_session(struct guest *guest)
{
	guest->wants = 0;
	guest->in_flight = -1;
	guest->has_device = false;
	guest->virtio_known = false;
	guest->driver_ok = false;
	guest->device[0] = '\0';
	guest->interval_set_s = 0;
	guest->stats_ms = 0;
	guest->stats_update = 0;
	guest->ram = 0;
	guest->actual_high = 0;
	guest->assigned = false;
	guest->mem_locked = false;
	guest->page_size = 0;
	guest->rss = UNSET;
	guest->locked = 0;
	guest->stats_refused = false;
	guest->disk_reads = UNSET;
	memset(&guest->stats, 0xff, sizeof(guest->stats));
}

/**
 * guest_start - begin the session on a link that is connected
 * @guest: the guest
 * @time_ms: the time now
 *
 * Return: 0, or -errno.
 */
int guest_start(struct guest *guest, uint64_t time_ms)
{
	pid_t pid = link_peer_pid(&guest->link);
	uint64_t start = proc_start_time(pid);
	int err = guest->transport->open(guest);

	if (err)
		return err;
	forget_session(guest);
	if (pid != guest->peer || start != guest->peer_start)
		guest->disks_refused = false;
	guest->peer = pid;
	guest->peer_start = start;
	guest->launcher = false;
	/* Else it stays what it was until it is told: memory of a guest is about a process. */
	if (!guest->transport->relayed)
		guest_set_process(guest, pid);
	enter(guest, GUEST_GREETING, time_ms);
	if (!guest->transport->greets)
		guest_greeted(guest, time_ms);
	return 0;
}

/**
 * guest_connect - try to open the session
 * @guest: a guest without one
 * @time_ms: the time now
 *
 * Return: 0, or -errno; the next attempt is then planned.
 */
int guest_connect(struct guest *guest, uint64_t time_ms)
{
	int err = link_open(&guest->link, guest->path, !guest->found);

	if (!err)
		err = guest_start(guest, time_ms);
	if (err)
		guest_fail(guest, err, time_ms);
	return err;
}

/**
 * guest_fail - end the session and plan the next attempt
 * @guest: the guest
 * @err: -errno, why
 * @time_ms: the time now
 *
 * The pause doubles with each failure in a row, up to half a minute.
 */
void guest_fail(struct guest *guest, int err, uint64_t time_ms)
{
	bool lost = guest->phase > GUEST_GREETING, first = !guest->last_error;

	guest->last_error = err;
	close_session(guest);
	guest->no_greeting = guest->phase == GUEST_GREETING && err == -ETIMEDOUT;
	guest->errors++;
	guest->backoff_ms = guest->backoff_ms ? min_u64(guest->backoff_ms * 2, BACKOFF_MAX_MS) :
						BACKOFF_MIN_MS;
	guest->retry_ms = time_ms + guest->backoff_ms;
	/* A socket that is being made refuses once or twice: that is no news. */
	if (lost || (guest->no_greeting && first) || guest->backoff_ms == 4 * BACKOFF_MIN_MS)
		log_warn("event=disconnected guest=%s socket=%s reason=\"%s\" retry_ms=%" PRIu64,
			 guest->name[0] ? guest->name : "-", guest->shown,
			 guest->no_greeting ? "no greeting, is there another client?" :
			 strerror(-err), guest->backoff_ms);
	forget_session(guest);
	enter(guest, GUEST_OFF, time_ms);
}

/*
 * The name is what QEMU says, but not where anybody may make a socket: there it
 * could be another guest's, with that one's limits and band. A file's name is
 * taken once only.
 */
static void choose_name(struct guest *guest)
{
	char base[GUEST_PATH_MAX];
	const char *slash;
	char *dot;

	if (!guest->open_place && guest->name[0])
		return;
	if (!guest->open_place && guest->uuid[0]) {
		guest_set_name(guest, guest->uuid);
		return;
	}
	slash = strrchr(guest->path, '/');
	copy_string(base, sizeof(base), slash ? slash + 1 : guest->path);
	dot = strrchr(base, '.');
	if (dot && dot != base)
		*dot = '\0';
	guest_set_name(guest, base);
}

/* The first answers are complete: the guest has a name and can be managed. */
static void finish_probe(struct guest *guest, uint64_t time_ms)
{
	choose_name(guest);
	guest->backoff_ms = 0;
	guest->last_error = 0;
	guest->no_greeting = false;
	guest->poll_ms = time_ms;
	guest->refresh_ms = time_ms + REFRESH_SOON_MS;
	guest->process_ms = 0;
	enter(guest, GUEST_READY, time_ms);
	log_info("event=connected guest=%s socket=%s pid=%d ram=%" PRIu64 " actual=%" PRIu64
		 " transport=%s device=%s driver=%s reporting=%s/%s deflate_on_oom=%s/%s state=%s",
		 guest->name, guest->shown, (int)guest->pid, guest->ram, guest->actual,
		 guest->transport->name,
		 guest->has_device ? guest->device : "none", guest->driver_ok ? "yes" : "no",
		 guest->offers_reporting ? "offered" : "not-offered",
		 guest->has_reporting ? "negotiated" : "not-negotiated",
		 guest->offers_oom ? "offered" : "not-offered",
		 guest->has_oom ? "negotiated" : "not-negotiated", guest->run_state);
}

/**
 * guest_work - send the next command if none is under way
 * @guest: the guest
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int guest_work(struct guest *guest, uint64_t time_ms)
{
	int command;

	if (guest->phase < GUEST_GREETING)
		return 0;
	if (guest->in_flight >= 0 || guest->phase == GUEST_GREETING)
		return link_flush(&guest->link);
	if (!guest->wants && guest->phase == GUEST_PROBING) {
		finish_probe(guest, time_ms);
		return 0;
	}
	if (!guest->wants)
		return 0;
	command = __builtin_ctz(guest->wants);
	guest->wants &= guest->wants - 1;
	return guest->transport->ask(guest, (unsigned int)command, time_ms);
}

/**
 * guest_input - read from the socket
 * @guest: a guest with a session
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int guest_input(struct guest *guest, uint64_t time_ms)
{
	char buf[16 * 1024];
	ssize_t n = link_receive(&guest->link, buf, sizeof(buf));
	int err;

	if (n <= 0)
		return (int)n;
	err = guest->transport->receive(guest, buf, (size_t)n, time_ms);
	return err ? err : guest_work(guest, time_ms);
}

/*
 * What QEMU costs the host. The kernel takes longer to tell than QEMU does to
 * answer, so that it is not asked each time while nothing goes on.
 */
static void look_at_process(struct guest *guest, uint64_t time_ms)
{
	struct proc_memory memory;

	guest->process_ms = time_ms + PROCESS_MS;
	if (!guest->launcher && !proc_memory(guest->pid, guest->pid_start, &memory)) {
		guest->rss = memory.anon + memory.shmem;
		guest->locked = memory.locked;
	} else {
		guest->rss = UNSET;
	}
}

static void plan_polls(struct guest *guest, bool brisk, uint64_t idle_s, uint64_t time_ms)
{
	guest->interval_s = brisk ? 1 : max_u64(idle_s, 1);
	if (guest->has_device && guest->interval_s != guest->interval_set_s) {
		guest_want(guest, TOPIC_PERIOD);
		guest->poll_ms = min_u64(guest->poll_ms, time_ms + guest->interval_s * 1000);
	}
	if (time_ms >= guest->poll_ms) {
		guest->poll_ms = time_ms + guest->interval_s * 1000;
		if (guest->has_device)
			guest_want(guest, TOPIC_STATS);
		/* Changes are told by events, where there are; asking is for those that get lost. */
		if (guest->has_device && (brisk || time_ms >= guest->process_ms))
			guest_want(guest, TOPIC_ACTUAL);
		if (guest->watch_disks && !guest->disks_refused)
			guest_want(guest, TOPIC_DISKS);
		if (brisk)
			guest_want(guest, TOPIC_STATE);
		if (brisk || time_ms >= guest->process_ms)
			look_at_process(guest, time_ms);
	}
	if (time_ms >= guest->refresh_ms) {
		guest->refresh_ms = time_ms + (guest->driver_ok ? REFRESH_MS : REFRESH_SOON_MS);
		guest_want(guest, TOPIC_STATE);
		guest_want(guest, TOPIC_FACTS);
		/* Statistics have stopped: somebody may have stopped the polling. */
		if (guest->driver_ok && guest->interval_set_s &&
		    (!guest->stats_ms || time_ms - guest->stats_ms > 3000 * guest->interval_set_s))
			guest_want(guest, TOPIC_PERIOD);
	}
}

/**
 * guest_tick - what time brings: attempts, time limits, polls
 * @guest: the guest
 * @brisk: poll every second, as under pressure; else every @idle_s
 * @idle_s: seconds between polls when nothing goes on
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int guest_tick(struct guest *guest, bool brisk, uint64_t idle_s, uint64_t time_ms)
{
	guest->received_before = guest->link.received;
	switch (guest->phase) {
	case GUEST_OFF:
		return 0;
	case GUEST_GREETING:
		if (sub_floor(time_ms, guest->since_ms) >= GREETING_MS)
			return -ETIMEDOUT;
		break;
	case GUEST_READY:
		plan_polls(guest, brisk, idle_s, time_ms);
		break;
	default:
		break;
	}
	if (guest->in_flight >= 0 && sub_floor(time_ms, guest->in_flight_ms) >= REPLY_MS)
		return -ETIMEDOUT;
	return guest_work(guest, time_ms);
}

/**
 * guest_set_target - ask for a size
 * @guest: a guest that is ready
 * @target: size in bytes
 *
 * It goes out as soon as the command under way is answered; a newer target
 * replaces one that has not gone out yet.
 */
void guest_set_target(struct guest *guest, uint64_t target)
{
	guest->target = target;
	guest_want(guest, TOPIC_TARGET);
}

/**
 * guest_target_waits - whether a size that was asked for has not been accepted yet
 * @guest: the guest
 *
 * Return: true if it waits to be sent, or for an answer.
 */
bool guest_target_waits(const struct guest *guest)
{
	uint32_t under_way = guest->in_flight < 0 ? 0 : WANT(guest->in_flight);

	return guest->phase == GUEST_READY &&
	       (guest->wants | under_way) & guest->transport->commands(guest, TOPIC_TARGET);
}

/**
 * guest_uuid - UUID that a guest is known by
 * @guest: the guest
 *
 * Return: its UUID, or "" if it has none or could claim any.
 */
const char *guest_uuid(const struct guest *guest)
{
	return guest->open_place ? "" : guest->uuid;
}

/**
 * guest_floods - whether more has come in since the last tick than should
 * @guest: the guest
 *
 * Return: true if it is not to be read from until the next.
 */
bool guest_floods(const struct guest *guest)
{
	return guest->link.received - guest->received_before > FLOOD_BYTES;
}

/**
 * guest_absent - why the guest cannot be asked for anything
 * @guest: the guest
 *
 * Return: WHY_NONE if it can.
 */
enum why guest_absent(const struct guest *guest)
{
	if (guest->phase == GUEST_READY)
		return WHY_NONE;
	if (guest->no_greeting)
		return WHY_SECOND_CLIENT;
	return guest->phase == GUEST_OFF ? WHY_NOT_CONNECTED : WHY_PROBING;
}

/**
 * guest_observe - describe a guest to the policy
 * @guest: the guest
 * @out: all but configuration and the administrator's word are set
 * @time_ms: the time now
 */
void guest_observe(const struct guest *guest, struct policy_guest *out, uint64_t time_ms)
{
	out->present = guest->used;
	out->absent = guest_absent(guest);
	out->outside = guest->outside;
	out->has_device = guest->has_device;
	/* Where the driver is not seen, statistics prove that there is one. */
	out->has_driver = guest->driver_ok || (!guest->virtio_known && guest->stats_ms);
	out->running = guest->running;
	out->migrating = guest->migrating;
	out->hugetlb = guest->page_size > (uint64_t)sysconf(_SC_PAGESIZE);
	out->mem_locked = guest->mem_locked || (guest->ram && guest->locked >= guest->ram / 2);
	out->assigned = guest->assigned;
	out->reporting = guest->has_reporting;
	out->ram = guest->ram;
	out->actual = guest->actual;
	out->charged = guest->rss;
	out->yields = guest->has_oom;
	out->disk_reads = guest->disk_reads;
	out->stats = guest->stats;
	out->stats_actual = min_u64(guest->stats_actual, guest->ram);
	out->stats_seq = guest->stats_seq;
	out->stats_age_ms = guest->stats_ms ? sub_floor(time_ms, guest->stats_ms) : UNSET;
	out->stats_interval_ms = max_u64(guest->interval_age_s, 1) * 1000;
	out->reset_seq = guest->reset_seq;
	out->reset_ms = guest->reset_ms;
}
