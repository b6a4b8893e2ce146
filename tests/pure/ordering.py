#!/usr/bin/python3
"""The ordering arguments as small models: every execution is tried, each barrier is needed.

A model is some threads of a few steps each.  A step may happen before an earlier one of its
thread unless something orders the two: the same variable, a full barrier, an acquire before or
a release after, or a value that the step needs.  All threads see one memory.  That is what
arm64 allows, and more than x86 does.

Each step names the line that it stands for; a line must be in its function, after those of
the steps before it.  A model holds if no execution ends badly, and if without any one of the
steps that are there for ordering alone some execution does.
"""

import argparse
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENGINE = "mm/page_reporting/"
DRIVER = "drivers/virtio/virtio_balloon/"
READ, WRITE, RMW, BARRIER, LOCK, UNLOCK, AWAIT = range(7)
FULL = (RMW, BARRIER)  # steps that nothing passes


class Step:
    """One step of a thread.

    name    variable or lock; of a READ also the register that it sets, unless into says another
    value   of registers: what a WRITE or RMW leaves; of an AWAIT, whether a value will do
    only    of registers: whether it happens at all
    needs   registers that value and only look at
    relaxed an RMW that orders nothing
    line    text of the source, None for what stands for hardware or the core
    where   the function, if its barrier is there for the order alone
    """

    def __init__(self, kind, name=None, value=None, *, only=None, needs=(), into=None,
                 relaxed=False, line=None, where=None):
        self.kind, self.name, self.value, self.only = kind, name, value, only
        self.needs, self.into, self.line, self.where = frozenset(needs), into, line, where
        self.full = kind in FULL and not relaxed
        self.sets = into or (name if kind == READ else None)


def read(name, **more):
    return Step(READ, name, **more)


def write(name, value, **more):
    return Step(WRITE, name, value if callable(value) else lambda r: value, **more)


def rmw(name, value, **more):
    """value: of (registers, old value)."""
    return Step(RMW, name, value, **more)


def barrier(where=None, line=None):
    return Step(BARRIER, where=where, line=line)


def lock(name, line=None):
    return Step(LOCK, name, line=line)


def unlock(name, line=None):
    return Step(UNLOCK, name, line=line)


def wait_until(name, value, **more):
    """Sleeps until the variable has a value that will do; what follows comes after."""
    return Step(AWAIT, name, value, **more)


def ordered(first, then):
    """Of two steps of a thread: must the first happen first?"""
    if first.full or then.full or first.kind in (LOCK, AWAIT) or then.kind == UNLOCK:
        return True
    # A load may be speculated on, a store may not.
    needs = then.needs if then.kind != READ else frozenset()
    return first.name == then.name or first.sets in needs or then.kind == AWAIT


class Model:
    """threads: {name: steps}; initial: {variable: value}; bad: of (memory, registers, ended)."""

    def __init__(self, threads, initial, bad, code=()):
        self.threads, self.initial, self.bad, self.code = threads, initial, bad, code

    def without(self, where, line):
        """The same where a function lacks a barrier."""
        return Model({name: [step for step in steps if (step.where, step.line) != (where, line)]
                      for name, steps in self.threads.items()}, self.initial, self.bad)

    def for_order(self):
        """Function and line of what is there for the order alone."""
        return {(step.where, step.line) for steps in self.threads.values() for step in steps
                if step.where}

    def explore(self):
        """Returns what is wrong with some execution, or None."""
        names = list(self.threads)
        before = {name: [[j for j in range(i) if ordered(steps[j], steps[i])]
                         for i in range(len(steps))] for name, steps in self.threads.items()}
        start = (tuple(sorted(self.initial.items())), tuple((0, ()) for _ in names))
        stack, seen = [start], {start}
        while stack:
            memory_items, states = stack.pop()
            memory, moved = dict(memory_items), False
            for number, name in enumerate(names):
                done, items = states[number]
                for i, step in enumerate(self.threads[name]):
                    if done >> i & 1 or any(not done >> j & 1 for j in before[name][i]):
                        continue
                    after = self._happen(step, memory, dict(items))
                    if after is None:
                        continue
                    moved = True
                    new = (tuple(sorted(after[0].items())),
                           (*states[:number], (done | 1 << i, tuple(sorted(after[1].items()))),
                            *states[number + 1:]))
                    if new not in seen:
                        seen.add(new)
                        stack.append(new)
            if not moved:
                registers = {name: dict(states[number][1]) for number, name in enumerate(names)}
                ended = {name for number, name in enumerate(names)
                         if states[number][0] == (1 << len(self.threads[name])) - 1}
                problem = self.bad(memory, registers, ended)
                if problem:
                    return f"{problem}: {memory}, {registers}"
        return None

    @staticmethod
    def _happen(step, memory, registers):
        """Returns memory and registers after a step, None if it must wait."""
        if step.only and step.kind != READ and not step.only(registers):
            return memory, registers
        memory = dict(memory)
        if step.kind == AWAIT and not step.value(registers, memory[step.name]):
            return None
        if step.kind == LOCK:
            if memory.get(step.name):
                return None
            memory[step.name] = 1
        elif step.kind == UNLOCK:
            memory[step.name] = 0
        elif step.kind in (WRITE, RMW):
            old = memory[step.name]
            memory[step.name] = (step.value(registers, old) if step.kind == RMW
                                 else step.value(registers))
            if step.into:
                registers[step.into] = old
        elif step.kind in (READ, AWAIT) and (step.sets or step.into):
            registers[step.into or step.sets] = memory[step.name]
        return memory, registers


