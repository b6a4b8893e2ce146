/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest's QEMU is asked, and what its answers and events mean. */
#ifndef AUTOBALLOON_GUEST_QMP_H
#define AUTOBALLOON_GUEST_QMP_H

#include "guest.h"

#define WANT(command) (1U << (command))

void guest_set_name(struct guest *guest, const char *name);
int guest_ask(struct guest *guest, enum guest_command command, uint64_t time_ms);
void guest_event(struct guest *guest, const char *event, struct json_object *message,
		 uint64_t time_ms);
void guest_reply(struct guest *guest, struct json_object *message, uint64_t time_ms);
void guest_enter(struct guest *guest, enum guest_phase phase, uint64_t time_ms);

#endif
