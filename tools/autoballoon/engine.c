// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ties guests, pressure and policy together: guests come and go, signs of
 * pressure are collected, the policy decides once a second or at once when
 * pressure comes, and its actions go out and are logged with their inputs.
 */
#include "engine.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>

#include "donors.h"
#include "log.h"
#include "metrics.h"
#include "proc.h"
#include "writer.h"

#define IGNORED_LOG_MS 60000
#define IDLE_POLLS 128

struct engine engine;

static struct slot *slot_of(struct source *source)
{
	return source->data;
}

static void tick_guest(unsigned int i, uint64_t time_ms);

/* The guest has gone for good; what was said about it stays. */
static void free_slot(struct slot *slot)
{
	if (slot->saved)
		state_leave(slot->saved);
	slot->saved = NULL;
	guest_free(&slot->guest);
	engine.state_changed = true;
	engine.look_again |= engine.unmanaged != 0;
}

static void drop_session(struct slot *slot, int err, uint64_t time_ms)
{
	loop_remove(&slot->source);
	guest_fail(&slot->guest, err, time_ms);
	/* A socket that is no longer there takes its guest along. */
	if (slot->guest.found && err == -ENOENT) {
		log_info("event=gone guest=%s socket=%s",
			 slot->guest.name[0] ? slot->guest.name : "-", slot->guest.shown);
		free_slot(slot);
	}
}

/*
 * Ask for write readiness only while something waits to be written, and for
 * nothing to read from one that floods until the next tick.
 */
static void watch(struct slot *slot)
{
	uint32_t events = guest_floods(&slot->guest) ? 0 : EPOLLIN;

	if (slot->source.fd >= 0)
		loop_change(&slot->source, events | (slot->guest.link.out_len ? EPOLLOUT : 0));
}

