"""What a person may be called: the login that is typed, and the name that is shown."""

from __future__ import annotations

import unicodedata
from typing import Final

from paddock.errors import InvalidRequest

MOST_LOGIN: Final = 254
MOST_NAME: Final = 100


def login_as_typed(text: str) -> str:
    """The form in which logins are compared: however it was typed, it is one login."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).lower())


def login_of(text: str) -> str:
    """The login that a text is. Raises InvalidRequest for what cannot be one."""
    login = login_as_typed(text)
    is_sane = login.isprintable() and not any(c.isspace() or c == "/" for c in login)
    if not (0 < len(login) <= MOST_LOGIN and is_sane):
        raise InvalidRequest(
            f"a login has 1 to {MOST_LOGIN} characters, without spaces and slashes",
            param="login",
            hint="such as anna, or an e-mail address",
        )
    return login


def name_of(text: str, login: str) -> str:
    """The name that a text is; the login, where it is empty. Raises InvalidRequest."""
    name = unicodedata.normalize("NFC", text.strip()) or login[:MOST_NAME]
    if len(name) > MOST_NAME or not name.isprintable():
        raise InvalidRequest(f"a name has at most {MOST_NAME} printable characters", param="name")
    return name
