// SPDX-License-Identifier: GPL-2.0
/*
 * reexec: loads a kernel by kexec_file_load(), and starts it unless it is for crashes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef KEXEC_FILE_ON_CRASH
#define KEXEC_FILE_ON_CRASH	0x00000002
#endif

/* 32-bit x86 has no such call: there it fails. */
#ifndef SYS_kexec_file_load
#define SYS_kexec_file_load	-1
#endif

static int opened(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		fprintf(stderr, "reexec: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	unsigned long flags = 0;

	if (argc == 5 && !strcmp(argv[1], "--on-crash")) {
		flags = KEXEC_FILE_ON_CRASH;
		argv++;
		argc--;
	}
	if (argc != 4) {
		fprintf(stderr, "usage: reexec [--on-crash] KERNEL INITRAMFS CMDLINE\n");
		return 2;
	}
	if (syscall(SYS_kexec_file_load, opened(argv[1]), opened(argv[2]),
		    strlen(argv[3]) + 1, argv[3], flags)) {
		perror("reexec: kexec_file_load");
		return 1;
	}
	if (flags)
		return 0;
	sync();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reexec: reboot");
	return 1;
}
