#!/usr/bin/python3
"""How long memory was free before it was reported, and how long the host took for it.

Free to report is told by size, for every MiB counts the same: from the free to the
request.  Most of it is vm.page_reporting_delay_ms, and more while reported memory is
needed again soon, for then the kernel waits longer.  Ages have the kernel's timer tick
as their step.  What lay free on per-CPU lists counts as freed when it left them.

Report to acknowledgement is told by request: from the request to the host's answer.
So long its memory was missing to the guest.
"""

import errno

from pagereporting import figures as fig
from pagereporting import report

ERRORS = {0: "done", errno.EAGAIN: "passed memory over", errno.ETIMEDOUT: "out of time",
          errno.EBUSY: "paused", errno.ENODEV: "no device"}


class Latency(report.Report):

    def __init__(self, options):
        super().__init__(options)
        self.ages = []  # (ms, bytes)
        self.bytes_of_unknown_age = 0
        self.answers = []  # us
        self.bytes = self.elements = self.errors = 0
        self.flushes = []  # (number, us, errno)

    def on_page_reporting_element(self, _time, fields):
        size = fields["nr_pages"] * self.options.page_size
        youngest, oldest = fields["youngest_ms"], fields["oldest_ms"]
        if youngest > oldest:  # tracing began while it was collected
            self.bytes_of_unknown_age += size
        else:
            self.ages += fig.spread(youngest, oldest, size)

    def on_page_reporting_done(self, _time, fields):
        self.answers.append(fields["latency_us"])
        if fields["err"]:
            self.errors += 1
        else:
            self.elements += fields["nr_elements"]
            self.bytes += fields["nr_pages"] * self.options.page_size

    def on_page_reporting_flush(self, _time, fields):
        self.flushes.append((fields["generation"], fields["duration_us"], fields["err"]))

    def figures(self):
        return {"seconds": self.end,
                "requests": len(self.answers), "errors": self.errors,
                "elements": self.elements, "bytes": self.bytes,
                "bytes_of_unknown_age": self.bytes_of_unknown_age,
                "free_to_report_ms": fig.distribution(self.ages),
                "report_to_acknowledgement_us": fig.distribution(
                    [(us, 1) for us in self.answers]),
                "flushes": [{"generation": number, "duration_us": us, "errno": -err}
                            for number, us, err in self.flushes]}

    def text(self, figures):
        if not figures["requests"]:
            return ["No request in this recording."]
        free, answer = figures["free_to_report_ms"], figures["report_to_acknowledgement_us"]
        refused = f", {figures['errors']} refused" if figures["errors"] else ""
        lines = [f"{fig.size(figures['bytes'])} reported in "
                 f"{fig.count(figures['requests'], 'request')}{refused} and "
                 f"{fig.count(figures['elements'], 'element')} "
                 f"({fig.size(figures['bytes'] / max(1, figures['elements']))} each), "
                 f"{figures['seconds']:.1f} s",
                 "", "Free to report, by size", fig.summary(free, fig.duration),
                 *fig.histogram_lines(free["histogram"], fig.duration, fig.size),
                 "", "Report to acknowledgement, by request",
                 fig.summary(answer, lambda us: fig.duration(us / 1000)),
                 *fig.histogram_lines(answer["histogram"],
                                      lambda us: fig.duration(us / 1000), str)]
        if figures["flushes"]:
            lines += ["", "Flushes", *fig.table(
                [[f"number {flush['generation']}", fig.duration(flush["duration_us"] / 1000),
                  ERRORS.get(flush["errno"], f"error {flush['errno']}")]
                 for flush in figures["flushes"]])]
        return lines

    @staticmethod
    def draw(figures, pyplot):
        from pagereporting.picture import BLUE, GREEN
        figure, both = pyplot.subplots(2, figsize=(9, 8), layout="constrained")
        for axes, found, scale, unit, title, colour in (
                (both[0], figures["free_to_report_ms"], 2**20, "MiB",
                 "Free to report (ms, by size)", BLUE),
                (both[1], figures["report_to_acknowledgement_us"], 1, "requests",
                 "Report to acknowledgement (µs, by request)", GREEN)):
            rows = found["histogram"]
            axes.bar(range(len(rows)), [row[2] / scale for row in rows], color=colour)
            axes.set_xticks(range(len(rows)), [f"{row[0]}–{row[1]}" for row in rows],
                            rotation=30, ha="right")
            axes.set_ylabel(unit)
            axes.set_title(title, loc="left")
        return figure


if __name__ == "__main__":
    report.run(Latency, vars())
