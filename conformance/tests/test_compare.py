"""The command ``compare``: what it measures, of good targets and of others, and how it says so."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import jsonschema
import pytest

from conformance import ROOT
from conformance.commands import main
from conformance.comparison import loads
from conformance.comparison.echo_load import closed_loop, open_loop
from conformance.comparison.figures import LoadError, measurement, percentiles
from conformance.comparison.loads import LOOPS, choose
from conformance.comparison.model import Figure, Load
from conformance.comparison.tables import WIDTH
from conformance.comparison.tick_load import Subscribers
from conformance.targets.discovery import BUNDLED, find_target
from conformance.targets.terms import TRANSPORTS
from conformance.tests.test_cli import target

ECHO = Load("echo", "tcp", "closed", 16, 1, 32)
FEW = ["--quick", "--rounds=1"]
TCP_ECHO = [*FEW, "--service=echo", "--transport=tcp"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    hypothesis.settings.load_profile(pytestconfig.getoption("--profile"))  # the command has loaded one of its own


def compare(*words: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return the exit status and the JSON that it wrote."""
    status = main.main(["compare", *words, "--json=comparison.json"])
    file = Path("comparison.json")
    return status, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def problems(comparison: dict[str, Any], name: str) -> set[str]:
    return {each["problem"] for each in comparison["measurements"] if each["target"] == name}


def test_figures_are_medians_and_ratios_are_of_one_round() -> None:
    ours = [{"start": 3.0}, None, {"start": 8.0, "stop": 1.0}, {"start": 6.0}, *3 * [{"start": 10.0}]]
    base = [{"start": 1.0}, {"start": 9.0}, {"start": 2.0}, {"start": 0.0}, *3 * [{"start": 5.0}]]
    found = measurement("with", ECHO, ours, base, "died")
    assert found.figures == {"start": Figure(9.0, 3.0, 10.0), "stop": Figure(1.0, 1.0, 1.0)}
    assert found.ratios == {"start": Figure(2.0, 2.0, 4.0)}
    assert found.problem == "died"
    assert measurement("with", ECHO, ours[:6], base[:6]).ratios == {}, "of four rounds"
    assert measurement("raw", ECHO, base).ratios == {}


def test_percentiles() -> None:
    found = percentiles(1000 * each for each in range(1, 1001))
    for name, expected in {"p50": 500_000, "p99": 990_000, "p99.9": 999_000, "max": 1_000_000}.items():
        assert found[name] == pytest.approx(expected, rel=0.002)
    assert percentiles([1])["max"] < 200 and percentiles([10**15])["p50"] == pytest.approx(60e9, rel=0.002)


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
    """The server sleeps for 0.1 s at a time, half of the time. Who waits for its answer does not ask meanwhile."""
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
    status, comparison = compare("raw", target("dies"), *TCP_ECHO, "--html=page.html")
    assert status == 0
    assert problems(comparison, "raw") == {""}
    assert "died with status 1: out of breath" in problems(comparison, "dies")
    assert all(each["figures"] for each in comparison["measurements"] if each["target"] == "raw")
    for text in (capsys.readouterr().out, Path("page.html").read_text(encoding="utf-8")):
        assert "died with status 1: out of breath" in text


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
        assert {"lateness_p50", "lateness_p99", "lateness_max", "server_cpu", "memory"} <= set(each["figures"])


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
    header = [line for line in output.splitlines() if line.startswith("request or tick, µs")]
    assert [line.split()[4:] for line in header] == [
        [*BUNDLED, "asyncio"],
        ["good", "reverses-bytes"],
    ]
    different = [each for each in comparison["disagreements"] if each["difference"]]
    assert len(different) == 5 and all("reverses-bytes" in each["targets"] for each in different)
    assert all(each["forbidden"] and "reversed" in each["difference"] for each in different)
    assert "×: ratio to with" in output and "the load generator used at most" in output


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
