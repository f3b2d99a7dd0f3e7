"""A template's text taken apart: what stands between the actions, and the actions' words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from paddock.errors import TemplateError

MAX_TEXT: Final = 64 << 10
"""Characters of a template. Those of real models have a few thousand."""

KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
)


class Token(NamedTuple):
    """One word. `kind` is `text`, `open`, `close`, `end` (of the template), `keyword`, `field`,
    `variable`, `identifier`, `bool`, `nil`, `dot`, `string`, `raw`, `char`, `number`, or one of
    `(`, `)`, `|`, `,`, `:=`, `=`.
    """

    kind: str
    text: str
    line: int
    spaced: bool = False
    """White space stands before it."""


_LEFT: Final = "{{"
_SPACE: Final = " \t\r\n"
_TRIM_LEFT = re.compile(r"-[ \t\r\n]")
_COMMENT = re.compile(r"/\*(?s:.)*?\*/")
_RIGHT = re.compile(r"([ \t\r\n]-)?\}\}")
_SPACES = re.compile(r"[ \t\r\n]+(?!-\}\})")
_WORD = re.compile(
    r"(?P<field>\.[^\W\d]\w*)"
    r"|(?P<variable>\$\w*)"
    r"|(?P<number>[+-]?\.?[0-9][\w.]*(?:(?<=[eEpP])[+-][\w.]+)?)"
    r"|(?P<dot>\.)"
    r'|(?P<string>"(?:[^"\\\n]|\\[^\n])*")'
    r"|(?P<raw>`[^`]*`)"
    r"|(?P<char>'(?:[^'\\\n]|\\[^\n])+')"
    r"|(?P<identifier>[^\W\d]\w*)"
    r"|(?P<sign>:=|[=|,()])"
)
_FOLLOWED = frozenset(("field", "variable", "dot", "identifier"))
"""Kinds after which only some characters may follow at once."""
_FOLLOWERS: Final = frozenset(" \t\r\n.,|:()")


def tokens(text: str) -> Iterator[Token]:
    """The tokens of `text` in order; the last is of kind `end`. Raises TemplateError on the way."""
    if len(text) > MAX_TEXT:
        raise TemplateError(f"the template has more than {MAX_TEXT:,} characters")
    return _Lexer(text).run()


class _Lexer:
    """Walks over the text once. `_at` is where it is, `_line` the line of that place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1

    def run(self) -> Iterator[Token]:
        trim = False
        while True:
            start = self._text.find(_LEFT, self._at)
            yield from self._between(start, trim=trim)
            if start < 0:
                break
            action_line = self._line
            self._move(start + len(_LEFT))
            self._skip_trim_marker()
            if self._text.startswith("/*", self._at):
                trim = self._comment()
                continue
            yield Token("open", _LEFT, action_line)
            yield from self._words()
            trim = self._right()
            yield Token("close", "}}", self._line)
        yield Token("end", "EOF", self._line)

    def _between(self, start: int, *, trim: bool) -> Iterator[Token]:
        """The text up to the next action, trimmed as its neighbours ask."""
        text = self._text[self._at : start] if start >= 0 else self._text[self._at :]
        line = self._line
        self._move(self._at + len(text))
        if trim:
            text = text.lstrip(_SPACE)
        if start >= 0 and _TRIM_LEFT.match(self._text, start + len(_LEFT)):
            text = text.rstrip(_SPACE)
        if text:
            yield Token("text", text, line)

    def _skip_trim_marker(self) -> None:
        if marker := _TRIM_LEFT.match(self._text, self._at):
            self._move(marker.end())

    def _comment(self) -> bool:
        """Past a comment and its action's end: whether the text after it is trimmed."""
        comment = _COMMENT.match(self._text, self._at)
        if comment is None:
            raise self._error("unclosed comment")
        self._move(comment.end())
        if not _RIGHT.match(self._text, self._at):
            raise self._error("comment ends before closing delimiter")
        return self._right()

    def _right(self) -> bool:
        right = _RIGHT.match(self._text, self._at)
        if right is None:  # _words() stops nowhere else
            raise self._error("unclosed action")
        self._move(right.end())
        return bool(right[1])

    def _words(self) -> Iterator[Token]:
        """The words of one action, up to its closing braces."""
        depth = 0
        while True:
            spaced = self._skip_spaces()
            if _RIGHT.match(self._text, self._at):
                if depth:
                    raise self._error("unclosed left paren")
                return
            token = self._word(spaced=spaced)
            depth += (token.kind == "(") - (token.kind == ")")
            if depth < 0:
                raise self._error("unexpected right paren")
            yield token

    def _skip_spaces(self) -> bool:
        spaces = _SPACES.match(self._text, self._at)
        if spaces:
            self._move(spaces.end())
        return bool(spaces)

    def _word(self, *, spaced: bool) -> Token:
        found = _WORD.match(self._text, self._at)
        if found is None:
            raise self._error_at_word()
        kind, word, line = str(found.lastgroup), found[0], self._line
        self._move(found.end())
        if kind in _FOLLOWED:
            self._check_follower()
        if kind == "sign":
            kind = word
        elif kind == "identifier":
            kind = _kind_of(word)
        return Token(kind, word, line, spaced)

    def _check_follower(self) -> None:
        follower = self._text[self._at : self._at + 1]
        if follower and follower not in _FOLLOWERS and not self._text.startswith("}}", self._at):
            raise self._error(f"bad character U+{ord(follower):04X} {follower!r}")

    def _error_at_word(self) -> TemplateError:
        character = self._text[self._at : self._at + 1]
        if not character:
            return self._error("unclosed action")
        if character in "\"'`":
            names = {'"': "quoted string", "'": "character constant", "`": "raw quoted string"}
            return self._error(f"unterminated {names[character]}")
        return self._error(f"unexpected character {character!r} in action")

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _error(self, what: str) -> TemplateError:
        return TemplateError(what, self._line)


def _kind_of(word: str) -> str:
    if word in KEYWORDS:
        return "keyword"
    if word in ("true", "false"):
        return "bool"
    return "nil" if word == "nil" else "identifier"
