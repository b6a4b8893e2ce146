// SPDX-License-Identifier: GPL-2.0
/*
 * linear: a device-mapper device over all of a block device, which can be
 * suspended: what is written to it then waits, for as long as that lasts.
 */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NAME	"linear"

struct order {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char parameters[64];
};

static int control;

static void give(struct order *order, unsigned long request, const char *what)
{
	order->head.version[0] = DM_VERSION_MAJOR;
	order->head.data_size = sizeof(*order);
	order->head.data_start = sizeof(order->head);
	strcpy(order->head.name, NAME);
	if (ioctl(control, request, order)) {
		fprintf(stderr, "linear: %s: ", what);
		perror(NULL);
		exit(1);
	}
}

static void create(const char *device)
{
	struct order order = { };
	uint64_t bytes;
	int fd = open(device, O_RDONLY);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes)) {
		perror(device);
		exit(1);
	}
	close(fd);
	give(&order, DM_DEV_CREATE, "create");
	order = (struct order){
		.head.target_count = 1,
		.target.length = bytes / 512,
		.target.target_type = "linear",
	};
	snprintf(order.parameters, sizeof(order.parameters), "%s 0", device);
	give(&order, DM_TABLE_LOAD, "load");
	order = (struct order){ };
	give(&order, DM_DEV_SUSPEND, "resume");
	if (mknod("/dev/" NAME, S_IFBLK | 0600, makedev(major(order.head.dev), minor(order.head.dev))))
		perror("/dev/" NAME);
}

int main(int argc, char **argv)
{
	struct order order = { };

	control = open("/dev/mapper/control", O_RDWR);
	if (control < 0) {
		perror("/dev/mapper/control");
		return 1;
	}
	if (argc == 3 && !strcmp(argv[1], "create")) {
		create(argv[2]);
	} else if (argc == 2 && !strcmp(argv[1], "suspend")) {
		/* As it is: neither the file system nor what is under way is waited for. */
		order.head.flags = DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG;
		give(&order, DM_DEV_SUSPEND, "suspend");
	} else if (argc == 2 && !strcmp(argv[1], "resume")) {
		give(&order, DM_DEV_SUSPEND, "resume");
	} else {
		fprintf(stderr, "usage: linear create DEVICE | suspend | resume\n\n"
			"Makes /dev/" NAME " over a block device; suspends and resumes it.\n");
		return 2;
	}
	return 0;
}