# --- the code's lines ----------------------------------------------------------------------


def body(top, where):
    """The text of a function, given as path:function."""
    path, function = where.split(":")
    with open(os.path.join(top, path)) as f:
        text = f.read()
    found = re.search(rf"^[\w][^\n;]*\b{function}\([^;{{]*\)\n{{\n.*?^}}\n", text, re.M | re.S)
    if not found:
        raise LookupError(f"{path} has no function {function}")
    return found[0]


def missing_line(top, model):
    """The first line that is not where the model says, or None."""
    for where, lines in model.code:
        text, at = body(top, where), 0
        for line in lines:
            found = text.find(line, at)
            if found < 0:
                return f"{where} has no '{line}'" + (" after that" if at else "")
            at = found + len(line)
    return None


# --- a hook's record and the worker's sleep ------------------------------------------------


def hook_and_worker(section_dirty):
    """What a hook makes dirty is seen by the pass under way, or another pass is scheduled.

    scheduled is true at first, and what it was scheduled for is due: the hook asks for no
    pass while it reads that.
    """
    def one_pass(number):
        seen = f"seen{number}"
        return [
            wait_until("work", lambda r, v: v == 1),
            rmw("work", lambda r, v: 0),
            lock("due_lock", line="spin_lock_irqsave(&due_lock"),
            write("scheduled", 0, line="WRITE_ONCE(scheduled, false)"),
            unlock("due_lock", line="spin_unlock_irqrestore(&due_lock"),
            write("fresh", 0, line="atomic_long_set(&fresh_pages, 0)"),
            barrier("pass_work_func", "smp_mb()"),
            read("section", line="find_next_bit(map->dirty"),
            rmw("section", lambda r, v: 0, only=lambda r: r["section"], needs=["section"],
                relaxed=True, line="clear_bit(section, map->dirty)"),
            barrier("batch_collect", "smp_mb__after_atomic()"),
            read("granule", into="granule"),
            write(seen, 1, only=lambda r: r["section"] and r["granule"],
                  needs=["section", "granule"]),
        ]

    threads = {
        "hook": [
            rmw("granule", lambda r, v: 1, relaxed=True, line="bits_assign(table->dirty"),
            barrier("fpr_range_set", "smp_mb()"),
            read("section", line="test_bit(range->section, map->dirty)"),
            rmw("section", lambda r, v: 1, only=lambda r: not r["section"], needs=["section"],
                relaxed=True, line="set_bit(range->section, map->dirty)"),
            # A barrier by itself.
            rmw("fresh", lambda r, v: v + 1, line="atomic_long_add_return(nr_pages"),
            read("scheduled", line="READ_ONCE(scheduled)"),
            rmw("irq", lambda r, v: 1, only=lambda r: not r["scheduled"], needs=["scheduled"],
                line="irq_work_queue(&wake_irq)"),
        ],
        "interrupt": [
            wait_until("irq", lambda r, v: v == 1),
            lock("due_lock"),
            read("scheduled"),
            write("scheduled", 1, only=lambda r: not r["scheduled"], needs=["scheduled"]),
            rmw("work", lambda r, v: 1, only=lambda r: not r["scheduled"], needs=["scheduled"]),
            unlock("due_lock"),
        ],
        "pass": one_pass(1),
        "next pass": [wait_until("seen_first", lambda r, v: v == 1), *one_pass(2)],
    }
    # The work does not run twice at a time.
    threads["pass"].append(rmw("seen_first", lambda r, v: 1))
    return Model(
        threads,
        {"granule": 0, "section": section_dirty, "fresh": 0, "scheduled": 1, "irq": 0, "work": 1,
         "due_lock": 0, "seen1": 0, "seen2": 0, "seen_first": 0},
        lambda memory, registers, ended:
            None if memory["seen1"] or memory["seen2"] else "dirty, and nobody will look",
        [(ENGINE + "map.c:fpr_range_set", ["bits_assign(table->dirty", "smp_mb()",
                                           "test_bit(range->section, map->dirty)",
                                           "set_bit(range->section, map->dirty)"]),
         (ENGINE + "hooks.c:__page_reporting_freed", ["fpr_range_set(", "fpr_worker_note("]),
         (ENGINE + "worker.c:fpr_worker_note", ["atomic_long_add_return(nr_pages",
                                                "READ_ONCE(scheduled)",
                                                "irq_work_queue(&wake_irq)"]),
         (ENGINE + "worker.c:schedule_pass", ["spin_lock_irqsave(&due_lock", "if (!scheduled",
                                              "WRITE_ONCE(scheduled, true)", "mod_delayed_work(",
                                              "spin_unlock_irqrestore(&due_lock"]),
         (ENGINE + "worker.c:pass_work_func", ["spin_lock_irqsave(&due_lock",
                                               "WRITE_ONCE(scheduled, false)",
                                               "spin_unlock_irqrestore(&due_lock",
                                               "atomic_long_set(&fresh_pages, 0)", "smp_mb()",
                                               "run_pass("]),
         (ENGINE + "pass.c:batch_collect", ["find_next_bit(map->dirty",
                                            "clear_bit(section, map->dirty)",
                                            "smp_mb__after_atomic()", "collect_section("])])


