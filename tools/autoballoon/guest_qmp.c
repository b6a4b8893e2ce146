// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest's QEMU is asked, and what its answers and events mean.
 *
 * An answer that does not have the expected form changes nothing: the last
 * state stays. Numbers are limited where they come in.
 */
#include "guest_qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "proc.h"

#define RESET_LOG_MS 1000
#define RISE_BYTES (64 * MIB)	/* less is no DIMM */
#define SANE_RAM_MAX ((uint64_t)1 << 56)

/**
 * guest_set_name - name a guest
 * @guest: the guest
 * @name: a name from QEMU; what is not plain in it becomes "_", for names go to
 *        logs, terminals and file formats
 */
void guest_set_name(struct guest *guest, const char *name)
{
	copy_string(guest->name, sizeof(guest->name), name);
	clean_text(guest->name);
}

static bool set_device(struct guest *guest, const char *path)
{
	const char *p;

	/* It goes into commands and logs as it is. */
	for (p = path; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\')
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
		       WANT(CMD_MEMORY_DEVICES) | WANT(CMD_CPUS) |
		       WANT(CMD_DEVICES) | WANT(CMD_DEVICES_ANON) | WANT(CMD_RAMBLOCK) |
		       WANT(CMD_VIRTIO) | WANT(CMD_MIGRATE);
	guest_enter(guest, GUEST_PROBING, time_ms);
}

static void done_balloon(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)ret;
	guest->refused = false;
	guest->sent_ms = time_ms;
	guest->wants |= WANT(CMD_QUERY_BALLOON);
}

/* QEMU works it out as RAM less what the guest wrote: it may come out as anything. */
static void apply_actual(struct guest *guest, uint64_t actual)
{
	actual = add_cap(actual, guest->beside);
	guest->actual = guest->ram ? min_u64(actual, guest->ram) : actual;
	guest->actual_high = max_u64(guest->actual_high, guest->actual);
}

/*
 * A guest that has taken memory back and one that was plugged a DIMM look the
 * same, and QEMU tells of the second by no event: look at its RAM first.
 */
static void set_actual(struct guest *guest, struct json_object *from)
{
	uint64_t actual;

	if (!qmp_u64(from, "actual", &actual))
		return;
	guest->risen = 0;
	if (guest->ram && add_cap(actual, guest->beside) > guest->actual + RISE_BYTES) {
		guest->risen = max_u64(actual, 1);
		guest->wants |= WANT(CMD_SIZE) | WANT(CMD_MEMORY_DEVICES);
	} else {
		apply_actual(guest, actual);
	}
}

static void apply_risen(struct guest *guest)
{
	if (guest->risen)
		apply_actual(guest, guest->risen);
	guest->risen = 0;
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
	clean_text(guest->run_state);
	if (!strcmp(status, "inmigrate") || !strcmp(status, "postmigrate") ||
	    !strcmp(status, "finish-migrate"))
		guest->migrating = true;
}

