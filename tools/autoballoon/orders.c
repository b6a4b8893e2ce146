// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The administrator's orders. Each changes the word about one guest, or about
 * all, and the word is saved before the answer goes out. What was said about a
 * guest that is not there can be changed too.
 */
#include "orders.h"

#include <inttypes.h>
#include <string.h>

#include "engine.h"
#include "log.h"
#include "reply.h"

/* Whom an order is about: a guest that is there, or what is known of one that is not. */
struct subject {
	struct slot *slot;		/* NULL: not there */
	struct saved_guest *saved;
};

static void fail(struct textbuf *tb, const char *text)
{
	out_bool(tb, "ok", false);
	out_string(tb, "error", text);
}

static bool find_subject(struct json_object *req, struct textbuf *tb, struct subject *s)
{
	const char *name = reply_string(req, "guest");

	s->slot = name ? engine_find(name) : NULL;
	s->saved = s->slot ? s->slot->saved : name ? state_find_absent(name) : NULL;
	if (s->saved)
		return true;
	fail(tb, s->slot ? why_text(guest_absent(&s->slot->guest)) : "no such guest");
	return false;
}

static void done(struct textbuf *tb, const char *order, const struct subject *s)
{
	char text[256];
	struct textbuf word;

	textbuf_init(&word, text, sizeof(text));
	word_write(&s->saved->word, &word);
	log_info("event=order order=%s guest=%s %s", order, s->saved->name, text);
	engine_word_changed();
	out_bool(tb, "ok", true);
}

/* Whether a size can be set now; says why not. "code" tells the command's exit status. */
static bool may_set(const struct slot *slot, uint64_t size, struct textbuf *tb)
{
	unsigned int i = (unsigned int)(slot - engine.slots);
	const struct policy_verdict *v = &engine.result.verdict[i];
	const struct policy_guest *g = &engine.guests[i];
	bool takes = size < g->actual;

	if (engine.dry_run)
		fail(tb, "dry run: nothing is sent");
	else if (v->barred && v->why != WHY_DISABLED)
		fail(tb, why_text(v->why));
	else if (size < v->low || size > v->high)
		fail(tb, "outside the guest's minimum and maximum");
	else if (takes && g->hugetlb)
		fail(tb, why_text(WHY_HUGETLB));
	else if (takes && g->mem_locked)
		fail(tb, why_text(WHY_MEM_LOCK));
	else if (takes && g->assigned)
		fail(tb, why_text(WHY_ASSIGNED));
	else if (takes && v->stats_usable && size < v->floor) {
		fail(tb, "below what the guest needs");
		out_string(tb, "code", "guest-refused");
	} else
		return true;
	return false;
}

static void do_set(struct json_object *req, struct textbuf *tb)
{
	struct subject s;
	uint64_t size;

	if (!find_subject(req, tb, &s))
		return;
	if (!reply_u64(req, "size", &size)) {
		/* "auto" */
		s.saved->word.set = 0;
		done(tb, "set", &s);
		return;
	}
	if (!s.slot) {
		fail(tb, "the guest is not there");
		return;
	}
	engine_observe(now_ms());
	if (!may_set(s.slot, size, tb))
		return;
	s.saved->word.set = size;
	s.slot->ask_again = false;
	if (engine.guests[s.slot - engine.slots].enabled) {
		s.slot->request = size;
		engine_step(now_ms());
	} else {
		/* "Leave it alone" is said to the daemon, not to the administrator. */
		engine_set_size(s.slot, size & ~(uint64_t)4095, now_ms());
	}
	done(tb, "set", &s);
	out_u64(tb, "target", engine.memory[s.slot - engine.slots].target);
}

static uint64_t minimum_of(const struct subject *s)
{
	return s->slot ? word_min(&s->saved->word, &s->slot->rule, s->slot->guest.ram) :
			 s->saved->word.min;
}

static void do_hold(struct json_object *req, struct textbuf *tb)
{
	struct subject s;
	bool off = false;
	uint64_t size;

	if (!find_subject(req, tb, &s))
		return;
	reply_bool(req, "off", &off);
	if (!reply_u64(req, "size", &size))
		size = s.slot ? s.slot->guest.actual : 0;
	if (!off && (!size || size < minimum_of(&s))) {
		fail(tb, "below the guest's minimum");
		return;
	}
	s.saved->word.hold = off ? 0 : size;
	done(tb, "hold", &s);
}