static void slot_ready(struct source *source, uint32_t events)
{
	struct slot *slot = slot_of(source);
	uint64_t seq = slot->guest.stats_seq, actual = slot->guest.actual;
	uint64_t now = now_ms();
	int err = 0;

	if (events & EPOLLOUT)
		err = link_flush(&slot->guest.link);
	if (!err && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		err = guest_input(&slot->guest, now);
	if (err) {
		drop_session(slot, err, now);
		return;
	}
	if (slot->guest.phase == GUEST_READY && !slot->adopted)
		tick_guest((unsigned int)(slot - engine.slots), now);
	watch(slot);
	/* News of a guest that something was taken from may be a sign of need. */
	if ((seq != slot->guest.stats_seq || actual != slot->guest.actual) &&
	    engine.memory[slot - engine.slots].debt)
		engine.step_wanted = true;
}

static struct slot *find_path(const char *path)
{
	unsigned int i;

	for (i = 0; i < engine.nr; i++)
		if (engine.slots[i].guest.used && !strcmp(engine.slots[i].guest.path, path))
			return &engine.slots[i];
	return NULL;
}

/* A free slot, or that of a socket nobody listens on any more; UINT_MAX if there is none. */
static unsigned int find_room(void)
{
	unsigned int i;

	for (i = 0; i < engine.nr && engine.slots[i].guest.used;)
		i++;
	if (i < POLICY_MAX_GUESTS)
		return i;
	for (i = 0; i < engine.nr; i++) {
		struct slot *slot = &engine.slots[i];

		if (slot->guest.found && slot->guest.phase == GUEST_OFF &&
		    slot->guest.last_error == -ECONNREFUSED) {
			free_slot(slot);
			return i;
		}
	}
	return UINT_MAX;
}

static void add_guest(const struct transport *transport, const char *path, bool found)
{
	unsigned int i = find_room();
	char shown[256];
	struct slot *slot;

	if (strlen(path) >= GUEST_PATH_MAX) {
		log_warn("event=ignored socket=%s... reason=\"path too long\"",
			 plain_path(path, shown, sizeof(shown)));
		return;
	}
	if (i == UINT_MAX) {
		engine.unmanaged++;
		if (!engine.crowded)
			log_warn("event=ignored socket=%s reason=\"more than %d guests; the "
				 "others are counted only\"",
				 plain_path(path, shown, sizeof(shown)), POLICY_MAX_GUESTS);
		engine.crowded = true;
		return;
	}
	if (i == engine.nr)
		engine.nr++;
	slot = &engine.slots[i];
	memset(slot, 0, sizeof(*slot));
	memset(&engine.memory[i], 0, sizeof(engine.memory[i]));
	slot->source.fd = -1;
	slot->source.ready = slot_ready;
	slot->source.data = slot;
	guest_init(&slot->guest, transport, path, found);
	tick_guest(i, now_ms());
}

/**
 * engine_guest_there - a guest's socket has come or gone
 * @transport: how to talk to what listens there
 * @path: the socket
 * @there: whether it has come
 */
void engine_guest_there(const struct transport *transport, const char *path, bool there)
{
	struct slot *slot = find_path(path);

	if (there && !slot)
		add_guest(transport, path, true);
	else if (there)
		slot->guest.retry_ms = 0;
	else if (slot && slot->guest.phase == GUEST_OFF && slot->guest.found)
		free_slot(slot);
}

/**
 * engine_add_named - add the guests whose sockets the configuration names
 */
void engine_add_named(void)
{
	const struct guest_rule *rule = engine.config.rules;
	unsigned int i;

	for (i = 0; i < engine.config.nr_rules; i++, rule++)
		if (rule->socket[0] && !find_path(rule->socket))
			add_guest(transport_of((enum transport_id)rule->transport), rule->socket, false);
}

/* Names are how guests are told apart: a second one of a name gets a number. */
static void make_unique(struct slot *slot)
{
	char name[GUEST_NAME_MAX];
	unsigned int i, number = 2;

	copy_string(name, sizeof(name), slot->guest.name);
	for (i = 0; i < engine.nr; i++) {
		const struct slot *other = &engine.slots[i];

		if (other == slot || !other->guest.used || !other->adopted ||
		    strcmp(other->guest.name, slot->guest.name))
			continue;
		snprintf(slot->guest.name, sizeof(slot->guest.name), "%.56s.%u", name, number++);
		i = UINT32_MAX;		/* and look again */
	}
}

/* The same QEMU as before the daemon's restart: its sizes still hold. */
static void resume(struct slot *slot, struct policy_memory *m, uint64_t time_ms)
{
	const struct saved_guest *saved = slot->saved;
	const struct guest *g = &slot->guest;

	/* A target that was sent and not saved any more shows in the guest's size. */
	m->target = saved->target > g->actual + POLICY_TOLERANCE ? g->actual : saved->target;
	m->lowest = g->actual;
	m->last_actual = g->actual;
	m->settled = false;
	m->changed_ms = time_ms;
	m->progress_ms = time_ms;
	m->reset_seq = g->reset_seq;
	m->debt = sub_floor(saved->full ? min_u64(saved->full, g->ram) : g->ram, saved->target);
	log_info("event=resumed guest=%s target=%" PRIu64 " actual=%" PRIu64 " debt=%" PRIu64,
		 g->name, m->target, g->actual, m->debt);
}

/* A guest is known by name now: configuration and what was said about it apply. */
static void adopt(struct slot *slot, uint64_t time_ms)
{
	struct policy_memory *m = &engine.memory[slot - engine.slots];
	const struct guest *g = &slot->guest;
	bool first = !slot->adopted, other = slot->pid != g->pid || slot->pid_start != g->pid_start;
	struct saved_guest *saved;

	make_unique(slot);
	config_rule(&engine.config, g->name, guest_uuid(g), g->path, &slot->rule);
	if (slot->saved)
		state_leave(slot->saved);
	saved = state_claim(g->name, guest_uuid(g));
	slot->saved = saved;
	slot->adopted = true;
	slot->pid = g->pid;
	slot->pid_start = g->pid_start;
	slot->reset_seq = g->reset_seq;
	engine.state_changed = true;
	if (!first && !other)
		return;
	memset(m, 0, sizeof(*m));
	/* A launcher outlives its QEMUs. */
	if (first && g->pid && !g->launcher && saved->pid == g->pid && saved->pid_start == g->pid_start &&
	    saved->target && saved->target <= g->ram)
		resume(slot, m, time_ms);
	else
		slot->ask_again = true;
	saved->pid = g->pid;
	saved->pid_start = g->pid_start;
}

/**
 * engine_rules_changed - the configuration was read again
 */
void engine_rules_changed(void)
{
	unsigned int i;

	for (i = 0; i < engine.nr; i++) {
		struct slot *slot = &engine.slots[i];

		if (slot->guest.used && slot->adopted)
			config_rule(&engine.config, slot->guest.name, guest_uuid(&slot->guest),
				    slot->guest.path, &slot->rule);
	}
	engine_add_named();
}

/**
 * engine_find - look a guest up
 * @name: its name, UUID or socket
 *
 * Return: its slot, or NULL.
 */
struct slot *engine_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < engine.nr; i++) {
		struct slot *slot = &engine.slots[i];

