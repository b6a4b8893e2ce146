// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writing files that may be on a slow disk. A thread does it, because a disk that
 * stalls does so in the very moment the daemon is needed. Of each file the
 * newest text waits to be written; an older one that has not been is replaced.
 */
#include "writer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util.h"

static struct job {
	char path[PATH_MAX];
	char *data;		/* malloc()ed, NULL: nothing waits */
	size_t len;
	int err;		/* of the last write that ended, -errno */
} jobs[NR_WRITER_FILES];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool running, busy;

static struct job *next_job(void)
{
	struct job *job;

	for (job = jobs; job < jobs + NR_WRITER_FILES; job++)
		if (job->data)
			return job;
	return NULL;
}

static void *work(void *unused)
{
	char path[PATH_MAX];
	struct textbuf tb;
	struct job *job;
	int err;

	pthread_mutex_lock(&lock);
	for (;;) {
		job = next_job();
		if (!job) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		memset(&tb, 0, sizeof(tb));
		tb.data = job->data;
		tb.len = job->len;
		copy_string(path, sizeof(path), job->path);
		job->data = NULL;
		busy = true;
		pthread_mutex_unlock(&lock);
		err = write_file_atomic(path, &tb);
		free(tb.data);
		pthread_mutex_lock(&lock);
		job->err = err;
		busy = false;
		pthread_cond_broadcast(&changed);
	}
	return unused;
}

/* Its signals are the loop's; its stack is small, because it is locked. */
static int start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	err = pthread_create(&thread, &attr, work, NULL);
	pthread_attr_destroy(&attr);
	running = !err;
	return -err;
}

/**
 * writer_put - have a file replaced, soon
 * @file: which one
 * @path: its name
 * @tb: its new content
 *
 * Return: 0, or -errno if it cannot even be tried; see writer_error() for the
 * rest.
 */
int writer_put(enum writer_file file, const char *path, const struct textbuf *tb)
{
	struct job *job = &jobs[file];
	char *data;
	int err;

	if (tb->overflow)
		return -EFBIG;
	data = malloc(tb->len + 1);
	if (!data)
		return -ENOMEM;
	memcpy(data, tb->data, tb->len);
	pthread_mutex_lock(&lock);
	err = running ? 0 : start();
	if (!err) {
		free(job->data);
		copy_string(job->path, sizeof(job->path), path);
		job->data = data;
		job->len = tb->len;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	if (err)
		free(data);
	return err;
}

/**
 * writer_error - how the last write went
 * @file: which file
 *
 * Return: 0, or -errno.
 */
int writer_error(enum writer_file file)
{
	int err;

	pthread_mutex_lock(&lock);
	err = jobs[file].err;
	pthread_mutex_unlock(&lock);
	return err;
}

/**
 * writer_flush - wait until everything is written
 * @limit_ms: but not longer than this
 */
void writer_flush(uint64_t limit_ms)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += (time_t)(limit_ms / 1000);
	pthread_mutex_lock(&lock);
	while (running && (busy || next_job()))
		if (pthread_cond_timedwait(&changed, &lock, &end))
			break;
	pthread_mutex_unlock(&lock);
}
