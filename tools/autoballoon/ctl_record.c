// SPDX-License-Identifier: GPL-2.0-or-later
/* "autoballoonctl record": what host and guests want, for "simulate" to play. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "policy.h"
#include "reply.h"

/* What was last written about a guest, MiB. */
static struct {
	char name[64];
	uint64_t ram, need, cache;
} seen[POLICY_MAX_GUESTS];
static unsigned int nr_seen;
static uint64_t seen_own;
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static uint64_t mib(struct json_object *from, const char *key)
{
	uint64_t value = UNSET;

	return reply_u64(from, key, &value) && value != UNSET ? value / MIB : UNSET;
}

/* Small changes are noise. */
static bool differs(uint64_t a, uint64_t b, uint64_t whole)
{
	return (a > b ? a - b : b - a) > max_u64(4, whole / 200);
}

static void record_guest(FILE *out, uint64_t t, struct json_object *g)
{
	uint64_t ram = mib(g, "ram"), need = mib(g, "need"), cache = mib(g, "cache");
	const char *name = ctl_text(g, "name");
	unsigned int i;

	if (ram == UNSET || !ram || need == UNSET || cache == UNSET)
		return;
	for (i = 0; i < nr_seen && strcmp(seen[i].name, name);)
		i++;
	if (i == POLICY_MAX_GUESTS)
		return;
	if (i == nr_seen) {
		copy_string(seen[nr_seen++].name, sizeof(seen[0].name), name);
		fprintf(out, "t=%" PRIu64 " guest=%s ram=%" PRIu64 "M programs=%" PRIu64
			"M cache=%" PRIu64 "M reporting=%s deflate-on-oom=%s", t, name, ram, need,
			cache, ctl_flag(g, "reporting") ? "yes" : "no",
			ctl_flag(g, "deflate_on_oom") ? "yes" : "no");
		if (mib(g, "rss") != UNSET)
			fprintf(out, " rss=%" PRIu64 "M", mib(g, "rss"));
		fprintf(out, "\n");
	} else if (differs(need, seen[i].need, ram) || differs(cache, seen[i].cache, ram) ||
		   ram != seen[i].ram) {
		fprintf(out, "t=%" PRIu64 " guest=%s", t, name);
		if (ram != seen[i].ram)
			fprintf(out, " ram=%" PRIu64 "M", ram);
		fprintf(out, " programs=%" PRIu64 "M cache=%" PRIu64 "M\n", need, cache);
	} else {
		return;
	}
	seen[i].ram = ram;
	seen[i].need = need;
	seen[i].cache = cache;
}

static void record_second(FILE *out, uint64_t t, struct json_object *reply)
{
	struct json_object *host = reply_object(reply, "host"), *guests = reply_array(reply, "guests");
	uint64_t total = mib(host, "total"), own = sub_floor(total, mib(host, "available"));
	size_t i, n = guests ? json_object_array_length(guests) : 0;

	for (i = 0; i < n; i++) {
		uint64_t rss = mib(json_object_array_get_idx(guests, i), "rss");

		own = sub_floor(own, rss == UNSET ? 0 : rss);
	}
	if (!t || differs(own, seen_own, total)) {
		fprintf(out, "t=%" PRIu64 " host memory=%" PRIu64 "M own=%" PRIu64 "M\n", t, total,
			own);
		seen_own = own;
	}
	for (i = 0; i < n; i++)
		record_guest(out, t, json_object_array_get_idx(guests, i));
}

static int record(FILE *out)
{
	static const struct timespec second = { 1, 0 };
	uint64_t start = now_ms(), t = 0;
	struct json_object *reply;
	bool limited = opts.given & 1U << ('t' - 'a');
	int status = EXIT_SUCCESS;

	while (!stopped && (!limited || now_ms() - start < opts.timeout_ms)) {
		reply = ctl_ask(ctl_request("status"), &status);
		if (!reply)
			break;
		record_second(out, t, reply);
		json_object_put(reply);
		nanosleep(&second, NULL);
		t = (now_ms() - start) / 1000;
	}
	fprintf(out, "t=%" PRIu64 " end\n", t);
	return status;
}

/**
 * cmd_record - write what host and guests want until interrupted
 *
 * Return: exit status.
 */
int cmd_record(void)
{
	struct sigaction action = { .sa_handler = stop };
	FILE *out;
	int status;

	if (opts.nr_words != 2)
		return ctl_usage("record needs a file");
	out = strcmp(opts.words[1], "-") ? fopen(opts.words[1], "we") : stdout;
	if (!out) {
		fprintf(stderr, "autoballoonctl: %s: %s\n", opts.words[1], strerror(errno));
		return EXIT_FAILURE;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	status = record(out);
	if (fclose(out)) {
		fprintf(stderr, "autoballoonctl: %s: %s\n", opts.words[1], strerror(errno));
		return EXIT_FAILURE;
	}
	return status;
}