		if (slot->guest.used && *name &&
		    (!strcmp(slot->guest.name, name) || !strcmp(guest_uuid(&slot->guest), name) ||
		     !strcmp(slot->guest.path, name)))
			return slot;
	}
	return NULL;
}

/**
 * engine_can_act - whether there is a guest that could be asked for something
 *
 * Return: true if the statistics of at least one guest are in.
 */
bool engine_can_act(void)
{
	unsigned int i;

	for (i = 0; i < engine.nr; i++)
		if (engine.slots[i].guest.used && engine.result.verdict[i].stats_usable)
			return true;
	return false;
}

/**
 * engine_word - what the administrator said about a guest
 * @slot: the guest
 *
 * Return: the word; an empty one as long as the guest is not known by name.
 */
const struct word *engine_word(const struct slot *slot)
{
	static const struct word nothing;

	return slot->saved ? &slot->saved->word : &nothing;
}

/**
 * engine_word_changed - the administrator has spoken
 *
 * It is in the file when this returns: a crash must not undo it.
 */
void engine_word_changed(void)
{
	engine.state_changed = true;
	engine.word_changed = true;
	engine.step_wanted = true;
	engine_save();
}

/* A stall somewhere on the host is no shortage: say so once in a while. */
static bool is_believed(enum level level, const char *source)
{
	uint64_t now = now_ms();

	if (strcmp(source, "psi"))
		return true;
	pressure_sample(&engine.sample);
	if (pressure_believed(engine.sample.headroom, engine.sample.headroom_low,
			      engine.config.cgroup[0]))
		return true;
	engine.ignored[level]++;
	if (!engine.ignored_ms || now - engine.ignored_ms >= IGNORED_LOG_MS) {
		engine.ignored_ms = now;
		log_info("event=pressure-ignored level=%s available=%" PRIu64 " headroom=%" PRIu64
			 " reason=\"tasks wait, but the host is not short\"", level_name(level),
			 engine.sample.available, engine.sample.headroom);
	}
	return false;
}

/**
 * engine_pressure - note a sign of pressure
 * @level: what it says
 * @source: where it came from: "psi", "vmpressure" or the name of a floor
 */
void engine_pressure(enum level level, const char *source)
{
	if (!is_believed(level, source))
		return;
	engine.events[level]++;
	engine.host.events[level]++;
	engine.step_wanted = true;
	if (level_event(&engine.level, level, now_ms()))
		log_info("event=pressure level=%s source=%s available=%" PRIu64 " headroom=%" PRId64,
			 level_name(level), source, engine.sample.available,
			 engine.sample.headroom == UNSET ? -1 : (int64_t)engine.sample.headroom);
}

/**
 * engine_inject - act as if there had been pressure
 * @level: of this level
 * @count: so many events
 */
void engine_inject(enum level level, unsigned int count)
{
	engine.injected[level] += count;
	engine.host.injected[level] += count;
	engine.step_wanted = true;
	level_event(&engine.level, level, now_ms());
	log_info("event=inject level=%s count=%u", level_name(level), count);
}

static bool wants_brisk(unsigned int i)
{
	const struct slot *slot = &engine.slots[i];
	const struct policy_memory *m = &engine.memory[i];

	/* A size that somebody else has set, however small, is nothing that goes on. */
	return engine.level.now > LEVEL_NONE || m->debt || !m->settled || slot->rule.rightsize;
}

