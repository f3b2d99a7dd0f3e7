"""Every exception Paddock raises on purpose. Knows no HTTP: that is `gateway/problems.py`.

    PaddockError                  message, hint
    ├─ ConfigError                what the owner wrote cannot be used; every problem at once
    ├─ LibraryError
    │  ├─ GgufError               a file is not a GGUF we can read
    │  ├─ InvalidName             a text is no name for a model
    │  ├─ InvalidDigest           a text is no digest
    │  ├─ ModelfileError          a Modelfile cannot be read; knows the line
    │  ├─ StoreError              the store of pulled and created models cannot do it
    │  │  ├─ InvalidManifest      a manifest there, or one that came, cannot be used
    │  │  ├─ DigestMismatch       the bytes are not those that the digest names
    │  │  └─ StoreReadOnly        it belongs to another program
    │  └─ UnknownModel            no model has this name; knows the nearest names
    ├─ EngineError
    │  ├─ EngineMissing           no engine can run this model on this machine
    │  ├─ ArgumentRefused         an engine does not know a flag it was given
    │  ├─ InstanceFailed          a child could not start, or died; classified
    │  ├─ PeerLoop                a request came back here by way of a peer
    │  └─ UpstreamLost            a child's connection ended before its answer did
    │     ├─ InstanceUnloaded     because its model was unloaded
    │     └─ PeerLost             a peer cannot be reached, or was lost
    ├─ SchedulerError
    │  ├─ QueueFull               too many requests wait already
    │  ├─ LineFull                too many requests wait for this model already
    │  ├─ WaitExpired             waited as long as the owner allows
    │  ├─ ModelGone               the model left the library while its request waited
    │  ├─ NoMemory                the model fits nowhere on this machine, whoever leaves
    │  └─ ShuttingDown            the daemon takes no new work
    ├─ RequestError               the client's request cannot be served as it is
    │  ├─ InvalidRequest          a field is wrong; names it
    │  │  ├─ InvalidOption        an option of Ollama's is of a wrong type
    │  │  └─ TemplateError        a text in Go's template language cannot be read or executed
    │  ├─ UnknownProfile          no profile has this name
    │  ├─ NotReady                a request that may not start a model met one that is not ready
    │  ├─ RequestCancelled        somebody ended it by its id
    │  ├─ ModelInUse              a model runs that is to be removed
    │  ├─ UnknownId               nothing has this id, or not any more
    │  ├─ RequestTooLarge         a limit on size was passed
    │  └─ RequestTooSlow          the body did not arrive in time
    ├─ AcquireError               a model cannot be brought in, or given away
    │  ├─ Ambiguous               more than one thing is meant
    │  ├─ NotThere                the hub has no such repository, file or tag
    │  ├─ Gated                   its owner wants a licence accepted first
    │  ├─ NeedsToken              the hub wants a token, or a better one
    │  ├─ RateLimited             the hub wants fewer requests; knows when to ask again
    │  ├─ AddressRefused          an address that is not on the owner's list, or not public
    │  ├─ HubBroken               a hub answers what it should not
    │  │  └─ HubUnreachable       or not at all, or no longer: asking again may help
    │  ├─ NotRunnable             the hub has it, but in a form that no engine here can run
    │  ├─ WrongBytes              what came is not what the hub said it would be
    │  ├─ NoRoom                  the disk has not enough room
    │  ├─ OverQuota               it would take more than the owner gives to models
    │  └─ PullCancelled           somebody ended the pull
    ├─ NotObserved                what is asked for is not looked at, or not yet
    ├─ StorageError               the database cannot be opened, read or written
    └─ AccessError
       ├─ Unauthenticated         no key, or a wrong one
       └─ Forbidden               known, but not allowed here
          └─ ModelNotAllowed      not this model

A message says what is wrong, a hint what to do about it. Both are shown to users: no internals.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PaddockError(Exception):
    """Base of all. `str(error)` is the message; `hint` is what to do, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# --- configuration -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong in one place of the owner's configuration."""

    message: str
    file: str = ""
    line: int = 0
    """1-based; 0 when the problem has no place in a file (environment, flags)."""
    key: str = ""
    """Dotted path of the key, as the owner writes it: `listen.openai.port`."""
    suggestion: str = ""
    about: str = ""
    """Another file that is wrong, where `file` names it."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        key = f"{self.key}: " if self.key else ""
        suggestion = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}{key}{self.message}{suggestion}"


class ConfigError(PaddockError):
    """The configuration cannot be used. `problems` holds all of them, in file order."""

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        super().__init__(
            "\n".join(str(problem) for problem in problems),
            hint="check it with `paddock config check`",
        )
        self.problems = problems


# --- library -------------------------------------------------------------------------------------


class LibraryError(PaddockError):
    """Something about the models on disk."""


class GgufError(LibraryError):
    """A file is not a GGUF that can be read; the message is the reason that owners are shown."""


class InvalidName(LibraryError):
    """A text is no name for a model. `why` tells what is wrong with it, where more is known."""

    def __init__(self, text: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(
            f"invalid model name {text[:100]!r}" + (f": {why}" if why else ""),
            hint=hint or "a name is like llama3.2:3b, user/model:tag or hf.co/user/model:Q4_K_M",
        )


class InvalidDigest(LibraryError):
    """A text is no digest."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"invalid digest format {text[:100]!r}",
            hint="a digest is sha256: and 64 hexadecimal digits",
        )


