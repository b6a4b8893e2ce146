// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Why no guest could give, as key=value words for one log line:
 *
 *	guests=40 reasons=at-floor:38,guest-hold:2 against=web:at-floor,db:guest-hold more=38
 *
 * The reasons count all guests, the last of too many reasons as "other". The list
 * of guests ends where it would get too long for a line, and "more" says how many it
 * leaves out.
 */
#include "donors.h"

#include <string.h>

#define REASONS_MAX 320		/* where the first list ends: it takes no more items then */
#define LIST_MAX 400		/* the same for the second; a name is 63 bytes at most */

/* A name without what separates the list's items. */
static void put_name(struct textbuf *tb, const char *name)
{
	for (; *name; name++)
		textbuf_printf(tb, "%c", strchr(",: ", *name) ? '_' : *name);
}

static void put_reasons(struct textbuf *tb, const struct policy_guest *guests,
			const struct policy_result *result, unsigned int nr)
{
	unsigned int count[NR_WHYS] = { 0 }, i, other = 0;
	size_t start = tb->len;
	const char *comma = "";

	for (i = 0; i < nr; i++)
		if (guests[i].present)
			count[result->verdict[i].why]++;
	for (i = 0; i < NR_WHYS; i++) {
		if (!count[i])
			continue;
		if (tb->len - start >= REASONS_MAX) {
			other += count[i];
			continue;
		}
		textbuf_printf(tb, "%s%s:%u", comma, why_name((enum why)i), count[i]);
		comma = ",";
	}
	if (!*comma)
		textbuf_printf(tb, "-");
	if (other)
		textbuf_printf(tb, ",other:%u", other);
}

/**
 * donors_explain - say what stood against each guest
 * @tb: where to, with room for DONORS_TEXT_MAX bytes
 * @guests: the guests
 * @result: what the policy decided about them
 * @nr: their number
 * @name: gives a guest's name
 */
void donors_explain(struct textbuf *tb, const struct policy_guest *guests,
		    const struct policy_result *result, unsigned int nr, guest_name_fn name)
{
	unsigned int i, seen = 0, listed = 0;
	const char *comma = "";
	size_t start;

	for (i = 0; i < nr; i++)
		seen += guests[i].present;
	textbuf_printf(tb, "guests=%u reasons=", seen);
	put_reasons(tb, guests, result, nr);
	textbuf_printf(tb, " against=");
	start = tb->len;
	for (i = 0; i < nr && tb->len - start < LIST_MAX; i++) {
		if (!guests[i].present)
			continue;
		textbuf_printf(tb, "%s", comma);
		put_name(tb, name(i));
		textbuf_printf(tb, ":%s", why_name(result->verdict[i].why));
		comma = ",";
		listed++;
	}
	if (!listed)
		textbuf_printf(tb, "-");
	if (listed < seen)
		textbuf_printf(tb, " more=%u", seen - listed);
}
