// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * autoballoonctl park and unpark: a guest gives back what it can and rests, for a
 * snapshot.  page-reporting does it, in the guest; QEMU's guest agent starts it.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_agent.h"
#include "reply.h"

/* Exit statuses of page-reporting(8). */
enum { PARK_OK = 0, PARK_TIMEOUT = 3, PARK_PASSED_OVER = 8 };

/* Beside the monitor "web.qmp" the agent is "web.qga". */
static int socket_beside(const char *monitor, char *path, size_t size)
{
	static const char ending[] = ".qmp";
	size_t len = strlen(monitor), tail = sizeof(ending) - 1;

	if (len > tail && !strcmp(monitor + len - tail, ending))
		len -= tail;
	return (size_t)snprintf(path, size, "%.*s.qga", (int)len, monitor) < size ? 0 : -1;
}

/* How the daemon's guest is to be reached; an exit status. */
static int find_agent(const char *name, struct agent *agent)
{
	static char path[PATH_MAX], uuid[64];
	struct json_object *reply, *guest;
	int status;

	reply = ctl_ask(ctl_request("status"), &status);
	if (!reply)
		return status;
	guest = ctl_find_guest(reply, name);
	status = EXIT_FAILURE;
	if (!guest) {
		fprintf(stderr, "autoballoonctl: there is no guest \"%s\"\n", name);
	} else if (!strcmp(ctl_text(guest, "transport"), "libvirt")) {
		copy_string(uuid, sizeof(uuid), ctl_text(guest, "uuid"));
		agent->domain = uuid;
		status = EXIT_SUCCESS;
	} else if (strcmp(ctl_text(guest, "transport"), "qmp")) {
		fprintf(stderr, "autoballoonctl: guests of %s have no agent that could be asked\n",
			ctl_text(guest, "transport"));
	} else if (!socket_beside(ctl_text(guest, "socket"), path, sizeof(path))) {
		agent->socket = path;
		status = EXIT_SUCCESS;
	}
	json_object_put(reply);
	return status;
}

/* A guest's words, fit for a terminal. */
static void print_lines(FILE *to, char *text)
{
	char *line;

	while (text && (line = strsep(&text, "\n"))) {
		clean_words(line);
		if (*line)
			fprintf(to, "%s\n", line);
	}
}

/* What the guest's tool said, and what it means here. */
static int tell(const struct agent_result *result)
{
	bool silent = !result->err || !*result->err;

	print_lines(stderr, result->err);
	print_lines(stdout, result->out);
	if (result->status == PARK_OK || result->status == PARK_PASSED_OVER)
		return EXIT_SUCCESS;
	if (result->status == PARK_TIMEOUT)
		return EXIT_TIMEOUT;
	if (silent)
		fprintf(stderr, "autoballoonctl: page-reporting in the guest ended with %d\n",
			result->status);
	return EXIT_REFUSED;
}

static int run(struct agent *agent, const char *const *argv)
{
	struct agent_result result;
	int status, err;

	if (agent_open(agent)) {
		fprintf(stderr, "autoballoonctl: %s\n", agent_error());
		return EXIT_FAILURE;
	}
	err = agent_run(agent, argv, opts.timeout_ms, &result);
	agent_close(agent);
	if (err == -ETIMEDOUT) {
		fprintf(stderr, "autoballoonctl: time is over; it goes on in the guest\n");
		return EXIT_TIMEOUT;
	}
	if (err) {
		fprintf(stderr, "autoballoonctl: %s\n", agent_error());
		return EXIT_FAILURE;
	}
	status = tell(&result);
	free(result.out);
	free(result.err);
	return status;
}

int cmd_park(void)
{
	/* The guest's flush has half of the time. */
	uint64_t flush_ms = max_u64(1, min_u64(opts.timeout_ms / 2, 600000));
	const char *what = opts.nr_words > 2 ? opts.words[2] : NULL;
	bool park = !strcmp(opts.words[0], "park");
	char timeout[32], cache[32] = "--cache=cold";
	const char *argv[5] = { "page-reporting", opts.words[0], timeout, park ? cache : NULL };
	struct agent agent = { .socket = opts.agent };
	int status;

	if (opts.nr_words < 2 || opts.nr_words > 3)
		return ctl_usage(park ? "park needs a guest, and perhaps cold, all or keep" :
				 "unpark needs a guest, and perhaps \"resync\"");
	if (park && what) {
		if (strcmp(what, "cold") && strcmp(what, "all") && strcmp(what, "keep"))
			return ctl_usage("what park does about page cache is cold, all or keep");
		snprintf(cache, sizeof(cache), "--cache=%s", what);
	} else if (what) {
		if (strcmp(what, "resync"))
			return ctl_usage("unpark knows \"resync\" and nothing else");
		argv[3] = "--resync";
	}
	snprintf(timeout, sizeof(timeout), "--timeout=%" PRIu64, flush_ms);
	if (!agent.socket) {
		status = find_agent(opts.words[1], &agent);
		if (status)
			return status;
	}
	return run(&agent, argv);
}
