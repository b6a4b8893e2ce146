// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds mutated text to what reads text: control requests, the state file,
 * configuration, traces and recordings.
 *
 *	fuzz_text control|state|config|trace|recording SECONDS [SEED]
 *
 * Sanitizers are the judge. Beside that: a configuration that is accepted must
 * be printed such that it is accepted again and means the same, a state line
 * that is read must come out of the file again, and an answer is one line.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "fuzz.h"
#include "log.h"
#include "recording.h"
#include "simulate.h"
#include "state.h"

static char dir[] = "/tmp/ab-fuzz-XXXXXX";

static void put_file(const char *name, const char *data, size_t len, char *path, size_t size)
{
	FILE *file;

	snprintf(path, size, "%s/%s", dir, name);
	file = fopen(path, "w");
	if (!file || fwrite(data, 1, len, file) != len || fclose(file))
		abort();
}

static void fuzz_control(char *data, size_t len)
{
	static char reply[512 * 1024];
	struct textbuf tb;

	textbuf_init(&tb, reply, sizeof(reply));
	control_request(data, len, &tb);
	if (!tb.len || strchr(reply, '\n') != reply + tb.len - 1)
		abort();
}

static void fuzz_state(char *data, size_t len)
{
	struct saved_host host, again;
	struct saved_guest line;
	char path[64];

	put_file("state", data, len, path, sizeof(path));
	state_load(dir, "", &host);
	if (state_save(dir, &host) || state_load(dir, "", &again) ||
	    host.suspended != again.suspended)
		abort();
	data[len] = '\0';
	state_parse(data, &line);
}

static size_t print_config(const struct config *config, char *buf, size_t size)
{
	FILE *file = fmemopen(buf, size, "w");
	long len;

	config_print(config, file);
	len = ftell(file);
	fclose(file);
	return (size_t)len;
}

static void fuzz_config(char *data, size_t len)
{
	static struct config config;
	static char first[256 * 1024], second[256 * 1024];
	char path[64];
	size_t n;

	put_file("conf", data, len, path, sizeof(path));
	config_defaults(&config);
	if (config_read(&config, path)) {
		if (!config.error[0] || strchr(config.error, '\n'))
			abort();
		return;
	}
	n = print_config(&config, first, sizeof(first));
	put_file("conf", first, n, path, sizeof(path));
	config_defaults(&config);
	if (config_read(&config, path)) {
		fprintf(stderr, "%s\n", config.error);
		abort();
	}
	if (print_config(&config, second, sizeof(second)) != n || memcmp(first, second, n))
		abort();
}

static void fuzz_trace(char *data, size_t len)
{
	static struct config config;
	FILE *trace = fmemopen(data, len ? len : 1, "r"), *out = fopen("/dev/null", "w");

	config_defaults(&config);
	config_check(&config);
	simulate(&config, trace, "trace", out);
	fclose(trace);
	fclose(out);
}

static void fuzz_recording(char *data, size_t len)
{
	FILE *file = fmemopen(data, len ? len : 1, "r");

	recording_read(file, "recording");
	fclose(file);
}

static const char *const recordings[] = {
	"t=0 host memory=16000M own=2000M\n", "t=0 guest=web ram=2048M programs=700M cache=100M "
	"reporting=no\n", "t=3 guest=web programs=724M\n", "t=5 host own=3000M\n", "t=9 end\n",
};

static const char *const requests[] = {
	"{\"command\":\"set\",\"guest\":\"web\",\"size\":1}", "{\"command\":\"status\"}",
	"{\"command\":\"hold\",\"guest\":\"web\",\"off\":true}", "{\"command\":\"doctor\"}",
	"{\"command\":\"min\",\"guest\":\"web\"}", "{\"command\":\"metrics\",\"form\":\"classic\"}",
	"{\"command\":\"disable\",\"all\":true}", "{\"command\":\"forget\",\"guest\":\"\"}",
	"{\"command\":\"inject\",\"level\":\"low\",\"count\":3}",
	"{\"command\":\"plan\",\"level\":\"critical\"}",
};

