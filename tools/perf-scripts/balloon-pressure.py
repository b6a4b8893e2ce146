#!/usr/bin/python3
"""What the balloon did, on one time line: state, size, pressure and decisions.

The host names a target, and the driver inflates or deflates towards it.  While the
balloon holds memory the driver takes samples of how much the guest can spare; when
it is short of memory, pages go back and a hold-off begins, in which the target is
not followed.

A sample is told after what it led to, for so it is traced.

Spare is what is free or cheap to free, reserve what inflation leaves of it, stalls
are direct reclaims since the sample before.  PSI is percent of the last 2 seconds in
which some or all tasks waited for memory; it has a value every 2 seconds only and is
0 in other samples.  Samples without need are counted, not listed.
"""

from pagereporting import figures as fig
from pagereporting import report


class Balloon(report.Report):

    def __init__(self, options):
        super().__init__(options)
        self.device = None
        self.others = set()
        self.states = []  # (seconds, state) from then on
        self.sizes = []  # (seconds, held, target) in bytes
        self.samples = []
        self.line = []  # what happened: dicts with seconds, event and more
        self.inflated = self.deflated = self.released = 0
        self.actual = None  # bytes, as last written for the host

    @classmethod
    def add_options(cls, parser):
        parser.add_argument("--device", type=int, metavar="N",
                            help="the balloon virtioN (default: the first that has an event)")

    def take(self, name, fields):
        if "dev" in fields:
            if self.device is None:
                self.device = (fields["dev"] if self.options.device is None
                               else self.options.device)
            if fields["dev"] != self.device:
                self.others.add(fields["dev"])
                return
        super().take(name, fields)

    def _pages(self, count):
        return count * self.options.page_size

    def _size(self, time, fields, held=None):
        held = self._pages(fields["held"] if held is None else held)
        target = self._pages(fields["target"])
        self.sizes.append((time, held, target))
        return {"held": held, "target": target}

    def _add(self, time, event, **more):
        self.line.append({"seconds": time, "event": event, **more})

    def on_virtio_balloon_state(self, time, fields):
        old, new = self.named("from", fields["from"]), self.named("to", fields["to"])
        if not self.states:
            self.states.append((0.0, old))
        self.states.append((time, new))
        self._add(time, "state", text=f"{old} to {new}", **self._size(time, fields))

    def on_virtio_balloon_size(self, time, fields):
        change = self._pages(fields["change"])
        if change > 0:
            self.inflated += change
        else:
            self.deflated -= change
        size = self._size(time, fields)
        last = self.line[-1] if self.line else None
        # A request moves 1 MiB at most: one line for as many as follow each other.
        if last and last["event"] == "size" and (last["change"] > 0) == (change > 0):
            last.update(size, change=last["change"] + change, until=time)
        else:
            self._add(time, "size", change=change, until=time, **size)

    def on_virtio_balloon_actual(self, time, fields):
        self.actual = self._pages(fields["actual"])
        self._size(time, fields, fields["actual"])

    def on_virtio_balloon_puff(self, time, fields):
        self._add(time, "no memory", missing=self._pages(fields["missing"]),
                  text=f"misses {fig.size(self._pages(fields['missing']))}, "
                       f"next try in {fig.duration(fields['backoff_ms'])}")

    def on_virtio_balloon_hold(self, time, fields):
        self._add(time, "hold-off", length_ms=fields["length_ms"],
                  text=f"{fig.duration(fields['length_ms'])}, "
                       f"because of {self.named('reason', fields['reason'])}")

    def on_virtio_balloon_relief(self, time, fields):
        got = self._pages(fields["got"])
        self.released += got
        self._add(time, "relief", got=got, wanted=self._pages(fields["wanted"]),
                  held=self._pages(fields["held"]),
                  text=f"{fig.size(got)} of {fig.size(self._pages(fields['wanted']))} go back, "
                       f"because of {self.named('reason', fields['reason'])}")

    def on_virtio_balloon_pressure(self, time, fields):
        sample = {"seconds": time, "spare": self._pages(fields["spare"]),
                  "reserve": self._pages(fields["reserve"]), "stalls": fields["stalls"],
                  "wanted": self._pages(fields["wanted"])}
        self.samples.append(sample)
        if sample["wanted"] or sample["stalls"]:
            self._add(time, "pressure",
                      text=f"spare {fig.size(sample['spare'])} of reserve "
                           f"{fig.size(sample['reserve'])}, {fig.count(sample['stalls'], 'stall')}"
                           + (f": wants {fig.size(sample['wanted'])}" if sample["wanted"]
                              else ""))

    def on_virtio_balloon_hint(self, time, fields):
        self._add(time, "hint", text=f"command {fields['id']}, "
                                     f"{fig.size(self._pages(fields['held']))} held")

    def _seconds_by_state(self):
        spent = {}
        ends = [time for time, _ in self.states[1:]] + [self.end]
        for (begin, state), end in zip(self.states, ends):
            spent[state] = spent.get(state, 0.0) + end - begin
        return spent

    def _count(self, event):
        return sum(entry["event"] == event for entry in self.line)

    def figures(self):
        return {"seconds": self.end, "device": self.device,
                "other_devices": sorted(self.others),
                "seconds_by_state": self._seconds_by_state(),
                "inflated_bytes": self.inflated, "deflated_bytes": self.deflated,
                "released_bytes": self.released, "actual_bytes": self.actual,
                "held_bytes": self.sizes[-1][1] if self.sizes else None,
                "target_bytes": self.sizes[-1][2] if self.sizes else None,
                "samples": len(self.samples),
                "stalls": sum(sample["stalls"] for sample in self.samples),
                "least_spare_bytes": min((s["spare"] for s in self.samples), default=None),
                "reliefs": self._count("relief"), "hold_offs": self._count("hold-off"),
                "failed_inflations": self._count("no memory"),
                "time_line": self.line, "pressure": self.samples,
                "sizes": [list(entry) for entry in self.sizes],
                "states": [list(entry) for entry in self.states]}

    def text(self, figures):
        if figures["device"] is None:
            return ["The balloon did nothing in this recording."]
        lines = [f"virtio{figures['device']}, {figures['seconds']:.1f} s: "
                 f"inflated {fig.size(figures['inflated_bytes'])}, "
                 f"deflated {fig.size(figures['deflated_bytes'])} by the host's wish and "
                 f"{fig.size(figures['released_bytes'])} by the guest's need"]
        if figures["other_devices"]:
            lines.append("not shown: " + ", ".join(f"virtio{number}" for number in
                                                   figures["other_devices"]))
        if figures["seconds_by_state"]:
            lines.append("  " + ", ".join(f"{state} {spent:.1f} s" for state, spent
                                          in figures["seconds_by_state"].items()))
        lines.append("  " + ", ".join(fig.count(figures[key], thing) for key, thing in (
            ("samples", "sample"), ("stalls", "stall"), ("reliefs", "relief"),
            ("hold_offs", "hold-off"), ("failed_inflations", "failed inflation"))))
        if figures["least_spare_bytes"] is not None:
            lines.append(f"  least to spare: {fig.size(figures['least_spare_bytes'])}")
        if not figures["time_line"]:
            return lines
        return lines + ["", *fig.table(
            [["seconds", "held", "target", "", ""]]
            + [[f"{entry['seconds']:.3f}", _size_or_blank(entry.get("held")),
                _size_or_blank(entry.get("target")), entry["event"], _words(entry)]
               for entry in figures["time_line"]], left=(3,))]

    @staticmethod
    def draw(figures, pyplot):
        from pagereporting.picture import BLUE, GREEN, GREY, RED
        figure, (size, spare, stalls) = pyplot.subplots(3, figsize=(9, 10), sharex=True,
                                                     layout="constrained")
        bands = {"inflating": BLUE, "deflating": GREEN, "holdoff": RED}
        ends = [time for time, _ in figures["states"][1:]] + [figures["seconds"]]
        for (begin, state), end in zip(figures["states"], ends):
            if state in bands:
                label = state if state not in size.get_legend_handles_labels()[1] else None
                size.axvspan(begin, end, color=bands[state], alpha=0.15, label=label)
        if figures["sizes"]:
            sizes = figures["sizes"]
            times, held, target = zip(*sizes, (figures["seconds"], *sizes[-1][1:]))
            size.step(times, [n / 2**20 for n in target], where="post", color=GREY,
                      label="target")
            size.step(times, [n / 2**20 for n in held], where="post", color=BLUE, label="held")
            size.legend(framealpha=1)
        size.set_ylabel("balloon (MiB)")
        size.set_title(f"virtio{figures['device']}: size and state", loc="left")
        samples = figures["pressure"]
        times = [sample["seconds"] for sample in samples]
        spare.plot(times, [s["spare"] / 2**20 for s in samples], color=GREEN, label="spare")
        spare.plot(times, [s["reserve"] / 2**20 for s in samples], "--", color=GREY,
                   label="reserve")
        for entry in figures["time_line"]:
            if entry["event"] == "relief":
                spare.axvline(entry["seconds"], color=RED, linewidth=0.8)
        spare.set_ylim(bottom=0)
        spare.set_ylabel("MiB")
        spare.set_title("What the guest can spare; reliefs in red", loc="left")
        stalls.plot(times, [s["stalls"] for s in samples], "o", markersize=3, color=BLUE,
                    label="stalls")
        stalls.set_xlabel("seconds")
        stalls.set_title("Pressure", loc="left")
        if samples:
            spare.legend(framealpha=1)
            stalls.legend(framealpha=1)
        return figure


def _size_or_blank(count):
    return "" if count is None else fig.size(count)


def _words(entry):
    if entry["event"] != "size":
        return entry["text"]
    verb = "inflates" if entry["change"] > 0 else "deflates"
    took = fig.duration(1000 * (entry["until"] - entry["seconds"]))
    return f"{verb} by {fig.size(abs(entry['change']))} in {took}"


if __name__ == "__main__":
    report.run(Balloon, vars())
