"""Clients whose author read the sentences about unknown fields and late answers too quickly."""

import re
import unicodedata
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import client, codec
from spec.client import Client
from spec.codec import Reply, ReplyError
from spec.datagram_client import EchoDatagramClient


@fault("CLI-12", transport="udp", service="echo")
def refuses_unknown_names_with_digits() -> None:
    """takes a reply with a field such as x-1 for malformed"""
    patch(codec, "_FIELD_NAME", re.compile("[a-z]+[0-9]*"))


@fault("CLI-12", transport="tcp", service="echo")
def expects_fields_in_their_places() -> None:
    """takes a reply with an unknown field before the others for malformed"""

    @wrap(Client, "_answer")
    def answer(good: Any, self: Any, reply: Reply, form: Any) -> None:
        if tuple(reply.fields)[: len(form.fields)] != form.fields:
            raise ReplyError("fields out of order")
        good(self, reply, form)


@fault("CLI-12", transport="udp", service="time")
def expects_so_many_fields() -> None:
    """takes a CHALLENGE with more than one field for malformed"""

    @wrap(client, "challenge_token")
    def token(good: Any, reply: Reply) -> Any:
        if len(reply.fields) != 1:
            raise ReplyError("fields that nobody knows")
        return good(reply)


@fault("CLI-14", transport="udp", service="echo")
def composes_before_it_compares() -> None:
    """takes an answer to another message that is the same under NFC"""

    @wrap(EchoDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> Any:
        told = reply.fields.get("message", "")
        if unicodedata.normalize("NFC", told) == unicodedata.normalize("NFC", self._message):
            self._message = told
        return good(self, reply, now)


@fault("CLI-14", transport="udp", service="echo")
def compares_the_length() -> None:
    """takes an answer to another message of the same length"""

    @wrap(EchoDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> Any:
        told = reply.fields.get("message", "")
        self._message = told if len(told) == len(self._message) else self._message
        return good(self, reply, now)
