"""The answers of all chats: one request to a model per message sent, owned by the server.

A job goes on when its user leaves; what it says is in the user's feed and in the database. One job
at a time writes an answer to a message, and a user has only so many at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol, TypeVar

from sqlalchemy import Connection

from paddock.chat import shapes
from paddock.chat.answer_job import AnswerJob
from paddock.chat.asking import CURRENT, Asking, Question, Scene, unknown
from paddock.chat.feed import Feeds, Told
from paddock.chat.titles import first_words
from paddock.errors import InvalidRequest, PaddockError, ShuttingDown
from paddock.gateway import problems
from paddock.gateway.house import House, HouseAsk
from paddock.storage import chats, files, messages
from paddock.storage.chat_store import Store
from paddock.storage.chats import FIRST_TITLE, Chat
from paddock.storage.ids import new_id, now_ms
from paddock.storage.messages import Message
from paddock.storage.users import User
from paddock.tasks import cancel_and_wait, spawn

T = TypeVar("T")

log = logging.getLogger(__name__)

MOST_PARALLEL: Final = 8
"""Answers that are written for a user at once, where an admin says nothing else."""
MOST_MESSAGES: Final = 10_000
"""Of one chat."""


class StillWriting(PaddockError):
    """A message is being written, and what was asked for needs it done."""

    def __init__(self) -> None:
        super().__init__("the answer is still being written", hint="wait for its end, or stop it")


class TooManyAnswers(PaddockError):
    """As many answers are being written for a user as they may have at once."""


problems.SHAPES[StillWriting] = problems.Shape(409, "invalid_request_error", "still_writing")
problems.SHAPES[TooManyAnswers] = problems.Shape(429, "rate_limit_error", "too_many_answers")


class Limiter(Protocol):
    """Knows what a user may still ask for."""

    def check(self, user: User, model: str) -> None:
        """Raise the error for a model, an hour or an amount of tokens that is not theirs."""


class Titler(Protocol):
    """Gives chats better titles."""

    async def name_first(self, user: User, answer: Message) -> None:
        """Name a chat by its first answer. Raises PaddockError when no model can be asked."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a user says, and how it is to be answered."""

    content: str = ""
    files: tuple[str, ...] = ()
    parent: str | None = CURRENT
    wishes: Mapping[str, Any] = field(default_factory=dict)
    """`model` and `params`, where they were sent."""


