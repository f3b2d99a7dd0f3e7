"""One answer that is being written: it belongs to the server, whoever looks on or leaves.

What is said is gathered here, told to the user's pages a few times per word that can be read, and
kept in the database every other second and at the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

from paddock.chat import shapes
from paddock.chat.feed import Feed, Told
from paddock.chat.pace import Pace, Progress
from paddock.errors import PaddockError, RequestCancelled, ShuttingDown, StorageError
from paddock.gateway.generation import End, Piece
from paddock.gateway.house import House, HouseAsk
from paddock.gateway.loading import Wait
from paddock.gateway.problems import Internal
from paddock.storage import messages
from paddock.storage.chat_store import Store
from paddock.storage.messages import Message, State
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

TELL_SECONDS: Final = 0.04
SAVE_SECONDS: Final = 2.0

Outcome = End | PaddockError | None
"""None: it was cancelled."""


class AnswerJob:
    """Writes one answer. `start` it once; it ends by itself or by `stop`. A `Hearer`."""

    def __init__(
        self,
        message: Message,
        asked: HouseAsk,
        *,
        house: House,
        store: Store,
        feed: Feed,
        is_stopping: Callable[[], bool],
        on_end: Callable[[AnswerJob], None],
    ) -> None:
        """`message`: the answer as it is kept, which may have begun already."""
        self._message = message
        self._asked = asked
        self._house = house
        self._store = store
        self._feed = feed
        self._is_stopping = is_stopping
        self._on_end = on_end
        self._pace = Pace()
        self._content = _Text(message.content)
        self._reasoning = _Text(message.reasoning)
        self._saved = 0
        """Characters that were there when it was last kept."""
        self._telling: asyncio.TimerHandle | None = None
        self._leaving: Literal["stopped", "interrupted"] = "stopped"
        self._asking: asyncio.Task[Outcome] | None = None
        self._work: asyncio.Task[None] | None = None

    def start(self, **beside: Any) -> None:
        """Begin to write. `beside`: what else the pages are told of its beginning."""
        self._feed.tell("answer", {"message": self.told(), **beside})
        self._asking = spawn(self._ask(), name=f"answer {self._message.id}")
        self._work = spawn(self._see_through(self._asking), name=f"keep {self._message.id}")

    @property
    def message(self) -> Message:
        """The answer as it is now."""
        return replace(
            self._message, content=self._content.whole(), reasoning=self._reasoning.whole()
        )

    def told(self) -> dict[str, Any]:
        """The same as the pages are told it."""
        return shapes.message(self.message, {})

    def snapshot(self) -> list[Told]:
        """What a page that comes now must hear; deltas go on from there."""
        self._tell()
        told: list[Told] = [("answer", {"message": self.told()})]
        if self._pace.progress is not None:
            told.append(("progress", self._about(self._pace.progress)))
        return told

    async def stop(self, state: Literal["stopped", "interrupted"] = "stopped") -> None:
        """End it where it is; return when its model's slot is free and what it said is kept."""
        if self._asking is not None and self._work is not None:
            self._leaving = state
            self._asking.cancel()
            await self.wait()

    async def wait(self) -> None:
        """Return when it has ended."""
        if self._work is not None:
            await asyncio.wait((self._work,))

    # --- Hearer

    def waits(self, wait: Wait) -> None:
        self._tell_progress(self._pace.waits(wait))

    def begins(self, model: str, context: int, queued: float, loading: float) -> None:
        self._message = replace(self._message, model=model)
        self._tell_progress(self._pace.begins(context, queued, loading))

    def reads(self, done: int, total: int) -> None:
        self._tell_progress(self._pace.reads(done, total))

    def says(self, piece: Piece) -> None:
        self._content.add(piece.text)
        self._reasoning.add(piece.thinking)
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TELL_SECONDS, self._tell)
        self._tell_progress(self._pace.says(piece))

    # --- the work

    async def _ask(self) -> Outcome:
        """What became of the request: an error that is expected is no crash of this task."""
        try:
            return await self._house.ask(self._asked, self)
        except PaddockError as error:
            return error
        except Exception:
            log.exception("an answer failed")
            return Internal()

    async def _see_through(self, asking: asyncio.Task[Outcome]) -> None:
        saving = spawn(self._keep_saving(), name=f"save {self._message.id}")
        try:
            await asyncio.wait((asking,))
            await cancel_and_wait((saving,))
            self._conclude(None if asking.cancelled() else asking.result())
            self._tell()
            if (error := await self._save()) is not None:
                self._message = replace(self._message, state="failed", error=_shown(error))
            self._feed.tell("done", {"message": self.told()})
        finally:
            self._on_end(self)

    def _conclude(self, outcome: Outcome) -> None:
        ended = outcome if isinstance(outcome, End) else None
        error = _shown(outcome) if isinstance(outcome, PaddockError) else None
        state = _state(outcome, self._leaving)
        if state == "failed" and self._is_stopping():
            state = "interrupted"
        self._message = replace(
            self._message,
            state=state,
            error=error if state == "failed" else None,
            meta=self._pace.meta(ended),
        )

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if self._content.size + self._reasoning.size != self._saved:
                await self._save()

    async def _save(self) -> StorageError | None:
        """Keep it as it is; why that could not be. While it is written, it is tried again."""
        now = self.message
        values: dict[str, Any] = {
            "content": now.content,
            "reasoning": now.reasoning,
            "model": now.model,
            "state": now.state,
            "error": now.error,
            "meta": now.meta,
        }
        place = (now.user_id, now.chat_id, now.id)
        try:
            await self._store.write(lambda c: messages.change(c, *place, **values))
        except StorageError as error:
            log.warning("an answer could not be kept: %s (%s)", error.message, error.hint)
            return error
        self._saved = len(now.content) + len(now.reasoning)
        return None

    # --- telling

    def _tell(self) -> None:
        """Tell what was said since the last time."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        said: dict[str, Any] = {}
        for text, name, place in ((self._content, "c", "at"), (self._reasoning, "r", "rat")):
            at = text.told
            if news := text.news():
                said |= {name: news, place: at}
        if said:
            self._feed.tell("delta", self._about(said))

    def _tell_progress(self, progress: Progress | None) -> None:
        if progress is not None:
            self._tell()
            self._feed.tell("progress", self._about(progress))

    def _about(self, told: dict[str, Any]) -> dict[str, Any]:
        return {"id": self._message.id, "chat": self._message.chat_id, **told}


class _Text:
    """A text that grows, and how much of it the pages know."""

    def __init__(self, begun: str) -> None:
        self._parts = [begun] if begun else []
        self._new: list[str] = []
        self.size = len(begun)
        self.told = _units(begun)
        """Where the next news goes, as pages count characters."""

    def add(self, text: str) -> None:
        if text := text.replace("\0", ""):  # which no database keeps
            self._new.append(text)
            self.size += len(text)

    def news(self) -> str:
        """What was added since the last time."""
        news = "".join(self._new)
        self._new.clear()
        if news:
            self._parts.append(news)
            self.told += _units(news)
        return news

    def whole(self) -> str:
        """All of it."""
        self._parts = ["".join(self._parts)] if len(self._parts) > 1 else self._parts
        return "".join((*self._parts, *self._new))


def _units(text: str) -> int:
    """The length of a text in JavaScript."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _state(outcome: Outcome, leaving: Literal["stopped", "interrupted"]) -> State:
    if outcome is None:
        return leaving
    if isinstance(outcome, End):
        return "done"
    if isinstance(outcome, RequestCancelled):
        return "stopped"
    return "interrupted" if isinstance(outcome, ShuttingDown) else "failed"


def _shown(error: PaddockError) -> dict[str, Any]:
    return {"message": error.message, "hint": error.hint}
