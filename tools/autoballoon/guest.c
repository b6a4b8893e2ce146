// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One guest: a QMP session that finds out who the guest is and what it can do,
 * and then keeps its size, statistics and state up to date.
 *
 * What is to be asked is a set of bits; one command is under way at a time, and
 * the most urgent one goes next. Answers may add to the set. A reply that does
 * not have the expected form changes nothing: the last state stays.
 */
#include "guest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "proc.h"

#define GREETING_MS 5000
#define REPLY_MS 10000
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define REFRESH_MS 30000
#define REFRESH_SOON_MS 2000
#define SANE_RAM_MAX ((uint64_t)1 << 56)

#define WANT(command) (1U << (command))

/**
 * guest_init - fill a slot
 * @guest: the slot
 * @path: QMP socket
 * @found: whether it was found in a directory
 */
void guest_init(struct guest *guest, const char *path, bool found)
{
	memset(guest, 0, sizeof(*guest));
	qmp_init(&guest->qmp);
	guest->used = true;
	guest->found = found;
	guest->in_flight = -1;
	guest->interval_s = 1;
	copy_string(guest->path, sizeof(guest->path), path);
}

/**
 * guest_free - empty a slot
 * @guest: the slot
 */
void guest_free(struct guest *guest)
{
	qmp_close(&guest->qmp);
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
	guest->used_idx_known = false;
	guest->device[0] = '\0';
	guest->interval_set_s = 0;
	guest->stats_ms = 0;
	guest->stats_update = 0;
	guest->ram = 0;
	guest->actual_high = 0;
	guest->assigned = false;
	guest->page_size = 0;
	guest->rss = UNSET;
	guest->locked = 0;
	memset(&guest->stats, 0xff, sizeof(guest->stats));
}

/**
 * guest_start - begin the session on a socket that is connected
 * @guest: the guest
 * @time_ms: the time now
 */
void guest_start(struct guest *guest, uint64_t time_ms)
{
	pid_t pid = qmp_peer_pid(&guest->qmp);
	uint64_t start = proc_start_time(pid);

	forget_session(guest);
	if (pid != guest->pid || start != guest->pid_start)
		guest->probed = false;
	guest->pid = pid;
	guest->pid_start = start;
	enter(guest, GUEST_GREETING, time_ms);
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
	int err = qmp_open(&guest->qmp, guest->path);

	if (err) {
		guest_fail(guest, err, time_ms);
		return err;
	}
	guest_start(guest, time_ms);
	return 0;
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

	qmp_close(&guest->qmp);
	guest->no_greeting = guest->phase == GUEST_GREETING && err == -ETIMEDOUT;
	guest->last_error = err;
	guest->errors++;
	guest->backoff_ms = guest->backoff_ms ? min_u64(guest->backoff_ms * 2, BACKOFF_MAX_MS) :
						BACKOFF_MIN_MS;
	guest->retry_ms = time_ms + guest->backoff_ms;
	/* A socket that is being made refuses once or twice: that is no news. */
	if (lost || (guest->no_greeting && first) || guest->backoff_ms == 4 * BACKOFF_MIN_MS)
		log_warn("event=disconnected guest=%s socket=%s reason=\"%s\" retry_ms=%" PRIu64,
			 guest->name[0] ? guest->name : "-", guest->path,
			 guest->no_greeting ? "no greeting, is there another client?" :
			 strerror(-err), guest->backoff_ms);
	forget_session(guest);
	enter(guest, GUEST_OFF, time_ms);
}

/* ---- commands ---------------------------------------------------------- */

static void set_name(struct guest *guest, const char *name)
{
	size_t i;

	/* Names go to logs, terminals and file formats: keep them plain. */
	copy_string(guest->name, sizeof(guest->name), name);
	for (i = 0; guest->name[i]; i++) {
		char c = guest->name[i];

		if (c <= ' ' || c > '~' || strchr("\"\\=%{}", c))
			guest->name[i] = '_';
	}
}

static bool set_device(struct guest *guest, const char *path)
{
	if (strchr(path, '"') || strchr(path, '\\'))
		return false;
	if (!copy_string(guest->device, sizeof(guest->device), path)) {
		guest->device[0] = '\0';
		return false;
	}
	guest->has_device = true;
	return true;
}

