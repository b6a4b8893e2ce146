// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU's guest agent: JSON lines over a socket of QEMU's, which serves one client at a
 * time.  libvirt keeps that socket for itself, so its domains are asked through virsh.
 *
 * What answers is a guest, which may say anything: no answer is longer than ANSWER_MAX,
 * none is waited for without a limit, and its text is cleaned before it is shown.
 */
#include "ctl_agent.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reply.h"
#include "util.h"

#define ANSWER_MAX (256 * 1024)
#define TEXT_MAX (16 * 1024)
#define ANSWER_MS 10000
#define POLL_MS 200

static char error[256];

__attribute__((format(printf, 1, 2)))
static int fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, sizeof(error), fmt, args);
	va_end(args);
	return -1;
}

const char *agent_error(void)
{
	return error;
}

/* Up to a character, or the end of the file; NULL without it in time. */
static char *read_to(int fd, int last, bool end_counts)
{
	uint64_t end = now_ms() + ANSWER_MS;
	size_t len = 0;
	char *text = malloc(ANSWER_MAX);

	while (text && len < ANSWER_MAX - 1) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n = 0;

		if (poll(&ready, 1, (int)sub_floor(end, now_ms())) > 0)
			n = read(fd, text + len, 1);
		if (n < 0 || (!n && !end_counts) || (!n && now_ms() >= end))
			break;
		if (!n || (unsigned char)text[len] == last) {
			text[len] = '\0';
			return text;
		}
		len++;
	}
	free(text);
	return NULL;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (!copy_string(addr.sun_path, sizeof(addr.sun_path), path))
		return fail("%.150s: the path is too long", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		fail("%.150s: %s; see autoballoonctl setup agent", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int send_text(int fd, const char *text)
{
	size_t len = strlen(text);

	return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 :
	       fail("cannot write to the guest's agent: %s", strerror(errno));
}

/* What a client before us left unread is passed over: 0xff is in no answer. */
static int synchronize(int fd)
{
	char *text;

	if (send_text(fd, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1}}\n"))
		return -1;
	text = read_to(fd, 0xff, false);
	if (text) {
		free(text);
		text = read_to(fd, '\n', false);
	}
	if (!text)
		return fail("the guest's agent does not answer: does qemu-guest-agent run in the guest, and does nobody else hold its socket?");
	free(text);
	return 0;
}

/* Open the way to an agent; 0, or -1 with agent_error(). */
int agent_open(struct agent *agent)
{
	agent->fd = -1;
	if (!agent->socket)
		return 0;
	agent->fd = connect_to(agent->socket);
	if (agent->fd < 0)
		return -1;
	if (!synchronize(agent->fd))
		return 0;
	agent_close(agent);
	return -1;
}

void agent_close(struct agent *agent)
{
	if (agent->fd >= 0)
		close(agent->fd);
	agent->fd = -1;
}

/* What virsh prints; its own words go where ours do. */
static char *ask_virsh(const char *domain, const char *command)
{
	int fds[2], status = 0;
	char *text = NULL;
	pid_t pid;

	if (pipe(fds))
		return NULL;
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execlp("virsh", "virsh", "--quiet", "qemu-agent-command", "--domain", domain,
		       "--timeout", "10", command, (char *)NULL);
		fprintf(stderr, "autoballoonctl: cannot run virsh: %s\n", strerror(errno));
		_exit(127);
	}
	close(fds[1]);
	if (pid > 0)
		text = read_to(fds[0], '\n', true);
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (pid > 0 && !status)
		return text;
	fail("virsh could not ask the guest's agent");
	free(text);
	return NULL;
}

/* What "return" has, to be put; NULL with agent_error(). */
static struct json_object *ask(struct agent *agent, struct json_object *command)
{
	const char *line = json_object_to_json_string_ext(command, JSON_C_TO_STRING_PLAIN);
	struct json_object *answer, *object = NULL;
	char *text = NULL;

	if (agent->socket) {
		if (!send_text(agent->fd, line) && !send_text(agent->fd, "\n")) {
			text = read_to(agent->fd, '\n', false);
			if (!text)
				fail("the guest's agent does not answer any more");
		}
	} else {
		text = ask_virsh(agent->domain, line);
	}
	json_object_put(command);
	answer = text ? json_tokener_parse(text) : NULL;
	if (text && !answer)
		fail("the answer of the guest's agent is not JSON");
	free(text);
	if (answer)
		object = reply_object(answer, "return");
	if (answer && !object) {
		const char *why = reply_string(reply_object(answer, "error"), "desc");

		fail("the guest's agent: %.200s", why ? why : "no answer that makes sense");
		clean_words(error);
	}
	json_object_get(object);
	json_object_put(answer);
	return object;
}

static struct json_object *request(const char *name, struct json_object *arguments)
{
	struct json_object *command = json_object_new_object();

	json_object_object_add(command, "execute", json_object_new_string(name));
	json_object_object_add(command, "arguments", arguments);
	return command;
}

static int value_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Of base64; an empty text of anything else. */
static char *decode(const char *text)
{
	char *out = calloc(1, TEXT_MAX);
	unsigned int bits = 0;
	size_t len = 0, nr;

	for (nr = 0; out && text && value_of(text[nr]) >= 0 && len < TEXT_MAX - 1; nr++) {
		bits = bits << 6 | (unsigned int)value_of(text[nr]);
		if (nr % 4)
			out[len++] = (char)(bits >> (6 - nr % 4 * 2));
	}
	return out;
}

static int start(struct agent *agent, const char *const *argv, uint64_t *pid)
{
	struct json_object *arguments = json_object_new_object(), *words = json_object_new_array();
	struct json_object *answer;
	int i;

	for (i = 1; argv[i]; i++)
		json_object_array_add(words, json_object_new_string(argv[i]));
	json_object_object_add(arguments, "path", json_object_new_string(argv[0]));
	json_object_object_add(arguments, "arg", words);
	json_object_object_add(arguments, "capture-output", json_object_new_boolean(true));
	answer = ask(agent, request("guest-exec", arguments));
	if (!answer)
		return -1;
	if (!reply_u64(answer, "pid", pid)) {
		json_object_put(answer);
		return fail("the guest's agent gave no process id");
	}
	json_object_put(answer);
	return 0;
}

/* 1: it has ended; 0: not yet; -1: there is no knowing. */
static int poll_result(struct agent *agent, uint64_t pid, struct agent_result *result)
{
	struct json_object *arguments = json_object_new_object(), *answer;
	uint64_t status = 0;
	bool exited = false;

	json_object_object_add(arguments, "pid", json_object_new_uint64(pid));
	answer = ask(agent, request("guest-exec-status", arguments));
	if (!answer)
		return -1;
	reply_bool(answer, "exited", &exited);
	if (exited) {
		result->status = reply_u64(answer, "exitcode", &status) ? (int)status : -1;
		result->out = decode(reply_string(answer, "out-data"));
		result->err = decode(reply_string(answer, "err-data"));
	}
	json_object_put(answer);
	return exited;
}

/**
 * agent_run - run a program in the guest until it ends
 * @agent: opened
 * @argv: the program and its arguments, NULL at the end
 * @timeout_ms: how long it may take
 * @result: what became of it, if it has ended
 *
 * Return: 0, -ETIMEDOUT (it goes on), or -1 with agent_error().
 */
int agent_run(struct agent *agent, const char *const *argv, uint64_t timeout_ms,
	      struct agent_result *result)
{
	static const struct timespec pause = { 0, POLL_MS * 1000 * 1000 };
	uint64_t end = now_ms() + timeout_ms, pid = 0;
	int ended;

	memset(result, 0, sizeof(*result));
	if (start(agent, argv, &pid))
		return -1;
	for (;;) {
		ended = poll_result(agent, pid, result);
		if (ended < 0)
			return -1;
		if (ended)
			return 0;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}