# --- flushes, which are numbered -------------------------------------------------------------


def flush_generations():
    """A writer returns after a flush that began after it asked, and every writer returns."""
    def writer(name):
        return [
            # What it has freed, and wants to have reported.
            write(f"freed_{name}", 1),
            lock("lock"),
            read("asked"), read("started"), read("done"),
            write("asked", lambda r: r["asked"] + 1,
                  only=lambda r: r["asked"] == r["started"], needs=["asked", "started"]),
            read("asked", into="mine"),
            rmw("work", lambda r, v: 1, only=lambda r: r["started"] == r["done"],
                needs=["started", "done"]),
            unlock("lock"),
            wait_until("done", lambda r, v: v >= r["mine"], needs=["mine"]),
            # To read the result.
            lock("lock"), unlock("lock"),
            barrier(),
            read(f"reported_{name}"),
        ]

    def flusher(number):
        """One run of the work; it does not run beside itself."""
        return [
            wait_until("runs", lambda r, v: v == number),
            wait_until("work", lambda r, v: v == 1),
            rmw("work", lambda r, v: 0),
            lock("lock"),
            read("asked", into="generation"),
            write("started", lambda r: r["generation"], needs=["generation"]),
            unlock("lock"),
            # The pass, under a mutex of its own.
            lock("pass_lock"),
            *(step for name in "ab" for step in (
                read(f"freed_{name}"),
                write(f"reported_{name}", 1, only=lambda r, name=name: r[f"freed_{name}"],
                      needs=[f"freed_{name}"]))),
            unlock("pass_lock"),
            lock("lock"),
            write("done", lambda r: r["generation"], needs=["generation"]),
            read("asked"),
            rmw("work", lambda r, v: 1, only=lambda r: r["asked"] != r["generation"],
                needs=["asked", "generation"]),
            unlock("lock"),
            rmw("runs", lambda r, v: v + 1),
        ]

    def bad(memory, registers, ended):
        for name in "ab":
            if f"writer {name}" not in ended:
                return f"writer {name} waits for ever"
            if not registers[f"writer {name}"][f"reported_{name}"]:
                return f"writer {name} is told that all is reported"
        return None

    return Model(
        {"writer a": writer("a"), "writer b": writer("b"),
         **{f"flush {number}": flusher(number) for number in range(3)}},
        {"freed_a": 0, "freed_b": 0, "reported_a": 0, "reported_b": 0, "asked": 0, "started": 0,
         "done": 0, "work": 0, "runs": 0, "lock": 0, "pass_lock": 0},
        bad,
        [(ENGINE + "flush.c:flush_ask", ["spin_lock(&flush_state.lock)",
                                         "if (flush_state.asked == flush_state.started)",
                                         "flush_state.asked++", "mine = flush_state.asked",
                                         "if (flush_state.started == flush_state.done)",
                                         "queue_work(fpr_wq, &flusher)",
                                         "spin_unlock(&flush_state.lock)"]),
         (ENGINE + "flush.c:flush_func", ["spin_lock(&flush_state.lock)",
                                          "generation = flush_state.asked",
                                          "flush_state.started = generation",
                                          "spin_unlock(&flush_state.lock)", "flush_once(",
                                          "spin_lock(&flush_state.lock)",
                                          "WRITE_ONCE(flush_state.done, generation)",
                                          "if (flush_state.asked != generation)",
                                          "queue_work(fpr_wq, &flusher)",
                                          "spin_unlock(&flush_state.lock)",
                                          "wake_up_all(&flush_done)"]),
         (ENGINE + "flush.c:flush_once", ["mutex_lock(&fpr_pass_lock)", "flush_pass(",
                                          "mutex_unlock(&fpr_pass_lock)"])])


