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
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "proc.h"
#include "reply.h"
#include "talk.h"

#define RISE_BYTES (64 * MIB)	/* less is no DIMM */
#define SANE_RAM_MAX ((uint64_t)1 << 56)

/* Commands, the more urgent first. */
enum command {
	CMD_CAPABILITIES,
	CMD_BALLOON,
	CMD_QUERY_BALLOON,
	CMD_STATUS,
	CMD_NAME,
	CMD_UUID,
	CMD_SIZE,
	CMD_MEMORY_DEVICES,
	CMD_CPUS,
	CMD_DEVICES,
	CMD_DEVICES_ANON,
	CMD_RAMBLOCK,
	CMD_VIRTIO,
	CMD_VIRTIO_STATUS,
	CMD_OFFERED,		/* where the status cannot be asked for */
	CMD_INTERVAL,
	CMD_STATS,
	CMD_MIGRATE,
	CMD_QUEUE,
	CMD_DISKS,
	NR_COMMANDS
};

struct session {
	struct qmp *qmp;
	uint64_t base;		/* memory at boot, bytes */
	uint64_t plugged;	/* since then, as QEMU's summary has it */
	bool devices_known;	/* the next two are */
	uint64_t dimms;		/* of it, that the balloon can reach */
	uint64_t beside;	/* of it, that it cannot: virtio-mem */
	uint64_t risen;		/* actual as QEMU says, until RAM is known anew, 0: none */
	unsigned int last_used_idx;	/* of the reporting queue, 16 bit */
	bool used_idx_known;
	bool no_status;		/* x-query-virtio-status must not be asked */
};

static struct session *session_of(const struct guest *guest)
{
	return guest->session;
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
	(void)guest;
	(void)ret;
	(void)time_ms;
}

static void done_balloon(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)ret;
	guest_set_accepted(guest, time_ms);
}

/* QEMU works it out as RAM less what the guest wrote: it may come out as anything. */
static void apply_actual(struct guest *guest, uint64_t actual)
{
	guest_set_actual(guest, add_cap(actual, session_of(guest)->beside));
}

/*
 * A guest that has taken memory back and one that was plugged a DIMM look the
 * same, and QEMU tells of the second by no event: look at its RAM first.
 */
static void set_actual(struct guest *guest, struct json_object *from)
{
	struct session *s = session_of(guest);
	uint64_t actual;

	if (!reply_u64(from, "actual", &actual))
		return;
	s->risen = 0;
	if (guest->ram && add_cap(actual, s->beside) > guest->actual + RISE_BYTES) {
		s->risen = max_u64(actual, 1);
		guest->wants |= WANT(CMD_SIZE) | WANT(CMD_MEMORY_DEVICES);
	} else {
		apply_actual(guest, actual);
	}
}

static void apply_risen(struct guest *guest)
{
	struct session *s = session_of(guest);

	if (s->risen)
		apply_actual(guest, s->risen);
	s->risen = 0;
}

static void done_query_balloon(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)time_ms;
	set_actual(guest, ret);
}

static void done_status(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *status = reply_string(ret, "status");
	bool running;

	(void)time_ms;
	if (!status || !reply_bool(ret, "running", &running))
		return;
	guest_set_run_state(guest, status, running);
	if (!strcmp(status, "inmigrate") || !strcmp(status, "postmigrate") ||
	    !strcmp(status, "finish-migrate"))
		guest->migrating = true;
}

static void done_name(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *name = reply_string(ret, "name");

	(void)time_ms;
	if (name && *name)
		guest_set_name(guest, name);
}

static void done_uuid(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)time_ms;
	guest_set_uuid(guest, reply_string(ret, "UUID"));
}

/* What a balloon calls the guest's size has DIMMs in it and virtio-mem not. */
static void set_ram(struct guest *guest, uint64_t beside)
{
	struct session *s = session_of(guest);

	guest->actual = add_cap(sub_floor(guest->actual, s->beside), beside);
	s->beside = beside;
	guest->ram = s->base + (s->devices_known ? s->dimms + beside : s->plugged);
	guest->actual = min_u64(guest->actual, guest->ram);
}

static void done_size(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	struct session *s = session_of(guest);
	uint64_t base, plugged = 0;

	(void)time_ms;
	if (!reply_u64(ret, "base-memory", &base) || base > SANE_RAM_MAX)
		return;
	if (reply_u64(ret, "plugged-memory", &plugged) && plugged > SANE_RAM_MAX)
		return;
	s->base = base;
	s->plugged = plugged;
	set_ram(guest, s->beside);
}