/* "min" and "max" without a size: as configured. */
static void do_limit(struct json_object *req, struct textbuf *tb, bool is_min)
{
	struct subject s;
	struct word word;
	uint64_t size = 0;

	if (!find_subject(req, tb, &s))
		return;
	reply_u64(req, "size", &size);
	word = s.saved->word;
	*(is_min ? &word.min : &word.max) = size;
	if (s.slot && word_min(&word, &s.slot->rule, s.slot->guest.ram) >
	    word_max(&word, &s.slot->rule, s.slot->guest.ram)) {
		fail(tb, "the minimum would be above the maximum");
		return;
	}
	s.saved->word = word;
	done(tb, is_min ? "min" : "max", &s);
}

static void do_enable(struct json_object *req, struct textbuf *tb, bool enable)
{
	bool all = false;
	struct subject s;

	reply_bool(req, "all", &all);
	if (all) {
		engine.said.suspended = !enable;
		log_info("event=order order=%s guest=all", enable ? "enable" : "disable");
		engine_word_changed();
		out_bool(tb, "ok", true);
		return;
	}
	if (!find_subject(req, tb, &s))
		return;
	if (!enable) {
		s.saved->word.automatic = WORD_DISABLED;
	} else {
		/* Said over a configuration that says no; else it is as configured. */
		s.saved->word.automatic = s.slot && s.slot->rule.automatic ? WORD_AS_CONFIGURED :
									     WORD_ENABLED;
		s.saved->word.set = 0;
	}
	done(tb, enable ? "enable" : "disable", &s);
}

static void do_forget(struct json_object *req, struct textbuf *tb)
{
	struct subject s;

	if (!find_subject(req, tb, &s))
		return;
	s.saved->word = (struct word){ 0 };
	done(tb, "forget", &s);
}

/* Without a size: how far it is. */
static void do_reserve(struct json_object *req, struct textbuf *tb)
{
	static const char *const names[] = { "none", "waiting", "ready" };
	const struct pressure_sample *sample = &engine.sample;
	uint64_t size, timeout = 60000, now = now_ms();
	enum reserve_state state;

	reply_u64(req, "timeout_ms", &timeout);
	if (reply_u64(req, "size", &size)) {
		if (sample->headroom == UNSET || engine.dry_run) {
			out_bool(tb, "ok", false);
			out_string(tb, "error", engine.dry_run ? "dry run: nothing is sent" :
				   "nobody knows how much the host has left");
			return;
		}
		reserve_start(&engine.reserve, size, now + min_u64(timeout, 86400000));
		log_info("event=reserve bytes=%" PRIu64 " headroom=%" PRIu64, size,
			 sample->headroom);
		engine.step_wanted = true;
	}
	state = reserve_look(&engine.reserve, sample->headroom, sample->headroom_low, now);
	out_bool(tb, "ok", true);
	out_string(tb, "state", names[state]);
	out_u64(tb, "bytes", engine.reserve.bytes);
	out_u64(tb, "headroom", sample->headroom);
	out_u64(tb, "keep", sample->headroom_low);
	out_bool(tb, "no_donors", engine.result.no_donors);
}

/**
 * orders_dispatch - carry out an order
 * @command: its name
 * @req: the request
 * @tb: where the answer's members go
 *
 * Return: false if it is not an order.
 */
bool orders_dispatch(const char *command, struct json_object *req, struct textbuf *tb)
{
	if (!strcmp(command, "set"))
		do_set(req, tb);
	else if (!strcmp(command, "hold"))
		do_hold(req, tb);
	else if (!strcmp(command, "min") || !strcmp(command, "max"))
		do_limit(req, tb, command[1] == 'i');
	else if (!strcmp(command, "enable") || !strcmp(command, "disable"))
		do_enable(req, tb, *command == 'e');
	else if (!strcmp(command, "reserve"))
		do_reserve(req, tb);
	else if (!strcmp(command, "forget"))
		do_forget(req, tb);
	else
		return false;
	return true;
}
