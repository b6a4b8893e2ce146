// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What outlives the daemon and its guests.
 *
 * QEMU does not tell which size was last asked for, so targets are kept, with
 * enough identity that they are not applied to another QEMU of the same name.
 * The administrator's word belongs to the name or UUID and not to a process: it
 * stays when the guest goes, and is there when it comes again.
 *
 *	# autoballoon state 2
 *	host suspended=0 boot=8b0f...
 *	name=web uuid=- pid=812 start=5123 target=536870912 full=1073741824
 *	  automatic=off set=0 hold=0 min=0 max=0		(one line)
 *
 * The file of the run directory is written at each change. A second one, of a
 * directory that outlives a reboot, has the same form; its sizes are about
 * processes of another boot then, and are left out.
 */
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "proc.h"
#include "textbuf.h"
#include "writer.h"

#define STATE_HEAD "# autoballoon state "
#define LINE_BYTES 512		/* one guest, at most */

static struct saved_guest table[STATE_MAX];
static uint64_t nr_left;
static char text[STATE_MAX * LINE_BYTES + 4096];

static bool parse_number(const char *value, uint64_t max, uint64_t *number)
{
	return !parse_u64(value, 0, max, number);
}

/* The file of the first version: "enabled" and "manual" instead of a word. */
static bool parse_old(struct saved_guest *saved, const char *key, const char *value)
{
	uint64_t number;

	if (strcmp(key, "enabled") && strcmp(key, "manual"))
		return true;
	if (!parse_number(value, 1, &number))
		return false;
	if (*key == 'e' && !number)
		saved->word.automatic = WORD_DISABLED;
	else if (*key == 'm' && number)
		saved->word.set = saved->target;
	return true;
}

static bool parse_pair(struct saved_guest *saved, const char *key, const char *value)
{
	uint64_t number;
	int err;

	if (!strcmp(key, "name"))
		return *value && copy_string(saved->name, sizeof(saved->name), value);
	if (!strcmp(key, "uuid"))
		return copy_string(saved->uuid, sizeof(saved->uuid),
				   strcmp(value, "-") ? value : "");
	if (!strcmp(key, "pid")) {
		if (!parse_number(value, INT_MAX, &number))
			return false;
		saved->pid = (pid_t)number;
		return true;
	}
	if (!strcmp(key, "start"))
		return parse_number(value, UINT64_MAX, &saved->pid_start);
	if (!strcmp(key, "target"))
		return parse_number(value, UNSET - 1, &saved->target);
	if (!strcmp(key, "full"))
		return parse_number(value, UNSET - 1, &saved->full);
	err = word_parse(&saved->word, key, value);
	/* What a later version adds is no reason to lose the rest. */
	return err == -ENOENT ? parse_old(saved, key, value) : !err;
}

/**
 * state_parse - read one line of the file
 * @line: the line; is taken apart
 * @saved: where it goes
 *
 * Return: false if the line is not as it should be.
 */
bool state_parse(char *line, struct saved_guest *saved)
{
	char *pair, *value, *rest = line;

	memset(saved, 0, sizeof(*saved));
	while ((pair = strsep(&rest, " "))) {
		value = strchr(pair, '=');
		if (!value)
			return false;
		*value++ = '\0';
		if (!parse_pair(saved, pair, value))
			return false;
	}
	return saved->name[0];
}

static const char *boot_id(void)
{
	static char id[40];

	if (!id[0] && read_text("/proc/sys/kernel/random/boot_id", id, sizeof(id)) > 0)
		id[strcspn(id, "\n")] = '\0';
	return id;
}

/* Returns whether the sizes are about processes of this boot. */
static bool parse_host(const char *line, struct saved_host *host)
{
	const char *boot = strstr(line, " boot=");

	host->suspended = strstr(line, " suspended=1") != NULL;
	return !boot || !strcmp(boot + 6, boot_id());
}

static void load_lines(const char *path, char *lines, struct saved_host *host)
{
	bool this_boot = true;
	unsigned int nr = 0;
	char *line;

	while ((line = strsep(&lines, "\n"))) {
		if (!strncmp(line, "host ", 5)) {
			this_boot = parse_host(line, host);
			continue;
		}
		if (!*line)
			continue;
		if (nr == STATE_MAX || !state_parse(line, &table[nr])) {
			log_warn("event=state-line-ignored file=%s", path);
			if (nr < STATE_MAX)
				memset(&table[nr], 0, sizeof(table[nr]));
			continue;
		}
		if (!this_boot)
			table[nr].pid = 0;
		nr++;
	}
}

