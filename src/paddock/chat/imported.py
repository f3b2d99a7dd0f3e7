"""A chat of another program as it was read, and what becomes of it here.

What is read is untrusted: ids may be missing or twice there, parents may not exist or lead in a
circle, times may be anything. What cannot be kept is left out, and said.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from paddock.chat.fields import LONGEST_MODEL, LONGEST_NAME, LONGEST_SYSTEM
from paddock.chat.titles import first_words
from paddock.storage.chats import FIRST_TITLE, Chat
from paddock.storage.messages import Message

MOST_MESSAGES: Final = 10_000
"""Of one chat."""
LATEST: Final = 4_102_444_800_000
"""2100: a time after it is no time."""

_ROLES: Final = frozenset({"user", "assistant"})


@dataclass(slots=True)
class Said:
    """A message as it was read."""

    key: str
    parent: str | None
    role: str
    """What is neither user nor assistant is passed over: what follows it follows its parent."""
    content: str
    reasoning: str = ""
    model: str | None = None
    created: int | None = None


@dataclass(slots=True)
class Read:
    """A chat as it was read."""

    source: str
    """The program's name."""
    key: str
    """The chat's id there."""
    title: str
    created: int | None
    updated: int | None
    messages: list[Said]
    current: str | None = None
    pinned: bool = False
    archived: bool = False
    system: str = ""
    model: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    """What was not taken, by kind."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a chat became."""

    key: str
    """Its id where it came from."""
    chat: Chat
    messages: tuple[Message, ...]
    notes: tuple[str, ...]
    """What was left out, in words."""


def made(read: Read, user_id: str, now: int) -> Made:
    """The chat for this user. The same chat has the same id whenever it is imported."""
    chat_id = _id(user_id, read.source, read.key)
    created = read.created or read.updated or now
    tree = _Tree(read)
    told = _messages(tree.in_order(), user_id, chat_id, created)
    current = told.get(tree.shown(read.current) or "")
    model = current.model if current else None
    chat = Chat(
        chat_id,
        user_id,
        created=created,
        updated=max([read.updated or created, created]),
        title=_title(read),
        title_by="user",
        pinned=read.pinned,
        archived=read.archived,
        current=current.id if current else None,
        model=_model(model or read.model),
        settings={"system": read.system[:LONGEST_SYSTEM]} if read.system.strip() else {},
    )
    return Made(read.key, chat, tuple(told.values()), tuple(_notes(read.left_out)))


def text(value: Any) -> str:
    """The text that a value is, or none."""
    return value if isinstance(value, str) else ""


def moment(value: Any) -> int | None:
    """Milliseconds of a time in seconds or milliseconds since 1970; None: it is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 < value < LATEST:  # NaN too
        return None
    return int(value) if value > LATEST / 1000 else int(value * 1000)


def key_of(value: Any, data: Any) -> str:
    """An id that is one, else one made of what there is."""
    if isinstance(value, str) and 0 < len(value) <= 200:
        return value
    return hashlib.sha256(repr(data).encode("utf-8", "replace")).hexdigest()


class _Tree:
    """The messages that are kept, by what they answer."""

    def __init__(self, read: Read) -> None:
        self._all = {said.key: said for said in read.messages[:MOST_MESSAGES]}
        self._left_out = read.left_out
        read.left_out["messages beyond the first 10,000"] += max(
            0, len(read.messages) - MOST_MESSAGES
        )
        self._above: dict[str, str | None] = {}
        self.below: dict[str | None, list[str]] = defaultdict(list)
        for key, said in self._all.items():
            if self._is_kept(key):
                self.below[self.kept(said.parent)].append(key)

    def _is_kept(self, key: str) -> bool:
        said = self._all[key]
        return said.role in _ROLES and bool(said.content.strip() or said.reasoning.strip())

    def kept(self, key: str | None) -> str | None:
        """The message itself, or the nearest above it that is kept; None: there is none."""
        passed = []
        while key is not None and key in self._all and not self._is_kept(key):
            if key in self._above:
                key = self._above[key]
                break
            self._above[key] = None  # should it lead in a circle
            passed.append(key)
            key = self._all[key].parent
        found = key if key in self._all else None
        self._above.update(dict.fromkeys(passed, found))
        return found

    def in_order(self) -> list[tuple[Said, str | None]]:
        """What can be reached from a beginning, parents first, each with what it answers."""
        found: list[tuple[Said, str | None]] = []
        queue: deque[str | None] = deque([None])
        while queue:
            above = queue.popleft()
            for key in self.below[above]:
                found.append((self._all[key], above))
                queue.append(key)
        kept = sum(map(self._is_kept, self._all))
        self._left_out["messages that lead in a circle"] += kept - len(found)
        return found

    def shown(self, current: str | None) -> str | None:
        """The end of the branch that was shown."""
        key = self.kept(current)
        seen = set()
        while self.below[key] and key not in seen:
            seen.add(key)
            key = self.below[key][-1]
        return key


def _messages(
    tree: Sequence[tuple[Said, str | None]], user_id: str, chat_id: str, begun: int
) -> dict[str, Message]:
    told: dict[str, Message] = {}
    for said, above in tree:
        parent = told[above] if above else None
        # An answer is later than its question, whatever the clocks said.
        earliest = parent.created + 1 if parent else begun
        told[said.key] = Message(
            _id(chat_id, "", said.key),
            user_id,
            chat_id,
            parent.id if parent else None,
            cast(Literal["user", "assistant"], said.role),
            said.content.strip(),
            max(said.created or earliest, earliest if parent else 0),
            reasoning=said.reasoning.strip(),
            model=_model(said.model) if said.role == "assistant" else None,
        )
    return told


def _title(read: Read) -> str:
    title = " ".join(read.title.split())
    first = next((said.content for said in read.messages if said.role == "user"), "")
    return title[:LONGEST_NAME] or first_words(first, FIRST_TITLE)


def _model(name: str | None) -> str | None:
    return name[:LONGEST_MODEL] or None if name else None


def _notes(left_out: Mapping[str, int]) -> list[str]:
    return [f"{what} left out: {count}" for what, count in left_out.items() if count]


def _id(*words: str) -> str:
    """16 characters, always the same for the same words."""
    joined = "\0".join(words).encode("utf-8", "replace")
    return urlsafe_b64encode(hashlib.sha256(joined).digest())[:16].decode()
