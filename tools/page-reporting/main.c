// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * page-reporting: see and steer free page reporting from within the guest.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "sysfile.h"

#define VERSION "page-reporting 1.0"

/* Long options without a short one. */
enum { OPTION_ROOT = 256 };

struct command {
	const char *name;
	enum exit_status (*run)(const struct options *options);
	const char *options;	/* keys of those that it takes */
};

static const struct command commands[] = {
	{ "status", status_command, "j" },
	{ "flush", flush_command, "tckrq" },
	{ "watch", watch_command, "in" },
	{ "doctor", doctor_command, "s" },
	{ "residual", residual_command, "j" },
	{ "metrics", metrics_command, "o" },
	{ "park", park_command, "Ctq" },
	{ "unpark", unpark_command, "trq" },
	{ "trim", trim_command, "anq" },
	{ "tune", tune_command, "q" },
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "timeout", required_argument, NULL, 't' },
	{ "compact", no_argument, NULL, 'c' },
	{ "resync", no_argument, NULL, 'r' },
	{ "checkpoint", no_argument, NULL, 'k' },
	{ "cache", required_argument, NULL, 'C' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "interval", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 's' },
	{ "output", required_argument, NULL, 'o' },
	{ "age", required_argument, NULL, 'a' },
	{ "root", required_argument, NULL, OPTION_ROOT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

#define SHORT_OPTIONS ":jt:crkqi:n:s:o:C:a:hV"

static const char help[] =
	"Usage: page-reporting COMMAND [OPTION...]\n"
	"See and steer free page reporting from within the guest.\n"
	"\n"
	"Commands:\n"
	"  status    the device, the knobs, the counters, and why memory is not reported\n"
	"  flush     report all that is free, and return when the host has it\n"
	"  watch     a line of figures every second\n"
	"  doctor    is all well, and if not, what to do\n"
	"  residual  what the guest still holds, and why\n"
	"  metrics   what status tells, as text for Prometheus\n"
	"  park      give back what can be, then pause: ready for a snapshot\n"
	"  unpark    end the pause\n"
	"  trim      give page cache back that is not used for a minute, until ended\n"
	"  tune      choose the granule by the size of the host's pages\n"
	"\n"
	"Options:\n"
	"  -j, --json         status, residual: print JSON, in bytes\n"
	"  -t, --timeout=MS   flush, park, unpark: wait no longer than this for the flush, in\n"
	"                     milliseconds (10000)\n"
	"  -c, --compact      flush: make free memory whole first\n"
	"  -k, --checkpoint   flush: write the journals of ext4 file systems back first\n"
	"  -r, --resync       flush, unpark: report also what the host is thought to have\n"
	"  -C, --cache=WHAT   park: page cache to drop: cold, all or keep (cold)\n"
	"  -q, --quiet        all that change anything: say nothing when all went well\n"
	"  -i, --interval=MS  watch: time between two lines (1000)\n"
	"  -n, --count=N      watch: end after N lines; trim: after N looks\n"
	"  -s, --seconds=N    doctor: how long to look (3)\n"
	"  -o, --output=FILE  metrics: replace this file, at once\n"
	"  -a, --age=SECONDS  trim: how long page cache must be unused (60)\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n"
	"\n"
	"Exit status: 0 done, 1 failed or something is wrong, 2 usage, 3 out of time,\n"
	"4 no device, 5 paused, 6 no permission, 7 a kernel without it, 8 some memory was\n"
	"passed over.  See page-reporting(8).\n";

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

static enum cache cache(const char *text)
{
	static const char *const names[] = { "cold", "all", "keep" };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i]))
			return (enum cache)i;
	usage("--cache must be cold, all or keep, not \"%s\"", text);
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

static void parse_option(struct arguments *arguments, int key, const char *arg)
{
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
	case 'r':
		options->resync = true;
		break;
	case 'k':
		options->checkpoint = true;
		break;
	case 't':
		options->timeout_ms = number("--timeout", arg, 1, FLUSH_MS_MAX);
		break;
	case 'C':
		options->cache = cache(arg);
		break;
	case 'i':
		options->interval_ms = number("--interval", arg, 10, 86400000);
		break;
	case 'n':
		options->count = number("--count", arg, 1, UINT32_MAX);
		break;
	case 'a':
		options->age_s = number("--age", arg, 2, 86400);
		break;
	case 's':
		options->seconds = number("--seconds", arg, 0, 86400);
		break;
	case 'o':
		options->output = arg;
		break;
	case OPTION_ROOT:
		sysfile_set_root(arg);
		break;
	}
	see(arguments, key);
}

/* Options may stand before the command and after it. */
static void parse(struct arguments *arguments, int argc, char **argv)
{
	int key;

	while ((key = getopt_long(argc, argv, SHORT_OPTIONS, long_options, NULL)) != -1) {
		/* "-?" was another name of it; getopt says '?' of what it does not know. */
		if (key == 'h' || (key == '?' && optopt == '?')) {
			fputs(help, stdout);
			exit(STATUS_OK);
		}
		if (key == '?')
			usage("there is no option \"%s\"", argv[optind - 1]);
		if (key == ':')
			usage("option \"%s\" needs a value", argv[optind - 1]);
		if (key == 'V') {
			puts(VERSION);
			exit(STATUS_OK);
		}
		parse_option(arguments, key, optarg);
	}
	for (; optind < argc; optind++) {
		if (arguments->command)
			usage("one command at a time, not \"%s\" as well", argv[optind]);
		arguments->command = find(argv[optind]);
		if (!arguments->command)
			usage("there is no command \"%s\"", argv[optind]);
	}
	finish(arguments);
}

int main(int argc, char **argv)
{
	struct arguments arguments = {
		.options = { .timeout_ms = 10000, .interval_ms = 1000, .seconds = 3,
			     .age_s = 60 },
	};
	enum exit_status status;

	parse(&arguments, argc, argv);
	status = arguments.command->run(&arguments.options);
	if (fflush(stdout) || ferror(stdout)) {
		perror("page-reporting: cannot write");
		return STATUS_FAILED;
	}
	return status;
}
