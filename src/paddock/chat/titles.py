"""Titles of chats: the first words at once, or a better one that a model was asked for. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

LONGEST: Final = 60
MOST_TOKENS: Final = 32
_EXCERPT: Final = 2000
"""Characters of a message that are enough to name what it is about."""

_ASK: Final = (
    "Write a title for this conversation: at most six words, in its language, without quotes, "
    "without a full stop. Answer with the title only."
)
_FENCE: Final = re.compile(r"```\w*|~~~\w*")
_IMAGE_OR_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_LINE_MARK: Final = re.compile(r"^[ \t]*(?:#{1,6}|>|[-*+]|\d+[.)])[ \t]+", re.MULTILINE)
_MARK: Final = re.compile(r"\*\*|__|[*`~]|(?<!\w)_|_(?!\w)")
_HIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_QUOTES: Final = "\"'“”„«»\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK} "
_THOUGHTS: Final = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)


def first_words(text: str, instead: str) -> str:
    """The beginning of a text on one line, cut at a word; `instead` where there is none."""
    return _cut(_plain(text[:_EXCERPT])) or instead


def sanitised(text: str) -> str:
    """A title out of what a model said; empty where there is none."""
    lines = [line for line in _THOUGHTS.sub("", text).splitlines() if line.strip()]
    if not lines:
        return ""
    title = re.sub(r"^title\s*:\s*", "", _plain(lines[0]), flags=re.IGNORECASE)
    return _cut(title.strip(_QUOTES).rstrip("."))


def asked(conversation: dict[str, Any]) -> dict[str, Any]:
    """The request for a title of what a conversation begins with. The parameters stay, but for
    those that make it long."""
    begun = [_shortened(message) for message in conversation["messages"]]
    kept = {"chat_template_kwargs": {"enable_thinking": False}}
    messages = [*begun, {"role": "user", "content": _ASK}]
    return {"messages": messages, "max_tokens": MOST_TOKENS, "temperature": 0.3, **kept}


def _shortened(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    return {**message, "content": content[:_EXCERPT]}


def _plain(text: str) -> str:
    """Without Markdown's marks, and on one line."""
    text = _IMAGE_OR_LINK.sub(r"\1", _FENCE.sub(" ", text))
    text = _MARK.sub("", _LINE_MARK.sub("", text))
    return " ".join(_HIDDEN.sub(" ", text).split())


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    head = text[:LONGEST]  # one for the dots
    words, space, _ = head.rpartition(" ")
    return (
        words.rstrip(" ,;:-\N{EN DASH}\N{EM DASH}")
        if space and len(words) > LONGEST // 2
        else head[:-1]
    ) + "…"