static void done_capabilities(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)ret;
	guest->wants = WANT(CMD_NAME) | WANT(CMD_UUID) | WANT(CMD_STATUS) | WANT(CMD_SIZE) |
		       WANT(CMD_DEVICES) | WANT(CMD_DEVICES_ANON) | WANT(CMD_RAMBLOCK) |
		       WANT(CMD_VIRTIO) | WANT(CMD_MIGRATE);
	enter(guest, GUEST_PROBING, time_ms);
}

static void done_balloon(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)ret;
	guest->sent_ms = time_ms;
	guest->wants |= WANT(CMD_QUERY_BALLOON);
}

/* QEMU works it out as RAM less what the guest wrote: it may come out as anything. */
static void set_actual(struct guest *guest, struct json_object *from)
{
	uint64_t actual;

	if (!qmp_u64(from, "actual", &actual))
		return;
	guest->actual = guest->ram ? min_u64(actual, guest->ram) : actual;
	guest->actual_high = max_u64(guest->actual_high, guest->actual);
}

static void done_query_balloon(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)time_ms;
	set_actual(guest, ret);
}

static void done_status(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *status = qmp_string(ret, "status");

	(void)time_ms;
	if (!status || !qmp_bool(ret, "running", &guest->running))
		return;
	copy_string(guest->run_state, sizeof(guest->run_state), status);
	if (!strcmp(status, "inmigrate") || !strcmp(status, "postmigrate") ||
	    !strcmp(status, "finish-migrate"))
		guest->migrating = true;
}

static void done_name(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *name = qmp_string(ret, "name");

	(void)time_ms;
	if (name && *name)
		set_name(guest, name);
}

static void done_uuid(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *uuid = qmp_string(ret, "UUID");
	size_t i;

	(void)time_ms;
	guest->uuid[0] = '\0';
	if (!uuid || strlen(uuid) != 36 || !strcmp(uuid, "00000000-0000-0000-0000-000000000000"))
		return;
	for (i = 0; uuid[i]; i++)
		if (!strchr("0123456789abcdefABCDEF-", uuid[i]))
			return;
	copy_string(guest->uuid, sizeof(guest->uuid), uuid);
}

static void done_size(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	uint64_t base, plugged = 0;

	(void)time_ms;
	if (!qmp_u64(ret, "base-memory", &base) || base > SANE_RAM_MAX)
		return;
	if (qmp_u64(ret, "plugged-memory", &plugged) && plugged > SANE_RAM_MAX)
		return;
	guest->ram = base + plugged;
	guest->actual = min_u64(guest->actual, guest->ram);
}

/* Any device that pins guest memory, and the balloon where x-query-virtio is missing. */
static void scan_devices(struct guest *guest, struct json_object *ret, const char *parent)
{
	size_t i, n = json_object_is_type(ret, json_type_array) ?
		      json_object_array_length(ret) : 0;

	for (i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(ret, i);
		const char *type = qmp_string(item, "type"), *name = qmp_string(item, "name");
		char path[sizeof(guest->device)];

		if (!type || !name)
			continue;
		if (!strncmp(type, "child<vfio-", 11))
			guest->assigned = true;
		if (!guest->has_device && !strncmp(type, "child<virtio-balloon", 20) &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", parent, name) < sizeof(path))
			set_device(guest, path);
	}
}

static void done_devices(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)time_ms;
	scan_devices(guest, ret, "/machine/peripheral");
}

static void done_devices_anon(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)time_ms;
	scan_devices(guest, ret, "/machine/peripheral-anon");
}

/*
 * "info ramblock": name, page size with unit, offset, used, total. The page
 * size that counts is that of the largest block.
 */
static void done_ramblock(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *line = json_object_is_type(ret, json_type_string) ?
			   json_object_get_string(ret) : NULL;
	unsigned long long size, offset, used, largest = 0;
	char unit[8];

	(void)time_ms;
	for (; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (sscanf(line, "%*s %llu %7s %llx %llx", &size, unit, &offset, &used) != 4 ||
		    used <= largest || size > 1024)
			continue;
		largest = used;
		guest->page_size = size * (!strcmp(unit, "GiB") ? GIB : !strcmp(unit, "MiB") ?
					   MIB : !strcmp(unit, "KiB") ? KIB : 1);
	}
}

