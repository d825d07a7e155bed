"""How the page writes text and numbers."""

import re

from markupsafe import Markup, escape

from conformance.languages import texts


def say(text: str, /, **values: object) -> str:
    """Return a text in the chosen language; values that are no markup are escaped and made visible."""
    if not values:
        return texts.say(text)
    return Markup(escape(texts.say(text))).format(**{name: visible(value) for name, value in values.items()})


def code(text: str) -> Markup:
    """Return text as code."""
    return Markup("<code>{}</code>").format(text)


def visible(value: object) -> object:
    """Return text with everything that does not print, or turns the direction of what does, as an escape."""
    if not isinstance(value, str) or hasattr(value, "__html__") or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in value)


def number(value: float) -> str:
    """Return a number with three digits that count, or all of a whole one: ``12,345``, ``12.3``, ``0.123``, ``1``."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:#.3g}"


def seconds(value: float) -> str:
    """Return a duration: ``0.012 s``, ``75.3 s``."""
    return texts.say("{seconds} s", seconds=f"{value:.3f}" if value < 10 else f"{value:.1f}")


def sentence(text: str) -> Markup:
    """Return a sentence of SPEC.md with its code as code, its emphasis as emphasis."""
    escaped = str(escape(str(visible(text))))
    return Markup(re.sub(r"\*(\w[^*`]*)\*", r"<em>\1</em>", re.sub("`(.+?)`", r"<code>\1</code>", escaped)))