static void observe(unsigned int i, uint64_t time_ms)
{
	struct policy_guest *g = &engine.guests[i];
	struct slot *slot = &engine.slots[i];
	const struct word *word;

	memset(g, 0, sizeof(*g));
	if (!slot->guest.used)
		return;
	guest_observe(&slot->guest, g, time_ms);
	if (!slot->adopted)
		g->absent = g->absent == WHY_NONE ? WHY_PROBING : g->absent;
	word = engine_word(slot);
	g->enabled = word_enabled(word, &slot->rule) && !engine.said.suspended;
	g->min = word_min(word, &slot->rule, g->ram);
	g->max = word_max(word, &slot->rule, g->ram);
	g->shares = slot->rule.shares;
	g->band = slot->rule.band;
	g->pulse = (enum pulse_mode)slot->rule.pulse;
	g->rightsize = slot->rule.rightsize;
	g->manual = word->set != 0;
	g->request = slot->request;
	g->hold_max = word->hold;
}

/**
 * engine_observe - bring what the policy sees up to date, for reports
 * @time_ms: the time now
 */
void engine_observe(uint64_t time_ms)
{
	unsigned int i;

	for (i = 0; i < engine.nr; i++)
		observe(i, time_ms);
}

static void fill_host(struct policy_host *host, uint64_t time_ms)
{
	host->time_ms = time_ms;
	host->level = engine.level.now;
	host->level_since_ms = engine.level.since_ms;
	host->headroom = engine.sample.headroom;
	host->wanted = reserve_wanted(&engine.reserve);
	host->headroom_low = engine.sample.headroom_low;
}

static void log_action(unsigned int i, const struct policy_action *a)
{
	const struct policy_verdict *v = &engine.result.verdict[i];
	const struct policy_guest *g = &engine.guests[i];

	log_info("event=%s guest=%s why=%s from=%" PRIu64 " to=%" PRIu64 " level=%s free=%" PRIu64
		 " cache=%" PRIu64 " need=%" PRIu64 " slack=%" PRIu64 " rss=%" PRId64
		 " floor=%" PRIu64 " reporting=%s%s",
		 a->kind == POLICY_TAKE ? "take" : "give", engine.slots[i].guest.name,
		 why_name(a->why), g->actual, a->target, level_name(engine.host.level), v->free,
		 v->cache, v->need, v->slack, g->charged == UNSET ? -1 : (int64_t)g->charged,
		 v->floor, g->reporting ? "yes" : "no", engine.dry_run ? " dry_run=yes" : "");
}

static void count_action(struct slot *slot, const struct policy_action *a, uint64_t actual,
			 uint64_t time_ms)
{
	if (a->kind == POLICY_TAKE) {
		slot->takes++;
		slot->taken_bytes += sub_floor(actual, a->target);
	} else {
		slot->gives++;
		slot->given_bytes += sub_floor(a->target, actual);
	}
	slot->pulled += a->why == WHY_PULLED;
	slot->stuck += a->why == WHY_UNSTICK;
	slot->last_why = a->why;
	slot->last_ms = time_ms;
}

static void carry_out(unsigned int i, const struct policy_memory *before, uint64_t time_ms)
{
	const struct policy_action *a = &engine.result.action[i];
	const struct policy_verdict *v = &engine.result.verdict[i];
	struct slot *slot = &engine.slots[i];
	int err;

	if (v->hurt != WHY_NONE && !slot->needy)
		log_info("event=need guest=%s why=%s actual=%" PRIu64 " free=%" PRIu64
			 " need=%" PRIu64, slot->guest.name, why_name(v->hurt),
			 engine.guests[i].actual, v->free, v->need);
	slot->needy = v->hurt != WHY_NONE;
	if (a->kind == POLICY_NOTHING)
		return;
	log_action(i, a);
	if (engine.dry_run) {
		/* Nothing was asked for: keep what was, but not the rate limits. */
		engine.memory[i].target = before->target;
		engine.memory[i].debt = before->debt;
		engine.memory[i].promised = before->promised;
		engine.memory[i].lowest = before->lowest;
		engine.memory[i].settled = before->settled;
		engine.memory[i].pulsing = false;
		return;
	}
	count_action(slot, a, engine.guests[i].actual, time_ms);
	history_add(&slot->history, a, v, &engine.host, engine.guests[i].actual);
	engine.state_changed = true;
	guest_set_target(&slot->guest, a->target);
	err = guest_work(&slot->guest, time_ms);
	if (err)
		drop_session(slot, err, time_ms);
	else
		watch(slot);
}

