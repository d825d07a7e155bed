"""Simulate: ``python -m spec.tests.simulation [WORLD …] --seeds 0-99 --clients 1000 --hours 1``."""

import argparse
import sys
import time
from collections.abc import Sequence

from spec.tests.simulation import WORLDS
from spec.tests.simulation.loop import PromiseBroken


def seeds(text: str) -> range:
    """Return the seeds that ``7`` or ``0-99`` stands for."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulations and say what each was; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m spec.tests.simulation", description="One server, many clients, virtual time."
    )
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help=f"{', '.join(WORLDS)} (default: all)")
    parser.add_argument("--seeds", type=seeds, default=seeds("0-9"), metavar="A[-B]", help="(default: 0-9)")
    parser.add_argument("--clients", type=int, default=1000, metavar="N", help="at once (default: 1000)")
    parser.add_argument("--hours", type=float, default=1.0, metavar="H", help="of virtual time (default: 1)")
    options = parser.parse_args(arguments)
    if unknown := {*options.worlds} - {*WORLDS}:
        parser.error(f"no such world: {', '.join(sorted(unknown))}")
    broken = 0
    for name in options.worlds or WORLDS:
        for seed in options.seeds:
            began = time.perf_counter()
            try:
                said = WORLDS[name](seed, options.clients).run(options.hours).what
            except PromiseBroken as error:
                broken += 1
                again = f"{name} --seeds {seed} --clients {options.clients} --hours {options.hours:g}"
                said = f"BROKEN {error}\n    again: python -m spec.tests.simulation {again}"
            print(f"{name} {seed}: {time.perf_counter() - began:.1f} s: {said}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
