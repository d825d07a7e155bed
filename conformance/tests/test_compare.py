"""The command ``compare``: what it measures, of good targets and of others, and how it says so."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
from rich.cells import cell_len
from rich.console import Console

from conformance import ROOT
from conformance.commands import main
from conformance.commands.judging import Judged
from conformance.comparison import loads
from conformance.comparison.busy import Busy
from conformance.comparison.echo_load import closed_loop, open_loop
from conformance.comparison.figures import LoadError, measurement
from conformance.comparison.loads import LOOPS, choose
from conformance.comparison.model import Comparison, Figure, Load, Ratio
from conformance.comparison.tables import WIDTH, print_comparison
from conformance.comparison.tick_load import Subscribers
from conformance.profiles import PROFILES
from conformance.running.cases import Case
from conformance.running.runner import JudgeError, Selection
from conformance.targets.discovery import BUNDLED, find_target
from conformance.targets.terms import TRANSPORTS
from conformance.tests import samples
from conformance.tests.runs.test_cli import target

ECHO = Load("echo", "tcp", "closed", 16, 1, 32)
FEW = ["--quick", "--rounds=1"]
TCP_ECHO = [*FEW, "--service=echo", "--transport=tcp"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    PROFILES[pytestconfig.getoption("--profile")].load()  # the command has loaded one of its own


def compare(*words: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return the exit status and the JSON that it wrote."""
    status = main.main(["compare", *words, "--json=comparison.json"])
    file = Path("comparison.json")
    return status, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def problems(comparison: dict[str, Any], name: str) -> set[str]:
    return {each["problem"] for each in comparison["measurements"] if each["target"] == name}


def test_figures_are_medians() -> None:
    taken = [{"start": 3.0}, None, {"start": 8.0, "stop": 1.0}, {"start": 6.0}, *3 * [{"start": 10.0}]]
    ratios = {"start": Ratio(2.0, None, None, 5)}
    found = measurement("with", ECHO, taken, ratios, "died")
    assert found.figures == {"start": Figure(9.0, 3.0, 10.0), "stop": Figure(1.0, 1.0, 1.0)}
    assert (found.ratios, found.problem) == (ratios, "died")


def test_why_there_is_no_figure_is_said() -> None:
    found = measurement("with", ECHO, [{"latency_p50": 3.0}], {}, "died")
    assert [found.reason(name) for name in ("latency_p50", "memory")] == ["", "died"]
    assert "too few values" in found.reason("latency_p99")


@pytest.mark.parametrize("quick", [True, False])
def test_each_pattern_is_measured_over_both_transports(quick: bool) -> None:
    plan = choose([], [], quick=quick)
    assert len(set(plan.loads)) == len(plan.loads)
    patterns = {"closed", "open", "spread", "life"} | ({"at once"} if not quick else set())
    for transport in TRANSPORTS:
        beside = {"crowded"} if transport == "tcp" and not quick else set()  # over UDP nobody can pipeline
        assert {load.pattern for load in plan.loads if load.transport == transport} == patterns | beside
    assert sorted(map(repr, plan.loads)) == sorted(repr(load) for group in plan.groups() for load in group)
    for group in plan.groups():
        assert len(group) == 1 or {load.pattern for load in group} <= set(LOOPS)
        assert len({load.transport for load in group}) == 1


def test_the_whole_choice_has_what_is_promised() -> None:
    plan = choose(["time"], ["tcp"])
    assert {load.clients for load in plan.loads if load.interval} == {100, 1000, 10_000}
    echo = choose(["echo"], ["udp"]).loads
    assert {load.clients for load in echo if load.pattern == "closed"} == {1, 16, 256}
    assert {load.message_bytes for load in echo if load.pattern == "closed"} == {32, 1000}


def test_an_open_loop_sees_a_server_stall_and_a_closed_one_does_not() -> None:
    """The server sleeps for 0.1 s at a time, half of the time. A client that waits for an answer does not ask."""
    with find_target(target("stalls")).server("echo", "tcp") as server:
        closed = closed_loop(server, ECHO, 0.5, None)
        opened = open_loop(server, Load("echo", "tcp", "open", 16, 1, 32, rate=2000.0), 0.5, None)
    assert closed["latency_p50"] < 50_000 < opened["latency_p99"]


def test_a_wrong_reply_is_not_measured() -> None:
    with (
        find_target(target("reverses-bytes")).server("echo", "tcp") as server,
        pytest.raises(LoadError, match="a wrong reply"),
    ):
        closed_loop(server, Load("echo", "tcp", "closed", 1, 1, 32, "cyrillic"), 0.01, None)


