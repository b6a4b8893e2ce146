// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading configuration files: sections, "option = value", comments.
 *
 * Each line stands for itself; what cannot be understood is an error with file
 * and line, never something else. After the file come those of FILE.d, by name.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define LINE_BYTES (CONFIG_LIST_MAX + 256)
#define FILES_MAX 256

/* Names of files, kept for messages: the same ones at each reload. */
static const char *keep_name(const char *path)
{
	static char *names[FILES_MAX];
	unsigned int i;

	for (i = 0; i < FILES_MAX && names[i]; i++)
		if (!strcmp(names[i], path))
			return names[i];
	if (i == FILES_MAX)
		return "(a file)";
	names[i] = strdup(path);
	return names[i] ? names[i] : "(a file)";
}

/* A comment begins at the start or after a blank. */
static void cut_comment(char *line)
{
	char *p;

	for (p = line; *p; p++)
		if ((*p == '#' || *p == ';') && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
	return text;
}

static int complain(struct config *config, const struct config_place *place, const char *what)
{
	char old[sizeof(config->error) - 300];

	copy_string(old, sizeof(old), what);
	snprintf(config->error, sizeof(config->error), "%.200s:%u: %s", place->file, place->line,
		 old);
	return -EINVAL;
}

static int take_line(struct config *config, char *line, char *section, size_t size,
		     const struct config_place *place)
{
	char *equals, *key, *value;
	size_t len;

	cut_comment(line);
	line = trim(line);
	if (!*line)
		return 0;
	if (*line == '[') {
		len = strlen(line);
		/* The last bracket closes: patterns have brackets of their own. */
		if (line[len - 1] != ']')
			return complain(config, place, "a section that is not closed");
		line[len - 1] = '\0';
		if (!copy_string(section, size, trim(line + 1)))
			return complain(config, place, "the section's name is too long");
		if (config_section(config, section, place))
			return complain(config, place, config->error);
		return 0;
	}
	equals = strchr(line, '=');
	if (!equals)
		return complain(config, place, "neither a section nor an option");
	if (!*section)
		return complain(config, place, "an option before the first section");
	*equals = '\0';
	key = trim(line);
	value = trim(equals + 1);
	if (config_set(config, section, key, value, place))
		return complain(config, place, config->error);
	return 0;
}

static int read_stream(struct config *config, FILE *file, const char *path)
{
	static char line[LINE_BYTES];
	char section[CONFIG_TEXT_MAX + 16] = "";
	struct config_place place = { keep_name(path), 0 };
	int err = 0;

	while (!err && fgets(line, sizeof(line), file)) {
		place.line++;
		if (!strchr(line, '\n') && !feof(file))
			err = complain(config, &place, "the line is too long");
		else if (place.line == 1 && !strncmp(line, "\xef\xbb\xbf", 3))
			err = complain(config, &place, "the file begins with a byte order mark");
		else
			err = take_line(config, line, section, sizeof(section), &place);
	}
	if (!err && ferror(file)) {
		snprintf(config->error, sizeof(config->error), "%s: %s", path, strerror(errno));
		err = -EIO;
	}
	return err;
}

static int read_file(struct config *config, const char *path)
{
	FILE *file = fopen(path, "re");
	int err;

	if (!file) {
		err = -errno;
		snprintf(config->error, sizeof(config->error), "%s: %s", path, strerror(errno));
		return err;
	}
	err = read_stream(config, file, path);
	fclose(file);
	return err;
}

/**
 * config_read_parts - read the files of FILE.d, by name, over what is there
 * @config: the configuration
 * @path: FILE
 *
 * Return: 0, or -errno; config->error then says where and what.
 */
int config_read_parts(struct config *config, const char *path)
{
	char pattern[PATH_MAX];
	glob_t found;
	size_t i;
	int err = 0;

	if ((size_t)snprintf(pattern, sizeof(pattern), "%s.d/*.conf", path) >= sizeof(pattern))
		return 0;
	if (glob(pattern, 0, NULL, &found))
		return 0;
	for (i = 0; !err && i < found.gl_pathc; i++)
		err = read_file(config, found.gl_pathv[i]);
	globfree(&found);
	return err;
}

/**
 * config_read - read a configuration file and its parts over what is there
 * @config: start from config_defaults()
 * @path: the file
 *
 * Return: 0, or -errno; config->error then says where and what.
 */
int config_read(struct config *config, const char *path)
{
	int err = read_file(config, path);

	if (!err)
		err = config_read_parts(config, path);
	return err ? err : config_check(config);
}

/**
 * config_vm - what one --vm option says
 * @config: the configuration
 * @text: "name=PATTERN,option=value,..."
 *
 * Return: 0, or -EINVAL; config->error then says what is wrong.
 */
int config_vm(struct config *config, const char *text)
{
	const struct config_place place = { "--vm", 0 };
	char copy[1024], section[CONFIG_TEXT_MAX + 16] = "";
	char *rest = copy, *pair, *value;

	if (!copy_string(copy, sizeof(copy), text)) {
		snprintf(config->error, sizeof(config->error), "--vm: too long");
		return -EINVAL;
	}
	while ((pair = strsep(&rest, ","))) {
		value = strchr(pair, '=');
		if (value)
			*value++ = '\0';
		if (!section[0]) {
			if (!value || !*value || strcmp(pair, "name"))
				break;
			snprintf(section, sizeof(section), "guest %.255s", value);
			if (config_section(config, section, &place))
				return -EINVAL;
			continue;
		}
		if (!value)
			break;
		if (config_set(config, section, pair, value, &place))
			return -EINVAL;
	}
	if (!pair && section[0])
		return 0;
	snprintf(config->error, sizeof(config->error),
		 "--vm %.200s: must be name=NAME,option=value,...", text);
	return -EINVAL;
}