static void done_name(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *name = qmp_string(ret, "name");

	(void)time_ms;
	if (name && *name)
		guest_set_name(guest, name);
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

/* What a balloon calls the guest's size has DIMMs in it and virtio-mem not. */
static void set_ram(struct guest *guest, uint64_t beside)
{
	guest->actual = add_cap(sub_floor(guest->actual, guest->beside), beside);
	guest->beside = beside;
	guest->ram = guest->base + (guest->devices_known ? guest->dimms + beside :
				    guest->plugged);
	guest->actual = min_u64(guest->actual, guest->ram);
}

static void done_size(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	uint64_t base, plugged = 0;

	(void)time_ms;
	if (!qmp_u64(ret, "base-memory", &base) || base > SANE_RAM_MAX)
		return;
	if (qmp_u64(ret, "plugged-memory", &plugged) && plugged > SANE_RAM_MAX)
		return;
	guest->base = base;
	guest->plugged = plugged;
	set_ram(guest, guest->beside);
}

static void done_memory_devices(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	uint64_t size, dimms = 0, beside = 0;
	size_t i, n;

	(void)time_ms;
	n = json_object_is_type(ret, json_type_array) ? json_object_array_length(ret) : 0;
	for (i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(ret, i);
		const char *type = qmp_string(item, "type");

		if (!type || !qmp_u64(qmp_object(item, "data"), "size", &size) ||
		    size > SANE_RAM_MAX)
			continue;
		if (!strcmp(type, "dimm"))
			dimms = min_u64(dimms + size, SANE_RAM_MAX);
		else if (!strcmp(type, "virtio-mem"))
			beside = min_u64(beside + size, SANE_RAM_MAX);
	}
	guest->devices_known = json_object_is_type(ret, json_type_array);
	guest->dimms = dimms;
	set_ram(guest, beside);
	apply_risen(guest);
}

static void failed_memory_devices(struct guest *guest)
{
	guest->devices_known = false;
	apply_risen(guest);
}

static bool holds_guest(const struct guest *guest, pid_t pid, uint64_t start)
{
	struct proc_memory memory;

	return !proc_memory(pid, start, &memory) && memory.mapped >= guest->ram;
}

/*
 * The kernel names as the other end whoever has made the socket, which a launcher
 * may have done for QEMU. Its address space does not hold the guest. QEMU tells
 * the threads of its CPUs, and where it does not run in another PID namespace,
 * they lead to its process.
 */
static void done_cpus(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	uint64_t thread = 0, start;
	pid_t pid;

	(void)time_ms;
	if (!guest->ram || holds_guest(guest, guest->pid, guest->pid_start))
		return;
	if (json_object_is_type(ret, json_type_array) && json_object_array_length(ret))
		qmp_u64(json_object_array_get_idx(ret, 0), "thread-id", &thread);
	pid = proc_of_thread((pid_t)min_u64(thread, INT32_MAX));
	start = proc_start_time(pid);
	guest->launcher = !holds_guest(guest, pid, start);
	if (guest->launcher)
		return;
	log_info("event=process-found socket=%s pid=%d instead=%d", guest->shown, (int)pid,
		 (int)guest->pid);
	guest->pid = pid;
	guest->pid_start = start;
}

static void failed_cpus(struct guest *guest)
{
	(void)guest;
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

/* What all disks have read, ever. */
static void done_disks(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	size_t i, n = json_object_is_type(ret, json_type_array) ?
		      json_object_array_length(ret) : 0;
	uint64_t bytes, sum = 0;

	(void)time_ms;
	for (i = 0; i < n; i++)
		if (qmp_u64(qmp_object(json_object_array_get_idx(ret, i), "stats"), "rd_bytes",
			    &bytes))
			sum = add_cap(sum, bytes);
	guest->disk_reads = min_u64(sum, UNSET - 1);
}

static void failed_disks(struct guest *guest)
{
	guest->disks_refused = true;
}

/* QEMU did not take the target: once, for it is asked for again. */
static void failed_balloon(struct guest *guest)
{
	if (!guest->refused)
		log_warn("event=target-refused guest=%s target=%" PRIu64 " reason=\"%s\"",
			 guest->name, guest->target, guest->error);
	guest->refused = true;
	guest->errors++;
}

struct command {
	const char *name;
	void (*done)(struct guest *guest, struct json_object *ret, uint64_t time_ms);
	void (*failed)(struct guest *guest);
};

static const struct command commands[NR_COMMANDS] = {
	[CMD_CAPABILITIES] = { "qmp_capabilities", done_capabilities, NULL },
	[CMD_BALLOON] = { "balloon", done_balloon, failed_balloon },
	[CMD_QUERY_BALLOON] = { "query-balloon", done_query_balloon, NULL },
	[CMD_STATUS] = { "query-status", done_status, NULL },
	[CMD_NAME] = { "query-name", done_name, NULL },
	[CMD_UUID] = { "query-uuid", done_uuid, NULL },
	[CMD_SIZE] = { "query-memory-size-summary", done_size, NULL },
	[CMD_MEMORY_DEVICES] = { "query-memory-devices", done_memory_devices,
				 failed_memory_devices },
	[CMD_CPUS] = { "query-cpus-fast", done_cpus, failed_cpus },
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
	[CMD_DISKS] = { "query-blockstats", done_disks, failed_disks },
};

static int write_arguments(const struct guest *guest, enum guest_command command, char *buf,
			   size_t size)
{
	switch (command) {
	case CMD_BALLOON:
		return snprintf(buf, size, ",\"arguments\":{\"value\":%" PRIu64 "}",
				max_u64(sub_floor(guest->target, guest->beside), MIB));
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

/**
 * guest_ask - send a command
 * @guest: a guest with a session and no command under way
 * @command: the command
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int guest_ask(struct guest *guest, enum guest_command command, uint64_t time_ms)
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

/**
 * guest_event - take an event
 * @guest: the guest
 * @event: its name
 * @message: all of it
 * @time_ms: the time now
 */
void guest_event(struct guest *guest, const char *event, struct json_object *message,
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
		/* A guest may reset itself as often as it likes; the log is ours. */
		if (!guest->reset_ms || time_ms - guest->reset_ms >= RESET_LOG_MS)
			log_info("event=reset guest=%s", guest->name[0] ? guest->name : "-");
		guest->reset_seq++;
		guest->reset_ms = time_ms;
		guest->driver_ok = false;
		guest->stats_ms = 0;
		memset(&guest->stats, 0xff, sizeof(guest->stats));
		guest->refresh_ms = time_ms;
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

/**
 * guest_reply - take the reply to the command under way
 * @guest: the guest
 * @message: the reply; one that does not belong to the command is counted as
 *           an error and changes nothing
 * @time_ms: the time now
 */
void guest_reply(struct guest *guest, struct json_object *message, uint64_t time_ms)
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
		copy_string(guest->error, sizeof(guest->error), desc ? desc : "");
		log_debug("event=qmp-error guest=%s command=%s desc=\"%s\"", guest->name,
			  command->name, guest->error);
		if (command->failed)
			command->failed(guest);
	} else if (json_object_object_get_ex(message, "return", &ret)) {
		command->done(guest, ret, time_ms);
	}
}
