"""What is set of the chat: what the owner wrote holds, the rest an admin may change any time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Final

from pydantic import ValidationError

from paddock.config.chat import Chat
from paddock.config.current import Current
from paddock.config.described import field_texts
from paddock.config.faults import from_validation
from paddock.config.nearest import nearest
from paddock.config.outline import schema_at
from paddock.config.schema import Config
from paddock.config.section import Section
from paddock.errors import InvalidRequest, PaddockError
from paddock.events import ConfigChanged, Event, EventBus
from paddock.gateway import problems
from paddock.storage import audit, chat_settings
from paddock.storage.chat_store import Store

log = logging.getLogger(__name__)

OWNERS_ONLY: Final = frozenset({"database", "breakGlass"})
"""What only the configuration may say: no admin gives himself the right to read others' chats."""

Told = Callable[[], None]


class SettingLocked(PaddockError):
    """The configuration says it, so nobody else does."""


problems.SHAPES[SettingLocked] = problems.Shape(409, "invalid_request_error", "locked")


class ChatSettings:
    """What holds now. Loop thread only; `open` it first."""

    def __init__(self, current: Current, store: Store, bus: EventBus) -> None:
        self._current, self._store, self._bus = current, store, bus
        self._set: dict[str, Any] = {}
        """By admins, by dotted key."""
        self._listeners: list[Told] = []
        self.now = current.config.chat
        """All of it, as it holds."""

    async def open(self) -> None:
        """Read what admins have set. Raises StorageError."""
        self._set = await self._store.read(chat_settings.everything)
        self._take_over()
        self._bus.listen(self._hear)

    def close(self) -> None:
        """Hear of changes no more. Idempotent."""
        self._bus.unlisten(self._hear)

    def get(self, key: str) -> Any:
        """The value of a key, such as `uploads.largest`. Raises KeyError for one there is not."""
        return _leaves(self.now)[key]

    def listen(self, told: Told) -> None:
        """Call `told` after every change. It must not block."""
        self._listeners.append(told)

    def rows(self) -> list[dict[str, Any]]:
        """Every key as admins see it: its value, and who says it where they cannot."""
        return [self._row(key, value) for key, value in _leaves(self.now).items()]

    async def change(self, changes: Mapping[str, Any], actor: str) -> None:
        """Set these keys; None: as if nobody had. All of them or, on an error, none.

        `actor`: the login of who does. Raises InvalidRequest, SettingLocked and StorageError.
        """
        for key in changes:
            self._check(key)
        self._merged({**self._set, **changes})
        await self._store.write(partial(_write, changes=changes, actor=actor))
        self._set.update(changes)
        self._take_over()

    # --- parts

    def _row(self, key: str, value: Any) -> dict[str, Any]:
        by = self._locked_by(key)
        node = schema_at(("chat", *key.split(".")))
        return {
            "key": key,
            "value": self.now.shown_database if key == "database" else value,
            "locked": bool(by),
            "by": by or None,
            "about": _abouts()[key],
            "type": str(node.get("type", "size")),
            "choices": node.get("enum"),
        }

    def _locked_by(self, key: str) -> str:
        """What says a key, where admins may not; empty: they may."""
        origin = self._current.config.origin(f"chat.{key}")
        return origin or ("the configuration" if key in OWNERS_ONLY else "")

    def _check(self, key: str) -> None:
        known = _leaves(self.now)
        if key not in known:
            near = nearest(key, known)
            hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
            raise InvalidRequest(f"there is no setting {key[:100]!r}", param=key[:100], hint=hint)
        if by := self._locked_by(key):
            raise SettingLocked(f"`{key}` is set by {by}", hint=f"change `chat.{key}` there")

    def _merged(self, by_admins: Mapping[str, Any]) -> Chat:
        """What holds when admins have set these keys. Raises InvalidRequest."""
        values = self._current.config.chat.model_dump(by_alias=True, exclude_unset=True)
        for key in _leaves(self.now).keys() & by_admins.keys():
            if by_admins[key] is not None and not self._locked_by(key):
                section, _, name = key.rpartition(".")
                (values.setdefault(section, {}) if section else values)[name] = by_admins[key]
        try:
            return Config.model_validate({"chat": values}, by_alias=True, by_name=False).chat
        except ValidationError as error:
            fault = from_validation(error)[0]
            key = ".".join(map(str, fault.place[1:]))
            told = f"`{key}`: {fault.message}"
            raise InvalidRequest(told, param=key, hint=fault.suggestion) from error

    def _take_over(self) -> None:
        mine = dict(self._set)
        while True:
            try:
                self.now = self._merged(mine)
                break
            except InvalidRequest as error:  # another version of ours wrote it
                log.warning("a setting of the chat cannot be used: %s", error.message)
                bad = {error.param} & mine.keys() or set(mine)
                mine = {key: value for key, value in mine.items() if key not in bad}
        for told in self._listeners:
            told()

    def _hear(self, event: Event) -> None:
        if isinstance(event, ConfigChanged):
            self._take_over()


def _write(connection: Any, changes: Mapping[str, Any], actor: str) -> None:
    chat_settings.change(connection, changes)
    for key, value in changes.items():
        audit.note(connection, actor, "setting", key, {"value": value})


def _leaves(section: Section) -> dict[str, Any]:
    """Every value by its dotted key, in the schema's order."""
    return dict(_walk(section, ""))


def _walk(section: Section, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, field in type(section).model_fields.items():
        key, value = f"{prefix}{field.alias or name}", getattr(section, name)
        if isinstance(value, Section):
            yield from _walk(value, f"{key}.")
        else:
            yield key, value


@cache
def _abouts() -> dict[str, str]:
    """What each key is for, in words."""
    return dict(_texts(Chat(), ""))


def _texts(section: Section, prefix: str) -> Iterator[tuple[str, str]]:
    texts = field_texts(type(section))
    for name, field in type(section).model_fields.items():
        key, value = f"{prefix}{field.alias or name}", getattr(section, name)
        if isinstance(value, Section):
            yield from _texts(value, f"{key}.")
        else:
            yield key, " ".join(texts[name].split())
