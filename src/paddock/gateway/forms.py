"""Forms: the two ways in which one comes, of which only short text fields are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from paddock.errors import InvalidRequest, RequestTooLarge
from paddock.gateway.multipart import boundary_of, text_field, with_text_field
from paddock.units import format_bytes

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
MOST_FIELDS = 1000
URLENCODED_BYTES = 256 << 10
"""An urlencoded form is smaller: taking 20 MB of escapes apart holds the loop for a minute."""

_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"


@dataclass(frozen=True, slots=True)
class Form:
    """The body of a request that is a form."""

    body: bytes
    boundary: bytes = b""
    """Between the parts of a multipart form; empty for an urlencoded one."""

    def field(self, name: str) -> str | None:
        """The value of a text field, None when it is missing. Raises InvalidRequest."""
        if self.boundary:
            return text_field(self.body, self.boundary, name)
        return dict(reversed(_fields(self.body))).get(name)

    def with_field(self, name: str, value: str) -> Form:
        """The same form with this value in the field, which is made when it is missing."""
        if self.boundary:
            return Form(with_text_field(self.body, self.boundary, name, value), self.boundary)
        rest = [field for field in _fields(self.body) if field[0] != name]
        return Form(urlencode([(name, value), *rest]).encode())


def is_form(content_type: str, body: bytes) -> bool:
    """Whether a body is the form that its Content-Type says. JSON is often sent as one."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {MULTIPART, URLENCODED}:
        return False
    return not body[:64].lstrip(_BEFORE_JSON).startswith((b"{", b"["))


def form_of(content_type: str, body: bytes) -> Form:
    """The form that a body is. Raises InvalidRequest for a Content-Type of no form."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == MULTIPART:
        return Form(body, boundary_of(content_type))
    if kind == URLENCODED:
        return Form(body)
    raise InvalidRequest(f"this endpoint takes {MULTIPART}")


def _fields(body: bytes) -> list[tuple[str, str]]:
    if len(body) > URLENCODED_BYTES:
        most = format_bytes(URLENCODED_BYTES)
        raise RequestTooLarge(f"the form is larger than {most}", hint=f"send it as {MULTIPART}")
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:  # UnicodeDecodeError too
        raise InvalidRequest(f"the form cannot be read: {error}") from None