static void done_memory_devices(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	struct session *s = session_of(guest);
	uint64_t size, dimms = 0, beside = 0;
	size_t i, n;

	(void)time_ms;
	n = json_object_is_type(ret, json_type_array) ? json_object_array_length(ret) : 0;
	for (i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(ret, i);
		const char *type = reply_string(item, "type");

		if (!type || !reply_u64(reply_object(item, "data"), "size", &size) ||
		    size > SANE_RAM_MAX)
			continue;
		if (!strcmp(type, "dimm"))
			dimms = min_u64(dimms + size, SANE_RAM_MAX);
		else if (!strcmp(type, "virtio-mem"))
			beside = min_u64(beside + size, SANE_RAM_MAX);
	}
	s->devices_known = json_object_is_type(ret, json_type_array);
	s->dimms = dimms;
	set_ram(guest, beside);
	apply_risen(guest);
}

static void failed_memory_devices(struct guest *guest)
{
	session_of(guest)->devices_known = false;
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
		reply_u64(json_object_array_get_idx(ret, 0), "thread-id", &thread);
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
		const char *type = reply_string(item, "type"), *name = reply_string(item, "name");
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
		const char *name = reply_string(item, "name"), *path = reply_string(item, "path");

		if (name && path && !strcmp(name, "virtio-balloon") && set_device(guest, path))
			guest->wants |= WANT(session_of(guest)->no_status ? CMD_OFFERED :
								      CMD_VIRTIO_STATUS);
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
	struct json_object *host = reply_array(reply_object(ret, "host-features"), "dev-features");
	struct json_object *own = reply_array(reply_object(ret, "guest-features"), "dev-features");
	struct json_object *status = reply_array(reply_object(ret, "status"), "statuses");
	bool before = guest->driver_ok;

	if (!host || !own || !status)
		return;
	guest->virtio_known = true;
	guest->driver_ok = reply_has_word(status, "VIRTIO_CONFIG_S_DRIVER_OK");
	guest->offers_reporting = reply_has_word(host, "VIRTIO_BALLOON_F_REPORTING");
	guest->offers_oom = reply_has_word(host, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM");
	guest->offers_stats = reply_has_word(host, "VIRTIO_BALLOON_F_STATS_VQ");
	guest->offers_hint = reply_has_word(host, "VIRTIO_BALLOON_F_FREE_PAGE_HINT");
	guest->has_reporting = reply_has_word(own, "VIRTIO_BALLOON_F_REPORTING");
	guest->has_oom = reply_has_word(own, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM");
	guest->has_stats = reply_has_word(own, "VIRTIO_BALLOON_F_STATS_VQ");
	guest->has_poison = reply_has_word(own, "VIRTIO_BALLOON_F_PAGE_POISON");
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
	guest_set_interval(guest);
}

static void done_stats(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	talk_set_stats(guest, ret, time_ms);
}

static void done_migrate(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	static const char *const over[] = { "none", "completed", "failed", "cancelled" };
	const char *status = reply_string(ret, "status");
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
	struct session *s = session_of(guest);
	uint64_t idx;

	(void)time_ms;
	if (!reply_u64(ret, "used-idx", &idx) || idx > UINT16_MAX)
		return;
	if (s->used_idx_known)
		guest->reports += (uint16_t)(idx - s->last_used_idx);
	s->last_used_idx = (unsigned int)idx;
	s->used_idx_known = true;
}

/* What all disks have read, ever. */
static void done_disks(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	size_t i, n = json_object_is_type(ret, json_type_array) ?
		      json_object_array_length(ret) : 0;
	uint64_t bytes, sum = 0;

	(void)time_ms;
	for (i = 0; i < n; i++)
		if (reply_u64(reply_object(json_object_array_get_idx(ret, i), "stats"), "rd_bytes",
			    &bytes))
			sum = add_cap(sum, bytes);
	guest->disk_reads = min_u64(sum, UNSET - 1);
}

static void failed_disks(struct guest *guest)
{
	guest->disks_refused = true;
}

static const struct talk_command commands[NR_COMMANDS] = {
	[CMD_CAPABILITIES] = { "qmp_capabilities", done_capabilities, NULL },
	[CMD_BALLOON] = { "balloon", done_balloon, guest_set_refused },
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

static int write_arguments(const struct guest *guest, enum command command, char *buf,
			   size_t size)
{
	switch (command) {
	case CMD_BALLOON:
		return snprintf(buf, size, ",\"arguments\":{\"value\":%" PRIu64 "}",
				max_u64(sub_floor(guest->target, session_of(guest)->beside), MIB));
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

static int ask(struct guest *guest, unsigned int command, uint64_t time_ms)
{
	char arguments[512];
	int n;

	n = write_arguments(guest, (enum command)command, arguments, sizeof(arguments));
	if (n < 0 || (size_t)n >= sizeof(arguments))
		return -EINVAL;
	return talk_ask(guest, commands, command, arguments, time_ms);
}

static void take_event(struct guest *guest, const char *event, struct json_object *message,
		       uint64_t time_ms)
{
	struct json_object *data = reply_object(message, "data");
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
		guest_set_reset(guest, time_ms);
	} else if (!strcmp(event, "MIGRATION")) {
		status = reply_string(data, "status");
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

static uint32_t wanted(const struct guest *guest, enum topic topic)
{
	switch (topic) {
	case TOPIC_ALL:
		return WANT(CMD_CAPABILITIES) | WANT(CMD_NAME) | WANT(CMD_UUID) |
		       WANT(CMD_STATUS) | WANT(CMD_SIZE) | WANT(CMD_MEMORY_DEVICES) |
		       WANT(CMD_CPUS) | WANT(CMD_DEVICES) | WANT(CMD_DEVICES_ANON) |
		       WANT(CMD_RAMBLOCK) | WANT(CMD_VIRTIO) | WANT(CMD_MIGRATE);
	case TOPIC_TARGET:
		return WANT(CMD_BALLOON);
	case TOPIC_ACTUAL:
		return WANT(CMD_QUERY_BALLOON);
	case TOPIC_STATS:
		return WANT(CMD_STATS);
	case TOPIC_PERIOD:
		return WANT(CMD_INTERVAL);
	case TOPIC_STATE:
		return WANT(CMD_MIGRATE);
	case TOPIC_FACTS:
		return WANT(CMD_STATUS) | WANT(CMD_SIZE) | WANT(CMD_DEVICES) |
		       WANT(CMD_MEMORY_DEVICES) |
		       (guest->virtio_known ? WANT(CMD_VIRTIO_STATUS) : 0) |
		       (guest->has_device ? 0 : WANT(CMD_VIRTIO) | WANT(CMD_DEVICES_ANON));
	case TOPIC_DISKS:
		return WANT(CMD_DISKS);
	default:
		return 0;
	}
}

/*
 * QEMU 11 has no words for a device's features, asserts that it has, and ends, with
 * the guest in it. Whether a later one does is not known.
 */
#define FIRST_WITHOUT_STATUS 11

static void take_greeting(struct guest *guest, struct json_object *greeting)
{
	struct json_object *version = reply_object(reply_object(greeting, "version"), "qemu");
	uint64_t major;

	session_of(guest)->no_status = reply_u64(version, "major", &major) &&
				       major >= FIRST_WITHOUT_STATUS;
}

/**
 * guest_qmp_message - take one message from QEMU
 * @guest: the guest
 * @message: the message, an object
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int guest_qmp_message(struct guest *guest, struct json_object *message, uint64_t time_ms)
{
	const char *event = reply_string(message, "event");
	struct json_object *greeting;

	if (guest->phase == GUEST_GREETING) {
		greeting = reply_object(message, "QMP");
		if (!greeting)
			return -EPROTO;
		take_greeting(guest, greeting);
		guest_greeted(guest, time_ms);
	} else if (event) {
		take_event(guest, event, message, time_ms);
	} else {
		talk_reply(guest, commands, message, time_ms);
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

	return guest_qmp_message(input->guest, message, input->time_ms);
}

static int receive(struct guest *guest, const char *data, size_t len, uint64_t time_ms)
{
	struct input input = { guest, time_ms };

	return qmp_feed(session_of(guest)->qmp, data, len, on_message, &input);
}

static int open_session(struct guest *guest)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s)
		s->qmp = qmp_new();
	if (!s || !s->qmp) {
		free(s);
		return -ENOMEM;
	}
	guest->session = s;
	return 0;
}

static void close_session(struct guest *guest)
{
	/* So many disks that it would end each session. */
	if (guest->in_flight == CMD_DISKS && guest->last_error == -EMSGSIZE)
		guest->disks_refused = true;
	qmp_free(session_of(guest)->qmp);
	free(guest->session);
}

/*
 * QEMU serves one client per socket: a second one is connected but gets no
 * greeting until the first has gone.
 */
const struct transport transport_qmp = {
	.name = "qmp",
	.greets = true,
	.open = open_session,
	.close = close_session,
	.commands = wanted,
	.ask = ask,
	.receive = receive,
};
