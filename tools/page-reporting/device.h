/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device that reports go to. */
#ifndef PAGE_REPORTING_DEVICE_H
#define PAGE_REPORTING_DEVICE_H

#include <stdbool.h>

#include "number.h"

enum feature {
	FEATURE_MUST_TELL_HOST,
	FEATURE_STATS_VQ,
	FEATURE_DEFLATE_ON_OOM,
	FEATURE_FREE_PAGE_HINT,
	FEATURE_PAGE_POISON,
	FEATURE_REPORTING,
	NR_FEATURES
};

extern const char *const feature_names[NR_FEATURES];

enum device_kind { DEVICE_NONE, DEVICE_VIRTIO, DEVICE_HYPERV };

struct device {
	enum device_kind kind;
	char name[64];
	char driver[64];		/* empty: none is bound */
	bool ready;			/* virtio: DRIVER_OK, and not FAILED */
	bool features_known;
	bool feature[NR_FEATURES];	/* as negotiated */
	bool has_balloon;		/* the files below exist */
	struct number actual_bytes;
	struct number target_bytes;
	char state[32];
};

void device_read(struct device *device);
bool device_reports(const struct device *device);

#endif
