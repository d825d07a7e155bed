"""What most checks build on, tried before all of them with each program and each service.

It starts; its first answer is right; it reads lines however they come and end, and serves two clients at once; it
answers each kind of faulty request; it stops. Where one of these does not hold, checks that need it would only wait for
what never comes, or fail for that reason, and say nothing about their own requirements.
"""

from conformance.running.admission import Admission
from conformance.running.checks import Cell
from conformance.running.client_trial import try_client
from conformance.running.server_trial import try_server
from conformance.targets.host import OUT_OF, require_datagrams, unjudged_without_resources
from conformance.targets.programs import NotRun
from conformance.targets.server import DidNotStart
from conformance.targets.target import Target


def try_program(target: Target, cell: Cell, admission: Admission) -> None:
    """Try a program with one service, and note what does not hold."""
    try:
        with unjudged_without_resources():
            if cell.transport == "udp":
                require_datagrams()
            if cell.role == "server":
                try_server(target, cell, admission)
            else:
                try_client(target, cell)
    except (NotRun, DidNotStart) as problem:
        admission.note_not_started(cell, str(problem))
    except (AssertionError, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno in OUT_OF:
            return  # each check will say so
        admission.note_problem(cell, "SRV-1" if cell.role == "server" else "CLI-1", problem)
    except Exception:  # noqa: BLE001, S110 - no time or port is left, or the judge is at fault: each check will say so
        pass