static int load_file(const char *dir, struct saved_host *host)
{
	char path[PATH_MAX];
	char *lines;
	ssize_t n;

	if (!*dir)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/state", dir);
	n = read_text(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	lines = strchr(text, '\n');
	if (strncmp(text, STATE_HEAD "1\n", sizeof(STATE_HEAD) + 1) &&
	    strncmp(text, STATE_HEAD "2\n", sizeof(STATE_HEAD) + 1)) {
		log_warn("event=state-ignored file=%s reason=\"not written by this version\"", path);
		return -EINVAL;
	}
	load_lines(path, lines + 1, host);
	return 0;
}

/**
 * state_load - read what was saved, if anything was
 * @run_dir: directory that goes with the machine's boot
 * @keep_dir: one that does not, looked at if the first has no state; "": none
 * @host: what was said about all guests
 *
 * A line that cannot be read is left out and logged: a damaged file must not
 * keep the daemon from working.
 *
 * Return: 0, or -errno; -ENOENT is what a first start gives.
 */
int state_load(const char *run_dir, const char *keep_dir, struct saved_host *host)
{
	int err;

	memset(table, 0, sizeof(table));
	memset(host, 0, sizeof(*host));
	err = load_file(run_dir, host);
	return err ? load_file(keep_dir, host) : 0;
}

/* How well an entry fits a guest: 0 not at all. A UUID tells more than a name. */
static unsigned int likeness(const struct saved_guest *saved, const char *name, const char *uuid)
{
	bool same_name = !strcmp(saved->name, name);
	bool same_uuid = *uuid && !strcmp(saved->uuid, uuid);

	if (same_name && !strcmp(saved->uuid, uuid))
		return 3;
	return same_uuid ? 2 : same_name;
}

static bool is_running(const struct saved_guest *saved)
{
	return saved->pid && proc_start_time(saved->pid) == saved->pid_start;
}

/* An entry to use anew: a free one, one that says nothing, the one left longest ago. */
static struct saved_guest *make_room(void)
{
	struct saved_guest *s, *oldest = NULL;

	for (s = table; s < table + STATE_MAX; s++)
		if (!s->name[0])
			return s;
	for (s = table; s < table + STATE_MAX; s++) {
		if (s->present)
			continue;
		if (word_is_empty(&s->word) && !is_running(s))
			return s;
		if (!oldest || s->left < oldest->left)
			oldest = s;
	}
	if (oldest)
		log_warn("event=state-forgotten guest=%s reason=\"more than %d guests\"",
			 oldest->name, STATE_MAX);
	return oldest;
}

/**
 * state_claim - the entry of a guest that has come
 * @name: its name
 * @uuid: its UUID, or ""
 *
 * There is always one, because there are more entries than guests.
 *
 * Return: what is known about it, or a new, empty entry. It is the caller's
 * until state_leave().
 */
struct saved_guest *state_claim(const char *name, const char *uuid)
{
	struct saved_guest *s, *best = NULL;
	unsigned int most = 0, now;

	for (s = table; s < table + STATE_MAX; s++) {
		now = s->name[0] && !s->present ? likeness(s, name, uuid) : 0;
		if (now > most) {
			most = now;
			best = s;
		}
	}
	if (!best) {
		best = make_room();
		memset(best, 0, sizeof(*best));
	}
	copy_string(best->name, sizeof(best->name), name);
	copy_string(best->uuid, sizeof(best->uuid), uuid);
	best->present = true;
	return best;
}

/**
 * state_leave - a guest has gone; what was said about it stays
 * @saved: its entry
 */
void state_leave(struct saved_guest *saved)
{
	saved->present = false;
	saved->left = ++nr_left;
}

/**
 * state_find_absent - the entry of a guest that is not there
 * @name: its name or UUID
 *
 * Return: the entry, or NULL if nothing was said about such a guest.
 */
struct saved_guest *state_find_absent(const char *name)
{
	struct saved_guest *s;

	for (s = table; s < table + STATE_MAX; s++)
		if (s->name[0] && !s->present && !word_is_empty(&s->word) && *name &&
		    (!strcmp(s->name, name) || !strcmp(s->uuid, name)))
			return s;
	return NULL;
}

/**
 * state_next_absent - go through the guests that are not there
 * @before: the entry before, NULL at first
 *
 * Return: the next one that something was said about, or NULL.
 */
const struct saved_guest *state_next_absent(const struct saved_guest *before)
{
	const struct saved_guest *s;

	for (s = before ? before + 1 : table; s < table + STATE_MAX; s++)
		if (s->name[0] && !s->present && !word_is_empty(&s->word))
			return s;
	return NULL;
}

/*
 * A guest that is not there is left out when nothing was said about it and its
 * QEMU has ended; one that only does not answer yet keeps its target.
 */
static void format(struct textbuf *tb, const struct saved_host *host)
{
	const struct saved_guest *s;

	textbuf_init(tb, text, sizeof(text));
	textbuf_printf(tb, STATE_HEAD "2\nhost suspended=%d boot=%s\n", host->suspended,
		       boot_id());
	for (s = table; s < table + STATE_MAX; s++) {
		if (!s->name[0] ||
		    (!s->present && word_is_empty(&s->word) && !is_running(s)))
			continue;
		textbuf_printf(tb, "name=%s uuid=%s pid=%d start=%" PRIu64 " target=%" PRIu64
			       " full=%" PRIu64 " ", s->name, s->uuid[0] ? s->uuid : "-",
			       (int)s->pid, s->pid_start, s->target, s->full);
		word_write(&s->word, tb);
		textbuf_printf(tb, "\n");
	}
}

/**
 * state_save - write the file of the run directory
 * @dir: the directory, in memory: nothing waits for a disk
 * @host: what was said about all guests
 *
 * Return: 0, or -errno.
 */
int state_save(const char *dir, const struct saved_host *host)
{
	char path[PATH_MAX];
	struct textbuf tb;

	format(&tb, host);
	snprintf(path, sizeof(path), "%s/state", dir);
	return write_file_atomic(path, &tb);
}

/**
 * state_keep - have the file written that outlives a reboot, soon
 * @dir: its directory
 * @host: what was said about all guests
 *
 * Return: 0, or -errno if that cannot even be tried.
 */
int state_keep(const char *dir, const struct saved_host *host)
{
	char path[PATH_MAX];
	struct textbuf tb;

	format(&tb, host);
	snprintf(path, sizeof(path), "%s/state", dir);
	return writer_put(WRITER_STATE, path, &tb);
}
