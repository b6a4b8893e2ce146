"""The arithmetic of the perf scripts, on events made up here."""

import pytest

MIB = 1 << 20
UNIT = 512  # pages of 2 MiB


@pytest.fixture
def figures(script):
    script("page-reporting-top")  # the way to its modules
    from pagereporting import figures
    return figures


def feed(report, *events):
    """Hands events to a report as perf does: (seconds, name, fields)."""
    for seconds, name, fields in events:
        system = "virtio_balloon" if name.startswith("virtio") else "page_reporting"
        report.take(f"{system}__{name}", {"common_s": 100 + int(seconds),
                                          "common_ns": round(seconds % 1 * 1e9), **fields})
    return report


def element(seconds, unit, units, youngest=700, oldest=700):
    return (seconds, "page_reporting_element",
            {"pfn": unit * UNIT, "nr_pages": units * UNIT, "youngest_ms": youngest,
             "oldest_ms": oldest})


def done(seconds, units, latency_us=1000, err=0, elements=1):
    return (seconds, "page_reporting_done",
            {"nr_elements": elements, "nr_pages": units * UNIT, "latency_us": latency_us,
             "err": err})


def reuse(seconds, unit, age_ms, soon=False):
    return (seconds, "page_reporting_reuse",
            {"pfn": unit * UNIT, "order": 9, "age_ms": age_ms, "soon": soon})


def pass_end(seconds, delay_ms, dirty=0):
    return (seconds, "page_reporting_pass_end",
            {"nr_pages": 0, "dirty": dirty, "delay_ms": delay_ms, "err": 0})


def evacuate(seconds, unit, moved, left):
    return (seconds, "page_reporting_evacuate", {"pfn": unit * UNIT, "moved": moved, "left": left})


def test_percentiles_go_by_weight(figures):
    found = figures.distribution([(10, 98), (1000, 1), (5, 1)])
    assert (found["min"], found["p50"], found["p90"], found["p99"], found["max"]) == (
        5, 10, 10, 10, 1000)
    assert found["mean"] == pytest.approx((980 + 1000 + 5) / 100)


def test_distribution_of_nothing(figures):
    found = figures.distribution([])
    assert found["mean"] is None and found["histogram"] == []


def test_histogram_has_no_holes_and_loses_nothing(figures):
    rows = figures.histogram([(0, 1), (0.5, 1), (1, 2), (3, 4), (17, 8)])
    assert rows == [[0, 1, 2], [1, 2, 2], [2, 4, 4], [4, 8, 0], [8, 16, 0], [16, 32, 8]]


def test_spread_keeps_the_weight(figures):
    pieces = figures.spread(100, 200, 64)
    assert sum(weight for _, weight in pieces) == 64
    assert all(100 < value < 200 for value, _ in pieces)
    assert figures.spread(100, 100, 64) == [(100, 64)]


@pytest.mark.parametrize("count, text", [(0, "0 B"), (1536, "1.5 KiB"), (3 << 30, "3.00 GiB")])
def test_sizes(figures, count, text):
    assert figures.size(count) == text


def test_latency(script, options):
    report = feed(script("page-reporting-latency").Latency(options()),
                  element(1.0, 0, 4, 700, 800), element(1.0, 8, 1, 1400, 1400),
                  done(1.2, 5, 200_000, elements=2),
                  element(2.0, 9, 1), done(2.1, 1, 100_000, err=-5))
    found = report.figures()
    assert (found["requests"], found["errors"], found["elements"]) == (2, 1, 2)
    assert found["bytes"] == 10 * MIB
    assert found["report_to_acknowledgement_us"]["max"] == 200_000
    assert 700 <= found["free_to_report_ms"]["p50"] <= 800
    assert found["free_to_report_ms"]["max"] == 1400
    assert report.text(found)[0].startswith("10.0 MiB reported in 2 requests, 1 refused")


