"""What has changed between two reports of the same targets: what got better, what got worse."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from conformance.languages.texts import mark, requirement_text, say
from conformance.languages.told import told
from conformance.running.verdicts import State, Verdict

Report = Mapping[str, Any]

SETTINGS = {
    "profile": mark("The runs differ in their profile: {old} before, {new} now."),
    "seed": mark("The runs differ in their seed: {old} before, {new} now."),
}
"""What two runs should have in common, or one has looked where the other has not; and what is said of others."""


class Change(NamedTuple):
    """Another verdict of one requirement."""

    requirement: str
    old: Verdict
    new: Verdict
    text: str
    """The requirement's sentence."""
    problem: str
    """The first line of a failure in the new report; empty: there is none."""


class Changes(NamedTuple):
    """What has changed of one target."""

    target: str
    old_state: str
    new_state: str
    worse: list[Change]
    """What was shown to hold, and is so no more."""
    better: list[Change]
    """What is shown to hold now, and was not."""
    other: list[Change]
    """What was not shown to hold before, and is not now; and where the judge failed this time."""
    unpaired: int
    """Requirements with a verdict in one of the reports alone."""

    @property
    def is_worse(self) -> bool:
        """Whether a requirement got worse, or a target that conformed fails now, or does not start."""
        return bool(self.worse) or (self.old_state == State.CONFORMS.value and self.new_state in _BAD_STATES)

    @property
    def is_doubtful(self) -> bool:
        """Whether the judge failed where it has shown before that a requirement holds."""
        return any(change.old is Verdict.PASS for change in self.other)


_BAD_STATES = (State.FAILS.value, State.NOT_STARTED.value)


def changes(old: Report, new: Report) -> list[Changes]:
    """Return the changes of each target that both reports of `run --json` have."""
    return [_changes_of(target, old, new) for target in old["verdicts"] if target in new["verdicts"]]


def _changes_of(target: str, old: Report, new: Report) -> Changes:
    before, after = old["verdicts"][target], new["verdicts"][target]
    found = Changes(target, old["states"][target], new["states"][target], [], [], [], len(set(before) ^ set(after)))
    for id_ in after:
        if before.get(id_, after[id_]) == after[id_]:
            continue
        was, is_ = Verdict[before[id_]], Verdict[after[id_]]
        change = Change(id_, was, is_, new["requirements"][id_]["text"], _problem(new, target, id_))
        if was is Verdict.PASS and is_ is not Verdict.ERROR:
            found.worse.append(change)
        elif is_ is Verdict.PASS:
            found.better.append(change)
        else:
            found.other.append(change)
    return found


def _problem(report: Report, target: str, id_: str) -> str:
    """Return the first line of what is said of a requirement that failed."""
    problems = [
        case["problem"].strip().splitlines()[0]
        for case in report["cases"]
        if case["target"] == target and case["about"] == id_ and case["outcome"] == "failed" and case["problem"].strip()
    ]
    return min(problems, key=len, default="")


def notes(old: Report, new: Report) -> Iterator[str]:
    """Yield a sentence for each way in which the two reports cannot be compared."""
    for name, text in SETTINGS.items():
        if old[name] != new[name]:
            yield say(text, old=old[name], new=new[name])
    for target in old["verdicts"]:
        if target not in new["verdicts"]:
            yield say("{target} is in the old report alone.", target=target)
    for target in new["verdicts"]:
        if target not in old["verdicts"]:
            yield say("{target} is in the new report alone.", target=target)


def as_text(found: Sequence[Changes], remarks: Sequence[str]) -> str:
    """Return changes for a terminal."""
    lines: list[str] = []
    for each in found:
        lines.append(f"{each.target}: {_states(each)}")
        for title, listed in _groups(each):
            lines.append(f"  {title}:")
            for change in listed:
                lines.append(f"    {change.requirement}: {change.old.name} -> {change.new.name}")
                lines.append(f"      {_why(change)}")
        lines += [f"  {line}" for line in _rest(each)]
    return "\n".join([*lines, *remarks])


def as_markdown(found: Sequence[Changes], remarks: Sequence[str]) -> str:
    """Return changes for a pull request, or for the summary of a workflow."""
    blocks: list[str] = []
    for each in found:
        blocks.append(f"### {_escaped(each.target)}: {_states(each)}")
        for title, listed in _groups(each):
            rows = [
                f"| {change.requirement} | {change.old.name} | {change.new.name} "
                f"| {_escaped(_why(change)) if change.problem else _why(change)} |"
                for change in listed
            ]
            heading = " | ".join([title, say("before"), say("now")])
            blocks.append("\n".join([f"| {heading} | |", "|---|---|---|---|", *rows]))
        blocks += _rest(each)
    return "\n\n".join([*blocks, *map(_escaped, remarks)])


def _why(change: Change) -> str:
    """Return what is said of a failure, or else the requirement's sentence."""
    return told(change.problem) or requirement_text(change.requirement, change.text)


def _states(each: Changes) -> str:
    old, new = say(each.old_state), say(each.new_state)
    return new if old == new else f"{old} -> {new}"


def _groups(each: Changes) -> list[tuple[str, list[Change]]]:
    titled = [(say("worse"), each.worse), (say("better"), each.better), (say("changed otherwise"), each.other)]
    return [(title, listed) for title, listed in titled if listed]


def _rest(each: Changes) -> list[str]:
    lines = [] if _groups(each) else [say("No verdict has changed.")]
    if each.unpaired:
        lines.append(say("Requirements that only one of the reports has: {count}.", count=each.unpaired))
    return lines


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, in a table too."""
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|~$@" else character for character in text)
