// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The directories the daemon works in. An installed system has them before the
 * daemon's first start, with the group that QEMUs need (tmpfiles.d); what is
 * missing is made here, so that either order of start works.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

/* Where a user's files go: a variable, or a directory below the user's home. */
static bool user_dir(const char *variable, const char *fallback, char *path, size_t size)
{
	const char *value = getenv(variable), *home = getenv("HOME");

	if (value && *value == '/')
		return (size_t)snprintf(path, size, "%s", value) < size;
	if (!fallback || !home || *home != '/')
		return false;
	return (size_t)snprintf(path, size, "%s/%s", home, fallback) < size;
}

/**
 * place_user - the defaults of a user's own daemon
 * @config: the defaults of the system's daemon, changed here
 * @file: where the name of the user's configuration file goes
 * @size: bytes in @file
 *
 * Return: 0, or -ENOENT without $XDG_RUNTIME_DIR; config->error then says so.
 */
int place_user(struct config *config, char *file, size_t size)
{
	char dir[CONFIG_TEXT_MAX - 64];

	if (!user_dir("XDG_RUNTIME_DIR", NULL, dir, sizeof(dir))) {
		snprintf(config->error, sizeof(config->error),
			 "--user: XDG_RUNTIME_DIR is not set: is this a login session?");
		return -ENOENT;
	}
	snprintf(config->run_dir, sizeof(config->run_dir), "%s/autoballoon", dir);
	snprintf(config->control_socket, sizeof(config->control_socket), "%s/autoballoon/control",
		 dir);
	snprintf(config->directories, sizeof(config->directories), "%s/autoballoon/guests", dir);
	snprintf(config->sockets[TRANSPORT_LIBVIRT], sizeof(config->sockets[TRANSPORT_LIBVIRT]),
		 "%s/autoballoon/libvirt/*.sock", dir);
	config->keep_dir[0] = '\0';
	if (user_dir("XDG_STATE_HOME", ".local/state", dir, sizeof(dir)))
		snprintf(config->keep_dir, sizeof(config->keep_dir), "%s/autoballoon", dir);
	/* A user may lock a few MiB only. */
	config->lock_memory = false;
	if (!user_dir("XDG_CONFIG_HOME", ".config", dir, sizeof(dir)) ||
	    (size_t)snprintf(file, size, "%s/autoballoon.conf", dir) >= size)
		file[0] = '\0';
	return 0;
}

/**
 * place_user_control - control socket of a user's own daemon
 * @path: where it goes
 * @size: bytes in @path
 *
 * Return: @path, or NULL outside of a login session.
 */
const char *place_user_control(char *path, size_t size)
{
	char dir[CONFIG_TEXT_MAX];

	if (!user_dir("XDG_RUNTIME_DIR", NULL, dir, sizeof(dir)) ||
	    (size_t)snprintf(path, size, "%s/autoballoon/control", dir) >= size)
		return NULL;
	return path;
}

/* Makes a directory, and those above it. */
static int make_dir(const char *path)
{
	char part[PATH_MAX];
	char *p;

	if (!copy_string(part, sizeof(part), path))
		return -ENAMETOOLONG;
	for (p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(part, 0755) && errno != EEXIST ? -errno : 0;
}

/* Directories for sockets, where they are the daemon's own to make. */
static void make_socket_dirs(const struct config *config)
{
	size_t len = strlen(config->run_dir);
	char dir[CONFIG_TEXT_MAX];
	const char *p;

	for (p = config->directories; *p; p += strcspn(p, ":"), p += *p == ':') {
		snprintf(dir, sizeof(dir), "%.*s", (int)strcspn(p, ":"), p);
		if (!strncmp(dir, config->run_dir, len) && dir[len] == '/' &&
		    !strpbrk(dir, "*?[") && make_dir(dir))
			log_warn("event=directory-not-made directory=%s reason=\"%s\"", dir,
				 strerror(errno));
	}
}

/**
 * place_open - make the directories, and see that no other daemon uses them
 * @config: names them
 *
 * The lock stays until the daemon ends.
 *
 * Return: 0, -EADDRINUSE if another daemon is there, or -errno.
 */
int place_open(const struct config *config)
{
	int err = make_dir(config->run_dir);

	if (!err)
		err = lock_directory(config->run_dir);
	if (err)
		return err;
	make_socket_dirs(config);
	if (config->keep_dir[0])
		make_dir(config->keep_dir);
	return 0;
}
