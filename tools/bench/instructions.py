"""Counts the guest instructions of the reporting worker.

Time must be instructions (workload.ICOUNT).  The workqueue's and the scheduler's
trace events then say, to the instruction, how long each execution of a work
function was on the CPU; what it waited for does not count, what interrupted it
does, and so do the few hundred instructions of an event.
"""

import collections
import re

from guest import GuestError

TRACING = "/sys/kernel/tracing"
# The time stamp counter ticks once an instruction, and is printed in full.
BEGIN = f"""
echo 0 >{TRACING}/tracing_on
echo 'prev_comm ~ "kworker*" || next_comm ~ "kworker*"' >{TRACING}/events/sched/sched_switch/filter
echo x86-tsc >{TRACING}/trace_clock
echo 8192 >{TRACING}/buffer_size_kb
for event in sched/sched_switch workqueue/workqueue_queue_work workqueue/workqueue_execute_start \\
		workqueue/workqueue_execute_end; do
	echo 1 >{TRACING}/events/$event/enable
done
echo 1 >{TRACING}/tracing_on
"""
END = f"""
echo 0 >{TRACING}/tracing_on
grep -E 'workqueue_|sched_switch' {TRACING}/trace
"""

_LINE = re.compile(r"-(\d+) +\[\d+\] \S+ +(\d+): (\w+): (.*)")
_UPSTREAM = "page_reporting_process"  # on a workqueue that it shares
_OWN_QUEUE = "page_reporting"

# Work functions' names: their executions and the instructions of all of them.
Work = collections.namedtuple("Work", "executions instructions")


def events(trace):
    """(process id, time, event, text) of each line of a trace."""
    for line in trace.splitlines():
        match = _LINE.search(line)
        if match:
            yield int(match[1]), int(match[2]), match[3], match[4]


def _field(text, name):
    return re.search(rf"{name}[= ](\S+)", text)[1]


def by_function(trace):
    """What the reporting work functions in a trace cost: {function: Work}."""
    wanted = {_UPSTREAM} | {
        _field(text, "function") for _, _, event, text in events(trace)
        if event == "workqueue_queue_work" and _field(text, "workqueue") == _OWN_QUEUE}
    running, since = {}, {}  # by process id: the function; when it last came on the CPU
    spent, executions = collections.Counter(), collections.Counter()
    for pid, now, event, text in events(trace):
        if event == "workqueue_execute_start" and _field(text, "function") in wanted:
            running[pid], since[pid] = _field(text, "function"), now
            executions[running[pid]] += 1
        elif event == "workqueue_execute_end" and pid in running:
            spent[running.pop(pid)] += now - since.pop(pid)
        elif event == "sched_switch":
            before, after = (int(_field(text, name)) for name in ("prev_pid", "next_pid"))
            if before in since:
                spent[running[before]] += now - since.pop(before)
            if after in running:
                since[after] = now
    if not executions:
        raise GuestError("no work function of page reporting was seen to run")
    return {function: Work(executions[function], spent[function]) for function in executions}


def split(trace):
    """Instructions of reporting, and of evacuation."""
    works = by_function(trace)
    evacuation = sum(work.instructions for name, work in works.items() if "evacuat" in name)
    return sum(work.instructions for work in works.values()) - evacuation, evacuation