/* A size that was set is a word; a younger one of somebody else counts more. */
static void follow_foreign(unsigned int i, const struct policy_memory *before)
{
	struct slot *slot = &engine.slots[i];

	if (engine.memory[i].foreign_until_ms <= before->foreign_until_ms ||
	    !engine_word(slot)->set)
		return;
	slot->saved->word.set = 0;
	engine.word_changed = true;
	log_info("event=set-overruled guest=%s actual=%" PRIu64, slot->guest.name,
		 engine.guests[i].actual);
}

/*
 * A size that was set is asked for once the guest can be asked, and again when
 * pressure or the guest's own need have changed it and are over.
 */
static void ask_again(unsigned int i, uint64_t time_ms)
{
	const struct policy_verdict *v = &engine.result.verdict[i];
	const struct policy_memory *m = &engine.memory[i];
	struct slot *slot = &engine.slots[i];
	uint64_t set = engine_word(slot)->set, pause = engine.config.policy.give_after_ms;

	if (slot->reset_seq != slot->guest.reset_seq) {
		slot->reset_seq = slot->guest.reset_seq;
		slot->ask_again = true;
	}
	if (!set || slot->request || !m->target || v->barred || !v->stats_usable ||
	    v->hurt != WHY_NONE || set < v->floor || m->pulsing || !m->settled ||
	    time_ms < m->hold_until_ms || time_ms < m->cool_until_ms ||
	    time_ms < m->foreign_until_ms || engine.level.now > LEVEL_NONE)
		return;
	if (!slot->ask_again && sub_floor(time_ms, m->changed_ms) < pause)
		return;
	slot->ask_again = false;
	if (m->target / 4096 != min_u64(max_u64(set, v->low), v->high) / 4096)
		slot->request = set;
}

/**
 * engine_save - write what has to outlive the daemon, if it has changed
 */
void engine_save(void)
{
	unsigned int i;
	int err;

	if (!engine.state_changed && !engine.word_changed)
		return;
	for (i = 0; i < engine.nr; i++) {
		struct slot *slot = &engine.slots[i];

		if (!slot->guest.used || !slot->saved)
			continue;
		slot->saved->target = engine.memory[i].target;
		slot->saved->full = add_cap(engine.memory[i].target, engine.memory[i].debt);
	}
	err = state_save(engine.config.run_dir, &engine.said);
	if (!err && engine.word_changed && engine.config.keep_dir[0])
		err = state_keep(engine.config.keep_dir, &engine.said);
	if (err && !engine.save_failed)
		log_warn("event=state-not-saved reason=\"%s\"", strerror(-err));
	/* It is tried again with each step until it works. */
	engine.save_failed = err != 0;
	engine.state_changed = err != 0;
	engine.word_changed = engine.word_changed && err;
}

static const char *slot_name(unsigned int i)
{
	return engine.slots[i].guest.name[0] ? engine.slots[i].guest.name : "-";
}

/* Pressure and nobody could give: once a while of pressure, and to whoever injected it. */
static void log_donors(void)
{
	bool injected = engine.host.injected[LEVEL_LOW] || engine.host.injected[LEVEL_MEDIUM] ||
			engine.host.injected[LEVEL_CRITICAL];
	char text[DONORS_TEXT_MAX];
	struct textbuf tb;

	if (!engine.result.no_donors) {
		if (engine.level.now == LEVEL_NONE)
			engine.no_donors = 0;
		return;
	}
	engine.no_donors_ever++;
	if (engine.no_donors++ && !injected)
		return;
	textbuf_init(&tb, text, sizeof(text));
	donors_explain(&tb, engine.guests, &engine.result, engine.nr, slot_name);
	log_warn("event=no-donors level=%s %s", level_name(engine.host.level), text);
}