static void done_virtio(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	size_t i, n = json_object_is_type(ret, json_type_array) ?
		      json_object_array_length(ret) : 0;

	(void)time_ms;
	for (i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(ret, i);
		const char *name = qmp_string(item, "name"), *path = qmp_string(item, "path");

		if (name && path && !strcmp(name, "virtio-balloon") && set_device(guest, path))
			guest->wants |= WANT(CMD_VIRTIO_STATUS);
	}
	/* Without a device only the listing can tell, and that has no feature bits. */
	if (guest->has_device)
		guest->wants |= WANT(CMD_QUERY_BALLOON) | WANT(CMD_INTERVAL);
}

static void failed_virtio(struct guest *guest)
{
	if (guest->has_device)
		guest->wants |= WANT(CMD_QUERY_BALLOON) | WANT(CMD_INTERVAL) | WANT(CMD_OFFERED);
}

static void done_virtio_status(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	struct json_object *host = qmp_array(qmp_object(ret, "host-features"), "dev-features");
	struct json_object *own = qmp_array(qmp_object(ret, "guest-features"), "dev-features");
	struct json_object *status = qmp_array(qmp_object(ret, "status"), "statuses");
	bool before = guest->driver_ok;

	if (!host || !own || !status)
		return;
	guest->virtio_known = true;
	guest->driver_ok = qmp_has_word(status, "VIRTIO_CONFIG_S_DRIVER_OK");
	guest->offers_reporting = qmp_has_word(host, "VIRTIO_BALLOON_F_REPORTING");
	guest->offers_oom = qmp_has_word(host, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM");
	guest->offers_stats = qmp_has_word(host, "VIRTIO_BALLOON_F_STATS_VQ");
	guest->offers_hint = qmp_has_word(host, "VIRTIO_BALLOON_F_FREE_PAGE_HINT");
	guest->has_reporting = qmp_has_word(own, "VIRTIO_BALLOON_F_REPORTING");
	guest->has_oom = qmp_has_word(own, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM");
	guest->has_stats = qmp_has_word(own, "VIRTIO_BALLOON_F_STATS_VQ");
	guest->has_poison = qmp_has_word(own, "VIRTIO_BALLOON_F_PAGE_POISON");
	/* A driver that has just come posts its buffer when it likes: ask soon. */
	if (guest->driver_ok && !before) {
		guest->poll_ms = time_ms;
		guest->wants |= WANT(CMD_INTERVAL);
	}
	if (guest->driver_ok && guest->has_reporting)
		guest->wants |= WANT(CMD_QUEUE);
}

static void done_offered(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)time_ms;
	if (json_object_is_type(ret, json_type_boolean))
		guest->offers_reporting = json_object_get_boolean(ret);
	/* What was negotiated cannot be seen here; the guest most likely takes it. */
	guest->has_reporting = guest->offers_reporting;
}

static void done_interval(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)ret;
	(void)time_ms;
	guest->interval_set_s = guest->interval_s;
	if (!guest->interval_age_s)
		guest->interval_age_s = guest->interval_s;
}

static void done_stats(struct guest *guest, struct json_object *ret, uint64_t time_ms)
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
	struct json_object *stats = qmp_object(ret, "stats");
	struct policy_stats new;
	uint64_t update, wall = (uint64_t)time(NULL);
	size_t i;

	if (!stats || !qmp_u64(ret, "last-update", &update) || !update ||
	    update == guest->stats_update)
		return;
	memset(&new, 0xff, sizeof(new));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		qmp_u64(stats, fields[i].key,
			(uint64_t *)(void *)((char *)&new + fields[i].offset));
	/*
	 * Statistics are up to a second older than "actual". Taken with the
	 * largest size since the ones before, the guest's use comes out too high
	 * rather than too low while the balloon moves.
	 */
	guest->stats_actual = max_u64(guest->actual_high, guest->actual);
	guest->actual_high = guest->actual;
	guest->stats = new;
	guest->stats_update = update;
	guest->stats_seq++;
	guest->stats_ms = sub_floor(time_ms, min_u64(sub_floor(wall, update), 86400) * 1000);
	if (!guest->stats_ms)
		guest->stats_ms = 1;
	guest->interval_age_s = guest->interval_set_s;
}

