"""Tool calls found in a model's text, which comes piece by piece.

Of a prompt that a Go template wrote, the answer is plain text, and a call is JSON in it: after a
tag such as `<tool_call>` or `[TOOL_CALLS]`, or with no tag at all. What the tags are is seen from
how the template itself writes a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from paddock.errors import TemplateError
from paddock.gateway.ollama.rendering import Turn, render
from paddock.gateway.ollama.thinking_text import overlap

if TYPE_CHECKING:  # when it runs: imported for the first template
    from paddock.gotemplate import Template

MAX_CALL: Final = 256 << 10
"""Characters of a call: what is longer is text."""


class Tags(NamedTuple):
    """What stands before and after calls. `opening` "": they begin with their JSON."""

    opening: str = ""
    closing: str = ""


class ToolCall(NamedTuple):
    """A call of one of the tools that were offered."""

    name: str
    arguments: dict[str, Any]


class Heard(NamedTuple):
    """What a piece of text brought."""

    text: str
    calls: list[ToolCall]


_PYTHON_TAG: Final = "<|python_tag|>"
"""Llama 3 puts it before a call, though templates do not write it."""
_GLUE: Final = re.compile(r"[ \t]*(?:\[ARGS\]|[(:])?\s*")
"""What may stand between a tool's name and its arguments, where the name is not in the JSON."""
_NAMES: Final = ("name", "function", "tool_name", "tool")
_ARGUMENTS: Final = ("arguments", "parameters", "args", "input")
_FIRST_KEYS: Final = (*_NAMES, *_ARGUMENTS, "type", "id")


class ToolReader:
    """Finds calls in text, however it is cut into pieces.

    What turns out to be no call of an offered tool is given as text. Only white space and
    punctuation between and after calls are dropped.
    """

    def __init__(self, tags: Tags, tools: Collection[str]) -> None:
        """`tools` are the names of those that were offered."""
        self._bare = not tags.opening
        self._openings = (tags.opening,) if tags.opening else ("{", _PYTHON_TAG)
        self._closing = tags.closing
        self._tools = sorted(tools, key=len, reverse=True)
        self._held = ""
        self._before = ""
        """What stood before the place of a call: text when there is no call."""
        self._brackets = ""
        """What is to be closed after the calls: `]` and `)`."""
        self._object = _ObjectEnd()
        self._state = self._in_text
        self._text: list[str] = []
        self._calls: list[ToolCall] = []

    def feed(self, piece: str) -> Heard:
        """What is certain now."""
        self._held += piece
        while self._state():
            pass
        return self._taken()

    def finish(self) -> Heard:
        """The text has ended: what was still held."""
        self._text.append(self._before + self._held)
        self._before = self._held = ""
        return self._taken()

    def _taken(self) -> Heard:
        heard = Heard("".join(self._text), list(self._calls))
        self._text.clear()
        self._calls.clear()
        return heard

    # --- states: each takes what it can; False when it has to wait for more ----------------------

    def _in_text(self) -> bool:
        """No call has begun."""
        found = [(at, tag) for tag in self._openings if (at := self._held.find(tag)) >= 0]
        if not found:
            waits = max(overlap(self._held, tag) for tag in self._openings)
            self._give(len(self._held) - waits)
            return False
        at, tag = min(found)
        self._give(at)
        self._brackets = "]" if tag == "[" else ""
        self._begin(0 if tag == "{" else len(tag))
        return True

    def _at_call(self) -> bool:
        """A call may stand here."""
        self._skip_to_call()
        if not self._held:
            return False
        if self._held[0] != "{":
            return self._named_call()
        return self._reject(self._bare) if not _may_be_call(self._held) else self._json_call()

    def _after_call(self) -> bool:
        """A call ended here; another may follow, without a tag too."""
        self._held = self._held.lstrip()
        if not self._held:
            return False
        if self._held[0] in self._brackets:
            self._brackets = self._brackets.replace(self._held[0], "")
            self._held = self._held[1:]
            return True
        if self._closing and self._closing.startswith(self._held[: len(self._closing)]):
            complete = len(self._held) >= len(self._closing)
            self._held = self._held[len(self._closing) :] if complete else self._held
            return complete
        return self._next_call()

    # --- steps of the states ---------------------------------------------------------------------

    def _give(self, size: int) -> None:
        """The next characters are text."""
        self._text.append(self._held[:size])
        self._held = self._held[size:]

    def _begin(self, size: int) -> None:
        """A call may follow after the next characters, which are text if it does not."""
        self._before += self._held[:size]
        self._held = self._held[size:]
        self._object = _ObjectEnd()
        self._state = self._at_call

    def _reject(self, size: int) -> bool:
        """There is no call here, and the next characters are none either."""
        self._text.append(self._before)
        self._before = ""
        self._give(size)
        self._state = self._in_text
        return True

    def _accept(self, call: ToolCall, size: int) -> bool:
        self._calls.append(call)
        self._before = ""
        self._held = self._held[size:]
        self._state = self._after_call
        return True

    def _skip_to_call(self) -> None:
        while True:
            rest = self._held.lstrip()
            size = len(self._held) - len(rest)
            opens_list = rest[:1] == "[" and "]" not in self._brackets and not self._bare
            if opens_list:
                self._brackets += "]"
            self._before += self._held[: size + opens_list]
            self._held = rest[opens_list:]
            if not opens_list:
                return

    def _json_call(self) -> bool:
        """What is held begins with an object that may be a call."""
        end = self._object.find(self._held, 0)
        if end < 0:
            return len(self._held) > MAX_CALL and self._reject(len(self._held))
        call = self._call_of(_object(self._held[:end]))
        return self._reject(end) if call is None else self._accept(call, end)

    def _named_call(self) -> bool:
        """What is held begins, perhaps, with a tool's name, and its arguments follow."""
        for name in self._tools:
            if name.startswith(self._held):
                return False
            if self._held.startswith(name):
                glue = _GLUE.match(self._held, len(name))
                start = glue.end() if glue else len(name)
                rest = self._held[start : start + 6]
                if "[ARGS]".startswith(rest):
                    return False
                if rest[0] == "{":
                    return self._call_with(name, start)
        return self._reject(0)

    def _call_with(self, name: str, start: int) -> bool:
        end = self._object.find(self._held, start)
        if end < 0:
            return len(self._held) > MAX_CALL and self._reject(len(self._held))
        arguments = _object(self._held[start:end])
        if arguments is None:
            return self._reject(end)
        if "(" in self._held[len(name) : start]:
            self._brackets += ")"
        return self._accept(ToolCall(name, arguments), end)

    def _next_call(self) -> bool:
        """What is held goes on with another call, or with text."""
        if self._held[0] not in ",;{":
            self._state = self._in_text
            return True
        rest = self._held[1:].lstrip() if self._held[0] != "{" else self._held
        if not rest:
            return False
        self._state = self._in_text
        if rest[0] == "{":
            self._begin(len(self._held) - len(rest))
        return True

    def _call_of(self, value: dict[str, Any] | None) -> ToolCall | None:
        """The call that an object is, if it names a tool that was offered."""
        if value is None:
            return None
        if isinstance(inner := value.get("function"), dict):
            value = inner
        name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
        if name not in self._tools:
            return None
        given = next((value[key] for key in _ARGUMENTS if key in value), None)
        if given is None and self._bare:  # with no tag before it, that is too little
            return None
        arguments = _object(given) if isinstance(given, str) else given or {}
        return ToolCall(name, arguments) if isinstance(arguments, dict) else None