# --- requests ----------------------------------------------------------------------------------


def no_kick_after_the_reset(leave_out_flush=False):
    """Who saw a running device has kicked it before the lock was free again."""
    flush = [] if leave_out_flush else [lock("queue"), unlock("queue")]
    return Model(
        {"sender": [lock("queue"), read("life"),
                    rmw("ring", lambda r, v: 1, only=lambda r: r["life"], needs=["life"],
                        relaxed=True),
                    read("reset"),
                    unlock("queue")],
         "take down": [write("life", 0), *flush, rmw("reset", lambda r, v: 1)]},
        {"queue": 0, "life": 1, "ring": 0, "reset": 0},
        lambda memory, registers, ended:
            "kicked after the reset" if registers["sender"]["life"] and
            registers["sender"]["reset"] else None,
        [(DRIVER + "request.c:vb_request_send", ["spin_lock(&queue->lock)",
                                                 "READ_ONCE(vb->life) == VB_ON",
                                                 "virtqueue_kick(", "spin_unlock(&queue->lock)"]),
         (DRIVER + "reporting.c:report_send", ["spin_lock(&reporting->lock)",
                                               "READ_ONCE(vb->life) == VB_ON", "virtqueue_kick(",
                                               "spin_unlock(&reporting->lock)"]),
         (DRIVER + "life.c:stop_senders", ["WRITE_ONCE(vb->life, VB_STOPPING)",
                                           "flush_lock(&vb->inflate.lock)",
                                           "flush_lock(&vb->deflate.lock)",
                                           "flush_lock(&vb->reporting.lock)"]),
         (DRIVER + "life.c:vb_take_down", ["stop_senders(vb)", "reset_device(vb)"])])


