// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What outlives the daemon. QEMU does not tell which size was last asked for,
 * so the targets are kept in the run directory, with enough identity that they
 * are not applied to another QEMU of the same name. The directory goes with the
 * machine's boot, and so do the guests.
 *
 *	name=web uuid=- pid=812 start=5123 target=536870912 hold=0 enabled=1 manual=0
 */
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "log.h"
#include "textbuf.h"

#define STATE_HEAD "# autoballoon state 1\n"

static struct saved_guest saved_guests[POLICY_MAX_GUESTS];
static unsigned int nr_saved;
static char text[256 * 1024];

/**
 * state_parse - read one line of the file
 * @line: the line
 * @saved: where it goes
 *
 * Return: false if the line is not as it should be.
 */
bool state_parse(const char *line, struct saved_guest *saved)
{
	unsigned int enabled, manual;
	int pid, end = 0;

	memset(saved, 0, sizeof(*saved));
	if (sscanf(line, "name=%63s uuid=%39s pid=%d start=%" SCNu64 " target=%" SCNu64
		   " hold=%" SCNu64 " enabled=%u manual=%u%n", saved->name, saved->uuid, &pid,
		   &saved->pid_start, &saved->target, &saved->hold_max, &enabled, &manual,
		   &end) != 8 || line[end] || pid < 0 || enabled > 1 || manual > 1)
		return false;
	if (!strcmp(saved->uuid, "-"))
		saved->uuid[0] = '\0';
	saved->pid = pid;
	saved->enabled = enabled;
	saved->manual = manual;
	return true;
}

static void state_path(char *path, size_t size, const char *dir)
{
	snprintf(path, size, "%s/state", dir);
}

/**
 * state_load - read the file, if there is one
 * @dir: run directory
 *
 * A line that cannot be read is left out and logged: a damaged file must not
 * keep the daemon from working.
 *
 * Return: 0, or -errno; -ENOENT is what a first start gives.
 */
int state_load(const char *dir)
{
	char path[PATH_MAX];
	char *line, *next;
	ssize_t n;

	nr_saved = 0;
	state_path(path, sizeof(path), dir);
	n = read_text(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	if (strncmp(text, STATE_HEAD, sizeof(STATE_HEAD) - 1)) {
		log_warn("event=state-ignored file=%s reason=\"not written by this version\"", path);
		return -EINVAL;
	}
	for (line = text + sizeof(STATE_HEAD) - 1; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (nr_saved == POLICY_MAX_GUESTS)
			break;
		if (state_parse(line, &saved_guests[nr_saved]))
			nr_saved++;
		else
			log_warn("event=state-line-ignored file=%s", path);
	}
	return 0;
}

/**
 * state_find - what was saved about a guest
 * @name: its name
 * @uuid: its UUID, or ""
 *
 * Return: the entry, or NULL.
 */
const struct saved_guest *state_find(const char *name, const char *uuid)
{
	unsigned int i;

	for (i = 0; i < nr_saved; i++)
		if (!strcmp(saved_guests[i].name, name) && !strcmp(saved_guests[i].uuid, uuid))
			return &saved_guests[i];
	return NULL;
}

/**
 * state_save - write the file
 * @dir: run directory
 *
 * Return: 0, or -errno.
 */
int state_save(const char *dir)
{
	char path[PATH_MAX];
	struct textbuf tb;
	unsigned int i;

	textbuf_init(&tb, text, sizeof(text));
	textbuf_printf(&tb, STATE_HEAD);
	for (i = 0; i < engine.nr; i++) {
		const struct slot *slot = &engine.slots[i];
		const struct guest *g = &slot->guest;

		if (!g->used || !slot->adopted)
			continue;
		textbuf_printf(&tb, "name=%s uuid=%s pid=%d start=%" PRIu64 " target=%" PRIu64
			       " hold=%" PRIu64 " enabled=%d manual=%d\n", g->name,
			       g->uuid[0] ? g->uuid : "-", (int)slot->pid, slot->pid_start,
			       engine.memory[i].target, slot->hold_max, slot->enabled,
			       slot->manual);
	}
	state_path(path, sizeof(path), dir);
	return write_file_atomic(path, &tb);
}