class Answers:
    """Writes answers. `start` it once and `aclose` it. Loop thread only."""

    def __init__(
        self,
        *,
        store: Store,
        house: House,
        feeds: Feeds,
        asking: Asking,
        limits: Limiter,
        is_stopping: Callable[[], bool] = lambda: False,
        titler: Titler | None = None,
    ) -> None:
        """`is_stopping`: the daemon ends, and what it cuts is interrupted and has not failed."""
        self._store = store
        self._house = house
        self._feeds = feeds
        self._asking = asking
        self._limits = limits
        self._is_stopping = is_stopping
        self._titler = titler
        self._jobs: dict[str, AnswerJob] = {}
        """By the message that each writes."""
        self._places: dict[str, str] = {}
        """What is being answered, or gone on with, and the user whose it is."""
        self._naming: set[asyncio.Task[None]] = set()
        self._closing = False
        feeds.add_snapshot(self.snapshot)

    async def start(self) -> None:
        """Answers of an earlier run, which nobody writes any more, are interrupted."""
        await self._store.write(messages.interrupt_all)

    async def aclose(self, drain: float = 0.0) -> None:
        """Take no more, give those under way `drain` seconds, interrupt the rest. Idempotent."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(drain):
                await asyncio.gather(*(job.wait() for job in self._jobs.values()))
        await self._stop(self._jobs.values(), "interrupted")
        await cancel_and_wait(self._naming)

    # --- for those who show, and those who delete

    def snapshot(self, user: User) -> Iterable[Told]:
        """What a new page must hear of the answers that are being written for its user."""
        return [told for job in self._of(user.id) for told in job.snapshot()]

    def as_now(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """A `Message` from the database as it is now: one being written is ahead of it, and one
        that nobody writes any more was not kept to its end."""
        job = self._jobs.get(told["id"])
        if job is not None:
            return job.told()
        return {**told, "state": "interrupted"} if told["state"] == "writing" else told

    async def stop_chats(self, user_id: str, chat_ids: Iterable[str] | None = None) -> None:
        """Stop what is written in these chats of a user's, before they go; None: in all."""
        wanted = None if chat_ids is None else frozenset(chat_ids)
        jobs = [job for job in self._of(user_id) if wanted is None or job.message.chat_id in wanted]
        await self._stop(jobs, "stopped")

    # --- what a user may ask for

    async def send(self, user: User, chat_id: str, sent: Sent) -> tuple[Message, Message]:
        """Say something, and have it answered: what was said, and the answer that begins.

        Raises UnknownId for what is not there, StillWriting under a message that is not done, and
        what stands in the way of an answer; then nothing was kept.
        """
        if not sent.content.strip() and not sent.files:
            raise InvalidRequest("the message is empty", param="content", hint="write something")
        return await _surely(self._send(user, chat_id, sent))

    async def answer_again(
        self, user: User, chat_id: str, message_id: str, wanted: Mapping[str, Any]
    ) -> Message:
        """Another answer to a message of the user's. Raises as `send`."""
        return await _surely(self._answer_again(user, chat_id, message_id, wanted))

    async def go_on(
        self, user: User, chat_id: str, message_id: str, wanted: Mapping[str, Any]
    ) -> Message:
        """Go on with an answer where it ended. Raises as `send`."""
        return await _surely(self._go_on(user, chat_id, message_id, wanted))

    async def stop(self, user: User, chat_id: str, message_id: str) -> Message:
        """Stop an answer, if it is being written, and free its model's slot; it as it is then."""
        job = self._jobs.get(message_id)
        if job is not None and (job.message.user_id, job.message.chat_id) == (user.id, chat_id):
            await job.stop()
            return job.message
        return await self._read(user, chat_id, message_id)

    async def edit(self, user: User, chat_id: str, message_id: str, content: str) -> Message:
        """Other words for a message, in its place. Raises UnknownId and StillWriting."""
        if not content.strip():
            raise InvalidRequest("the message is empty", param="content", hint="or delete it")
        self._check_done(await self._read(user, chat_id, message_id))
        place = (user.id, chat_id, message_id)
        await self._store.write(lambda c: messages.change(c, *place, content=content))
        message = await self._read(user, *place[1:])
        self._feeds.of(user.id).tell("done", {"message": await self.told(message)})
        return message

    async def remove(self, user: User, chat_id: str, message_id: str) -> str | None:
        """Delete a message and what follows it; the message that ends the branch shown now.

        Raises UnknownId, and StillWriting when one of them is being written.
        """
        message = await self._read(user, chat_id, message_id)
        busy = frozenset(self._jobs)
        gone, current = await self._store.write(
            lambda c: _remove(c, user.id, chat_id, message, busy)
        )
        told = {"chat": chat_id, "ids": list(gone), "current": current}
        self._feeds.of(user.id).tell("messages_gone", told)
        return current

    async def told(self, message: Message) -> dict[str, Any]:
        """A message as the page is told it."""
        if not message.files:
            return shapes.message(message, {})
        found = await self._store.read(lambda c: files.get_many(c, message.user_id, message.files))
        return shapes.message(message, {file.id: file for file in found})

    # --- beginning

    async def _send(self, user: User, chat_id: str, sent: Sent) -> tuple[Message, Message]:
        with self._place(user, new_id()) as place:
            scene = await self._asking.scene(user, chat_id, sent.parent, sent.files)
            parent = scene.branch[-1] if scene.branch else None
            self._check_done(parent)
            question = Message(
                id=new_id(),
                user_id=user.id,
                chat_id=chat_id,
                parent_id=parent.id if parent else None,
                role="user",
                content=sent.content,
                created=now_ms(),
                files=sent.files,
            )
            asked = await self._asked(user, scene, sent.wishes, (*scene.branch, question))
            answer = _answer_to(question, asked)
            chat = await self._keep(user, scene, question, answer)
            told = {"question": shapes.message(question, scene.files)}
            self._begin(user, chat, answer, asked, place, told)
        return question, answer

    async def _answer_again(
        self, user: User, chat_id: str, message_id: str, wanted: Mapping[str, Any]
    ) -> Message:
        with self._place(user, message_id) as place:
            scene = await self._asking.scene(user, chat_id, message_id)
            if scene.branch[-1].role != "user":
                raise InvalidRequest(
                    "only what a user said can be answered",
                    hint="ask for another answer to the message before it",
                )
            asked = await self._asked(user, scene, wanted, scene.branch)
            answer = _answer_to(scene.branch[-1], asked)
            chat = await self._keep(user, scene, answer)
            self._begin(user, chat, answer, asked, place, {})
        return answer

    async def _go_on(
        self, user: User, chat_id: str, message_id: str, wanted: Mapping[str, Any]
    ) -> Message:
        with self._place(user, message_id) as place:
            scene = await self._asking.scene(user, chat_id, message_id)
            begun = scene.branch[-1]
            if begun.role != "assistant":
                raise InvalidRequest("only an answer can be gone on with")
            self._check_done(begun)
            # Of one that never got beyond its thoughts nothing can be gone on with.
            branch = scene.branch if begun.content else scene.branch[:-1]
            wishes = {**wanted, "model": wanted.get("model") or begun.model}
            asked = await self._asked(user, scene, wishes, branch)
            answer = replace(
                begun,
                state="writing",
                error=None,
                meta={},
                reasoning=begun.reasoning if begun.content else "",
            )
            chat = await self._store.write(lambda c: _go_on(c, user, answer))
            self._begin(user, chat, answer, asked, place, {}, goes_on=bool(begun.content))
        return answer

    async def _asked(
        self,
        user: User,
        scene: Scene,
        sent: Mapping[str, Any],
        branch: Sequence[Message],
    ) -> Question:
        """What the model is asked, if the user may ask it."""
        asked = await self._asking.question(scene, self._asking.wishes(user, scene, sent), branch)
        self._limits.check(user, asked.known.name)
        return asked

    async def _keep(self, user: User, scene: Scene, *new: Message) -> Chat:
        """Put new messages into the chat, which shows their branch from now on."""
        title = {}
        if scene.chat.title_by == "words" and not scene.branch:
            title = {"title": first_words(new[0].content, _file_name(scene, new[0]))}
        return await self._store.write(lambda c: _keep(c, user, scene.chat.id, new, title))

    def _begin(
        self,
        user: User,
        chat: Chat,
        answer: Message,
        asked: Question,
        place: str,
        beside: Mapping[str, Any],
        *,
        goes_on: bool = False,
    ) -> None:
        request = HouseAsk(
            model=asked.known.asked_as,
            body=asked.body,
            client=f"user:{user.login}",
            id=f"chat-{answer.id}",
            goes_on=goes_on,
        )

        def ended(job: AnswerJob) -> None:
            del self._jobs[answer.id], self._places[place]
            self._ended(user, job)

        feed = self._feeds.of(user.id)
        job = self._jobs[answer.id] = AnswerJob(
            answer,
            request,
            house=self._house,
            store=self._store,
            feed=feed,
            is_stopping=self._is_stopping,
            on_end=ended,
        )
        if not chat.temporary:
            feed.tell("chat", {"chat": shapes.summary(chat)})
        job.start(**beside)

    @contextmanager
    def _place(self, user: User, key: str) -> Iterator[str]:
        """A place for one more answer, which it has until it ends; none is left after an error."""
        if self._closing or self._is_stopping():
            raise ShuttingDown("the daemon is stopping", hint="try again in a moment")
        if key in self._places:
            raise StillWriting
        most = user.limits.get("parallel") or MOST_PARALLEL
        if sum(owner == user.id for owner in self._places.values()) >= most:
            raise TooManyAnswers(
                f"{most} answers are being written for you already", hint="wait for one to end"
            )
        self._places[key] = user.id
        try:
            yield key
        except BaseException:
            del self._places[key]
            raise

    # --- ending

    def _ended(self, user: User, job: AnswerJob) -> None:
        """An answer is told and kept."""
        if self._titler is None or user.settings.get("better_titles") is not True:
            return
        task = spawn(self._name(self._titler, user, job), name=f"name {job.message.chat_id}")
        self._naming.add(task)
        task.add_done_callback(self._naming.discard)

    @staticmethod
    async def _name(titler: Titler, user: User, job: AnswerJob) -> None:
        try:
            await titler.name_first(user, job.message)
        except PaddockError as error:
            log.debug("the title of %s stays: %s", job.message.chat_id, error.message)

    async def _stop(
        self, jobs: Iterable[AnswerJob], state: Literal["stopped", "interrupted"]
    ) -> None:
        await asyncio.gather(*(job.stop(state) for job in list(jobs)))

    # --- looking

    def _of(self, user_id: str) -> list[AnswerJob]:
        return [job for job in self._jobs.values() if job.message.user_id == user_id]

    def _now(self, message: Message) -> Message:
        job = self._jobs.get(message.id)
        if job is not None:
            return job.message
        return replace(message, state="interrupted") if message.state == "writing" else message

    def _check_done(self, message: Message | None) -> None:
        if message is not None and message.id in self._jobs:
            raise StillWriting

    async def _read(self, user: User, chat_id: str, message_id: str) -> Message:
        found = await self._store.read(lambda c: messages.get(c, user.id, chat_id, message_id))
        if found is None:
            raise unknown("message")
        return self._now(found)