def test_a_target_that_dies_is_shown_and_the_others_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    status, comparison = compare("raw", target("dies"), *TCP_ECHO, "--html=page.html", "--no-verdicts")
    assert status == 0
    assert problems(comparison, "raw") == {""}
    assert "died with status 1: out of breath" in problems(comparison, "dies")
    assert all(each["figures"] for each in comparison["measurements"] if each["target"] == "raw")
    for text in (capsys.readouterr().out, Path("page.html").read_text(encoding="utf-8")):
        assert "died with status 1: out of breath" in text


def test_the_page_has_verdicts_judged_after_what_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    case = samples.report()["cases"][0]

    def measured(*_: object) -> Comparison:
        done.append("measured")
        return replace(samples.comparison(), targets=["raw"])

    def judged(_: Console, selection: Selection) -> Judged:
        done.append(f"judged by {selection.profile.name}")
        if refused:
            raise JudgeError("no worker starts")
        return Judged([Case.from_json(case)])

    monkeypatch.setattr("conformance.comparison.compare.compare", measured)
    monkeypatch.setattr("conformance.commands.compare.judge_selection", judged)
    for words, refused, expected in [
        ([], False, ["measured", "judged by quick"]),
        ([], True, ["measured", "judged by quick"]),
        (["--no-verdicts"], False, ["measured"]),
    ]:
        done.clear()
        assert compare("raw", *FEW, "--html=page.html", *words)[0] == 0
        assert done == expected
        shown = Path("page.html").read_text(encoding="utf-8")
        assert ('id="verdicts"' in shown) == (len(expected) == 2 and not refused)
        assert ("not judged: no worker starts" in capsys.readouterr().out) == refused


def test_a_target_that_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    status, comparison = compare("raw", target("dead"), *TCP_ECHO)
    assert status == 0
    assert all("the floor is wet" in problem for problem in problems(comparison, "dead"))
    assert compare(target("dead"), *TCP_ECHO)[0] == 3
    assert "nothing could be measured" in capsys.readouterr().err


def test_what_a_target_does_not_offer(capsys: pytest.CaptureFixture[str]) -> None:
    status, comparison = compare("raw", target("good"), *FEW, "--transport=udp", "--service=echo")
    assert status == 0
    assert problems(comparison, "good") == {"not offered"}
    assert "not offered" in capsys.readouterr().out


def test_time_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer intervals than those of --quick: a busy machine too must subscribe all clients within one
    spread = [Load("time", transport, "spread", 100, interval=0.5) for transport in TRANSPORTS]
    monkeypatch.setattr(loads, "_quick", lambda: spread)
    status, comparison = compare("raw", "socketserver", *FEW, "--service=time")
    assert status == 0
    assert len(comparison["measurements"]) == 4
    for each in comparison["measurements"]:
        assert each["problem"] == ""
        assert each["figures"]["served"]["median"] == each["load"]["clients"]
        assert {"lateness_p50", "lateness_max", "server_cpu", "memory"} <= set(each["figures"])
        assert "lateness_p99" not in each["figures"], "of 200 ticks"


def test_a_token_that_expires_before_its_subscription_is_replaced() -> None:
    with BUNDLED["raw"].server("time", "udp") as server, ExitStack() as stack:
        subscribers = Subscribers(server, 2, stack)
        subscribers.requests[1] = subscribers.requests[1].replace(b"token: ", b"token: un")
        subscribers.subscribe(0)
        assert subscribers.answered == {0, 1}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_that_runs_already(host: str) -> None:
    with BUNDLED["raw"].server("echo", "tcp", "--host", host) as server:
        status, comparison = compare("raw", server.url, *TCP_ECHO)
        assert server.running
    assert status == 0
    of_url = {each["load"]["pattern"]: each for each in comparison["measurements"] if each["target"] == server.url}
    assert of_url["life"]["problem"].startswith("not measured: it runs already")
    assert "requests_per_second" in of_url["closed"]["figures"] and "server_cpu" not in of_url["closed"]["figures"]


