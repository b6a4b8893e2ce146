#!/usr/bin/python3
"""What the guest allocated again after its report: how soon, and where.

Memory that comes back soon was reported for nothing: the host dropped it and had to
provide it anew.  Where a good part of it does, the kernel lets memory stay free longer
before its report: the delay, as the passes used it.  "Soon" is when as much, here or
elsewhere, was reported within the last 5 seconds, as for the counter reused_soon.  Ages
are of the very granule.

Granules are counted, the units of 2 MiB (or as vm.page_reporting_order says) in
which memory is reported; one page of a granule allocated is a refault of it.
"""

from pagereporting import figures as fig
from pagereporting import report

STEPS_MS = (1000, 5000, 30000, 300000)
ROWS = 20  # in the table over time
REGION = 64 << 20  # bytes of an address range in the table of places
PLACES = 8  # rows in it


class Refaults(report.Report):

    def __init__(self, options):
        super().__init__(options)
        self.reuses = []  # (seconds, pfn, order, age in ms, soon)
        self.reports = []  # (seconds, bytes)
        self.delays = []  # (seconds, ms)

    def on_page_reporting_element(self, time, fields):
        self.reports.append((time, fields["nr_pages"] * self.options.page_size))

    def on_page_reporting_pass_end(self, time, fields):
        self.delays.append((time, fields["delay_ms"]))

    def on_page_reporting_reuse(self, time, fields):
        self.reuses.append((time, fields["pfn"], fields["order"], fields["age_ms"],
                            fields["soon"]))

    def _bytes(self, order):
        return self.options.page_size << order

    def _by(self, key):
        """Counts by a property of a refault, as rows in its order."""
        groups = {}
        for reuse in self.reuses:
            groups.setdefault(key(reuse), []).append(reuse)
        return [{"key": value, **self._counts(group)} for value, group in sorted(groups.items())]

    def _counts(self, reuses):
        return {"granules": len(reuses),
                "soon": sum(bool(soon) for _, _, _, _, soon in reuses),
                "bytes": sum(self._bytes(order) for _, _, order, _, _ in reuses)}

    def _over_time(self):
        length = max(self.end / ROWS, 0.1)
        rows = []
        for number in range(int(self.end / length) + 1):
            begin = number * length
            inside = [r for r in self.reuses if begin <= r[0] < begin + length]
            rows.append({"seconds": begin,
                         "reported_bytes": sum(size for time, size in self.reports
                                               if begin <= time < begin + length),
                         **self._counts(inside),
                         "delay_ms": max((ms for time, ms in self.delays
                                          if begin <= time < begin + length), default=None)})
        return rows

    def figures(self):
        places = self._by(lambda r: r[1] * self.options.page_size // REGION * REGION)
        places.sort(key=lambda row: (-row["soon"], -row["granules"], row["key"]))
        return {"seconds": self.end,
                "reported_bytes": sum(size for _, size in self.reports),
                **self._counts(self.reuses),
                "within_ms": [[limit, sum(age < limit for _, _, _, age, _ in self.reuses)]
                              for limit in STEPS_MS],
                "age_ms": fig.distribution([(age, 1) for _, _, _, age, _ in self.reuses]),
                "by_order": self._by(lambda r: r[2]),
                "delay_ms": [[time, ms] for time, ms in self.delays],
                "over_time": self._over_time(),
                "places": places[:PLACES]}

    def text(self, figures):
        total = figures["granules"]
        lines = [f"{fig.size(figures['reported_bytes'])} reported, "
                 f"{fig.size(figures['bytes'])} in {fig.count(total, 'granule')} came back, "
                 f"{figures['seconds']:.1f} s"]
        if not total:
            return lines
        lines += [f"{figures['soon']} of them soon, {fig.share(figures['soon'], total):.0f} %",
                  "", "Time from report to refault", fig.summary(figures["age_ms"], fig.duration),
                  *fig.histogram_lines(figures["age_ms"]["histogram"], fig.duration, str)]
        lines += ["", "By order of the granule", *fig.table(
            [["", "granules", "size", "soon"]]
            + [[row["key"], row["granules"], fig.size(row["bytes"]), row["soon"]]
               for row in figures["by_order"]])]
        lines += ["", "Over time (delay: the longest with which a pass looked)", *fig.table(
            [["seconds", "reported", "came back", "soon", "delay", ""]]
            + [[f"{row['seconds']:.1f}", fig.size(row["reported_bytes"]),
                fig.size(row["bytes"]), row["soon"],
                "" if row["delay_ms"] is None else fig.duration(row["delay_ms"]),
                fig.bar(row["soon"], max(r["soon"] for r in figures["over_time"]) or 1)]
               for row in figures["over_time"]])]
        lines += ["", f"Where ({fig.size(REGION)} each), most of what came back soon first",
                  *fig.table([["address", "granules", "soon"]]
                             + [[f"{row['key']:#x}", row["granules"], row["soon"]]
                                for row in figures["places"]])]
        return lines

    @staticmethod
    def draw(figures, pyplot):
        from pagereporting.picture import BLUE, GREY, RED
        figure, (upper, lower) = pyplot.subplots(2, figsize=(9, 8), sharex=True,
                                                 layout="constrained")
        rows = figures["over_time"]
        width = rows[1]["seconds"] - rows[0]["seconds"] if len(rows) > 1 else 1
        at = [row["seconds"] + width / 2 for row in rows]
        upper.bar(at, [row["reported_bytes"] / 2**20 for row in rows], width * 0.9, color=GREY,
                  label="reported")
        upper.bar(at, [row["bytes"] / 2**20 for row in rows], width * 0.6, color=BLUE,
                  label="came back")
        upper.bar(at, [row["bytes"] / 2**20 * row["soon"] / max(1, row["granules"])
                       for row in rows], width * 0.3, color=RED, label="of that soon")
        upper.set_ylabel("MiB")
        upper.set_title("Reported, and allocated after its report", loc="left")
        upper.legend(framealpha=1)
        if figures["delay_ms"]:
            times, delays = zip(*figures["delay_ms"])
            lower.step(times, delays, where="post", color=BLUE)
        lower.set_ylim(bottom=0)
        lower.set_ylabel("ms")
        lower.set_xlabel("seconds")
        lower.set_title("How long memory stays free before its report", loc="left")
        return figure


if __name__ == "__main__":
    report.run(Refaults, vars())
