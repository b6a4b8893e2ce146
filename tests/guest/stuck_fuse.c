// SPDX-License-Identifier: GPL-2.0
/*
 * stuck_fuse: mounts a file system whose server stops answering.
 *
 * The one file reads as zeroes until a number of MiB has been read; the read
 * after that is never answered, so its pages stay locked in the page cache, and
 * every task that wants one of them waits.  It ends, and frees them, on SIGTERM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB		(1UL << 20)
#define FILE_NODE	2
#define FILE_SIZE	(1024 * MIB)
#define NAME		"file"
#define VALID_S		3600

static char request[2 * MIB];
static const char zeroes[MIB];

static void answer(int fd, uint64_t unique, int error, const void *data, size_t len)
{
	static char reply[2 * MIB];
	struct fuse_out_header *head = (struct fuse_out_header *)reply;

	head->len = sizeof(*head) + len;
	head->error = error;
	head->unique = unique;
	if (len)
		memcpy(head + 1, data, len);
	/* ENOENT: who asked has gone meanwhile. */
	if (write(fd, reply, head->len) < 0 && errno != ENOENT) {
		perror("stuck_fuse: answer");
		exit(1);
	}
}

static void fill_attr(struct fuse_attr *attr, uint64_t node)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->nlink = 1;
	attr->mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
	if (node == FILE_NODE)
		attr->size = FILE_SIZE;
}

static void answer_init(int fd, const struct fuse_in_header *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = MIB,
		.flags = FUSE_ASYNC_READ,
		.max_write = 128 << 10,
	};

	answer(fd, in->unique, 0, &out, sizeof(out));
}

static void answer_lookup(int fd, const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = { .nodeid = FILE_NODE, .entry_valid = VALID_S,
				      .attr_valid = VALID_S };

	if (strcmp(name, NAME)) {
		answer(fd, in->unique, -ENOENT, NULL, 0);
		return;
	}
	fill_attr(&out.attr, FILE_NODE);
	answer(fd, in->unique, 0, &out, sizeof(out));
}

static void answer_getattr(int fd, const struct fuse_in_header *in)
{
	struct fuse_attr_out out = { .attr_valid = VALID_S };

	fill_attr(&out.attr, in->nodeid);
	answer(fd, in->unique, 0, &out, sizeof(out));
}

static void serve(int fd, unsigned long left)
{
	const struct fuse_in_header *in = (const void *)request;
	static const struct fuse_open_out opened;
	const struct fuse_read_in *read_in;

	for (;;) {
		if (read(fd, request, sizeof(request)) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			return;		/* unmounted */
		}
		switch (in->opcode) {
		case FUSE_INIT:
			answer_init(fd, in);
			break;
		case FUSE_LOOKUP:
			answer_lookup(fd, in, (const char *)(in + 1));
			break;
		case FUSE_GETATTR:
			answer_getattr(fd, in);
			break;
		case FUSE_OPEN:
			answer(fd, in->unique, 0, &opened, sizeof(opened));
			break;
		case FUSE_READ:
			read_in = (const void *)(in + 1);
			if (read_in->size > left) {
				printf("stuck\n");
				fflush(stdout);
				pause();
				return;
			}
			left -= read_in->size;
			answer(fd, in->unique, 0, zeroes, read_in->size);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(fd, in->unique, -ENOSYS, NULL, 0);
		}
	}
}

static void on_sigterm(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_sigterm };
	char options[128];
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: stuck_fuse DIR MIB\n\n"
			"Mounts a file DIR/" NAME " of which MIB MiB can be read; prints 'mounted',\n"
			"and 'stuck' when it has got a read that it does not answer.\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror("stuck_fuse: /dev/fuse");
		return 1;
	}
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("stuck_fuse", argv[1], "fuse.stuck", MS_NOSUID | MS_NODEV, options)) {
		perror("stuck_fuse: mount");
		return 1;
	}
	printf("mounted\n");
	fflush(stdout);
	serve(fd, strtoul(argv[2], NULL, 10) * MIB);
	umount2(argv[1], MNT_DETACH);
	return 0;
}
