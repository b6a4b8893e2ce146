// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One session: the daemon asks about one domain, libvirt is asked, and the answer
 * goes back. ../guest_libvirt.c says what is spoken. The thread of a domain that
 * hangs waits here, and nobody else does.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../log.h"
#include "../reply.h"
#include "../util.h"
#include "bridge.h"
#include "domain_xml.h"

#define LINE_MAX_BYTES 2048

struct session {
	const char *uuid;
	int fd;
	unsigned int period_before;	/* as the domain has it */
	bool period_known, period_set;
};

static void add_u64(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

static void add_bool(struct json_object *to, const char *key, bool value)
{
	json_object_object_add(to, key, json_object_new_boolean(value));
}

static void add_text(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, json_object_new_string(value));
}

static const char *state_name(int state)
{
	static const char *const names[] = {
		[VIR_DOMAIN_NOSTATE] = "unknown", [VIR_DOMAIN_RUNNING] = "running",
		[VIR_DOMAIN_BLOCKED] = "running", [VIR_DOMAIN_PAUSED] = "paused",
		[VIR_DOMAIN_SHUTDOWN] = "shutdown", [VIR_DOMAIN_SHUTOFF] = "shutoff",
		[VIR_DOMAIN_CRASHED] = "crashed", [VIR_DOMAIN_PMSUSPENDED] = "suspended",
	};

	return state >= 0 && state < (int)ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* libvirt has no call for it, but a file. */
static uint64_t process_of(const char *name)
{
	const char *dir = watch_state_directory();
	char path[PATH_MAX], text[32];
	uint64_t pid;

	if (!dir || strchr(name, '/') ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s.pid", dir, name) >= sizeof(path) ||
	    read_text(path, text, sizeof(text)) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, 1, INT32_MAX, &pid) ? 0 : pid;
}

static bool add_xml(virDomainPtr domain, struct session *s, struct json_object *to)
{
	char *text = virDomainGetXMLDesc(domain, 0);
	struct domain_xml xml;

	if (!text)
		return false;
	domain_xml_read(text, &xml);
	free(text);
	add_bool(to, "balloon", xml.balloon);
	add_bool(to, "reporting", xml.reporting);
	add_bool(to, "autodeflate", xml.autodeflate);
	add_bool(to, "locked", xml.locked);
	add_bool(to, "assigned", xml.assigned);
	add_u64(to, "page_size", xml.page_size);
	if (!s->period_known)
		s->period_before = xml.period_s;
	s->period_known = true;
	return true;
}

static bool query_guest(virDomainPtr domain, struct session *s, struct json_object *arguments,
			struct json_object *to)
{
	const char *name = virDomainGetName(domain);
	virDomainJobInfo job = { 0 };
	virDomainInfo info;
	bool running;

	(void)arguments;
	if (virDomainGetInfo(domain, &info) || !add_xml(domain, s, to))
		return false;
	running = info.state == VIR_DOMAIN_RUNNING || info.state == VIR_DOMAIN_BLOCKED;
	add_text(to, "name", name);
	add_text(to, "uuid", s->uuid);
	add_text(to, "state", state_name(info.state));
	add_bool(to, "running", running);
	add_u64(to, "ram", (uint64_t)info.maxMem * KIB);
	add_u64(to, "actual", (uint64_t)info.memory * KIB);
	add_u64(to, "pid", process_of(name));
	add_bool(to, "migrating", !virDomainGetJobInfo(domain, &job) &&
		 job.type != VIR_DOMAIN_JOB_NONE);
	return true;
}

static bool query_stats(virDomainPtr domain, struct session *s, struct json_object *arguments,
			struct json_object *to)
{
	static const struct {
		int tag;
		const char *key;
		uint64_t unit;
	} keys[] = {
		{ VIR_DOMAIN_MEMORY_STAT_AVAILABLE, "stat-total-memory", KIB },
		{ VIR_DOMAIN_MEMORY_STAT_UNUSED, "stat-free-memory", KIB },
		{ VIR_DOMAIN_MEMORY_STAT_USABLE, "stat-available-memory", KIB },
		{ VIR_DOMAIN_MEMORY_STAT_DISK_CACHES, "stat-disk-caches", KIB },
		{ VIR_DOMAIN_MEMORY_STAT_SWAP_IN, "stat-swap-in", KIB },
		{ VIR_DOMAIN_MEMORY_STAT_SWAP_OUT, "stat-swap-out", KIB },
		{ VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT, "stat-major-faults", 1 },
	};
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	struct json_object *numbers;
	int nr = virDomainMemoryStats(domain, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0), i;
	size_t k;

	(void)s;
	(void)arguments;
	if (nr < 0)
		return false;
	numbers = json_object_new_object();
	for (i = 0; i < nr; i++) {
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
			add_u64(to, "actual", stats[i].val * KIB);
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE)
			add_u64(to, "last-update", stats[i].val);
		for (k = 0; k < ARRAY_SIZE(keys); k++)
			if (stats[i].tag == keys[k].tag)
				add_u64(numbers, keys[k].key, stats[i].val * keys[k].unit);
	}
	json_object_object_add(to, "stats", numbers);
	return true;
}

