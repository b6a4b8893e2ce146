// SPDX-License-Identifier: GPL-2.0-or-later
/* autoballoon-libvirt: makes libvirt's domains guests of autoballoond. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../log.h"
#include "../notify.h"
#include "../util.h"
#include "bridge.h"

const char *argp_program_version = "autoballoon-libvirt 1.0";

static struct {
	const char *uri;
	const char *directory;
	bool debug;
} opts = { "qemu:///system", "/run/autoballoon/libvirt", false };

static volatile sig_atomic_t ending;

static const struct argp_option option_list[] = {
	{ "connect", 'c', "URI", 0, "Domains of this libvirtd, qemu:///system by default", 0 },
	{ "directory", 'D', "DIRECTORY", 0,
	  "Make the sockets here, /run/autoballoon/libvirt by default", 0 },
	{ "debug", 'd', NULL, 0, "Log more", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'c':
		opts.uri = arg;
		return 0;
	case 'D':
		if (*arg != '/')
			argp_error(state, "the directory must be an absolute path");
		opts.directory = arg;
		return 0;
	case 'd':
		opts.debug = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_list,
	.parser = parse_option,
	.doc = "Makes the domains of a libvirtd guests of autoballoond: a socket for each that "
	       "runs, by which the daemon asks and sizes it.",
};

static void end(int signo)
{
	(void)signo;
	ending = 1;
	domains_wake();
}

/* Only main is interrupted by them. */
static void catch_signals(sigset_t *mask)
{
	struct sigaction action = { .sa_handler = end };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(mask);
	sigaddset(mask, SIGTERM);
	sigaddset(mask, SIGINT);
	pthread_sigmask(SIG_BLOCK, mask, NULL);
}

int main(int argc, char **argv)
{
	sigset_t mask;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	log_setup(opts.debug ? LOG_PRIO_DEBUG : LOG_PRIO_INFO);
	catch_signals(&mask);
	err = domains_open(opts.directory);
	if (err) {
		log_error("event=start-failed directory=%s reason=\"%s\"", opts.directory,
			  err == -EADDRINUSE ? "another one uses it" : strerror(-err));
		return EXIT_FAILURE;
	}
	err = watch_start(opts.uri);
	if (err) {
		log_error("event=start-failed reason=\"%s\"", strerror(-err));
		return EXIT_FAILURE;
	}
	pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
	notify("READY=1");
	log_info("event=started uri=%s directory=%s", opts.uri, opts.directory);
	while (!ending)
		domains_accept();
	notify("STOPPING=1");
	domains_close();
	/* Threads may wait for a libvirtd that hangs: none of them is waited for. */
	_exit(EXIT_SUCCESS);
}
