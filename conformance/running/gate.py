"""Merges the results of runs and says which requirement no check has proved.

    python -m conformance.running.gate RESULTS…

Each is a file that ``--requirement-results`` wrote, or a directory with such files, ``*.results.json``. Exit status 0:
for each target every testable MUST and SHOULD has a check that passed and none that failed; 1: not so; 3: there is
nothing to judge.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from spec.requirements import REQUIREMENTS, Requirement

#: target: requirement: {"passed": n, "failed": n}
Results = dict[str, dict[str, dict[str, int]]]


def merge(runs: Iterable[Results]) -> Results:
    """Return the sums of several runs."""
    merged: Results = {}
    for run in runs:
        for target, requirements in run.items():
            for id_, counts in requirements.items():
                total = merged.setdefault(target, {}).setdefault(id_, {"passed": 0, "failed": 0})
                for verdict, count in counts.items():
                    total[verdict] += count
    return merged


def find_gaps(results: Results, requirements: Mapping[str, Requirement] = REQUIREMENTS) -> list[str]:
    """Return a line for each testable requirement that is not proved for a target."""
    gaps = []
    for target, proved in results.items():
        for requirement in requirements.values():
            counts = proved.get(requirement.id, {"passed": 0, "failed": 0})
            if counts["failed"]:
                gaps.append(f"{target}: {requirement.id}: {counts['failed']} checks failed")
            elif requirement.testable and not counts["passed"]:
                gaps.append(f"{target}: {requirement.id}: no check ran and passed")
    return gaps


def main(arguments: list[str] | None = None) -> int:
    """Judge the files and directories that are named; return the exit status."""
    places = [Path(place) for place in (sys.argv[1:] if arguments is None else arguments)]
    files = [file for place in places for file in (place.glob("*.results.json") if place.is_dir() else [place])]
    results = merge(json.loads(file.read_text(encoding="utf-8")) for file in files)
    if not results:
        print("nothing to judge", file=sys.stderr)
        return 3
    gaps = find_gaps(results)
    print("\n".join(gaps) or f"every testable requirement is proved for {', '.join(results)}")
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
