// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket. One client is served at a time, so that one reply buffer
 * of fixed size is enough; the others wait in the listen queue. A client that
 * does not speak or does not read is dropped after two seconds.
 *
 * Who may speak: root, the daemon's own user, and members of the configured
 * group, as the kernel tells it (SO_PEERCRED), not as the client says.
 */
#include "control.h"

#include <errno.h>
#include <grp.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine.h"
#include "log.h"
#include "metrics.h"
#include "orders.h"
#include "reply.h"
#include "report.h"

#define REQUEST_MAX 4096
#define REPLY_MAX (16 * 1024 * 1024)
#define CLIENT_MS 2000

static struct source listener = { .fd = -1 };
static struct source client = { .fd = -1 };
static uint64_t client_ms;
static char request[REQUEST_MAX];
static size_t request_len;
static char *reply_data;
static struct textbuf reply;
static size_t reply_sent;
static char socket_path[CONFIG_TEXT_MAX];
static gid_t allowed_group = (gid_t)-1;

static void fail(struct textbuf *tb, const char *text)
{
	out_bool(tb, "ok", false);
	out_string(tb, "error", text);
}

static void done(struct textbuf *tb)
{
	out_bool(tb, "ok", true);
}

static void do_inject(struct json_object *req, struct textbuf *tb)
{
	const char *name = reply_string(req, "level");
	uint64_t count = 1;
	enum level level;

	reply_u64(req, "count", &count);
	if (!name || level_parse(name, &level) || level == LEVEL_NONE)
		fail(tb, "the level must be low, medium or critical");
	else if (!count || count > 1000)
		fail(tb, "the count must be between 1 and 1000");
	else {
		engine_inject(level, (unsigned int)count);
		done(tb);
	}
}

static void do_plan(struct json_object *req, struct textbuf *tb)
{
	const char *name = reply_string(req, "level");
	enum level level;

	if (name && level_parse(name, &level)) {
		fail(tb, "the level must be none, low, medium or critical");
		return;
	}
	done(tb);
	report_plan(tb, name ? &level : NULL);
}

static void do_metrics(struct json_object *req, struct textbuf *tb)
{
	const char *form = reply_string(req, "form");
	static char *data;
	struct textbuf text;

	if (!data)
		data = big_buffer(METRICS_MAX);
	if (!data) {
		fail(tb, "no memory");
		return;
	}
	textbuf_init(&text, data, METRICS_MAX);
	metrics_format(&text, form && !strcmp(form, "classic") ? METRICS_CLASSIC : METRICS_OPEN);
	if (text.overflow) {
		fail(tb, "too many numbers");
		return;
	}
	done(tb);
	out_string(tb, "text", data);
}

static void do_why(struct json_object *req, struct textbuf *tb)
{
	const char *name = reply_string(req, "guest");
	struct slot *slot = name ? engine_find(name) : NULL;
	const struct policy_verdict *v;

	if (!slot) {
		fail(tb, "no such guest");
		return;
	}
	v = &engine.result.verdict[slot - engine.slots];
	done(tb);
	out_string(tb, "why", why_name(v->why));
	out_string(tb, "text", why_text(v->why));
	history_report(&slot->history, now_ms(), tb);
}

static void dispatch(const char *command, struct json_object *req, struct textbuf *tb)
{
	if (!strcmp(command, "status")) {
		done(tb);
		report_status(tb);
	} else if (!strcmp(command, "plan")) {
		do_plan(req, tb);
	} else if (!strcmp(command, "doctor")) {
		done(tb);
		report_doctor(tb);
	} else if (!strcmp(command, "why")) {
		do_why(req, tb);
	} else if (!strcmp(command, "inject")) {
		do_inject(req, tb);
	} else if (!strcmp(command, "metrics")) {
		do_metrics(req, tb);
	} else if (!orders_dispatch(command, req, tb)) {
		fail(tb, "no such command");
	}
}

/**
 * control_request - answer one request
 * @text: the request, JSON
 * @len: its length
 * @tb: where the reply goes, with a newline at its end
 */
void control_request(const char *text, size_t len, struct textbuf *tb)
{
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *req = NULL;
	const char *command = NULL;

	if (tokener && len < REQUEST_MAX && json_memory(len, 0))
		req = json_tokener_parse_ex(tokener, text, (int)len);
	if (json_object_is_type(req, json_type_object))
		command = reply_string(req, "command");
	out_open(tb, NULL, '{');
	if (command)
		dispatch(command, req, tb);
	else
		fail(tb, "not a request");
	out_close(tb, '}');
	textbuf_printf(tb, "\n");
	if (tb->overflow) {
		textbuf_init(tb, tb->data, tb->size);
		textbuf_printf(tb, "{\"ok\":false,\"error\":\"the reply is too long\"}\n");
	}
	json_object_put(req);
	if (tokener)
		json_tokener_free(tokener);
}