static const char *const states[] = {
	"# autoballoon state 2\n", "host suspended=1 boot=x\n",
	"name=web uuid=- pid=1 start=2 target=3 full=4 automatic=on set=5 hold=6 min=7 max=8\n",
	"name=db uuid=6ba7b810-9dad-11d1-80b4-00c04fd430c8 pid=0 start=0 target=0 automatic=off\n",
	"name=old uuid=- pid=1 start=2 target=3 hold=4 enabled=0 manual=1\n",
};

static const char *const configs[] = {
	"[daemon]\n", "run-directory = /run/x\n", "socket-directories = /run/a:/run/b*\n",
	"metrics-interval = 20s\n", "[pressure]\n", "source = none\n", "psi-low = some 150ms/2s\n",
	"available-low = 12%\n", "headroom-low = 11G\n", "[policy]\n", "amounts = fixed\n",
	"amount-low = 3M\n", "hold = 61s # text\n", "goal-low = 1\n", "[guest web[0-9]*]\n",
	"min = 10%\n", "max = 2G\n", "socket = /run/x.sock\n", "band = 3\n", "pulse = yes\n",
	"automatic = no\n", "; text\n",
};

static const char *const traces[] = {
	"t=0 guest=web ram=1G free=600M available=700M caches=100M rss=1G\n",
	"t=0 host headroom=2G headroom-low=1G\n", "t=10 pressure=low\n",
	"t=12 inject=medium count=2\n", "t=20 guest=web available=10M free=5M\n",
	"t=30 guest=web right-size=yes disk-reads=3M swap-in=4 deflate-on-oom=no\n",
	"t=60 end\n",
};

static const char *const words[] = {
	"0", "-1", "18446744073709551615", "18446744073709551616", "1e999", "nan", "\n", "\r\n", " ",
	"=", "[", "]", "[guest ", "#", ";", "\"", "\\", "\\u0000", "%", "G", "name=", "t=", "null",
	"[[[[[[[[", "{", "100%", "\t", "\xff", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

#define TARGET(name, fn, pieces) { name, fn, pieces, ARRAY_SIZE(pieces) }

static const struct target {
	const char *name;
	void (*run)(char *data, size_t len);
	const char *const *pieces;
	size_t nr;
} targets[] = {
	TARGET("control", fuzz_control, requests),
	TARGET("state", fuzz_state, states),
	TARGET("config", fuzz_config, configs),
	TARGET("trace", fuzz_trace, traces),
	TARGET("recording", fuzz_recording, recordings),
};

int main(int argc, char **argv)
{
	static char buf[4096];
	uint64_t end = 0, runs = 0;
	const struct target *t;
	char path[64];

	for (t = targets; t < targets + ARRAY_SIZE(targets); t++)
		if (argc > 1 && !strcmp(t->name, argv[1]))
			break;
	if (t < targets + ARRAY_SIZE(targets))
		end = fuzz_start(argc, argv, 2);
	if (!end) {
		fprintf(stderr, "usage: fuzz_text control|state|config|trace|recording SECONDS [SEED]\n");
		return 2;
	}
	if (!mkdtemp(dir))
		return 1;
	log_setup(LOG_PRIO_ERROR);
	for (; now_ms() < end; runs++) {
		/* A request is short; the rest may be as long as there is room. */
		size_t most = t->run == fuzz_control ? 1024 : sizeof(buf) - 1;
		size_t len = build_text(t->pieces, t->nr, buf, most);

		t->run(buf, mutate(buf, len, most, words, ARRAY_SIZE(words)));
	}
	snprintf(path, sizeof(path), "%s/state", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/conf", dir);
	unlink(path);
	rmdir(dir);
	printf("%s: %" PRIu64 " runs\n", t->name, runs);
	return 0;
}
