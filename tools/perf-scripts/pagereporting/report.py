"""The frame of a script: it takes events from perf and prints what they come to.

perf runs a script in an interpreter of its own and calls functions of the main
module by their names.  run() puts them there, so that a script is a subclass of
Report and a call of run().  Run as a program of its own, a script reads text.
"""

import argparse
import json
import os
import sys

PAGE_SIZE = 4096
INSIDE_PERF = "perf_trace_context" in sys.builtin_module_names


class Report:
    """What one script makes of a recording.

    A subclass has a method on_EVENT(time, fields) for every event it wants: seconds
    since the first event of the recording, and the event's fields by name.  Then
    figures() returns all there is to say as for JSON, text() makes lines of that, and
    draw(), where there is one, a picture.
    """

    def __init__(self, options):
        self.options = options
        self.begin = None  # of the recording: clock of its first event, in seconds
        self.end = 0.0  # of the recording, in seconds since its first event
        self._names = {}  # (event, field, value): the name that the recording has for it
        self._event = None  # whose handler runs

    def take(self, name, fields):
        """Takes an event as perf hands it over: system__event, fields by name."""
        now = fields["common_s"] + fields["common_ns"] / 1e9
        if self.begin is None:
            self.begin = now
        self.end = max(self.end, now - self.begin)
        self._event = name
        handler = getattr(self, "on_" + name.partition("__")[2], None)
        if handler:
            handler(now - self.begin, fields)

    def tick(self, fields):
        """Takes the time of an event that has no fields."""
        now = fields["sample"]["time"] / 1e9
        if self.begin is None:
            self.begin = now
        self.end = max(self.end, now - self.begin)

    def name(self, event, field, value, text):
        """Takes note of a name that perf has found in the event's format."""
        self._names[event, field, value] = text

    def named(self, field, value):
        """In a handler: the name of a value of one of its fields, such as a reason."""
        return self._names.get((self._event, field, value), str(value))

    def evacuation_left(self, fields):
        """Why evacuation has left a unit; None if it has become whole."""
        left = self.named("left", fields["left"])
        return None if left in ("nothing", "0") else left

    def figures(self):
        raise NotImplementedError

    def text(self, figures):
        raise NotImplementedError

    def finish(self):
        """Prints what is asked for."""
        figures = self.figures()
        picture = getattr(self.options, "picture", None)
        if picture:
            from . import picture as pictures
            pictures.save(self, figures, picture)
        if self.options.json:
            print(json.dumps(figures, indent=1))
        else:
            print("\n".join(self.text(figures)))

    @classmethod
    def add_options(cls, parser):
        """Adds the options that only this script has."""


def _name():
    return os.path.splitext(os.path.basename(sys.argv[0]))[0]


def parse(cls, description, arguments=None):
    """Reads the options of a script whose Report is cls."""
    name = _name()
    title, _, rest = description.partition("\n")
    parser = argparse.ArgumentParser(
        prog=f"perf script report {name}", usage="%(prog)s [-i FILE] [-f] [options]\n"
                                                 f"       {name}.py [options] TEXT",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{title}\n{rest}",
        epilog=f"Record with: perf script record {name} COMMAND\n"
               "-i FILE and -f are perf's: another file than perf.data, and one of another owner.\n"
               "TEXT is what perf script --ns prints of a recording, or the kernel's trace_pipe;\n"
               "- is standard input.  For where perf has no Python.")
    if not INSIDE_PERF:
        parser.add_argument("text", metavar="TEXT", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    if hasattr(cls, "draw"):
        parser.add_argument("--picture", metavar="FILE",
                            help="also draw to a file (.png, .svg, .pdf); needs matplotlib")
    parser.add_argument("--page-size", type=int, default=PAGE_SIZE, metavar="BYTES",
                        help=f"page size of the guest (default {PAGE_SIZE})")
    cls.add_options(parser)
    options = parser.parse_args(arguments)
    if options.page_size < 1 or options.page_size & (options.page_size - 1):
        parser.error(f"page size {options.page_size} is no power of two")
    return options


def _read_text(report, path):
    from . import text
    if path is None:
        sys.exit(f"{_name()}: perf runs this: perf script report {_name()}; where perf has no "
                 f"Python: perf script --ns -i perf.data | {_name()}.py -")
    try:
        with sys.stdin.buffer if path == "-" else open(path, "rb") as stream:
            lost = text.read(stream, report)
        if lost:
            print(f"{_name()}: {lost} events were lost: figures are too low", file=sys.stderr)
        report.finish()
        sys.stdout.flush()
    except (text.TextError, OSError) as error:
        sys.exit(f"{_name()}: {error}")
    except BrokenPipeError:  # who reads has seen enough
        os._exit(1)
    except KeyboardInterrupt:
        sys.exit(1)


def run(cls, module):
    """Starts a script: module is vars() of the one that perf has loaded."""
    options = parse(cls, module["__doc__"])
    report = cls(options)
    if not INSIDE_PERF:
        _read_text(report, options.text)
        return

    def trace_unhandled(name, _context, fields):
        report.take(name, fields)

    def process_event(fields):
        report.tick(fields)

    def define_symbolic_value(event, field, value, text):
        report.name(event, field, value, text)

    def trace_end():
        try:
            report.finish()
            sys.stdout.flush()
        except BrokenPipeError:  # who reads has seen enough
            os._exit(1)

    # perf asks a function for the number of its arguments: no bound methods here.
    module.update(trace_unhandled=trace_unhandled, process_event=process_event,
                  define_symbolic_value=define_symbolic_value, trace_end=trace_end)