class _ObjectEnd:
    """Finds where a JSON object ends, in a text that grows."""

    def __init__(self) -> None:
        self._at = -1
        self._depth = 0
        self._in_string = False

    def find(self, text: str, start: int) -> int:
        """The place after the object that begins at `start`; -1 when it has not ended yet."""
        self._at = max(self._at, start)
        while sign := _SIGN.search(text, self._at):
            self._at = sign.end()
            if sign[0] == "\\":
                if self._at == len(text):  # what it escapes has not come
                    self._at -= 1
                    return -1
                self._at += self._in_string
            elif sign[0] == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if sign[0] == "{" else -1
                if not self._depth:
                    return self._at
        self._at = len(text)
        return -1


_SIGN: Final = re.compile(r'["{}\\]')


def _may_be_call(text: str) -> bool:
    """Whether an object that begins so may be a call, as far as its first key shows."""
    rest = text[1:].lstrip()
    if not rest:
        return True
    key, closed, _ = rest[1:].partition('"')
    if closed:
        return rest[0] == '"' and key in _FIRST_KEYS
    return rest[0] == '"' and any(first.startswith(key) for first in _FIRST_KEYS)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# --- the tags of a template ----------------------------------------------------------------------

_CALLED, _KEY, _VALUE, _SAID = "calledname", "givenkey", "givenvalue", "Saidword"
"""Words that no template writes by itself."""
_END_TAG: Final = r'["}\])\s]*(</?[^<>\s]{1,40}>|\[/?[^\[\]\s]{1,40}\]|```)'


@lru_cache(maxsize=32)
def tags_of(template: Template) -> Tags:
    """What the template writes around a call, seen by letting it write one."""
    if not template.mentions(".ToolCalls"):
        return Tags()
    try:
        called = render(template, _turn({"tool_calls": [_call()]}))
        said = render(template, _turn({"content": _SAID}))
    except TemplateError:
        return Tags()
    name_at = called.find(_CALLED)
    if name_at < 0:
        return Tags()
    head = called[_shared(called, said) : name_at].partition("{")[0].strip()
    words = head.rstrip("[ \n") or head
    opening = words.rpartition("\n")[2]
    _, _, tail = called[name_at:].partition(_VALUE)
    closing = re.match(_END_TAG, tail)
    return Tags(opening, closing[1] if closing else "")


def _shared(one: str, other: str) -> int:
    """How many characters both texts begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _turn(answer: dict[str, Any]) -> Turn:
    tool = {"type": "function", "function": {"name": "other", "parameters": {}}}
    question = {"role": "user", "content": "question"}
    return Turn(
        messages=(
            question,
            {"role": "assistant", "content": ""} | answer,
            {"role": "tool", "content": "result"},
            question,
        ),
        tools=(tool,),
    )


def _call() -> dict[str, Any]:
    return {"function": {"name": _CALLED, "arguments": {_KEY: _VALUE}}}
