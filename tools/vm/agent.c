// SPDX-License-Identifier: GPL-2.0
/*
 * Command agent of the test guest.
 *
 * It runs as the guest's first process (/init ends in it), reads requests from
 * a serial line and runs each as a shell command of its own process group.
 * Several may run at once.  The other end is tools/vm/channel.py.
 *
 * From the host, a header line and, for run, a payload of that length:
 *
 *	run ID TIMEOUT_MS LENGTH\n<shell script>
 *	kill ID SIGNAL\n
 *	\n			nothing: it wakes a sleeping guest
 *
 * To the host, a header line and, for out and err, a payload:
 *
 *	hello VERSION 0\n	the agent has started
 *	out ID LENGTH\n<bytes>	a piece of standard output
 *	err ID LENGTH\n<bytes>	a piece of standard error
 *	exit ID STATUS\n	ended; 128 + signal when a signal ended it
 *	late ID STATUS\n	the same, after TIMEOUT_MS passed and it was killed
 *
 * The line is lossless as long as both ends keep reading.  The agent never
 * waits for a child to read or write, only for the host to take its frames.
 * It locks its memory and cannot be chosen by the OOM killer, so that it
 * answers when everything else in the guest is in trouble.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define VERSION		1
#define MAX_JOBS	32
#define MAX_SCRIPT	32768
#define MAX_HEADER	64
#define CHUNK		4096

struct job {
	pid_t pid;		/* 0: this slot is free */
	unsigned int id;	/* the host's number for it */
	int out;		/* read ends of its pipes, -1 once closed */
	int err;
	long long deadline_ms;	/* monotonic, 0: none */
	int late;		/* it was killed for being late */
};

static struct job jobs[MAX_JOBS];
static int line = -1;

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void complain(const char *what)
{
	dprintf(STDERR_FILENO, "agent: %s: %s\n", what, strerror(errno));
}

static void send_all(const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(line, data, len);

		if (n > 0) {
			data += n;
			len -= n;
		} else if (n < 0 && errno != EINTR) {
			/* The line hangs up for a moment around a suspend. */
			usleep(10000);
		}
	}
}

static void send_frame(const char *kind, unsigned int id, long number)
{
	char head[MAX_HEADER];

	send_all(head, snprintf(head, sizeof(head), "%s %u %ld\n", kind, id, number));
}

/* Pass on what a pipe holds now; close it at its end. */
static void forward(struct job *job, const char *kind, int *fd, int to_the_end)
{
	char buf[CHUNK];

	while (*fd >= 0) {
		ssize_t n = read(*fd, buf, sizeof(buf));

		if (n > 0) {
			send_frame(kind, job->id, n);
			send_all(buf, n);
			if (!to_the_end)
				return;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else {
			close(*fd);
			*fd = -1;
		}
	}
}

static void finish(struct job *job, int status)
{
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

	/* A daemon it left behind may hold the pipes: take only what is there. */
	forward(job, "out", &job->out, 1);
	forward(job, "err", &job->err, 1);
	if (job->out >= 0)
		close(job->out);
	if (job->err >= 0)
		close(job->err);
	send_frame(job->late ? "late" : "exit", job->id, code);
	job->pid = 0;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].pid == pid)
				finish(&jobs[i], status);
}

static void become(const char *script, int out, int err)
{
	int null = open("/dev/null", O_RDONLY);
	int adj = open("/proc/self/oom_score_adj", O_WRONLY);
	sigset_t none;

	if (adj >= 0 && write(adj, "0", 1) != 1)
		complain("oom_score_adj");
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	closefrom(STDERR_FILENO + 1);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/bin/sh", "sh", "-c", script, NULL);
	_exit(127);
}

static void start(unsigned int id, long timeout_ms, const char *script)
{
	struct job *job = NULL;
	int out[2], err[2];

	for (int i = 0; i < MAX_JOBS && !job; i++)
		if (!jobs[i].pid)
			job = &jobs[i];
	if (!job || pipe2(out, O_CLOEXEC)) {
		send_frame("exit", id, 126);
		return;
	}
	if (pipe2(err, O_CLOEXEC)) {
		close(out[0]);
		close(out[1]);
		send_frame("exit", id, 126);
		return;
	}
	job->id = id;
	job->late = 0;
	job->deadline_ms = timeout_ms ? now_ms() + timeout_ms : 0;
	job->pid = fork();
	if (job->pid == 0)
		become(script, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	job->out = out[0];
	job->err = err[0];
	fcntl(job->out, F_SETFL, O_NONBLOCK);
	fcntl(job->err, F_SETFL, O_NONBLOCK);
	if (job->pid < 0)
		finish(job, 126 << 8);
}

static void kill_job(unsigned int id, int sig)
{
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].pid && jobs[i].id == id)
			kill(-jobs[i].pid, sig);
}

