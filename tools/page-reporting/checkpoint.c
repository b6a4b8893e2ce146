// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes the journals of all ext4 file systems back.
 *
 * The pages of metadata that a journal still needs cannot be moved, and a guest that
 * rests commits nothing, so they stay where they are: a few in each huge page are
 * enough to keep all of it with the guest.  After a checkpoint the journal is empty
 * and they can move.  Works on every kernel since 5.14.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* syncfs() */
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "sysfile.h"

/* As in the kernel's fs/ext4/ext4.h; the number is in no header for programs. */
#define EXT4_IOC_CHECKPOINT	_IOW('f', 43, uint32_t)

#define MAX_SEEN 256

/* The mount points of what has been done. */
struct seen {
	dev_t dev[MAX_SEEN];
	unsigned int nr;
};

static bool first_time(struct seen *seen, dev_t dev)
{
	unsigned int i;

	for (i = 0; i < seen->nr; i++)
		if (seen->dev[i] == dev)
			return false;
	if (seen->nr < MAX_SEEN)
		seen->dev[seen->nr++] = dev;
	return true;
}

/* "\040" and the like are how /proc writes blanks; in place. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		unsigned int code;

		if (text[0] == '\\' && sscanf(text + 1, "%3o", &code) == 1 &&
		    strspn(text + 1, "01234567") >= 3) {
			*to++ = (char)code;
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

static const char *why_not_made(int err)
{
	switch (err) {
	case ENOTTY:
	case EOPNOTSUPP:
		return "this kernel's ext4 cannot";
	case EPERM:
	case EACCES:
		return "it takes root";
	default:
		return strerror(err);
	}
}

static void checkpoint_one(const char *where, struct seen *seen, struct checkpoint *checkpoint)
{
	uint32_t flags = 0;
	struct stat stat;
	int fd = sysfile_open(where, O_RDONLY | O_DIRECTORY | O_NONBLOCK), err = 0;

	if (fd >= 0 && (fstat(fd, &stat) || !first_time(seen, stat.st_dev))) {
		close(fd);
		return;
	}
	checkpoint->tried++;
	if (fd < 0)
		err = -fd;
	/* Commit first: a checkpoint is of what has been committed. */
	else if (syncfs(fd) || ioctl(fd, EXT4_IOC_CHECKPOINT, &flags))
		err = errno;
	if (fd >= 0)
		close(fd);
	/* ENODEV: it has no journal, so there is nothing to be let go of. */
	if (!err || err == ENODEV)
		checkpoint->made++;
	else
		fprintf(stderr, "page-reporting: no checkpoint of %s: %s\n", where,
			why_not_made(err));
}

/* Waits for the disks, without a limit.  What fails has said so on standard error. */
void checkpoint_all(struct checkpoint *checkpoint)
{
	char *text = sysfile_load("/proc/self/mounts"), *rest = text, *line;
	static struct seen seen;

	memset(checkpoint, 0, sizeof(*checkpoint));
	seen.nr = 0;
	while (rest && (line = strsep(&rest, "\n"))) {
		char *where, *type, *options;

		strsep(&line, " ");
		where = strsep(&line, " ");
		type = strsep(&line, " ");
		options = strsep(&line, " ");
		if (!options || strcmp(type, "ext4"))
			continue;
		/* One that may not be written has nothing to write back. */
		if (!strncmp(options, "ro", 2) && (!options[2] || options[2] == ','))
			continue;
		unescape(where);
		checkpoint_one(where, &seen, checkpoint);
	}
	free(text);
}