/* The path "" stands for all disks. */
static bool query_disks(virDomainPtr domain, struct session *s, struct json_object *arguments,
			struct json_object *to)
{
	virDomainBlockStatsStruct stats;

	(void)s;
	(void)arguments;
	if (virDomainBlockStats(domain, "", &stats, sizeof(stats)) || stats.rd_bytes < 0)
		return false;
	add_u64(to, "rd_bytes", (uint64_t)stats.rd_bytes);
	return true;
}

static bool set_size(virDomainPtr domain, struct session *s, struct json_object *arguments,
		     struct json_object *to)
{
	uint64_t value;

	(void)s;
	(void)to;
	return reply_u64(arguments, "value", &value) &&
	       !virDomainSetMemoryFlags(domain, value / KIB, VIR_DOMAIN_AFFECT_LIVE);
}

static bool set_period(virDomainPtr domain, struct session *s, struct json_object *arguments,
		       struct json_object *to)
{
	uint64_t value;

	(void)to;
	if (!reply_u64(arguments, "value", &value) || value > INT32_MAX ||
	    virDomainSetMemoryStatsPeriod(domain, (int)value, VIR_DOMAIN_AFFECT_LIVE))
		return false;
	s->period_set = true;
	return true;
}

static const struct {
	const char *name;
	bool (*run)(virDomainPtr domain, struct session *s, struct json_object *arguments,
		    struct json_object *to);
} commands[] = {
	{ "query-guest", query_guest },
	{ "query-stats", query_stats },
	{ "query-disks", query_disks },
	{ "set-size", set_size },
	{ "set-period", set_period },
};

static virDomainPtr find_domain(const char *uuid)
{
	virConnectPtr conn = watch_connection();
	virDomainPtr domain;

	if (!conn)
		return NULL;
	domain = virDomainLookupByUUIDString(conn, uuid);
	virConnectClose(conn);		/* the domain keeps it */
	return domain;
}

static const char *problem(virDomainPtr domain, bool known)
{
	const virError *error = virGetLastError();

	if (!known)
		return "no such command";
	if (!domain && !error)
		return "libvirtd is not there";
	return error && error->message ? error->message : "failed";
}

static bool answer(struct session *s, struct json_object *message)
{
	struct json_object *reply = json_object_new_object(), *to = json_object_new_object();
	const char *name = reply_string(message, "execute"), *text;
	virDomainPtr domain;
	bool known = false, done = false, sent;
	uint64_t id = 0;
	size_t i, len;
	char line[LINE_MAX_BYTES * 2];

	virResetLastError();
	domain = find_domain(s->uuid);
	for (i = 0; name && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name))
			continue;
		known = true;
		done = domain && commands[i].run(domain, s, reply_object(message, "arguments"), to);
	}
	if (!done) {
		json_object_put(to);
		to = json_object_new_object();
		add_text(to, "desc", problem(domain, known));
	}
	json_object_object_add(reply, done ? "return" : "error", to);
	reply_u64(message, "id", &id);
	add_u64(reply, "id", id);
	text = json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN);
	len = (size_t)snprintf(line, sizeof(line), "%s\n", text);
	sent = len < sizeof(line) && domains_send(s->uuid, s->fd, line, len);
	json_object_put(reply);
	if (domain)
		virDomainFree(domain);
	return sent;
}

/* As it was before the daemon came. */
static void restore_period(const struct session *s)
{
	virDomainPtr domain = s->period_set ? find_domain(s->uuid) : NULL;

	if (!domain)
		return;
	virDomainSetMemoryStatsPeriod(domain, (int)s->period_before, VIR_DOMAIN_AFFECT_LIVE);
	virDomainFree(domain);
}

static bool take_line(struct session *s, const char *line)
{
	struct json_object *message = json_tokener_parse(line);
	bool fine = json_object_is_type(message, json_type_object) && answer(s, message);

	json_object_put(message);
	return fine;
}

/**
 * serve - answer until the session ends
 * @uuid: the domain
 * @fd: the session
 */
void serve(const char *uuid, int fd)
{
	static const char greeting[] = "{\"autoballoon\":{\"manager\":\"libvirt\"}}\n";
	struct session s = { .uuid = uuid, .fd = fd };
	char buf[LINE_MAX_BYTES], *end;
	size_t len = 0;
	ssize_t n;

	if (!domains_send(uuid, fd, greeting, sizeof(greeting) - 1))
		return;
	while (len < sizeof(buf) - 1 && (n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0)) > 0) {
		len += (size_t)n;
		buf[len] = '\0';
		while ((end = strchr(buf, '\n'))) {
			*end++ = '\0';
			if (!take_line(&s, buf))
				goto out;
			len -= (size_t)(end - buf);
			memmove(buf, end, len + 1);
		}
	}
out:
	restore_period(&s);
}