/*
 * Carry out one complete request at the start of the buffer.
 * Returns the bytes it took, 0 when the request is not complete yet.
 */
static size_t take_request(char *buf, size_t have)
{
	char *end = memchr(buf, '\n', have);
	char script[MAX_SCRIPT + 1];
	unsigned int id;
	size_t head, len;
	long timeout_ms;
	int sig;

	if (!end)
		return have > MAX_HEADER ? have : 0;
	*end = '\0';
	head = end + 1 - buf;
	if (head == 1)
		return head;
	if (sscanf(buf, "kill %u %d", &id, &sig) == 2) {
		kill_job(id, sig);
		return head;
	}
	if (sscanf(buf, "run %u %ld %zu", &id, &timeout_ms, &len) != 3 || len > MAX_SCRIPT) {
		dprintf(STDERR_FILENO, "agent: bad request: %s\n", buf);
		return head;
	}
	if (have < head + len) {
		*end = '\n';
		return 0;
	}
	memcpy(script, end + 1, len);
	script[len] = '\0';
	start(id, timeout_ms, script);
	return head + len;
}

static void take_requests(void)
{
	static char buf[MAX_HEADER + MAX_SCRIPT];
	static size_t have;
	ssize_t n = read(line, buf + have, sizeof(buf) - have);
	size_t took, done = 0;

	if (n <= 0) {
		usleep(10000);
		return;
	}
	have += n;
	while (done < have && (took = take_request(buf + done, have - done)))
		done += took;
	memmove(buf, buf + done, have - done);
	have -= done;
}

/* Kill what is late; returns the milliseconds until the next one would be. */
static int enforce_deadlines(void)
{
	long long now = now_ms(), next = -1;

	for (int i = 0; i < MAX_JOBS; i++) {
		struct job *job = &jobs[i];

		if (!job->pid || !job->deadline_ms || job->late)
			continue;
		if (job->deadline_ms <= now) {
			job->late = 1;
			kill(-job->pid, SIGKILL);
		} else if (next < 0 || job->deadline_ms - now < next) {
			next = job->deadline_ms - now;
		}
	}
	return next;
}

static int open_line(const char *path)
{
	struct termios tio;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &tio)) {
		complain(path);
		return -1;
	}
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tio.c_cflag |= CLOCAL | CREAD;
	tcsetattr(fd, TCSANOW, &tio);
	return fd;
}

static void child_ended(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = child_ended };
	sigset_t blocked, open_mask;
	int adj;

	if (argc != 2 || argv[1][0] == '-') {
		printf("usage: agent LINE\n\nRuns the commands that come in over a serial line.\n");
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	line = open_line(argv[1]);
	if (line < 0)
		return 1;
	adj = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (adj < 0 || write(adj, "-1000", 5) != 5)
		complain("oom_score_adj");
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		complain("mlockall");
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGCHLD, &sa, NULL);
	/* Children may end at any time; ppoll() is where we want to hear of it. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &open_mask);
	sigdelset(&open_mask, SIGCHLD);

	send_frame("hello", VERSION, 0);
	for (;;) {
		struct pollfd fds[1 + 2 * MAX_JOBS] = { { .fd = line, .events = POLLIN } };
		int wait_ms = enforce_deadlines();
		struct timespec wait = { wait_ms / 1000, wait_ms % 1000 * 1000000L };

		for (int i = 0; i < MAX_JOBS; i++) {
			fds[1 + 2 * i].fd = jobs[i].pid ? jobs[i].out : -1;
			fds[2 + 2 * i].fd = jobs[i].pid ? jobs[i].err : -1;
			fds[1 + 2 * i].events = fds[2 + 2 * i].events = POLLIN;
		}
		if (ppoll(fds, 1 + 2 * MAX_JOBS, wait_ms < 0 ? NULL : &wait, &open_mask) > 0) {
			for (int i = 0; i < MAX_JOBS; i++) {
				if (fds[1 + 2 * i].revents)
					forward(&jobs[i], "out", &jobs[i].out, 0);
				if (fds[2 + 2 * i].revents)
					forward(&jobs[i], "err", &jobs[i].err, 0);
			}
			if (fds[0].revents)
				take_requests();
		}
		reap();
	}
}
