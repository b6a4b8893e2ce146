"""Finds what a kernel log must not contain."""

import re

BAD = re.compile("|".join((
    r"WARNING: ", r"BUG: ", r"\bBUG\b at ", r"kernel BUG", r"KASAN: ", r"\bOops\b", r"general protection fault",
    r"Kernel panic", r"Call Trace", r"possible recursive locking", r"possible circular locking",
    r"inconsistent lock state", r"suspicious RCU usage", r"sleeping function called from",
    r"scheduling while atomic", r"blocked for more than \d+ seconds", r"soft lockup", r"hard LOCKUP",
    r"rcu: INFO: .*stall", r"detected stalls? on", r"workqueue lockup", r"Bad page state", r"bad_page",
    r"list_(add|del) corruption", r"ODEBUG: ", r"refcount_t: ", r"UBSAN: ", r"page allocation failure",
    r"pagealloc: ", r"Out of memory: ", r"Unable to handle kernel", r"unable to handle page fault",
    r"invoked oom-killer", r"Tasks are frozen.*fail", r"virtio.*: (id \d+ is not a head|.*broken)",
    r"unregister_netdevice: waiting", r"DEADLOCK", r"held lock freed", r"lock held when returning",
    r"Fixing recursive fault", r"tasks refusing to freeze", r"\[ cut here \]", r"segfault at",
)))

# What a healthy guest says that looks bad.
HARMLESS = re.compile("|".join((
    r"warning: unable to open an initial console",
)), re.IGNORECASE)


def bad_lines(text, allowed=()):
    """The lines of a kernel log that must not be there.

    allowed: patterns of what the caller provoked on purpose.
    """
    excused = [re.compile(pattern) for pattern in allowed]
    return [line for line in text.splitlines()
            if BAD.search(line) and not HARMLESS.search(line)
            and not any(pattern.search(line) for pattern in excused)]
