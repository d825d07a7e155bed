"""How many faults a user's run sees: ``python -m conformance.broken.campaign [--profile P] [--origin O] [--only X]``.

Each fault is in both servers, or both clients, of an implementation, as a mistake in what they share would be. They are
judged as a user's would be, by ``sockspec run --strict`` of a profile: of a target with several programs ``quick``
tries some things over one transport or in one service alone. They are judged until a failure is about the requirement
that the fault breaks, or else to the end. The kill matrix (`conformance.broken.kills`) asks for less and for more:
every case, but only of the checks that cite that requirement.
"""

import argparse
import hashlib
import inspect
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from conformance import ROOT
from conformance.broken import ORIGINS, Fault, faults
from conformance.profiles import PROFILES
from conformance.running.cases import Case
from conformance.running.runner import Planned, Selection, run
from conformance.running.verdicts import FAILS, exit_status, judge
from conformance.targets.manifest import read_manifest
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS, Role

RECORD = ROOT / "conformance" / "broken" / "campaign.json"
RESULTS = ROOT / "sockspec-campaign"
AT_ONCE = 30
"""Faulty programs that one run judges: to start a run costs some seconds, and to plan for many costs them too."""


class Result(NamedTuple):
    """What a run said of a program with a fault.

    `status` is the exit status of that run: 1 if the fault was seen. `blamed` are the requirements of its failures,
    until one was its own. `seconds` is what its checks took together until then; `source` tells this fault from a later
    one of the same name.
    """

    fault: str
    status: int
    blamed: list[str]
    seconds: float
    source: str

    @property
    def seen(self) -> bool:
        """Whether the run failed."""
        return self.status == FAILS

    @property
    def own(self) -> bool:
        """Whether a failure was about the requirement that the fault breaks."""
        return self.fault.partition("/")[0] in self.blamed


@cache
def source_of(fault: Fault) -> str:
    """Return a digest of a fault's own lines, 16 hexadecimal digits."""
    return hashlib.sha256(inspect.getsource(fault.apply).encode()).hexdigest()[:16]


def campaign(planted: Sequence[Fault], profile: str, jobs: int) -> Iterator[Result]:
    """Judge programs with these faults, in so many processes; yield what came of each. Raises JudgeError."""
    for role in ROLES:
        group = [fault for fault in planted if fault.role == role]
        for first in range(0, len(group), AT_ONCE):
            yield from _judge(group[first : first + AT_ONCE], role, profile, jobs)


def _judge(planted: Sequence[Fault], role: Role, profile: str, jobs: int) -> Iterator[Result]:
    """Judge programs of one role in one run."""
    by_name = {_target_name(fault): fault for fault in planted}
    with tempfile.TemporaryDirectory() as directory:
        selection = Selection(
            [read_manifest(_write_manifest(fault, Path(directory))) for fault in planted],
            roles=[role],
            transports=TRANSPORTS,
            services=SERVICES,
            requirements=[],
            profile=PROFILES[profile],
            workers=[f"{jobs}*popen"],
        )
        left: dict[str, set[str]] = {name: set() for name in by_name}
        cases: dict[str, list[Case]] = {name: [] for name in by_name}
        for event in run(selection, lambda case: _is_about(case, by_name[case.target])):
            if isinstance(event, Planned):
                for case in event.cases:
                    left[case.target].add(case.key)
                continue
            cases[event.target].append(event)
            left[event.target].discard(event.key)
            if not left[event.target]:
                yield _result(by_name[event.target], cases[event.target])


def _is_about(case: Case, fault: Fault) -> bool:
    return case.outcome == "failed" and case.about == fault.requirement


def _target_name(fault: Fault) -> str:
    return fault.name.replace("/", ".")


def _write_manifest(fault: Fault, directory: Path) -> Path:
    """Write the manifest of a target with the faulty programs and no other, and return its path."""
    lines = [f"name = {json.dumps(_target_name(fault))}", f"directory = {json.dumps(str(ROOT))}", "[programs]"]
    for transport in TRANSPORTS:
        program = f"impl_{fault.implementation}.{transport}_{fault.role}"
        command = ["{python}", "-m", "conformance.broken", fault.name, program]
        lines.append(f"{transport}_{fault.role} = {json.dumps(command)}")
    path = directory / f"{_target_name(fault)}.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _result(fault: Fault, cases: Sequence[Case]) -> Result:
    status = exit_status({fault.name: judge(cases)}, {}, strict=True)
    blamed = sorted({case.about for case in cases if case.outcome == "failed" and case.about})
    return Result(fault.name, status, blamed, round(sum(case.seconds for case in cases), 1), source_of(fault))


