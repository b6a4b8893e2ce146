/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a domain's XML, as libvirt writes it, says about its memory. */
#ifndef AUTOBALLOON_DOMAIN_XML_H
#define AUTOBALLOON_DOMAIN_XML_H

#include <stdbool.h>
#include <stdint.h>

struct domain_xml {
	bool balloon;		/* virtio, and one that sizes all of the memory */
	bool reporting;
	bool autodeflate;
	bool locked;
	bool assigned;		/* a device of the host: its memory is pinned */
	uint64_t page_size;	/* bytes; of hugetlb pages, or 4096 */
	unsigned int period_s;	/* between statistics, 0: none */
};

void domain_xml_read(char *text, struct domain_xml *xml);

#endif
