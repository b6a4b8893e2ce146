// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files of /sys, /proc and /dev.  --root puts another directory before all
 * paths, for tests with made-up trees.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfile.h"

/* No file that is read here is longer on any machine that we can imagine. */
#define MAX_BYTES (8u << 20)

static const char *root = "";

void sysfile_set_root(const char *path)
{
	root = path;
}

static int make_path(char *path, const char *fmt, va_list args)
{
	int head, tail;

	head = snprintf(path, SYSFILE_PATH_MAX, "%s", root);
	if (head < 0 || head >= SYSFILE_PATH_MAX)
		return -ENAMETOOLONG;
	tail = vsnprintf(path + head, (size_t)(SYSFILE_PATH_MAX - head), fmt, args);
	if (tail < 0 || tail >= SYSFILE_PATH_MAX - head)
		return -ENAMETOOLONG;
	return 0;
}

static int make_path_of(char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int make_path_of(char *path, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = make_path(path, fmt, args);
	va_end(args);
	return err;
}

/* All of a file as a string; what is behind a NUL byte does not count. */
static char *load(const char *path)
{
	size_t size = 4096, len = 0;
	char *text = malloc(size);
	int fd;

	if (!text)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		goto fail;
	for (;;) {
		ssize_t got = read(fd, text + len, size - len - 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			goto fail;
		if (!got)
			break;
		len += (size_t)got;
		if (len == size - 1) {
			char *more;

			if (size >= MAX_BYTES) {
				errno = EFBIG;
				goto fail;
			}
			more = realloc(text, size *= 2);
			if (!more)
				goto fail;
			text = more;
		}
	}
	close(fd);
	text[len] = '\0';
	return text;
fail:
	if (fd >= 0) {
		int err = errno;

		close(fd);
		errno = err;
	}
	free(text);
	return NULL;
}

/* The contents, to be freed; NULL with errno. */
char *sysfile_load(const char *fmt, ...)
{
	char path[SYSFILE_PATH_MAX];
	va_list args;
	int err;

	va_start(args, fmt);
	err = make_path(path, fmt, args);
	va_end(args);
	if (err) {
		errno = -err;
		return NULL;
	}
	return load(path);
}

/* A file with one number; not known if there is none, or not one. */
struct number sysfile_number(const char *fmt, ...)
{
	char path[SYSFILE_PATH_MAX];
	struct number number;
	va_list args;
	char *text;
	int err;

	va_start(args, fmt);
	err = make_path(path, fmt, args);
	va_end(args);
	text = err ? NULL : load(path);
	number = number_parse(text);
	free(text);
	return number;
}

bool sysfile_exists(const char *fmt, ...)
{
	char path[SYSFILE_PATH_MAX];
	va_list args;
	int err;

	va_start(args, fmt);
	err = make_path(path, fmt, args);
	va_end(args);
	return !err && !access(path, F_OK);
}

/* The last part of what a symbolic link points to; 0 or -errno. */
int sysfile_link_name(const char *path, char *name, unsigned int size)
{
	char full[SYSFILE_PATH_MAX], target[SYSFILE_PATH_MAX];
	const char *base;
	ssize_t len;
	int err = make_path_of(full, "%s", path);

	if (err)
		return err;
	len = readlink(full, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	base = strrchr(target, '/');
	snprintf(name, size, "%s", base ? base + 1 : target);
	return 0;
}

DIR *sysfile_dir(const char *path)
{
	char full[SYSFILE_PATH_MAX];

	return make_path_of(full, "%s", path) ? NULL : opendir(full);
}

/* A file descriptor or -errno. */
int sysfile_open(const char *path, int flags)
{
	char full[SYSFILE_PATH_MAX];
	int err = make_path_of(full, "%s", path);
	int fd;

	if (err)
		return err;
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* In one write, as such files want it; 0 or -errno. */
int sysfile_write(const char *path, const char *text)
{
	int fd = sysfile_open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}
