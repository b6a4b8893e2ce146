// SPDX-License-Identifier: GPL-2.0-or-later
/* The transports there are. */
#include "transport.h"

#include <string.h>

#include "util.h"

static const struct transport *const transports[] = {
	&transport_qmp,
};

/**
 * transport_find - look a transport up
 * @name: its name
 *
 * Return: the transport, or NULL.
 */
const struct transport *transport_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(transports); i++)
		if (!strcmp(transports[i]->name, name))
			return transports[i];
	return NULL;
}
