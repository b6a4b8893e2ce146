/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP transport, for those who make up QEMU's side: fuzzers. */
#ifndef AUTOBALLOON_GUEST_QMP_H
#define AUTOBALLOON_GUEST_QMP_H

#include <json-c/json.h>

#include "guest.h"

int guest_qmp_message(struct guest *guest, struct json_object *message, uint64_t time_ms);

#endif