static void done_migrate(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	static const char *const over[] = { "none", "completed", "failed", "cancelled" };
	const char *status = qmp_string(ret, "status");
	size_t i;

	(void)time_ms;
	guest->migrating = status != NULL;
	for (i = 0; status && i < ARRAY_SIZE(over); i++)
		if (!strcmp(status, over[i]))
			guest->migrating = false;
}

/* How many buffers the guest has reported: the used index counts them in 16 bits. */
static void done_queue(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	uint64_t idx;

	(void)time_ms;
	if (!qmp_u64(ret, "used-idx", &idx) || idx > UINT16_MAX)
		return;
	if (guest->used_idx_known)
		guest->reports += (uint16_t)(idx - guest->last_used_idx);
	guest->last_used_idx = (unsigned int)idx;
	guest->used_idx_known = true;
}

struct command {
	const char *name;
	void (*done)(struct guest *guest, struct json_object *ret, uint64_t time_ms);
	void (*failed)(struct guest *guest);
};

static const struct command commands[NR_COMMANDS] = {
	[CMD_CAPABILITIES] = { "qmp_capabilities", done_capabilities, NULL },
	[CMD_BALLOON] = { "balloon", done_balloon, NULL },
	[CMD_QUERY_BALLOON] = { "query-balloon", done_query_balloon, NULL },
	[CMD_STATUS] = { "query-status", done_status, NULL },
	[CMD_NAME] = { "query-name", done_name, NULL },
	[CMD_UUID] = { "query-uuid", done_uuid, NULL },
	[CMD_SIZE] = { "query-memory-size-summary", done_size, NULL },
	[CMD_DEVICES] = { "qom-list", done_devices, NULL },
	[CMD_DEVICES_ANON] = { "qom-list", done_devices_anon, NULL },
	[CMD_RAMBLOCK] = { "human-monitor-command", done_ramblock, NULL },
	[CMD_VIRTIO] = { "x-query-virtio", done_virtio, failed_virtio },
	[CMD_VIRTIO_STATUS] = { "x-query-virtio-status", done_virtio_status, NULL },
	[CMD_OFFERED] = { "qom-get", done_offered, NULL },
	[CMD_INTERVAL] = { "qom-set", done_interval, NULL },
	[CMD_STATS] = { "qom-get", done_stats, NULL },
	[CMD_MIGRATE] = { "query-migrate", done_migrate, NULL },
	[CMD_QUEUE] = { "x-query-virtio-queue-status", done_queue, NULL },
};

static int write_arguments(const struct guest *guest, enum guest_command command, char *buf,
			   size_t size)
{
	switch (command) {
	case CMD_BALLOON:
		return snprintf(buf, size, ",\"arguments\":{\"value\":%" PRIu64 "}",
				guest->target);
	case CMD_DEVICES:
		return snprintf(buf, size, ",\"arguments\":{\"path\":\"/machine/peripheral\"}");
	case CMD_DEVICES_ANON:
		return snprintf(buf, size,
				",\"arguments\":{\"path\":\"/machine/peripheral-anon\"}");
	case CMD_RAMBLOCK:
		return snprintf(buf, size,
				",\"arguments\":{\"command-line\":\"info ramblock\"}");
	case CMD_VIRTIO_STATUS:
		return snprintf(buf, size, ",\"arguments\":{\"path\":\"%s\"}", guest->device);
	case CMD_OFFERED:
		return snprintf(buf, size, ",\"arguments\":{\"path\":\"%s\","
				"\"property\":\"free-page-reporting\"}", guest->device);
	case CMD_INTERVAL:
		return snprintf(buf, size, ",\"arguments\":{\"path\":\"%s\","
				"\"property\":\"guest-stats-polling-interval\","
				"\"value\":%" PRIu64 "}", guest->device, guest->interval_s);
	case CMD_STATS:
		return snprintf(buf, size, ",\"arguments\":{\"path\":\"%s\","
				"\"property\":\"guest-stats\"}", guest->device);
	case CMD_QUEUE:
		/* inflate, deflate, then statistics and hints where offered */
		return snprintf(buf, size, ",\"arguments\":{\"path\":\"%s\",\"queue\":%u}",
				guest->device, 2U + guest->offers_stats + guest->offers_hint);
	default:
		buf[0] = '\0';
		return 0;
	}
}

