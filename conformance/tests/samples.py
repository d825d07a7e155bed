"""A comparison and a run's report that nobody measured: what the page is tested with."""

from dataclasses import replace
from itertools import combinations, product
from typing import Any

from conformance.comparison.model import Comparison, Disagreement, Figure, Load, Measurement, Pattern, Ratio, Script
from conformance.comparison.sources import sources
from conformance.profiles import PROFILES
from conformance.reports.json_report import build_report
from conformance.running.cases import Case
from conformance.running.verdicts import judge, state_of
from conformance.targets.discovery import BUNDLED
from conformance.targets.terms import TRANSPORTS
from spec.requirements import REQUIREMENTS

TARGETS = [*BUNDLED, "asyncio", "пол"]
TIME_PATTERNS: tuple[Pattern, ...] = ("at once", "spread")
HOSTILE = "</code><script>alert(1)</script><img src=x onerror=alert(2)>\u202eпривет\x00"


def comparison() -> Comparison:
    """Return a comparison of five targets; one lacks the time service, one gives up at 10,000 subscribers."""
    measurements = [measurement(load, place) for load in loads() for place in range(len(TARGETS))]
    disagreements = [
        Disagreement((one, other), "echo", "udp", 200, HOSTILE if other == "asyncio" else "", other == "asyncio")
        for one, other in combinations(TARGETS[:4], 2)
    ]
    machine = {"processor": "2 cores", "kernel": "Linux 6.1", "Python": "3.11.9", HOSTILE: HOSTILE}
    found = [source for target in BUNDLED.values() for source in sources(target)]
    return Comparison(
        "2026-01-31T12:00:00+00:00",
        312.5,
        "sockspec compare --html страница.html",
        "",
        machine,
        ["load average 1.7 on 2 cores before"],
        TARGETS,
        "raw",
        15,
        14,
        measurements,
        disagreements,
        found,
    )


def small() -> tuple[Comparison, dict[str, Any]]:
    """Return a comparison and a report with some of each kind of thing that a page shows, for what is slow to look."""
    whole, run = comparison(), report()
    names = whole.targets[:3]
    of_three = [each for each in whole.measurements if each.target in names]
    few = {(each.load.pattern, each.load.transport): each.load for each in of_three}.values()
    run["requirements"] = {
        id_: each for id_, each in run["requirements"].items() if id_.startswith("ECHO-") or id_ == "TIME-8"
    }
    run["cases"] = [each for each in run["cases"] if each["requirements"][0] in run["requirements"]]
    return (
        replace(
            whole,
            targets=names,
            measurements=[each for each in of_three if each.load in few],
            disagreements=whole.disagreements[:3],
            sources=[each for each in whole.sources if each.role == "client"],
        ),
        run,
    )


def of_twelve() -> tuple[Comparison, dict[str, Any]]:
    """Return a comparison and a run's report of twelve targets, each as bad as socketserver in `report`."""
    whole, run = comparison(), report()
    names = [f"target-{number}" for number in range(1, 13)]
    measured = [replace(each, target=name) for each in whole.measurements if each.target == "with" for name in names]
    cases = [{**each, "target": name} for each in run["cases"] if each["target"] == "socketserver" for name in names]
    verdicts, states = (dict.fromkeys(names, run[key]["socketserver"]) for key in ("verdicts", "states"))
    return (
        replace(whole, targets=names, baseline=names[0], measurements=measured, disagreements=[], sources=[]),
        {**run, "cases": cases, "verdicts": verdicts, "states": states},
    )


def loads() -> list[Load]:
    """Return loads of every pattern."""
    scripts: tuple[Script, ...] = ("latin", "cyrillic")
    found: list[Load] = []
    for transport in TRANSPORTS:
        for size, script, clients in product((32, 1000), scripts, (1, 16, 256)):
            found.append(Load("echo", transport, "closed", clients, message_bytes=size, script=script))
        found.append(Load("echo", transport, "closed", 16, 16, 32))
        found += [Load("echo", transport, "open", 16, 1, 32, script, rate=5000) for script in scripts]
        for pattern, clients in product(TIME_PATTERNS, (100, 1000, 10000)):
            found.append(Load("time", transport, pattern, clients, interval=2.0 if clients == 10000 else 0.2))
        found.append(Load("echo", transport, "life"))
    return found


