"""What a refusal of a hub means: its status and error headers as one error of ours each.

Bodies of refusals are not read: they may be pages, and their words are not ours to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paddock.acquire.pace import wanted_wait
from paddock.errors import (
    AcquireError,
    Gated,
    HubBroken,
    HubUnreachable,
    NeedsToken,
    NotThere,
    RateLimited,
)

PASSING: Final = frozenset({408, 425, 500, 502, 503, 504})
"""Statuses after which the same question may get an answer."""
LONGEST_WAIT: Final = 3600.0
_USUAL_WAIT: Final = 60.0

_TOKEN: Final = "set HF_TOKEN, or write it to the file that `pulls.tokenFile` names"  # noqa: S105


def is_bad_token(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the token itself is refused: then even public repositories are."""
    return status == 401 and "invalid credentials" in _message(headers)


def refusal(
    status: int,
    headers: Mapping[str, str],
    *,
    host: str,
    subject: str,
    page: str = "",
    with_token: bool = False,
) -> AcquireError:
    """The error for an answer of `host` that is no success.

    `subject` is what was asked for, as people call it; `page` where they can read about it;
    `with_token` whether a token was sent.
    """
    code, message = headers.get("X-Error-Code", "").strip().lower(), _message(headers)
    if status == 429:
        return too_many(headers, host, with_token=with_token)
    if "access to this resource is disabled" in message:
        return NotThere(f"{host} has taken {subject} down")
    if is_bad_token(status, headers):
        return NeedsToken(f"{host} does not know the token", hint=f"make a new one and {_TOKEN}")
    if code == "gatedrepo" and status in {401, 403}:
        return _gated(status, subject, page, with_token=with_token)
    if status in {401, 404, 410} or code.endswith("notfound"):
        return _not_there(status, code, host, subject, with_token=with_token)
    if status == 403:
        return _forbidden(host, subject, with_token=with_token)
    if status in PASSING:
        return HubUnreachable(
            f"{host} has trouble of its own (status {status})",
            status=status,
            hint="try again in a while",
        )
    return HubBroken(f"{host} answers with status {status} for {subject}", status=status)


def too_many(headers: Mapping[str, str], host: str, *, with_token: bool) -> RateLimited:
    """The error for 429."""
    wait = wanted_wait(headers)
    seconds = _USUAL_WAIT if wait is None else min(wait, LONGEST_WAIT)
    return RateLimited(
        f"{host} wants fewer requests; it may be asked again in {seconds:.0f} s",
        retry_after=seconds,
        hint="" if with_token else f"with a token more are allowed: {_TOKEN}",
    )


def _gated(status: int, subject: str, page: str, *, with_token: bool) -> Gated:
    at = f" at {page}" if page else ""
    if status == 403:
        return Gated(
            f"access to {subject} has not been granted to your token",
            hint=f"ask for access{at}, and use a token that may read gated repositories",
        )
    # The same answer comes for no token and for one of somebody who has not accepted.
    why = "with the account of your token" if with_token else f"then {_TOKEN}"
    return Gated(f"{subject} is gated", hint=f"accept its licence{at}, {why}")


def _not_there(
    status: int, code: str, host: str, subject: str, *, with_token: bool
) -> NotThere | NeedsToken:
    if code == "entrynotfound":
        return NotThere(f"{subject} is not at {host}", hint="the repository was changed: ask again")
    if code == "revisionnotfound":
        return NotThere(f"{subject} has no such revision at {host}")
    if status == 401 and not with_token:
        return NeedsToken(
            f"{subject} is not at {host}, or it is private",
            hint=f"check the name; for a private repository {_TOKEN}",
        )
    return NotThere(
        f"{subject} is not at {host}",
        hint="check the name, or look for it with `paddock search`",
    )


def _forbidden(host: str, subject: str, *, with_token: bool) -> NeedsToken:
    if with_token:
        return NeedsToken(
            f"the token may not read {subject}",
            hint="give it the right to read gated and private repositories",
        )
    return NeedsToken(f"{host} does not give {subject} to everybody", hint=_TOKEN)


def _message(headers: Mapping[str, str]) -> str:
    return headers.get("X-Error-Message", "").strip().lower()
