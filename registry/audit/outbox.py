"""Which handler delivers which topic of the outbox. Applications register theirs when they are ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# Takes the message's payload; raises to have it delivered again later. Must be idempotent: a crash between the
# delivery and the note of it delivers twice.
Handler = Callable[[Mapping[str, Any]], None]

_handlers: dict[str, Handler] = {}


class UnknownTopicError(LookupError):
    """No application has registered a handler for this topic."""


def register(topic: str, handler: Handler) -> None:
    """Makes `handler` deliver the messages of `topic`; registering again replaces it."""
    _handlers[topic] = handler


def handler_for(topic: str) -> Handler:
    """Returns the topic's handler.

    Raises:
        UnknownTopicError: there is none.
    """
    try:
        return _handlers[topic]
    except KeyError:
        raise UnknownTopicError(f"no handler is registered for `{topic}`") from None
