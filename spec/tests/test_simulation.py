"""One server and its clients in virtual time hold the promises of the whole; and the simulation finds what breaks them.

More seeds, clients and hours: ``python -m spec.tests.simulation --seeds 0-99 --clients 1000 --hours 1``.
"""

import pytest

from spec.tests.simulation import WORLDS, faults
from spec.tests.simulation.__main__ import main
from spec.tests.simulation.loop import PromiseBroken

FOUND_IN = {
    "drifts": ("time", 12, 3, 0.2),
    "loses_the_order_of_timers": ("tcp", 1, 60, 0.012),
    "takes_old_tokens": ("time", 6, 4, 0.2),
    "remembers_strangers": ("time", 5, 6, 0.16),
    "confuses_lines": ("tcp", 7, 8, 0.07),
}
"""By the fault's name: the world, the seed, the clients and the hours in which it is found."""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("world", "clients", "hours"), [("time", 6, 0.06), ("echo", 30, 0.5), ("tcp", 6, 0.03)])
def test_what_holds_of_the_whole(world: str, clients: int, hours: float, seed: int) -> None:
    """TIME-6 to TIME-10, LEASE-4 to LEASE-11, CLI-14, CLI-16 to CLI-21, TCP-1 to TCP-9, SRV-4 to SRV-6."""
    assert WORLDS[world](seed, clients).run(hours).calls > 100


@pytest.mark.parametrize("name", faults.FAULTS)
def test_what_the_simulation_alone_finds(name: str) -> None:
    """Each fault breaks a promise, and without the fault the same run breaks none."""
    world, seed, clients, hours = FOUND_IN[name]
    with faults.FAULTS[name](), pytest.raises(PromiseBroken):
        WORLDS[world](seed, clients).run(hours)
    WORLDS[world](seed, clients).run(hours)


def test_the_same_seed_is_the_same_run() -> None:
    for world in WORLDS.values():
        assert world(7, 5).run(0.01) == world(7, 5).run(0.01)


def test_a_failure_says_how_to_run_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    with faults.takes_old_tokens():
        assert main(["time", "--seeds", "6", "--clients", "4", "--hours", "0.2"]) == 1
    shown = capsys.readouterr().out
    assert "again: python -m spec.tests.simulation time --seeds 6 --clients 4 --hours 0.2" in shown
