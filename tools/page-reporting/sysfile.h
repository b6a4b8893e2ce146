/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of /sys, /proc and /dev, below a root that tests can move. */
#ifndef PAGE_REPORTING_SYSFILE_H
#define PAGE_REPORTING_SYSFILE_H

#include <dirent.h>
#include <stdbool.h>

#include "number.h"

#define SYSFILE_PATH_MAX 512

void sysfile_set_root(const char *root);
char *sysfile_load(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct number sysfile_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool sysfile_exists(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int sysfile_link_name(const char *path, char *name, unsigned int size);
DIR *sysfile_dir(const char *path);
int sysfile_open(const char *path, int flags);
int sysfile_write(const char *path, const char *text);

#endif