def answers_are_heard(leave_out_wake=False):
    """Whoever takes the answer that a task waits for wakes it, so none sleeps over its answer."""
    def take(name):
        """vb_queue_poll()"""
        return [
            lock("queue"),
            read("used"), read("taken"),
            write("taken", 1, only=lambda r: r["used"] and not r["taken"],
                  needs=["used", "taken"]),
            write("answered", 1, only=lambda r: r["used"] and not r["taken"],
                  needs=["used", "taken"]),
            unlock("queue"),
            *([] if leave_out_wake else wake_up(name, lambda r: r["used"] and not r["taken"],
                                                ["used", "taken"])),
        ]

    def wake_up(name, only, needs):
        asleep = f"asleep_{name}"
        return [barrier(), read("asleep", into=asleep),
                write("woken", 1, only=lambda r: only(r) and r[asleep], needs=[*needs, asleep])]

    return Model(
        {"waiter": [
            # wait_event(): each look comes after it has said that it sleeps.
            write("asleep", 1), barrier(),
            *take("self"),
            read("answered"),
            wait_until("woken", lambda r, v: r["answered"] or v, needs=["answered"]),
            *take("again"),
            read("answered", into="heard")],
         # An interrupt for a ring that is empty by then calls nobody.
         "host": [rmw("used", lambda r, v: 1), read("taken"),
                  *wake_up("host", lambda r: not r["taken"], ["taken"])],
         "size work": [wait_until("used", lambda r, v: v == 1), *take("size")]},
        {"asleep": 0, "woken": 0, "used": 0, "taken": 0, "answered": 0, "queue": 0},
        lambda memory, registers, ended:
            None if "waiter" in ended and registers["waiter"]["heard"] else
            "a task sleeps over its answer",
        [(DRIVER + "request.c:vb_queue_poll", ["spin_lock(&queue->lock)",
                                               "virtqueue_get_buf(queue->vq", "req->waited",
                                               "request_answered(", "spin_unlock(&queue->lock)",
                                               "if (wake)", "wake_up(&vb->acked)"]),
         (DRIVER + "request.c:vb_request_wait", ["wait_event_timeout(vb->acked",
                                                 "vb_queue_poll(vb, queue)",
                                                 "READ_ONCE(req->answered)"]),
         (DRIVER + "request.c:vb_queue_answer", ["wake_up(&vb->acked)"])])


def nothing_after_a_pause():
    """When a writer of 1 to the pause returns, no request is out and none will be."""
    return Model(
        {"pass": [lock("pass_lock"), read("paused"),
                  write("out", 1, only=lambda r: not r["paused"], needs=["paused"]),
                  read("returned"),
                  unlock("pass_lock")],
         "writer": [rmw("paused", lambda r, v: 1, relaxed=True),
                    lock("pass_lock"), unlock("pass_lock"),
                    write("returned", 1)]},
        {"pass_lock": 0, "paused": 0, "out": 0, "returned": 0},
        lambda memory, registers, ended:
            "a request after the pause" if not registers["pass"]["paused"] and
            registers["pass"]["returned"] else None,
        [(ENGINE + "main.c:fpr_set_pause", ["fpr_pause_set(FPR_PAUSE_USER)",
                                            "mutex_lock_killable(&fpr_pass_lock)",
                                            "mutex_unlock(&fpr_pass_lock)"]),
         (ENGINE + "pass.c:fpr_pass_run", ["lockdep_assert_held(&fpr_pass_lock)",
                                           "fpr_may_go_on()", "batch_collect(", "batch_send("])])


MODELS = {
    "hook_and_worker": [hook_and_worker(0), hook_and_worker(1)],
    "flush_generations": [flush_generations()],
    "no_kick_after_the_reset": [no_kick_after_the_reset()],
    "answers_are_heard": [answers_are_heard()],
    "nothing_after_a_pause": [nothing_after_a_pause()],
}
# Each lacks what its namesake has, so it must go wrong: a model that cannot proves nothing.
MUST_FAIL = {
    "no_kick_after_the_reset": no_kick_after_the_reset(leave_out_flush=True),
    "answers_are_heard": answers_are_heard(leave_out_wake=True),
}


def judge(top, name):
    models = MODELS[name]
    for model in models:
        problem = missing_line(top, model) or model.explore()
        if problem:
            return problem
    for where, line in models[0].for_order():
        if not any(model.without(where, line).explore() for model in models):
            return f"{where}: {line} makes no difference"
    if name in MUST_FAIL and not MUST_FAIL[name].explore():
        return "what it lacks in MUST_FAIL makes no difference"
    return None


def run(top=TOP):
    """Returns {case: error or None}."""
    results = {}
    for name in MODELS:
        try:
            results[f"ordering.{name}"] = judge(top, name)
        except LookupError as error:
            results[f"ordering.{name}"] = str(error)
    return results


def main():
    argparse.ArgumentParser(prog="tests/pure/ordering.py",
                            description=__doc__.splitlines()[0]).parse_args()
    results = run()
    for name, error in results.items():
        print(f"{'FAILED' if error else 'ok':7} {name}" + (f": {error}" if error else ""))
    return 1 if any(results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