/**
 * engine_step - let the policy decide, and do what it says
 * @time_ms: the time now
 */
void engine_step(uint64_t time_ms)
{
	static struct policy_memory before[POLICY_MAX_GUESTS];
	unsigned int i;

	engine.step_wanted = false;
	if (engine.ending)
		return;
	engine_observe(time_ms);
	fill_host(&engine.host, time_ms);
	for (i = 0; i < engine.nr; i++) {
		if (!engine.slots[i].guest.used)
			continue;
		ask_again(i, time_ms);
		engine.guests[i].request = engine.slots[i].request;
	}
	memcpy(before, engine.memory, engine.nr * sizeof(before[0]));
	policy_step(&engine.config.policy, &engine.host, engine.guests, engine.memory,
		    engine.nr, &engine.result);
	for (i = 0; i < engine.nr; i++) {
		if (!engine.slots[i].guest.used)
			continue;
		carry_out(i, &before[i], time_ms);
		follow_foreign(i, &before[i]);
		engine.slots[i].request = 0;
	}
	log_donors();
	memset(engine.host.events, 0, sizeof(engine.host.events));
	memset(engine.host.injected, 0, sizeof(engine.host.injected));
	engine_save();
}

/**
 * engine_set_size - ask a guest for a size although it is disabled
 * @slot: a guest that can be asked
 * @size: bytes
 * @time_ms: the time now
 */
void engine_set_size(struct slot *slot, uint64_t size, uint64_t time_ms)
{
	struct policy_memory *m = &engine.memory[slot - engine.slots];

	policy_moved(m, size, slot->guest.actual);
	m->lowest = slot->guest.actual;
	m->settled = false;
	m->stuck = false;
	m->changed_ms = time_ms;
	m->progress_ms = time_ms;
	log_info("event=set guest=%s to=%" PRIu64 "%s", slot->guest.name, size,
		 engine.dry_run ? " dry_run=yes" : "");
	if (engine.dry_run)
		return;
	guest_set_target(&slot->guest, size);
	guest_work(&slot->guest, time_ms);
	watch(slot);
}

/**
 * engine_plan - what the policy would do, without doing it
 * @level: as if there were a sign of this level now; NULL: as things are
 * @result: where the result goes
 * @time_ms: the time now
 */
void engine_plan(const enum level *level, struct policy_result *result, uint64_t time_ms)
{
	static struct policy_memory scratch[POLICY_MAX_GUESTS];
	struct policy_host host = engine.host;

	engine_observe(time_ms);
	fill_host(&host, time_ms);
	if (level && *level > LEVEL_NONE) {
		host.level = max_u64(host.level, *level);
		host.injected[*level] = 1;
	}
	memcpy(scratch, engine.memory, engine.nr * sizeof(scratch[0]));
	policy_step(&engine.config.policy, &host, engine.guests, scratch, engine.nr, result);
}

static void update_cgroup(struct slot *slot)
{
	const char *dirs[2];
	unsigned int nr = 0;

	if (engine.config.cgroup[0])
		dirs[nr++] = engine.config.cgroup;
	if (engine.config.cgroup_memory[0])
		dirs[nr++] = engine.config.cgroup_memory;
	slot->guest.outside = nr && !proc_in_cgroup(slot->guest.launcher ? 0 : slot->guest.pid,
						    dirs, nr);
}

/* So many guests that are idle are asked in a second, however many there are. */
static uint64_t idle_seconds(void)
{
	return max_u64(engine.config.idle_interval_ms / 1000, engine.nr / IDLE_POLLS);
}

static void tick_guest(unsigned int i, uint64_t time_ms)
{
	struct slot *slot = &engine.slots[i];
	struct guest *g = &slot->guest;
	uint64_t refresh = g->refresh_ms;
	int err;

	if (g->phase == GUEST_OFF) {
		if (time_ms < g->retry_ms)
			return;
		err = guest_connect(g, time_ms);
		if (!err && loop_add(&slot->source, g->link.fd, EPOLLIN))
			err = -ENOMEM;
		if (err) {
			if (g->phase != GUEST_OFF)
				guest_fail(g, err, time_ms);
			if (g->found && err == -ENOENT)
				free_slot(slot);
			return;
		}
	}
	g->watch_disks = slot->rule.rightsize;
	err = guest_tick(g, wants_brisk(i), idle_seconds(), time_ms);
	if (err) {
		drop_session(slot, err, time_ms);
		return;
	}
	if (g->phase == GUEST_READY) {
		bool other = slot->pid != g->pid || slot->pid_start != g->pid_start;

		if (!slot->adopted || other)
			adopt(slot, time_ms);
		if (other || refresh != g->refresh_ms)
			update_cgroup(slot);
	}
	watch(slot);
}

