"""A model's thoughts told apart from its answer, in text that comes piece by piece."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:  # when it runs: imported for the first template
    from paddock.gotemplate import Template
    from paddock.gotemplate.nodes import Action, Block, Node


class Tags(NamedTuple):
    """What stands before and after a model's thoughts."""

    open: str = "<think>"
    close: str = "</think>"


class Thought(NamedTuple):
    """What a piece of text brought."""

    thinking: str
    text: str


class ThinkingReader:
    """Splits text at the tags, however it is cut into pieces.

    Thoughts are only at the beginning. White space around the tags is dropped; nothing else is.
    """

    def __init__(
        self, opening: str = "<think>", closing: str = "</think>", *, opened: bool = False
    ) -> None:
        """`opened`: the prompt ended with the opening tag (see `is_opened`)."""
        self._opening = opening
        self._closing = closing
        self._held = ""
        self._state = self._opened if opened else self._before
        self._thoughts: list[str] = []
        self._words: list[str] = []

    def feed(self, piece: str) -> Thought:
        """What is certain now."""
        self._held += piece
        state = None
        while state != self._state:
            state = self._state
            state()
        return self._taken()

    def finish(self) -> Thought:
        """The text has ended: what was still held."""
        if self._state in (self._opened, self._thinking):
            self._thoughts.append(self._held.rstrip())
        else:
            self._words.append(self._held)
        self._held = ""
        return self._taken()

    def _taken(self) -> Thought:
        thought = Thought("".join(self._thoughts), "".join(self._words))
        self._thoughts.clear()
        self._words.clear()
        return thought

    # --- states: each takes what it can of what is held, and says which state is next ------------

    def _before(self) -> None:
        """Nothing came yet but white space, or a part of the opening tag."""
        self._look_for_opening(otherwise=self._text)

    def _opened(self) -> None:
        """The prompt opened the thoughts. Some models do it again."""
        self._look_for_opening(otherwise=self._begun)

    def _look_for_opening(self, otherwise: Callable[[], None]) -> None:
        begun = self._held.lstrip()
        if begun.startswith(self._opening):
            self._held = begun[len(self._opening) :]
            self._state = self._begun
        elif not self._opening.startswith(begun):
            self._state = otherwise

    def _begun(self) -> None:
        self._held = self._held.lstrip()
        if self._held:
            self._state = self._thinking

    def _thinking(self) -> None:
        thought, found, after = self._held.partition(self._closing)
        if found:
            self._thoughts.append(thought.rstrip())
            self._held = after
            self._state = self._after
            return
        certain = self._held[: len(self._held) - overlap(self._held, self._closing)].rstrip()
        self._thoughts.append(certain)
        self._held = self._held[len(certain) :]

    def _after(self) -> None:
        self._held = self._held.lstrip()
        if self._held:
            self._state = self._text

    def _text(self) -> None:
        self._words.append(self._held)
        self._held = ""


def overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    longest = min(len(text), len(tag) - 1)
    return next((size for size in range(longest, 0, -1) if tag.startswith(text[-size:])), 0)


def is_opened(prompt: str, opening: str) -> bool:
    """Whether a prompt ends in the middle of the model's thoughts, right at their beginning."""
    return prompt.rstrip().endswith(opening)


# --- the tags of a template ----------------------------------------------------------------------

_TAG: Final = r"(?:<[^<>\s]{1,40}>|\[[^\[\]\s]{1,40}\])"
_LONGEST: Final = 80
"""Characters of text around `.Thinking` in which a tag is looked for."""


@lru_cache(maxsize=32)
def tags_of(template: Template) -> Tags | None:
    """The tags that the template writes around `.Thinking`; None when it does not mention it.

    Where nothing like a tag stands there, they are the usual ones.
    """
    if not template.mentions(".Thinking"):
        return None
    for before, after in _around_thinking(template.nodes()):
        opening = re.search(rf"({_TAG})\s*\Z", before[-_LONGEST:])
        closing = re.match(rf"\s*({_TAG})", after[:_LONGEST])
        if opening and closing:
            return Tags(opening[1], closing[1])
    return Tags()


def _around_thinking(block: Block) -> Iterator[tuple[str, str]]:
    """The texts before and after each `{{ .Thinking }}`."""
    from paddock.gotemplate.nodes import Action, Branch, Range  # noqa: PLC0415 - as above

    for at, node in enumerate(block):
        match node:
            case Action() if _is_thinking(node):
                yield _text_of(block[at - 1 : at]), _text_of(block[at + 1 : at + 2])
            case Branch(choices, otherwise, _):
                for _, body in choices:
                    yield from _around_thinking(body)
                yield from _around_thinking(otherwise)
            case Range(_, body, otherwise):
                yield from _around_thinking(body)
                yield from _around_thinking(otherwise)
            case _:
                pass


def _is_thinking(action: Action) -> bool:
    from paddock.gotemplate.nodes import Fields, Variable  # noqa: PLC0415 - as above

    operand = action.pipe.commands[0].words[0]
    return isinstance(operand, Fields | Variable) and operand.names[-1:] == ("Thinking",)


def _text_of(nodes: tuple[Node, ...]) -> str:
    from paddock.gotemplate.nodes import Text  # noqa: PLC0415 - as above

    return "".join(node.text for node in nodes if isinstance(node, Text))
