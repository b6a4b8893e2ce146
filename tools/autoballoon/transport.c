// SPDX-License-Identifier: GPL-2.0-or-later
/* The transports there are. */
#include "transport.h"

static const struct transport *const transports[NR_TRANSPORTS] = {
	[TRANSPORT_QMP] = &transport_qmp,
	[TRANSPORT_LIBVIRT] = &transport_libvirt,
	[TRANSPORT_FIRECRACKER] = &transport_firecracker,
	[TRANSPORT_CLOUD_HYPERVISOR] = &transport_cloud_hypervisor,
};

/**
 * transport_of - look a transport up
 * @id: which
 *
 * Return: the transport.
 */
const struct transport *transport_of(enum transport_id id)
{
	return transports[id];
}
