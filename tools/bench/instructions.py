"""Counts guest instructions of kernel workers, where time is instructions (workload.ICOUNT)."""

import re

# A line for each kernel worker: process id and nanoseconds, so instructions, on the CPU.
SCRIPT = """workers() {
	echo "workers $1"
	for task in /proc/[0-9]*; do
		read -r name 2>/dev/null <$task/comm || continue
		case $name in kworker*) ;; *) continue ;; esac
		read -r ran rest 2>/dev/null <$task/schedstat && echo "worker ${task#/proc/} $ran"
	done
}
"""


def readings(output):
    """What calls of workers NAME have printed: {NAME: {process id: nanoseconds}}."""
    found, current = {}, None
    for line in output.splitlines():
        words = line.split()
        if words[:1] == ["workers"]:
            current = found.setdefault(words[1], {})
        elif words[:1] == ["worker"] and re.fullmatch(r"\d+ \d+", " ".join(words[1:])):
            current[int(words[1])] = int(words[2])
    return found


def between(before, after):
    """Instructions that all workers ran between two readings; new ones began at 0."""
    return sum(ran - before.get(pid, 0) for pid, ran in after.items())
