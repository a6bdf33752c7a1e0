"""JSON bodies with a limit of their own: REST framework reads a body past Django's, and `NaN` is no JSON (RFC 8259)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, ClassVar

from rest_framework.parsers import BaseParser

from registry.errors import BadRequestError, TooLargeError
from registry.http import json_parse


class BoundedJSONParser(BaseParser):
    """Reads JSON of at most `limit` bytes."""

    media_type = "application/json"
    limit: ClassVar[int] = 256 * 1024

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Returns the decoded body; an empty one is an empty object.

        Raises:
            TooLargeError: the body exceeds the limit.
            BadRequestError: it is not JSON in UTF-8.
        """
        del media_type, parser_context
        raw = stream.read(self.limit + 1)
        if len(raw) > self.limit:
            raise TooLargeError(f"the body may have at most {self.limit} bytes", limit=self.limit)
        try:
            return self.decode(raw.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise BadRequestError(f"the body is not JSON: {str(error)[:200]}") from None

    def decode(self, text: str) -> Any:
        """Returns the value that the text stands for."""
        return json_parse(text) if text.strip() else {}


class EventsJSONParser(BoundedJSONParser):
    """Reads a batch of events as a JSON list. A loss that became NaN may come bare, as Python writes it."""

    limit = 16 * 1024 * 1024

    def decode(self, text: str) -> Any:
        """Returns the list."""
        return json.loads(text)


class EventsNDJSONParser(EventsJSONParser):
    """Reads a batch of events as one JSON object a line."""

    media_type = "application/x-ndjson"

    def decode(self, text: str) -> Any:
        """Returns the lines' values as a list."""
        return [json.loads(line) for line in text.split("\n") if line.strip()]
