/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why no guest could give: what stood against each, in a bounded text. */
#ifndef AUTOBALLOON_DONORS_H
#define AUTOBALLOON_DONORS_H

#include "policy.h"
#include "textbuf.h"

/* Room for it, with the final NUL. */
#define DONORS_TEXT_MAX 896

typedef const char *(*guest_name_fn)(unsigned int guest);

void donors_explain(struct textbuf *tb, const struct policy_guest *guests,
		    const struct policy_result *result, unsigned int nr, guest_name_fn name);

#endif
