"""The JSON shapes in which the page is told of people and what is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddock.storage.invites import Invite
    from paddock.storage.keys import Key
    from paddock.storage.sessions import Device
    from paddock.storage.users import User


def person(user: User) -> dict[str, Any]:
    """A `User`."""
    return {
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "role": user.role,
        "created": user.created,
        "last_seen": user.last_seen,
        "must_change": user.must_change,
        "settings": user.settings,
        "limits": user.limits,
    }


def member(user: User) -> dict[str, Any]:
    """A user as admins see one: what a person set for himself is not for them."""
    return {name: value for name, value in person(user).items() if name != "settings"}


def device(session: Device, current: str) -> dict[str, Any]:
    """A session; `current`: the id of the one that asks."""
    return {
        "id": session.id,
        "device": session.device,
        "address": session.address,
        "created": session.created,
        "last_seen": session.last_seen,
        "current": session.id == current,
    }


def key(key: Key) -> dict[str, Any]:
    """A key without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "doors": key.doors,
        "models": key.models,
        "created": key.created,
        "last_used": key.last_used,
        "expires": key.expires,
    }


def invite(invite: Invite) -> dict[str, Any]:
    """An invite without its token."""
    return {
        "id": invite.id,
        "role": invite.role,
        "note": invite.note,
        "created": invite.created,
        "expires": invite.expires,
        "used": invite.used_at is not None,
        "used_at": invite.used_at,
        "used_by": invite.used_by,
    }