class ModelfileError(LibraryError):
    """A Modelfile cannot be read. `line` is 1-based; 0 when it is about the whole text."""

    def __init__(self, message: str, *, line: int = 0, hint: str = "") -> None:
        super().__init__(f"(line {line}): {message}" if line else message, hint=hint)
        self.line = line


class StoreError(LibraryError):
    """The store of pulled and created models cannot do what was asked."""


class InvalidManifest(StoreError):
    """A manifest cannot be used; the message says why, as owners are shown it."""


class DigestMismatch(StoreError):
    """The bytes are not those that their digest names."""


class StoreReadOnly(StoreError):
    """The store belongs to another program, so nothing is written there."""


class UnknownModel(LibraryError):
    """No model has this name. `nearest` holds up to three names that were probably meant."""

    def __init__(self, name: str, nearest: tuple[str, ...] = ()) -> None:
        offer = f"; did you mean {' or '.join(repr(n) for n in nearest)}?" if nearest else ""
        super().__init__(
            f"model {name!r} not found{offer}",
            hint="`paddock list --all` shows every model, and the files that were left out",
        )
        self.name = name
        self.nearest = nearest


# --- engines -------------------------------------------------------------------------------------


class FailureKind(StrEnum):
    """Why a child could not start or did not live."""

    OUT_OF_MEMORY = "out_of_memory"
    BAD_FLAG = "bad_flag"
    FILE_MISSING = "file_missing"
    FILE_CORRUPT = "file_corrupt"
    UNSUPPORTED_ARCHITECTURE = "unsupported_architecture"
    PORT_TAKEN = "port_taken"
    TIMEOUT = "timeout"
    SIGNAL = "signal"
    NOT_EXECUTABLE = "not_executable"
    EXITED = "exited"
    CRASH_LOOP = "crash_loop"


class EngineError(PaddockError):
    """Something about running a model."""


class EngineMissing(EngineError):
    """No engine can run this model on this machine."""


class ArgumentRefused(EngineError):
    """An engine was given a flag it does not know. The message names the flag."""