def test_latency_leaves_out_ages_that_nobody_took(script, options):
    report = feed(script("page-reporting-latency").Latency(options()),
                  element(1.0, 0, 1, youngest=1 << 30, oldest=0), done(1.1, 1))
    found = report.figures()
    assert found["bytes_of_unknown_age"] == 2 * MIB
    assert found["free_to_report_ms"]["mean"] is None
    assert report.text(found)


def test_refaults(script, options):
    report = feed(script("page-reporting-refaults").Refaults(options()),
                  element(0.0, 0, 8), pass_end(0.1, 700), reuse(1.0, 0, 400, soon=True),
                  reuse(2.0, 1, 60000, soon=True), pass_end(2.1, 2800), pass_end(2.2, 1400),
                  reuse(8.0, 40, 4999))
    found = report.figures()
    assert (found["granules"], found["soon"], found["bytes"]) == (3, 2, 6 * MIB)
    assert dict(found["within_ms"]) == {1000: 1, 5000: 2, 30000: 2, 300000: 3}
    assert [ms for _, ms in found["delay_ms"]] == [700, 2800, 1400]
    assert [row["delay_ms"] for row in found["over_time"] if row["delay_ms"]] == [700, 2800]
    assert sum(row["granules"] for row in found["over_time"]) == 3
    assert sum(row["reported_bytes"] for row in found["over_time"]) == 16 * MIB
    assert found["places"][0] == {"key": 0, "granules": 2, "soon": 2, "bytes": 4 * MIB}
    assert report.text(found)


def test_map(script, options):
    """Two units are freed at 1 s, at the host from 2 s, one is in use again from 3 s."""
    report = feed(script("page-reporting-map").Map(options(rows=4)),
                  reuse(0.0, 4, 60000), element(2.0, 0, 2, 1000, 1000), done(2.0, 2),
                  reuse(3.0, 1, 1000), reuse(4.0, 5, 60000))
    found = report.figures()
    assert found["unit_bytes"] == 2 * MIB
    assert found["at_begin"] == {"reported_bytes": 4 * MIB}
    assert found["at_end"]["reported_bytes"] == 2 * MIB
    assert found["at_end"]["in_use_bytes"] == 6 * MIB
    assert [row["cells"][:6] for row in found["rows"]] == ["##  #.", "++  #.", "..  #.", ".#  #."]
    assert found["rows"][1]["dirty_bytes"] == 4 * MIB
    assert report.text(found)


def test_map_of_a_refused_request(script, options):
    report = feed(script("page-reporting-map").Map(options()),
                  element(1.0, 0, 2), done(1.5, 2, err=-5))
    found = report.figures()
    assert found["at_end"]["dirty_bytes"] == 4 * MIB
    assert found["at_end"]["reported_bytes"] == 0


def test_map_leaves_large_holes_out(script, options):
    report = feed(script("page-reporting-map").Map(options()),
                  element(1.0, 0, 64), element(1.0, 2 << 11, 64), done(2.0, 128))
    addresses = report.figures()["addresses"]
    assert addresses[0] == 0 and addresses[-1] >= 4 << 30
    assert not [a for a in addresses if 1 << 30 <= a < 4 << 30]


def names_of_reasons(report):
    for value, reason in enumerate(("nothing", "unmovable", "metadata", "pinned")):
        report.name("page_reporting__page_reporting_evacuate", "left", value, reason)


def test_map_tells_why_units_were_left(script, options):
    report = script("page-reporting-map").Map(options())
    names_of_reasons(report)
    feed(report, element(1.0, 0, 1), done(1.1, 1), evacuate(2.0, 1, 40, 0), evacuate(2.1, 2, 0, 2),
         evacuate(2.2, 3, 5, 2), evacuate(2.3, 4, 0, 3))
    found = report.figures()
    assert (found["evacuated_units"], found["moved_pages"]) == (1, 45)
    assert found["left_units"] == {"metadata": 2, "pinned": 1}
    assert "Units left: metadata 2, pinned 1." in report.text(found)[-1]


def test_map_without_events(script, options):
    report = script("page-reporting-map").Map(options())
    assert report.text(report.figures()) == ["Nothing was reported or came back in this recording."]


