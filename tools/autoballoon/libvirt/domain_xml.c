// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a domain's XML says about its memory.
 *
 * The text is libvirt's own: attributes in quotation marks, "<" only where an
 * element begins. What users may put in, <metadata>, is left out.
 */
#include "domain_xml.h"

#include <stdlib.h>
#include <string.h>

/* Blanks out what is between two tags. */
static void blank(char *text, const char *from, const char *to)
{
	char *begin = strstr(text, from), *end = begin ? strstr(begin, to) : NULL;

	if (end)
		memset(begin, ' ', (size_t)(end - begin));
}

/* The next element of a name, or NULL. */
static const char *find(const char *text, const char *name)
{
	size_t len = strlen(name);

	while ((text = strchr(text, '<'))) {
		text++;
		if (!strncmp(text, name, len) && strchr(" />", text[len]) && text[len])
			return text + len;
	}
	return NULL;
}

/* An attribute's value, up to its closing mark, or "". */
static const char *attribute(const char *element, const char *name)
{
	const char *end = element + strcspn(element, ">"), *p = element;
	size_t len = strlen(name);

	while (p < end) {
		p += strspn(p, " \n\t");
		if (!strncmp(p, name, len) && p[len] == '=' && (p[len + 1] == '\'' || p[len + 1] == '"'))
			return p + len + 2;
		p += strcspn(p, "'\"> ");
		if (*p == '\'' || *p == '"') {
			p = strchr(p + 1, *p);
			if (!p)
				return "";
			p++;
		}
		if (*p == '>')
			break;
	}
	return "";
}

static bool is(const char *value, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(value, word, len) && (value[len] == '\'' || value[len] == '"');
}

static uint64_t bytes(const char *value, const char *unit)
{
	uint64_t number = strtoull(value, NULL, 10);

	if (is(unit, "GiB") || is(unit, "G"))
		return number << 30;
	if (is(unit, "MiB") || is(unit, "M"))
		return number << 20;
	return number << 10;
}

/* libvirt says how large only if it is not the host's default. */
static uint64_t page_size(const char *text)
{
	const char *huge = find(text, "hugepages"), *page;

	if (!huge)
		return 4096;
	page = find(huge, "page");
	return page && *attribute(page, "size") ?
	       bytes(attribute(page, "size"), attribute(page, "unit")) : (uint64_t)2 << 20;
}

/**
 * domain_xml_read - read a running domain's XML
 * @text: the XML; changed
 * @xml: where it goes
 */
void domain_xml_read(char *text, struct domain_xml *xml)
{
	const char *balloon, *stats, *memory;

	memset(xml, 0, sizeof(*xml));
	blank(text, "<metadata", "</metadata>");
	balloon = find(text, "memballoon");
	if (balloon && !strncmp(attribute(balloon, "model"), "virtio", 6)) {
		xml->balloon = true;
		xml->reporting = is(attribute(balloon, "freePageReporting"), "on");
		xml->autodeflate = is(attribute(balloon, "autodeflate"), "on");
		stats = find(balloon, "stats");
		if (stats)
			xml->period_s = (unsigned int)strtoul(attribute(stats, "period"), NULL, 10);
	}
	/* libvirt's sizes and QEMU's differ by it. */
	for (memory = find(text, "memory"); memory; memory = find(memory, "memory"))
		if (is(attribute(memory, "model"), "virtio-mem"))
			xml->balloon = false;
	memory = find(text, "memoryBacking");
	xml->locked = memory && find(memory, "locked");
	xml->page_size = memory ? page_size(memory) : 4096;
	xml->assigned = find(text, "hostdev") != NULL;
	for (memory = find(text, "interface"); memory; memory = find(memory, "interface"))
		xml->assigned |= is(attribute(memory, "type"), "hostdev");
}