/**
 * engine_tick - once a second: sample, poll, decide, save
 * @time_ms: the time now
 */
void engine_tick(uint64_t time_ms)
{
	unsigned int i;
	int err;

	pressure_sample(&engine.sample);
	/* Nobody knows how quiet it was before. */
	if (!engine.level.since_ms)
		engine.level.since_ms = time_ms;
	if (engine.sample.level > LEVEL_NONE)
		engine_pressure(engine.sample.level, engine.sample.floor);
	if (reserve_look(&engine.reserve, engine.sample.headroom, engine.sample.headroom_low,
			 time_ms) == RESERVE_WAITING)
		engine_pressure(LEVEL_MEDIUM, "reserve");
	if (level_tick(&engine.level, time_ms, engine.config.quiet_ms))
		log_info("event=relief level=%s", level_name(engine.level.now));
	for (i = 0; i < engine.nr; i++)
		if (engine.slots[i].guest.used)
			tick_guest(i, time_ms);
	engine_step(time_ms);
	if (engine.config.metrics_file[0] && time_ms >= engine.metrics_ms) {
		engine.metrics_ms = time_ms + engine.config.metrics_interval_ms;
		/* How it went shows at the next time: a slow disk must not hold us up. */
		err = metrics_write(engine.config.metrics_file);
		if (!err)
			err = writer_error(WRITER_METRICS);
		if (err && err != engine.metrics_err)
			log_warn("event=metrics-not-written file=%s reason=\"%s\"",
				 engine.config.metrics_file, strerror(-err));
		engine.metrics_err = err;
	}
}

/* What a guest may have at the end: what was not taken, or what was set. */
static uint64_t release_size(unsigned int i)
{
	const struct policy_memory *m = &engine.memory[i];
	uint64_t size = min_u64(add_cap(m->target, m->debt), engine.result.verdict[i].high);
	uint64_t set = engine_word(&engine.slots[i])->set;

	return set ? min_u64(size, set) : size;
}

/*
 * Nothing is given that was not taken, nor against what anybody said: a size of
 * somebody else has ended the debt.
 */
static bool may_release(unsigned int i)
{
	const struct policy_memory *m = &engine.memory[i];
	const struct policy_guest *g = &engine.guests[i];

	return g->present && g->absent == WHY_NONE && g->has_device && g->enabled && m->target &&
	       release_size(i) > m->target + POLICY_TOLERANCE;
}

/**
 * engine_release - give back what was taken, when the daemon ends
 * @time_ms: the time now
 *
 * The loop has to run on until the commands have gone out; no decision is made
 * any more.
 */
void engine_release(uint64_t time_ms)
{
	unsigned int i;

	engine.ending = true;
	engine_observe(time_ms);
	for (i = 0; i < engine.nr; i++) {
		struct slot *slot = &engine.slots[i];
		struct policy_memory *m = &engine.memory[i];

		if (!may_release(i))
			continue;
		policy_moved(m, release_size(i), slot->guest.actual);
		log_info("event=give guest=%s why=%s to=%" PRIu64, slot->guest.name,
			 why_name(WHY_RELEASE), m->target);
		guest_set_target(&slot->guest, m->target);
		guest_work(&slot->guest, time_ms);
		watch(slot);
	}
	engine.state_changed = true;
}

/**
 * engine_close - end all sessions
 */
void engine_close(void)
{
	unsigned int i;

	for (i = 0; i < engine.nr; i++) {
		loop_remove(&engine.slots[i].source);
		if (engine.slots[i].guest.used)
			guest_free(&engine.slots[i].guest);
	}
	engine.nr = 0;
}
