"""What programs say to a person: English text that keeps what it is made of, so that it can be translated.

The core does no translation: whoever prints a message asks for that.
"""

from collections.abc import Callable, Mapping
from typing import final

Translate = Callable[[str], str]
"""Returns a template in the language of whoever reads it, with the same names in braces."""


@final
class Message(str):
    """A text in the words of SPEC.md. As a ``str`` it is the English one."""

    __slots__ = ("_template", "_values")
    _template: str
    _values: Mapping[str, object]

    def __new__(cls, template: str, **values: object) -> "Message":
        """``template`` has the names of the values in braces, as for ``str.format``; a value may be a message too."""
        message = super().__new__(cls, template.format(**values) if values else template)
        message._template = template
        message._values = values
        return message

    def translated(self, translate: Translate) -> str:
        """Return the text with its template, and those of the messages in it, translated."""
        text = translate(self._template)
        if not self._values:
            return text
        values = {
            name: value.translated(translate) if isinstance(value, Message) else value
            for name, value in self._values.items()
        }
        return text.format(**values)


def message_of(error: BaseException) -> str:
    """Return what an exception was made with, where ``str()`` would make a plain text of a message."""
    return error.args[0] if error.args and isinstance(error.args[0], Message) else str(error)