def _answer_to(question: Message, asked: Question) -> Message:
    return Message(
        id=new_id(),
        user_id=question.user_id,
        chat_id=question.chat_id,
        parent_id=question.id,
        role="assistant",
        content="",
        created=max(now_ms(), question.created + 1),
        model=asked.known.name,
        state="writing",
    )


def _file_name(scene: Scene, message: Message) -> str:
    return next((scene.files[one].name for one in message.files if one in scene.files), FIRST_TITLE)


def _keep(
    connection: Connection,
    user: User,
    chat_id: str,
    new: Sequence[Message],
    title: Mapping[str, Any],
) -> Chat:
    parent = new[0].parent_id
    if parent and messages.get(connection, user.id, chat_id, parent) is None:
        raise unknown("message")
    count = messages.count(connection, user.id, chat_id)
    if count + len(new) > MOST_MESSAGES:
        raise InvalidRequest(
            f"the chat has {count:,} messages, and cannot have more", hint="begin a new chat"
        )
    answer = new[-1]
    about = {"current": answer.id, "model": answer.model, **({} if count else title)}
    chat = chats.touch(connection, user.id, chat_id, at=answer.created, **about)
    if chat is None:
        raise unknown("chat")
    messages.add(connection, *new)
    return chat


def _go_on(connection: Connection, user: User, answer: Message) -> Chat:
    place = (user.id, answer.chat_id, answer.id)
    fresh: dict[str, Any] = {"state": "writing", "error": None, "meta": {}}
    if not messages.change(connection, *place, **fresh, reasoning=answer.reasoning):
        raise unknown("message")
    current = messages.leaf(connection, *place)
    chat = chats.touch(connection, *place[:2], at=now_ms(), current=current)
    if chat is None:
        raise unknown("chat")
    return chat


def _remove(
    connection: Connection, user_id: str, chat_id: str, message: Message, busy: Container[str]
) -> tuple[tuple[str, ...], str | None]:
    """What was deleted, and the end of the branch that is shown now."""
    gone = messages.with_all_after(connection, user_id, chat_id, message.id)
    if any(one in busy for one in gone):
        raise StillWriting
    messages.remove(connection, user_id, chat_id, gone)
    chat = chats.get(connection, user_id, chat_id)
    current = chat.current if chat else None
    if chat is not None and (current is None or current in gone):
        current = messages.leaf(connection, user_id, chat_id, message.parent_id)
        chats.change(connection, user_id, chat_id, current=current)
    return gone, current


async def _surely(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` to its end, even when who asked for it has left."""
    outcome = await asyncio.shield(spawn(_outcome(work), name="begin an answer"))
    if isinstance(outcome, PaddockError):
        raise outcome
    return outcome


async def _outcome(work: Coroutine[Any, Any, T]) -> T | PaddockError:
    """An error that is expected is no crash of this task."""
    try:
        return await work
    except PaddockError as error:
        return error
