"""Why a child died, from its exit code and its last lines. Pure; tested as a table.

The texts are llama.cpp's, its backends', and those of common programs of the owner's own commands.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from paddock.errors import FailureKind

_PREFIX = re.compile(r"^(?:\d+\.\d+\.\d+\.\d+ )?(?:[EWID] )?")
"""llama.cpp's time and level before a line."""
_COMPLAINT = re.compile(r"\b(?:error|failed|cannot|could ?n.t|exception|invalid)\b", re.IGNORECASE)

MEMORY_HINT = (
    "use a smaller contextLength, parallel: 1, a smaller quantization, or fewer layers on the GPU "
    "(-ngl)"
)
_FILE_HINT = "check that the file is still there and that this user can read it"
_CORRUPT_HINT = "copy or download the file again: it is damaged or incomplete"
_FLAG_HINT = "change the flag in args, defaultModelArgs or the engine's args"
_LOG_HINT = "`paddock logs` shows what it printed"


@dataclass(frozen=True, slots=True)
class Failure:
    """A classified death."""

    kind: FailureKind
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Sign:
    """A text that tells the kind of a failure. `message` uses the pattern's named groups."""

    pattern: str
    """A regular expression; case does not count. Compiled when the first child dies."""
    kind: FailureKind
    message: str
    hint: str


SIGNS = (
    Sign(
        r"unknown model architecture: '(?P<name>[^']*)'",
        FailureKind.UNSUPPORTED_ARCHITECTURE,
        "the engine does not know the model's architecture '$name'",
        "a newer llama.cpp may know it",
    ),
    Sign(
        r"unknown (?P<what>pre-tokenizer type|projector type): '?(?P<name>[^'\s]*)",
        FailureKind.UNSUPPORTED_ARCHITECTURE,
        "the engine does not know the model's $what '$name'",
        "a newer llama.cpp may know it",
    ),
    Sign(
        r"error: (?:invalid|unknown) argument: (?P<flag>\S+)",
        FailureKind.BAD_FLAG,
        "the engine does not know the flag $flag",
        _FLAG_HINT,
    ),
    Sign(
        r'error while handling argument "(?P<flag>[^"]+)": (?P<why>.*)',
        FailureKind.BAD_FLAG,
        "the engine refuses the flag $flag: $why",
        _FLAG_HINT,
    ),
    Sign(
        r"failed to notify router server",
        FailureKind.NOT_EXECUTABLE,
        "this llama-server tells its progress to llama.cpp's own router and to nobody else",
        "use a newer llama.cpp",
    ),
    Sign(
        r"couldn't bind HTTP server socket|address already in use|EADDRINUSE|\[Errno 98\]",
        FailureKind.PORT_TAKEN,
        "another program took the engine's port",
        "try again; for a cmd with a fixed port, see who uses it",
    ),
    Sign(
        r"ErrorOutOf(?:Device|Host|Pool)?Memory|(?:cuda|hip)Malloc\w* failed|out of memory"
        r"|memory allocation of size \d+ failed|bad_alloc|MemoryError|ErrorMemoryAllocation"
        # Without pinned memory, or without a place for a finished prompt, it goes on.
        r"|failed to allocate(?!.*(?:pinned memory|prompt cache))|unable to allocate"
        r"|failed to reserve (?:graph|memory|initial output)|cannot allocate memory"
        r"|not enough memory|insufficient memory|cannot meet free memory target"
        r"|CUDA_ERROR_OUT_OF_MEMORY|STATUS_ALLOC_FAILED|unable to fit model"
        r"|in a buffer \(.*\) that cannot run the operation|exceeds? .*max(?:imum)? buffer size",
        FailureKind.OUT_OF_MEMORY,
        "not enough memory for the model: $line",
        MEMORY_HINT,
    ),
    Sign(
        r"failed to open GGUF file '(?P<file>[^']*)' \((?P<why>[^)]*)\)",
        FailureKind.FILE_MISSING,
        "cannot open $file: $why",
        _FILE_HINT,
    ),
    Sign(
        r"data is not within the file bounds|invalid magic characters|failed to read magic"
        r"|failed to read (?:key-value pairs|header|tensor)|model is corrupted or incomplete"
        r"|tensor '[^']*' not found|key not found in model|wrong (?:number of tensors|shape)"
        r"|invalid GGUF|bad GGUF|tensor '[^']*' has (?:wrong|invalid)",
        FailureKind.FILE_CORRUPT,
        "the model's file cannot be used: $line",
        _CORRUPT_HINT,
    ),
    Sign(
        r"failed to load (?P<what>multimodal model|lora adapter|draft model),? ?'?(?P<file>[^']*)",
        FailureKind.FILE_MISSING,
        "the engine cannot load the $what $file",
        _FILE_HINT,
    ),
    Sign(
        r"(?:error while loading shared libraries|ImportError): (?P<library>lib[^:]*): cannot open",
        FailureKind.NOT_EXECUTABLE,
        "the engine's program misses the library $library",
        "install it, or set LD_LIBRARY_PATH in the engine's env",
    ),
    Sign(
        r"^sh: .*?(?:exec: )?(?P<file>/?[^\s:]+): (?P<why>not found|permission denied"
        r"|no such file or directory|exec format error|cannot execute.*)",
        FailureKind.NOT_EXECUTABLE,
        "cannot start $file: $why",
        "check the program's path and its permissions",
    ),
    Sign(
        r"failed to fit params to free device memory",
        FailureKind.OUT_OF_MEMORY,
        "not enough memory for the model: $line",
        MEMORY_HINT,
    ),
)
"""In order: the first that any line shows decides. Precise texts stand before general ones."""


def classify(code: int, lines: Sequence[str]) -> Failure:
    """What killed a child that ended with `code` (minus the signal, if by one) on its own."""
    return _by_text(lines) or _by_code(code, lines)


def _by_text(lines: Sequence[str]) -> Failure | None:
    for sign in SIGNS:
        for line in lines:
            if found := re.search(sign.pattern, line, re.IGNORECASE):
                values = {**found.groupdict(""), "line": _bare(line)}
                message = Template(sign.message).safe_substitute(values).strip()
                return Failure(sign.kind, message, sign.hint)
    return None


def _by_code(code: int, lines: Sequence[str]) -> Failure:
    number = -code if code < 0 else code - 128 if 128 < code < 160 else 0
    if number == signal.SIGKILL:
        message = "the engine was killed, most likely by the system because memory ran out"
        return Failure(FailureKind.OUT_OF_MEMORY, message, MEMORY_HINT)
    if number:
        message = f"the engine died of {_signal_name(number)}{_complaint(lines)}"
        return Failure(FailureKind.SIGNAL, message, _LOG_HINT)
    message = f"the engine ended with exit code {code}{_complaint(lines)}"
    return Failure(FailureKind.EXITED, message, _LOG_HINT)


def _complaint(lines: Sequence[str]) -> str:
    """The last line that sounds like a reason, or nothing."""
    for line in reversed(lines):
        if _COMPLAINT.search(line) or "ASSERT" in line:
            return f": {_bare(line)}"
    return ""


def _bare(line: str) -> str:
    return _PREFIX.sub("", line).strip()[:300]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