class InstanceFailed(EngineError):
    """A child could not start, or died.

    `kind` is the class of the failure, `output` the child's last lines (at most 50), `retry_after`
    the seconds after which another try makes sense (None: not before something changes).
    """

    def __init__(
        self,
        model: str,
        kind: FailureKind,
        message: str,
        *,
        hint: str = "",
        output: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.model = model
        self.kind = kind
        self.output = output
        self.retry_after = retry_after


class UpstreamLost(EngineError):
    """A child's connection ended before its answer did, or the answer makes no sense."""


class Unheard(UpstreamLost):
    """A connection ended before a byte of an answer came: to ask on another is not to ask twice."""


class PeerLoop(EngineError):
    """A request came back here by way of a peer: two servers point at each other."""


class PeerLost(UpstreamLost):
    """A peer cannot be reached, or its connection ended before its answer did."""


class InstanceUnloaded(UpstreamLost):
    """A model was unloaded before an answer of it ended."""


# --- scheduler -----------------------------------------------------------------------------------


class SchedulerError(PaddockError):
    """The scheduler cannot give a lease. `retry_after`: seconds, None when retrying is no use."""

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class QueueFull(SchedulerError):
    """Too many requests wait already."""


class LineFull(SchedulerError):
    """Too many requests wait for this model already."""


class WaitExpired(SchedulerError):
    """The request waited as long as the owner allows."""


class ModelGone(SchedulerError):
    """The model left the library, or was unloaded by hand, while its request waited."""


class NoMemory(SchedulerError):
    """The model has no place in this machine's memory, whoever leaves. The message has numbers."""


class ShuttingDown(SchedulerError):
    """The daemon takes no new work."""


# --- bringing models in --------------------------------------------------------------------------


class AcquireError(PaddockError):
    """A model cannot be brought in, or given away. Holds no signed address and no token."""


class NotThere(AcquireError):
    """The hub has no such repository, file or tag, or does not tell us of it."""


class Ambiguous(AcquireError):
    """More than one thing is meant, and somebody has to say which."""


class Gated(AcquireError):
    """The repository's owner wants a licence accepted, or access asked for, first."""


class NeedsToken(AcquireError):
    """The hub wants a token where there is none, or another one than it got."""


class RateLimited(AcquireError):
    """The hub wants fewer requests. `retry_after`: seconds after which it may be asked again."""

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class AddressRefused(AcquireError):
    """An address that the owner did not list, or one that only a listed host may have."""


class HubBroken(AcquireError):
    """A hub answers what it should not. `status`: its HTTP status, 0 where it is not about that."""

    def __init__(self, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class HubUnreachable(HubBroken):
    """A hub cannot be reached, stopped sending, or has a passing trouble: asking again may help."""


class NotRunnable(AcquireError):
    """The hub has the model, but in a form that no engine here can run."""


class WrongBytes(AcquireError):
    """What came is not what the hub said it would be: another digest, or another size."""


class NoRoom(AcquireError):
    """The disk has not enough room. `needed` and `free` are bytes."""

    def __init__(self, message: str, *, needed: int, free: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.needed = needed
        self.free = free


class OverQuota(AcquireError):
    """It would take more room than the owner gives to models."""


class PullCancelled(AcquireError):
    """Somebody ended the pull."""


# --- requests and access -------------------------------------------------------------------------


class RequestError(PaddockError):
    """The client's request cannot be served as it is."""


class InvalidRequest(RequestError):
    """A field is wrong. `param` names it as the client wrote it, or is empty."""

    def __init__(self, message: str, *, param: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.param = param


class InvalidOption(InvalidRequest):
    """An option is of a wrong type. Ollama takes that for an error of its own, with status 500."""


class TemplateError(InvalidRequest):
    """A text in Go's template language cannot be read or executed. `line` counts from 1."""

    def __init__(self, what: str, line: int = 1) -> None:
        super().__init__(
            f"template: :{line}: {what}",
            param="template",
            hint="the language is that of https://pkg.go.dev/text/template",
        )
        self.what = what
        self.line = line


class RequestCancelled(RequestError):
    """Somebody ended the request by its id, while its client was still there."""


class UnknownProfile(RequestError):
    """No profile has this name."""


class NotReady(RequestError):
    """The request is of a kind that starts no model, and the model is not ready."""


class ModelInUse(RequestError):
    """A model runs, and what was asked would end it."""


class UnknownId(RequestError):
    """Nothing has the id that was asked for, or not any more."""


class RequestTooLarge(RequestError):
    """A limit on size was passed; the message names the limit."""


class RequestTooSlow(RequestError):
    """The body did not arrive in time."""


class NotObserved(PaddockError):
    """What is asked for is not looked at, or not yet."""


class StorageError(PaddockError):
    """The database cannot be opened, read or written."""


class AccessError(PaddockError):
    """Who asks, and whether they may."""


class Unauthenticated(AccessError):
    """No key was given, or a wrong one."""


class Forbidden(AccessError):
    """This caller, or this way of calling, is not allowed here."""


class ModelNotAllowed(Forbidden):
    """This caller may ask models, but not this one."""

    def __init__(self, model: str) -> None:
        super().__init__(f"you may not use {model}", hint="ask an admin to allow it")