def test_the_json_has_the_published_form_and_tables_fit(capsys: pytest.CaptureFixture[str]) -> None:
    _, comparison = compare(*BUNDLED, "asyncio", target("good"), target("reverses-bytes"), *TCP_ECHO, "--baseline=with")
    schema = json.loads((ROOT / "conformance/reports/comparison.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(comparison)
    assert not validator.is_valid({**comparison, "rounds": 0})
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= WIDTH
    for name in comparison["targets"]:
        rows = [line for line in output.splitlines() if line.split()[:1] == [name]]
        assert len(rows) >= 4, "a row for each load"
    assert [each["targets"] for each in comparison["disagreements"]] == [
        [name, "with"] if name == "raw" else ["with", name] for name in comparison["targets"] if name != "with"
    ]
    [different] = [each for each in comparison["disagreements"] if each["difference"]]
    assert "reverses-bytes" in different["targets"] and different["forbidden"]
    assert "reversed" in different["difference"]
    assert not any(ratio["differs"] for each in comparison["measurements"] for ratio in each["ratios"].values())
    assert f"need {comparison['rounds_needed']} rounds or more" in output and "≈: the rounds carry no" in output
    assert "the load generator used at most" in output


def test_each_two_targets_are_compared_if_that_is_asked_for() -> None:
    _, comparison = compare("raw", "with", target("reverses-bytes"), *TCP_ECHO, "--all-pairs")
    found = {tuple(each["targets"]): bool(each["difference"]) for each in comparison["disagreements"]}
    reverses = comparison["targets"][2]
    assert found == {("raw", "with"): False, ("raw", reverses): True, ("with", reverses): True}


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("count", [2, 4, 5])
def test_tables_cut_nothing(width: int, count: int) -> None:
    whole = samples.comparison()
    few = replace(whole, targets=whole.targets[:count])
    console = Console(width=width, file=StringIO(), force_terminal=False)
    print_comparison(console, few)
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= min(width, WIDTH)
    assert lines[0] == "The machine was busy: load average 1.7 on 2 cores before"
    words = " ".join(lines).split()
    assert all(name in words for name in few.targets) and "…" not in " ".join(words)
    for text in ("≈", "×1.22") if count > 2 else ("≈",):
        assert text in words


def test_a_busy_machine_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = os.cpu_count() or 1
    monkeypatch.setattr("os.getloadavg", lambda: (cores * 0.9, 0.0, 0.0))
    assert f"load average {cores * 0.9:.1f} on {cores} cores before" in Busy().report()
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    assert not any("load average" in line for line in Busy().report())
    busy = Busy()
    busy._system = busy._system._replace(user=busy._system.user - 1000, steal=busy._system.steal - 1000)
    assert [" ".join(line.split()[:2]) for line in busy.report()[-2:]] == ["other processes", "the hypervisor"]


def test_an_interrupt_loses_nothing() -> None:
    """What was measured until then is shown and written, of each target; nothing is judged after that."""
    words = ["raw", "with", "--quick", "--service=echo", "--transport=tcp", "--json=comparison.json"]
    command = [sys.executable, "-m", "conformance", "compare", *words, "--html=page.html"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert "echo life" in process.stdout.readline()
        assert "echo closed" in process.stdout.readline()
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()
    assert process.returncode == 3
    assert "Echo: start and stop" in output and output.endswith("not all was measured: interrupted\n")
    comparison = json.loads(Path("comparison.json").read_text(encoding="utf-8"))
    assert comparison["problem"] == "interrupted"
    for name in "raw", "with":
        assert any(each["figures"] and each["target"] == name for each in comparison["measurements"])
    assert "not all was measured: interrupted" in Path("page.html").read_text(encoding="utf-8")
    assert not psutil.wait_procs(below, 10)[1]


def test_json_goes_to_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "raw", *TCP_ECHO, "--json=-"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["targets"] == ["raw"]
    assert "Echo: start and stop" in said.err


def test_a_file_that_cannot_be_written_loses_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["raw", *TCP_ECHO, "--json=/dev/full", "--html=page.html", "--no-verdicts"]
    assert main.main(["compare", *words]) == 3
    assert "cannot write /dev/full" in capsys.readouterr().err and Path("page.html").exists()


def test_what_requires_a_missing_module_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    Path("lacking.toml").write_text('name = "lacking"\nrequires = ["no_such"]\n[programs]\ntcp_server = ["{python}"]\n')
    status, comparison = compare("raw", "lacking.toml", *TCP_ECHO)
    assert (status, comparison["targets"]) == (0, ["raw"])
    assert "skipped: lacking: needs the Python module no_such" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "nobody: neither"),
        (["raw", "raw2"], "raw2: neither"),
        (["raw", "--baseline=with"], "--baseline with: no such target is compared"),
        (["raw", "--html=nowhere/page.html"], "nowhere is no directory"),
        (["raw", "--json=nowhere/figures.json"], "nowhere is no directory"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", *words, *TCP_ECHO]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