def measurement(load: Load, place: int) -> Measurement:
    """Return figures that grow with the load, and with the target's place."""
    target = TARGETS[place]
    if load.service == "time" and target == "пол":
        return Measurement(target, load, {}, problem="not offered")
    if load.clients == 10000 and target == "socketserver" and load.transport == "tcp":
        return Measurement(target, load, {}, problem="gave up at 4,093 subscribers: can't start new thread")
    slow = (1 + place / 4) * (1 + load.clients / 400) * (1 + load.message_bytes / 2000)
    ticks = {"server_cpu": 11.0, "lateness_p50": 0.06, "lateness_p99": 0.8, "lateness_max": 4.0}
    names = {
        "closed": {"server_cpu": 8.0, "requests_per_second": 60000.0, "latency_p50": 40.0, "generator_cpu": 40.0},
        "open": {"server_cpu": 9.0, "latency_p50": 30.0, "latency_p99": 90.0},
        "life": {"start": 80.0, "stop": 4.0},
    }.get(load.pattern, {**ticks, "memory": 1400.0, "served": 1.0})
    figures = {}
    for name, value in names.items():
        median = load.clients if name == "served" else value / slow if name == "requests_per_second" else value * slow
        figures[name] = Figure(median, median * 0.9, median * (1.15 + place / 20))
    ratio = Ratio(1 + place / 9, 0.85 + place / 9, 1.2 + place / 9, 15, place > 1)
    return Measurement(target, load, figures, {} if place == 0 else dict.fromkeys(figures, ratio))


def report() -> dict[str, Any]:
    """Return the report of a run of the bundled targets: a case of each requirement that can be tested.

    socketserver fails ECHO-3 five times, with less to read each time; nobody can be judged by TIME-8, nothing of
    CLI-1 was selected.
    """
    cases = [
        case(target, id_)
        for target, id_ in product(BUNDLED, REQUIREMENTS)
        if REQUIREMENTS[id_].testable and id_ != "CLI-1" and (target, id_) != ("socketserver", "ECHO-3")
    ]
    for each in cases:
        if each.requirements == ["TIME-8"]:
            each.outcome = "inconclusive"
    for number in range(5):
        failed = case("socketserver", "ECHO-3")
        failed.parameters, failed.outcome, failed.about = f"*-{number}", "failed", "ECHO-3"
        failed.problem = HOSTILE + "." * (5 - number)
        failed.inputs, failed.exchanges = {"message": HOSTILE}, [exchange(40)]
        cases.append(failed)
    verdicts = {name: judge(each for each in cases if each.target == name) for name in BUNDLED}
    states = {
        name: state_of([each for each in cases if each.target == name], of, {}, strict=False)
        for name, of in verdicts.items()
    }
    return build_report(cases, verdicts, states, {}, PROFILES["quick"], 1, 12.5)


def case(target: str, id_: str) -> Case:
    """Return a check that has passed, of one requirement."""
    return Case("test_sample.py::test_it", f"*-{id_}", target, target, "server", "tcp", "echo", [id_], "passed", 0.0123)


def exchange(events: int) -> dict[str, Any]:
    """Return an exchange of so many events; the last one is a note, the one before it hostile."""
    said = "привет\n".encode().hex()
    shown = [{"at": place / 1000, "from": "CS"[place % 2], "hex": said, "note": ""} for place in range(events - 2)]
    shown += [{"at": 1.0, "from": "S", "hex": (HOSTILE.encode() + b"\xff" + bytes(1000)).hex(), "note": ""}]
    shown += [{"at": 2.0, "from": "S", "hex": "", "note": "nothing for 1.000 s"}]
    addresses = {"client": ["127.0.0.1", 50312], "server": ["127.0.0.1", 7007]}
    return {"title": "a client", "transport": "tcp", **addresses, "start": 1.7e9, "events": shown}
