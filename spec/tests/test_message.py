"""What programs say, as English text and as what can be translated."""

import pytest

from spec.message import Message, message_of

RUSSIAN = {"stopped": "остановлен", "{reason} ({url})": "{url}: {reason}"}


def translate(template: str) -> str:
    return RUSSIAN.get(template, template)


def test_a_message_is_its_english_text() -> None:
    message = Message("{reason} ({url})", reason=Message("stopped"), url="echo+udp://[::1]:7007")
    assert message == "stopped (echo+udp://[::1]:7007)" and isinstance(message, str)
    assert f"{message}!" == "stopped (echo+udp://[::1]:7007)!"


def test_the_messages_in_a_message_are_translated_too() -> None:
    message = Message("{reason} ({url})", reason=Message("stopped"), url="stopped")
    assert message.translated(translate) == "stopped: остановлен"
    assert Message("unknown").translated(translate) == "unknown"


def test_braces_are_text_where_there_are_no_values() -> None:
    assert Message("{reason}") == Message("{reason}").translated(translate) == "{reason}"


@pytest.mark.parametrize("error", [ValueError(Message("stopped")), ValueError("stopped"), KeyError(1), OSError()])
def test_an_exception_keeps_its_message(error: Exception) -> None:
    message = message_of(error)
    assert message == str(error)
    assert isinstance(message, Message) == (bool(error.args) and isinstance(error.args[0], Message))
