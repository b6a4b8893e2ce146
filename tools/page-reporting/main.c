// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * page-reporting: see and steer free page reporting from within the guest.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "sysfile.h"

const char *argp_program_version = "page-reporting 1.0";

enum { OPTION_ROOT = 256 };

struct command {
	const char *name;
	enum exit_status (*run)(const struct options *options);
	const char *options;	/* keys of those that it takes */
};

static const struct command commands[] = {
	{ "status", status_command, "j" },
	{ "flush", flush_command, "tcq" },
	{ "watch", watch_command, "in" },
	{ "doctor", doctor_command, "s" },
	{ "residual", residual_command, "j" },
};

static const struct argp_option option_list[] = {
	{ "json", 'j', NULL, 0, "status, residual: print JSON, in bytes", 0 },
	{ "timeout", 't', "MS", 0, "flush: wait so long at most, in milliseconds (10000)", 0 },
	{ "compact", 'c', NULL, 0, "flush: make free memory whole first", 0 },
	{ "quiet", 'q', NULL, 0, "flush: say nothing when all went well", 0 },
	{ "interval", 'i', "MS", 0, "watch: time between two lines (1000)", 0 },
	{ "count", 'n', "N", 0, "watch: end after N lines", 0 },
	{ "seconds", 's', "N", 0, "doctor: how long to look (3)", 0 },
	{ "root", OPTION_ROOT, "DIR", OPTION_HIDDEN, "Look for /sys, /proc and /dev in DIR", 0 },
	{ 0 }
};

struct arguments {
	struct options options;
	const struct command *command;
	char seen[16];		/* keys of the options that were */
};

static void usage(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void usage(const char *fmt, ...)
{
	va_list args;

	fputs("page-reporting: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("; see --help\n", stderr);
	exit(STATUS_USAGE);
}

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t n;

	if (parse_u64(text, &n) || n < min || n > max)
		usage("%s must be a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"", option,
		      min, max, text);
	return n;
}

static void see(struct arguments *arguments, int key)
{
	size_t len = strlen(arguments->seen);

	if (key < OPTION_ROOT && len + 1 < sizeof(arguments->seen) &&
	    !strchr(arguments->seen, key))
		arguments->seen[len] = (char)key;
}

static void finish(const struct arguments *arguments)
{
	const char *key;

	if (!arguments->command)
		usage("no command given");
	for (key = arguments->seen; *key; key++)
		if (!strchr(arguments->command->options, *key))
			usage("%s takes no option -%c", arguments->command->name, *key);
}

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct options *options = &arguments->options;

	switch (key) {
	case 'j':
		options->json = true;
		break;
	case 'q':
		options->quiet = true;
		break;
	case 'c':
		options->compact = true;
		break;
	case 't':
		options->timeout_ms = number("--timeout", arg, 1, FLUSH_MS_MAX);
		break;
	case 'i':
		options->interval_ms = number("--interval", arg, 10, 86400000);
		break;
	case 'n':
		options->count = number("--count", arg, 1, UINT32_MAX);
		break;
	case 's':
		options->seconds = number("--seconds", arg, 0, 86400);
		break;
	case OPTION_ROOT:
		sysfile_set_root(arg);
		break;
	case ARGP_KEY_ARG:
		if (arguments->command)
			usage("one command at a time, not \"%s\" as well", arg);
		arguments->command = find(arg);
		if (!arguments->command)
			usage("there is no command \"%s\"", arg);
		return 0;
	case ARGP_KEY_END:
		finish(arguments);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	see(arguments, key);
	return 0;
}

static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "COMMAND",
	.doc = "See and steer free page reporting from within the guest.\v"
	       "Commands:\n"
	       "  status    the device, the knobs, the counters, and why memory is not reported\n"
	       "  flush     report all that is free, and return when the host has it\n"
	       "  watch     a line of figures every second\n"
	       "  doctor    is all well, and if not, what to do\n"
	       "  residual  what the guest still holds, and why\n"
	       "\n"
	       "Exit status: 0 done, 1 failed or something is wrong, 2 usage, 3 out of time, "
	       "4 no device, 5 paused, 6 no permission, 7 a kernel without it.  "
	       "See page-reporting(8).\n",
};

int main(int argc, char **argv)
{
	struct arguments arguments = {
		.options = { .timeout_ms = 10000, .interval_ms = 1000, .seconds = 3 },
	};
	enum exit_status status;

	argp_err_exit_status = STATUS_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	status = arguments.command->run(&arguments.options);
	if (fflush(stdout) || ferror(stdout)) {
		perror("page-reporting: cannot write");
		return STATUS_FAILED;
	}
	return status;
}
