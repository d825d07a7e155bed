"""What an exercise asks of the source: `with`, and the classes of socketserver."""

from dataclasses import replace

from conformance.labs.exam import Exam
from conformance.labs.ladder import Step, StepError
from conformance.labs.mistakes import cause_of_a_close
from conformance.languages.texts import mark, say


def take_with(exam: Exam) -> None:
    """Each socket that is opened is opened in a ``with``."""
    framework = exam.exercise.framework
    files = [exam.submission.server] if framework else list(exam.submission)
    for file in files:
        source = exam.source(file)
        expected = say("{file} opens its socket in a with block", file=file.name)
        if framework or (source.opens_framework_server and not source.opens_sockets):
            if not source.server_class_in_with:
                raise StepError(expected, say("the server object is made without one"))
        elif lines := source.opened_without_with():
            [(name, line), *_] = lines
            expected = say("{file} opens its socket in a with block", file=name)
            raise StepError(expected, say("line {line} opens one without", line=line))
        elif not source.opens_sockets:
            raise StepError(expected, say("it opens none"))
        if cause := cause_of_a_close(source, file):
            raise StepError(say("a connection is open as long as its thread uses it"), cause)


def take_handler(exam: Exam) -> None:
    """A class made from BaseRequestHandler has a ``handle``."""
    source = exam.source(exam.submission.server)
    if not source.handles:
        raise StepError(
            say("a class made from socketserver.BaseRequestHandler, with a method handle()"),
            say("{file} has none", file=exam.submission.server.name),
        )


def take_serving(exam: Exam) -> None:
    """The server object serves, by ``serve_forever`` or ``handle_request``."""
    if not exam.source(exam.submission.server).serves:
        raise StepError(
            say("a call of serve_forever() or handle_request()"),
            say("{file} has none", file=exam.submission.server.name),
        )


WITH = Step[Exam](
    mark("sockets are opened in with blocks"),
    mark("with closes the socket however the block ends, by an exception too."),
    mark("with socket.socket(...) as server:"),
    take_with,
)
WITH_SERVER = replace(WITH, hint=mark("with ThreadingTCPServer(ADDRESS, Handler) as server:"))
HANDLER = Step[Exam](
    mark("a class made from BaseRequestHandler has a handle()"),
    mark("The framework calls it for each request; what differs between servers stands there."),
    mark("class Handler(socketserver.BaseRequestHandler): def handle(self): ..."),
    take_handler,
)
SERVING = Step[Exam](
    mark("the server object calls serve_forever() or handle_request()"),
    mark("handle_request() serves one request, serve_forever() all of them."),
    mark("server.serve_forever()"),
    take_serving,
)


def source_steps(*, with_block: bool, framework: bool) -> list[Step[Exam]]:
    """Return the steps that an exercise asks of the source."""
    with_step = WITH_SERVER if framework else WITH
    return [*([HANDLER, SERVING] if framework else []), *([with_step] if with_block else [])]