static void drop_client(void)
{
	int fd = client.fd;

	loop_remove(&client);
	if (fd >= 0)
		close(fd);
	loop_change(&listener, EPOLLIN);
}

static void send_reply(void)
{
	ssize_t n;

	n = send(client.fd, reply.data + reply_sent, reply.len - reply_sent,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		drop_client();
		return;
	}
	reply_sent += n > 0 ? (size_t)n : 0;
	if (reply_sent == reply.len)
		drop_client();
	else
		loop_change(&client, EPOLLOUT);
}

static void client_ready(struct source *source, uint32_t events)
{
	char *end;
	ssize_t n;

	if (reply.len) {
		if (events & (EPOLLERR | EPOLLHUP))
			drop_client();
		else
			send_reply();
		return;
	}
	n = recv(source->fd, request + request_len, sizeof(request) - 1 - request_len,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop_client();
		return;
	}
	request_len += (size_t)n;
	request[request_len] = '\0';
	end = memchr(request, '\n', request_len);
	if (!end && request_len < sizeof(request) - 1)
		return;
	control_request(request, end ? (size_t)(end - request) : request_len, &reply);
	send_reply();
}

static bool allowed(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	gid_t groups[64];
	socklen_t size = sizeof(groups);
	size_t i;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	if (allowed_group == (gid_t)-1)
		return false;
	if (cred.gid == allowed_group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		return false;
	for (i = 0; i < size / sizeof(groups[0]); i++)
		if (groups[i] == allowed_group)
			return true;
	return false;
}

static void listener_ready(struct source *source, uint32_t events)
{
	int fd;

	(void)events;
	if (client.fd >= 0)
		return;
	fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!reply_data)
		reply_data = big_buffer(REPLY_MAX);
	if (!reply_data) {
		close(fd);
		return;
	}
	if (!allowed(fd)) {
		log_warn("event=refused reason=\"peer may not use the control socket\"");
		close(fd);
		return;
	}
	request_len = 0;
	reply_sent = 0;
	textbuf_init(&reply, reply_data, REPLY_MAX);
	client.ready = client_ready;
	client_ms = now_ms();
	if (loop_add(&client, fd, EPOLLIN))
		close(fd);
	else
		loop_change(&listener, 0);
}

/*
 * What is there is removed only if it is a socket that nobody listens on. One
 * that is slow to accept, because it is busy or was stopped, is in use.
 */
static int make_way(int fd, const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(addr->sun_path) ? -errno : 0;
}

/**
 * control_open - listen
 * @config: names socket and group
 *
 * A socket that nobody listens on is replaced; one in use is not.
 *
 * Return: 0, or -errno.
 */
int control_open(const struct config *config)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct group *group;
	mode_t mask;
	int fd, err = 0;

	if (!copy_string(addr.sun_path, sizeof(addr.sun_path), config->control_socket))
		return -ENAMETOOLONG;
	if (config->control_group[0]) {
		group = getgrnam(config->control_group);
		if (!group)
			return -ENOENT;
		allowed_group = group->gr_gid;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = make_way(fd, &addr);
	if (err) {
		close(fd);
		return err;
	}
	mask = umask(0117);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128))
		err = -errno;
	umask(mask);
	if (!err && config->control_group[0] &&
	    chown(addr.sun_path, (uid_t)-1, allowed_group))
		log_warn("event=control-group-not-set reason=\"%s\"", strerror(errno));
	listener.ready = listener_ready;
	if (!err)
		err = loop_add(&listener, fd, EPOLLIN);
	if (err) {
		close(fd);
		return err;
	}
	copy_string(socket_path, sizeof(socket_path), config->control_socket);
	return 0;
}

/**
 * control_tick - drop a client that takes too long
 * @time_ms: the time now
 */
void control_tick(uint64_t time_ms)
{
	if (client.fd >= 0 && sub_floor(time_ms, client_ms) > CLIENT_MS)
		drop_client();
}

/**
 * control_close - stop listening and remove the socket
 */
void control_close(void)
{
	int fd = listener.fd;

	drop_client();
	loop_remove(&listener);
	if (fd >= 0) {
		close(fd);
		unlink(socket_path);
	}
}
