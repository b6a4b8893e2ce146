// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looks at the command line, the processor and the kernel log for what keeps a
 * guest from reporting.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "place.h"
#include "sysfile.h"

/* "name" among blanks, or "name=" with what the kernel takes for a yes; the last one counts. */
static bool asked_for(const char *cmdline, const char *name)
{
	size_t len = strlen(name);
	const char *word = cmdline;
	bool yes = false;

	while (*word) {
		size_t size = strcspn(word, " \n");

		if (size > len && !strncmp(word, name, len) && word[len] == '=') {
			const char *value = word + len + 1;

			yes = (*value && strchr("1yYtT", *value)) || !strncmp(value, "on", 2);
		}
		word += size;
		word += strspn(word, " \n");
	}
	return yes;
}

static bool has_flag(const char *cpuinfo, const char *flag)
{
	const char *line = strstr(cpuinfo, "\nflags");
	const char *end = line ? strchr(line + 1, '\n') : NULL;
	size_t len = strlen(flag);

	while (line && (line = strstr(line, flag)) && (!end || line < end)) {
		if (line[-1] == ' ' && (line[len] == ' ' || line[len] == '\n' || !line[len]))
			return true;
		line += len;
	}
	return false;
}

/* What the kernel says at boot of a guest whose memory is encrypted.  Root may read it. */
static bool log_tells_of_encryption(void)
{
	int fd = sysfile_open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	bool found = false;
	char record[8192];
	ssize_t len;

	if (fd < 0)
		return false;
	/* One record a time; EPIPE when some were overwritten before we came. */
	while (!found && ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
			  (len < 0 && errno == EPIPE))) {
		const char *active;

		record[len > 0 ? len : 0] = '\0';
		active = strstr(record, "Memory Encryption Features active:");
		found = active && (strstr(active, " SEV") || strstr(active, " TDX"));
	}
	close(fd);
	return found;
}

static bool is_confidential(void)
{
	char *cpuinfo = sysfile_load("/proc/cpuinfo");
	bool yes = cpuinfo && has_flag(cpuinfo, "tdx_guest");

	free(cpuinfo);
	return yes || sysfile_exists("/sys/class/misc/sev-guest") ||
	       sysfile_exists("/sys/class/misc/tdx_guest") ||
	       log_tells_of_encryption();
}

void place_read(struct place *place)
{
	char *cmdline = sysfile_load("/proc/cmdline");
	char *release = sysfile_load("/proc/sys/kernel/osrelease");

	memset(place, 0, sizeof(*place));
	if (release) {
		release[strcspn(release, "\n")] = '\0';
		strncat(place->release, release, sizeof(place->release) - 1);
	}
	if (cmdline) {
		place->page_poison = asked_for(cmdline, "page_poison");
		/* Poisoning takes precedence. */
		place->init_on_free = !place->page_poison && asked_for(cmdline, "init_on_free");
	}
	place->confidential = is_confidential();
	place->crash_kernel = sysfile_exists("/proc/vmcore");
	free(cmdline);
	free(release);
}
