// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds the device that reports go to: a virtio balloon, or Hyper-V's.
 *
 * A guest sees what was negotiated, not what the host offers.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "device.h"
#include "sysfile.h"

#define VIRTIO		"/sys/bus/virtio/devices"
#define VIRTIO_BALLOON	5
#define STATUS_DRIVER_OK	0x04
#define STATUS_NEEDS_RESET	0x40
#define STATUS_FAILED		0x80

#define VMBUS		"/sys/bus/vmbus/devices"
#define HYPERV_DM	"{525074dc-8985-46e2-8057-a307dc18a502}"

const char *const feature_names[NR_FEATURES] = {
	[FEATURE_MUST_TELL_HOST] = "must-tell-host",
	[FEATURE_STATS_VQ] = "stats-vq",
	[FEATURE_DEFLATE_ON_OOM] = "deflate-on-oom",
	[FEATURE_FREE_PAGE_HINT] = "free-page-hint",
	[FEATURE_PAGE_POISON] = "page-poison",
	[FEATURE_REPORTING] = "free-page-reporting",
};

static unsigned long hex_file(const char *dir, const char *name, const char *file)
{
	char *text = sysfile_load("%s/%s/%s", dir, name, file);
	unsigned long value = text ? strtoul(text, NULL, 16) : 0;

	free(text);
	return value;
}

/* One character a bit, the lowest first. */
static void read_features(struct device *device)
{
	char *text = sysfile_load(VIRTIO "/%s/features", device->name);
	unsigned int i;

	if (text && strspn(text, "01") >= NR_FEATURES) {
		device->features_known = true;
		for (i = 0; i < NR_FEATURES; i++)
			device->feature[i] = text[i] == '1';
	}
	free(text);
}

static void read_balloon(struct device *device)
{
	char *text = sysfile_load(VIRTIO "/%s/balloon/state", device->name);
	size_t i;

	device->has_balloon = text != NULL;
	for (i = 0; text && isalpha((unsigned char)text[i]) && i + 1 < sizeof(device->state); i++)
		device->state[i] = text[i];
	free(text);
	device->actual_bytes = sysfile_number(VIRTIO "/%s/balloon/actual_bytes", device->name);
	device->target_bytes = sysfile_number(VIRTIO "/%s/balloon/target_bytes", device->name);
}

static void read_driver(struct device *device, const char *bus)
{
	char path[SYSFILE_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/driver", bus, device->name);
	if (sysfile_link_name(path, device->driver, sizeof(device->driver)))
		device->driver[0] = '\0';
}

static void read_virtio(struct device *device)
{
	unsigned long status = hex_file(VIRTIO, device->name, "status");

	device->kind = DEVICE_VIRTIO;
	read_driver(device, VIRTIO);
	device->ready = status & STATUS_DRIVER_OK &&
			!(status & (STATUS_NEEDS_RESET | STATUS_FAILED));
	read_features(device);
	read_balloon(device);
}

static bool is_virtio_balloon(const char *name)
{
	return hex_file(VIRTIO, name, "device") == VIRTIO_BALLOON;
}

static bool is_hyperv_balloon(const char *name)
{
	char *text = sysfile_load(VMBUS "/%s/class_id", name);
	bool yes = text && !strncasecmp(text, HYPERV_DM, strlen(HYPERV_DM));

	free(text);
	return yes;
}

/* The first of its kind by name; only one can be registered. */
static bool find(struct device *device, const char *bus, bool (*is_it)(const char *name))
{
	DIR *dir = sysfile_dir(bus);
	struct dirent *entry;

	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] == '.' || strlen(name) >= sizeof(device->name) || !is_it(name))
			continue;
		if (!device->name[0] || strcmp(name, device->name) < 0)
			strcpy(device->name, name);
	}
	closedir(dir);
	return device->name[0] != '\0';
}

void device_read(struct device *device)
{
	memset(device, 0, sizeof(*device));
	if (find(device, VIRTIO, is_virtio_balloon)) {
		read_virtio(device);
	} else if (find(device, VMBUS, is_hyperv_balloon)) {
		device->kind = DEVICE_HYPERV;
		read_driver(device, VMBUS);
		device->ready = device->driver[0] != '\0';
	}
}

/* As far as one can see from here; Hyper-V's features are not to be seen. */
bool device_reports(const struct device *device)
{
	if (device->kind == DEVICE_HYPERV)
		return device->driver[0] != '\0';
	return device->kind == DEVICE_VIRTIO && device->driver[0] && device->ready &&
	       (!device->features_known || device->feature[FEATURE_REPORTING]);
}