static int send_command(struct guest *guest, enum guest_command command, uint64_t time_ms)
{
	char arguments[512], line[768];
	int n;

	n = write_arguments(guest, command, arguments, sizeof(arguments));
	if (n < 0 || (size_t)n >= sizeof(arguments))
		return -EINVAL;
	n = snprintf(line, sizeof(line), "{\"execute\":\"%s\"%s,\"id\":%" PRIu64 "}\r\n",
		     commands[command].name, arguments, ++guest->in_flight_id);
	if (n < 0 || (size_t)n >= sizeof(line))
		return -EINVAL;
	guest->in_flight = (int)command;
	guest->in_flight_ms = time_ms;
	return qmp_send(&guest->qmp, line, (size_t)n);
}

/* The first answers are complete: the guest has a name and can be managed. */
static void finish_probe(struct guest *guest, uint64_t time_ms)
{
	char base[GUEST_PATH_MAX];
	char *dot;

	if (!guest->name[0] && guest->uuid[0])
		set_name(guest, guest->uuid);
	if (!guest->name[0]) {
		const char *slash = strrchr(guest->path, '/');

		copy_string(base, sizeof(base), slash ? slash + 1 : guest->path);
		dot = strrchr(base, '.');
		if (dot && dot != base)
			*dot = '\0';
		set_name(guest, base);
	}
	guest->probed = true;
	guest->backoff_ms = 0;
	guest->last_error = 0;
	guest->no_greeting = false;
	guest->poll_ms = time_ms;
	guest->refresh_ms = time_ms + REFRESH_SOON_MS;
	enter(guest, GUEST_READY, time_ms);
	log_info("event=connected guest=%s socket=%s pid=%d ram=%" PRIu64 " actual=%" PRIu64
		 " device=%s driver=%s reporting=%s/%s deflate_on_oom=%s/%s state=%s",
		 guest->name, guest->path, (int)guest->pid, guest->ram, guest->actual,
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
		return qmp_flush(&guest->qmp);
	if (!guest->wants && guest->phase == GUEST_PROBING) {
		finish_probe(guest, time_ms);
		return 0;
	}
	if (!guest->wants)
		return 0;
	command = __builtin_ctz(guest->wants);
	guest->wants &= guest->wants - 1;
	return send_command(guest, (enum guest_command)command, time_ms);
}

static void guest_event(struct guest *guest, const char *event, struct json_object *message,
			uint64_t time_ms)
{
	struct json_object *data = qmp_object(message, "data");
	const char *status;

	if (!strcmp(event, "BALLOON_CHANGE")) {
		/* At most one a second, late, and possibly not the last: ask. */
		guest->wants |= WANT(CMD_QUERY_BALLOON);
		guest->pulled_ms = time_ms;
	} else if (!strcmp(event, "STOP") || !strcmp(event, "RESUME") ||
		   !strcmp(event, "SUSPEND") || !strcmp(event, "WAKEUP")) {
		if (!strcmp(event, "STOP"))
			guest->running = false;
		guest->wants |= WANT(CMD_STATUS);
	} else if (!strcmp(event, "RESET")) {
		guest->reset_seq++;
		guest->reset_ms = time_ms;
		guest->driver_ok = false;
		guest->stats_ms = 0;
		memset(&guest->stats, 0xff, sizeof(guest->stats));
		guest->refresh_ms = time_ms;
		log_info("event=reset guest=%s", guest->name[0] ? guest->name : "-");
	} else if (!strcmp(event, "MIGRATION")) {
		status = qmp_string(data, "status");
		if (status)
			guest->wants |= WANT(CMD_MIGRATE) | WANT(CMD_STATUS);
	} else if (!strcmp(event, "DEVICE_DELETED")) {
		/* Perhaps the balloon, perhaps what pinned memory: look again. */
		guest->has_device = false;
		guest->virtio_known = false;
		guest->driver_ok = false;
		guest->assigned = false;
		guest->refresh_ms = time_ms;
	} else if (!strcmp(event, "MEMORY_DEVICE_SIZE_CHANGE")) {
		guest->refresh_ms = time_ms;
	}
}

static void guest_reply(struct guest *guest, struct json_object *message, uint64_t time_ms)
{
	const struct command *command;
	struct json_object *ret, *error;
	uint64_t id;

	if (guest->in_flight < 0 || !qmp_u64(message, "id", &id) || id != guest->in_flight_id) {
		guest->errors++;
		return;
	}
	command = &commands[guest->in_flight];
	guest->in_flight = -1;
	error = qmp_object(message, "error");
	if (error) {
		const char *desc = qmp_string(error, "desc");

		guest->errors += command->failed == NULL;
		log_debug("event=qmp-error guest=%s command=%s desc=\"%.120s\"", guest->name,
			  command->name, desc ? desc : "");
		if (command->failed)
			command->failed(guest);
	} else if (json_object_object_get_ex(message, "return", &ret)) {
		command->done(guest, ret, time_ms);
	}
}

/**
 * guest_message - take one message from QEMU
 * @guest: the guest
 * @message: the message, an object
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int guest_message(struct guest *guest, struct json_object *message, uint64_t time_ms)
{
	const char *event = qmp_string(message, "event");

	if (guest->phase == GUEST_GREETING) {
		if (!qmp_object(message, "QMP"))
			return -EPROTO;
		enter(guest, GUEST_PROBING, time_ms);
		guest->wants = WANT(CMD_CAPABILITIES);
	} else if (event) {
		guest_event(guest, event, message, time_ms);
	} else {
		guest_reply(guest, message, time_ms);
	}
	return guest_work(guest, time_ms);
}

struct input {
	struct guest *guest;
	uint64_t time_ms;
};

static int on_message(void *data, struct json_object *message)
{
	struct input *input = data;

	return guest_message(input->guest, message, input->time_ms);
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
	struct input input = { guest, time_ms };

	return qmp_receive(&guest->qmp, on_message, &input);
}

static void plan_polls(struct guest *guest, bool brisk, uint64_t idle_s, uint64_t time_ms)
{
	struct proc_memory memory;

	guest->interval_s = brisk ? 1 : max_u64(idle_s, 1);
	if (guest->has_device && guest->interval_s != guest->interval_set_s) {
		guest->wants |= WANT(CMD_INTERVAL);
		guest->poll_ms = min_u64(guest->poll_ms, time_ms + guest->interval_s * 1000);
	}
	if (time_ms >= guest->poll_ms) {
		guest->poll_ms = time_ms + guest->interval_s * 1000;
		if (guest->has_device)
			guest->wants |= WANT(CMD_QUERY_BALLOON) | WANT(CMD_STATS);
		if (brisk)
			guest->wants |= WANT(CMD_MIGRATE);
		if (!proc_memory(guest->pid, guest->pid_start, &memory)) {
			guest->rss = memory.anon + memory.shmem;
			guest->locked = memory.locked;
		} else {
			guest->rss = UNSET;
		}
	}
	if (time_ms >= guest->refresh_ms) {
		guest->refresh_ms = time_ms + (guest->driver_ok ? REFRESH_MS : REFRESH_SOON_MS);
		guest->wants |= WANT(CMD_STATUS) | WANT(CMD_SIZE) | WANT(CMD_DEVICES) |
				WANT(CMD_MIGRATE);
		if (guest->virtio_known)
			guest->wants |= WANT(CMD_VIRTIO_STATUS);
		if (!guest->has_device)
			guest->wants |= WANT(CMD_VIRTIO) | WANT(CMD_DEVICES_ANON);
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
	guest->wants |= WANT(CMD_BALLOON);
}

/**
 * guest_absent - why QEMU cannot be asked
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
	/* Older QEMU does not show the driver; statistics prove that there is one. */
	out->has_driver = guest->virtio_known ? guest->driver_ok : guest->stats_ms != 0;
	out->running = guest->running;
	out->migrating = guest->migrating;
	out->hugetlb = guest->page_size > (uint64_t)sysconf(_SC_PAGESIZE);
	out->mem_locked = guest->ram && guest->locked >= guest->ram / 2;
	out->assigned = guest->assigned;
	out->reporting = guest->has_reporting;
	out->ram = guest->ram;
	out->actual = guest->actual;
	out->charged = guest->rss;
	out->stats = guest->stats;
	out->stats_actual = min_u64(guest->stats_actual, guest->ram);
	out->stats_seq = guest->stats_seq;
	out->stats_age_ms = guest->stats_ms ? sub_floor(time_ms, guest->stats_ms) : UNSET;
	out->stats_interval_ms = max_u64(guest->interval_age_s, 1) * 1000;
	out->reset_seq = guest->reset_seq;
	out->reset_ms = guest->reset_ms;
}