def balloon_event(seconds, name, **fields):
    return (seconds, f"virtio_balloon_{name}", {"dev": 1, **fields})


def test_balloon(script, options):
    report = script("balloon-pressure").Balloon(options())
    for value, state in enumerate(("idle", "inflating", "deflating", "holdoff")):
        for field in ("from", "to"):
            report.name("virtio_balloon__virtio_balloon_state", field, value, state)
    # The same number means something else elsewhere.
    report.name("virtio_balloon__virtio_balloon_relief", "reason", 2, "pressure")
    report.name("page_reporting__page_reporting_skip", "reason", 2, "reserved")
    feed(report,
         balloon_event(0.0, "state", **{"from": 0, "to": 1}, held=0, target=1024),
         balloon_event(0.1, "size", reason=0, change=256, held=256, target=1024),
         balloon_event(0.2, "size", reason=0, change=256, held=512, target=1024),
         balloon_event(1.0, "hold", reason=2, length_ms=30000),
         balloon_event(1.0, "relief", reason=2, wanted=512, got=256, held=256),
         balloon_event(1.0, "pressure", spare=100, reserve=200, stalls=3, wanted=512),
         balloon_event(1.1, "state", **{"from": 1, "to": 3}, held=256, target=1024),
         balloon_event(3.0, "pressure", spare=900, reserve=200, stalls=0, wanted=0),
         (3.1, "virtio_balloon_state", {"dev": 2, "from": 0, "to": 1, "held": 0, "target": 1}))
    found = report.figures()
    assert found["inflated_bytes"] == 2 * MIB and found["released_bytes"] == MIB
    assert found["seconds_by_state"] == pytest.approx({"idle": 0, "inflating": 1.1,
                                                       "holdoff": 1.9})
    assert (found["samples"], found["stalls"], found["reliefs"], found["hold_offs"]) == (2, 3, 1, 1)
    assert [entry["event"] for entry in found["time_line"]] == [
        "state", "size", "hold-off", "relief", "pressure", "state"]
    assert found["time_line"][1]["change"] == 2 * MIB
    assert found["other_devices"] == [2]
    text = "\n".join(report.text(found))
    assert "inflates by 2.0 MiB in 100 ms" in text
    assert "1.0 MiB of 2.0 MiB go back, because of pressure" in text


def test_top_has_a_screen_for_each_interval(script, options, capsys):
    report = feed(script("page-reporting-top").Top(options(json=False)),
                  done(0.0, 4, 2000), done(0.5, 4, 4000), reuse(2.5, 0, 100, soon=True))
    report.tick({"sample": {"time": 103_100_000_000}})
    report.finish()
    screens = capsys.readouterr().out.split("Free page reporting\n")[1:]
    assert len(screens) == 4  # 0 to 1, 1 to 2, 2 to 3 and the rest
    assert report.all.figures()["bytes"] == 16 * MIB
    assert report.all.figures()["mean_latency_us"] == 3000
    reported = [[line.split() for line in screen.splitlines() if line.startswith("  reported")][0]
                for screen in screens]
    assert reported[0] == ["reported", "16.0", "MiB", "16.0", "MiB"]
    assert reported[2] == ["reported", "0", "B", "16.0", "MiB"]


def test_top_tells_of_delay_and_evacuation(script, options, capsys):
    report = script("page-reporting-top").Top(options(json=False))
    names_of_reasons(report)
    feed(report, pass_end(0.0, 5600, UNIT), evacuate(0.1, 0, 9, 0), evacuate(0.2, 1, 0, 2))
    report.finish()
    text = capsys.readouterr().out
    assert "left, metadata" in text and "2.0 MiB waited" in text and "the delay is 5.6 s" in text


def test_top_ends_after_so_many_screens(script, options, capsys):
    report = script("page-reporting-top").Top(options(count=2))
    with pytest.raises(SystemExit) as end:
        feed(report, done(0.0, 1), done(9.0, 1))
    assert end.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
