"""A run as JUnit's XML."""

import re
from collections import defaultdict
from collections.abc import Iterable
from xml.etree import ElementTree

from conformance.running.cases import Case, requirement_sentence


def build_junit(cases: Iterable[Case]) -> str:
    """Return JUnit's XML: a suite for each target, a test case for each case."""
    of: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        of[case.target].append(case)
    root = ElementTree.Element("testsuites")
    for target, those in of.items():
        counts = {outcome: sum(case.outcome == outcome for case in those) for outcome in ("failed", "error", "passed")}
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"sockspec {target}",
            tests=str(len(those)),
            failures=str(counts["failed"]),
            errors=str(counts["error"]),
            skipped=str(len(those) - sum(counts.values())),
            time=f"{sum(case.seconds for case in those):.3f}",
        )
        for case in those:
            element = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{target}.{case.check.partition('.')[0]}",
                name=case.title.partition("::")[2],
                time=f"{case.seconds:.3f}",
            )
            kind = {"failed": "failure", "error": "error", "passed": None}.get(case.outcome, "skipped")
            if kind:
                message = f"{case.about}: {case.problem.partition(chr(10))[0]}" if case.about else case.outcome
                told = ElementTree.SubElement(element, kind, message=_printable(message))
                told.text = (
                    _printable("\n".join([requirement_sentence(case.about), case.problem])) if case.about else ""
                )
    ElementTree.indent(root)
    return str(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), "utf-8")


def _printable(text: str) -> str:
    """Return a text with what XML cannot hold shown as ``\\xNN``."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", lambda match: f"\\x{ord(match[0]):02x}", text)
