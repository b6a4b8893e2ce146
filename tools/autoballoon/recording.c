// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A recording is a text of "key=value" words, a line for each change:
 *
 *	t=0 host memory=64000M own=4000M
 *	t=0 guest=web ram=4096M programs=1200M cache=700M rss=2300M reporting=yes
 *	t=7 guest=web programs=1600M
 *
 * It says what guests and host wanted, not what they had: their sizes are the
 * policy's matter, and another policy would have given other ones. Of a guest's
 * page cache half counts as read all the time; nobody can tell from outside.
 */
#include "recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define OVERHEAD 40		/* QEMU's own memory, as in the model, MiB */

struct line {
	unsigned int t;
	char *words;		/* after the time */
};

static struct line *lines;
static unsigned int nr_lines, next_line, room;
static char names[POLICY_MAX_GUESTS][64];

static struct model_guest *find_guest(struct model *model, const char *name)
{
	unsigned int i;

	for (i = 0; i < model->nr; i++)
		if (!strcmp(names[i], name))
			return &model->guests[i];
	if (i == POLICY_MAX_GUESTS || !copy_string(names[i], sizeof(names[i]), name))
		return NULL;
	model_add(model, 0);
	model->guests[i].kernel = 0;
	return &model->guests[i];
}

static bool set_mib(const char *key, const char *name, const char *text, double *value)
{
	uint64_t bytes;

	if (strcmp(key, name) || parse_size(text, &bytes))
		return false;
	*value = (double)bytes / (double)MIB;
	return true;
}

static int guest_word(struct model_guest *g, const char *key, const char *text, double *rss)
{
	double cache;

	if (set_mib(key, "ram", text, &g->ram)) {
		g->actual = g->target = g->ram;
		return 0;
	}
	if (set_mib(key, "cache", text, &cache)) {
		g->hot_wanted = cache / 2;
		g->cold_max = cache / 2;
		return 0;
	}
	if (set_mib(key, "programs", text, &g->programs_wanted) ||
	    set_mib(key, "rss", text, rss) ||
	    (!strcmp(key, "reporting") && !parse_bool(text, &g->reporting)) ||
	    (!strcmp(key, "deflate-on-oom") && !parse_bool(text, &g->yields)))
		return 0;
	return -EINVAL;
}

/* What it has at first sight. */
static void start_guest(struct model_guest *g, double rss)
{
	g->programs = g->programs_wanted;
	g->hot = g->hot_wanted;
	g->cold = g->cold_max;
	g->charged = rss > OVERHEAD ? rss - OVERHEAD : 0;
}

/* One line, of which the text is used up. */
static int play_line(struct model *model, char *text)
{
	struct model_guest *guest = NULL;
	unsigned int before = model->nr;
	char *word, *rest = NULL, *value;
	bool host = false;
	double rss = 0;

	for (word = strtok_r(text, " \t\r\n", &rest); word;
	     word = strtok_r(NULL, " \t\r\n", &rest)) {
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		if (!value) {
			if (strcmp(word, "host") && strcmp(word, "end"))
				return -EINVAL;
			host = true;
		} else if (!guest && !strcmp(word, "guest")) {
			guest = find_guest(model, value);
			if (!guest)
				return -ENOSPC;
		} else if (guest ? guest_word(guest, word, value, &rss) :
			   !host || (!set_mib(word, "memory", value, &model->memory) &&
				     !set_mib(word, "own", value, &model->own_use))) {
			return -EINVAL;
		}
	}
	if (guest && guest->ram <= 0)
		return -EINVAL;
	if (guest && model->nr > before)
		start_guest(guest, rss);
	return 0;
}

static int make_room(void)
{
	unsigned int wanted = room ? 2 * room : 1024;
	struct line *more;

	if (nr_lines < room)
		return 0;
	more = realloc(lines, wanted * sizeof(*lines));
	if (!more)
		return -ENOMEM;
	lines = more;
	room = wanted;
	return 0;
}

static int add_line(const char *text)
{
	static struct model scratch;
	char *copy, *words;
	uint64_t ms;
	size_t len;
	int err;

	len = strcspn(text, " \t\r\n");
	if (strncmp(text, "t=", 2) || make_room())
		return -EINVAL;
	copy = strndup(text + 2, len - 2);
	words = strdup(text + len);
	if (!copy || !words || parse_time_ms(copy, &ms) ||
	    (nr_lines && ms / 1000 < lines[nr_lines - 1].t)) {
		free(copy);
		free(words);
		return -EINVAL;
	}
	free(copy);
	lines[nr_lines++] = (struct line){ .t = (unsigned int)(ms / 1000), .words = words };
	/* Try it once: what is wrong is to be said before anything is played. */
	if (nr_lines == 1)
		memset(&scratch, 0, sizeof(scratch));
	copy = strdup(words);
	err = copy ? play_line(&scratch, copy) : -ENOMEM;
	free(copy);
	return err;
}

static void forget_lines(void)
{
	while (nr_lines)
		free(lines[--nr_lines].words);
	free(lines);
	lines = NULL;
	room = 0;
}

/**
 * recording_read - read a recording
 * @file: the file
 * @name: its name, for messages
 *
 * Return: 0, or -EINVAL after a message on stderr.
 */
int recording_read(FILE *file, const char *name)
{
	char text[1024];
	unsigned int nr = 0;

	forget_lines();
	while (fgets(text, sizeof(text), file)) {
		nr++;
		text[strcspn(text, "#\n")] = '\0';
		if (!text[strspn(text, " \t\r")])
			continue;
		if (add_line(text)) {
			fprintf(stderr, "%s:%u: cannot understand this line of a recording\n", name,
				nr);
			forget_lines();
			return -EINVAL;
		}
	}
	if (nr_lines)
		return 0;
	fprintf(stderr, "%s: not a recording\n", name);
	return -EINVAL;
}

/**
 * recording_seconds - length of the recording
 *
 * Return: seconds.
 */
unsigned int recording_seconds(void)
{
	return nr_lines ? lines[nr_lines - 1].t + 1 : 0;
}

/**
 * recording_play - what happens in a second of the recording
 * @model: where
 * @t: the second
 */
void recording_play(struct model *model, unsigned int t)
{
	char *copy;

	for (; next_line < nr_lines && lines[next_line].t <= t; next_line++) {
		copy = strdup(lines[next_line].words);
		if (copy)
			play_line(model, copy);
		free(copy);
	}
}

/**
 * recording_setup - begin to play the recording
 * @model: where
 */
void recording_setup(struct model *model)
{
	next_line = 0;
	recording_play(model, 0);
}
