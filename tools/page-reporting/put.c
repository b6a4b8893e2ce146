// SPDX-License-Identifier: GPL-2.0-or-later
/* A write to a file of the kernel, and the words and the status where it fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "put.h"
#include "sysfile.h"

static enum exit_status cannot_write(const char *path, int err)
{
	fprintf(stderr, "page-reporting: cannot write %s: %s%s\n", path, strerror(-err),
		err == -EACCES || err == -EPERM || err == -EROFS ? "; it takes root" : "");
	return err == -EACCES || err == -EPERM || err == -EROFS ? STATUS_PERMISSION :
	       err == -ENOENT ? STATUS_UNSUPPORTED : STATUS_FAILED;
}

/* What cannot be written is said on standard error. */
enum exit_status put(const char *path, const char *text)
{
	int err = sysfile_write(path, text);

	return err ? cannot_write(path, err) : STATUS_OK;
}