def read_results(file: Path, known: Mapping[str, Fault]) -> dict[str, Result]:
    """Return the results by fault that a campaign has written, without those of faults that have changed since."""
    sources = {name: source_of(fault) for name, fault in known.items()}  # now: somebody may edit them meanwhile
    if not file.exists():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    results = [Result(**json.loads(line)) for line in lines if line.endswith("}")]  # the last may have been cut off
    return {each.fault: each for each in results if each.source == sources.get(each.fault)}


def summary(results: Iterable[Result], known: Mapping[str, Fault]) -> dict[str, Any]:
    """Return, by origin, how many faults there are, were judged, seen and rightly blamed, and the others' names."""
    whole: dict[str, Any] = {}
    for origin in ORIGINS:
        own = sorted(each for each in results if known[each.fault].origin == origin)
        if own:
            whole[origin] = {
                "faults": sum(fault.origin == origin for fault in known.values()),
                "judged": len(own),
                "seen": sum(each.seen for each in own),
                "blamed": sum(each.seen and each.own for each in own),
                "seconds": round(sum(each.seconds for each in own)),
                "unseen": [each.fault for each in own if not each.seen],
                "blamed otherwise": {each.fault: each.blamed for each in own if each.seen and not each.own},
            }
    return whole


def write_record(profile: str, results: Iterable[Result], known: Mapping[str, Fault], record: Path = RECORD) -> None:
    """Put the summary of a profile into the record, beside those of other profiles."""
    whole = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    whole[profile] = summary(list(results), known)
    ordered = {name: whole[name] for name in PROFILES if name in whole}
    record.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def describe(result: Result) -> str:
    """Return one line about a result."""
    if not result.seen:
        what = f"NOT SEEN, exit status {result.status}"
    elif result.own:
        what = "seen"
    else:
        what = f"seen, but as {', '.join(result.blamed)}"
    return f"{result.fault}: {what} ({result.seconds:g} s)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge what has not been judged yet, print a line for each fault, and write the record. Return 0."""
    parser = argparse.ArgumentParser(prog="python -m conformance.broken.campaign", description=__doc__)
    add = parser.add_argument
    add("--profile", choices=list(PROFILES), default="quick")
    add("--jobs", type=int, default=2, metavar="N", help="processes (default: 2)")
    add("--only", default="", metavar="PATTERN", help="faults whose names hold it; no record is written")
    add("--origin", choices=ORIGINS, help="faults of one origin")
    add("--unseen-by", choices=list(PROFILES), help="take what a campaign of that profile saw for seen")
    add("--every", type=int, default=1, metavar="N", help="every Nth of the faults, as a sample")
    add("--fresh", action="store_true", help="judge again what an interrupted campaign has judged")
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="where it keeps what it has judged")
    options = parser.parse_args(arguments)
    known = faults()
    options.results.mkdir(exist_ok=True)
    file = options.results / f"{options.profile}.jsonl"
    if options.fresh:
        file.unlink(missing_ok=True)
    results = read_results(file, known)
    wanted = {name for name, fault in known.items() if options.only in name and options.origin in (None, fault.origin)}
    if options.unseen_by:
        former = read_results(options.results / f"{options.unseen_by}.jsonl", known)
        results |= {name: each for name, each in former.items() if each.seen}
    planted = [known[name] for name in sorted(wanted)[:: options.every] if name not in results]
    with file.open("a", encoding="utf-8") as lines:
        for result in campaign(planted, options.profile, options.jobs):
            results[result.fault] = result
            lines.write(json.dumps(result._asdict()) + "\n")
            lines.flush()
            print(describe(result), flush=True)
    judged = [results[name] for name in sorted(wanted) if name in results]
    for origin, share in summary(judged, known).items():
        print(f"{origin}: {share['seen']} of {share['judged']} seen, {share['blamed']} as what they are")
        for name in share["unseen"]:
            print(f"  not seen: {name}")
    if not options.only:
        write_record(options.profile, results.values(), known)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
