"""What of a client's request body an engine may see.

llama-server trusts its callers: some fields crash it, some stall every other request, some reach
into its slots or fetch from the network. `RULES` says field by field what happens to those; all
other fields pass as they are. A value is bounded where a smaller one serves the same purpose,
dropped where the field is none of a client's business, and refused where both would surprise.

The limits on grammars and schemas come from measurements with a vocabulary of 262,144 tokens,
where each alternative costs about 10 ms of everybody's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from paddock.errors import InvalidRequest

MAX_MESSAGES = 4096
MAX_GRAMMAR_CHARS = 64 * 1024
MAX_GRAMMAR_NESTING = 200
"""llama-server's parser recurses into parentheses; 20,000 end it."""
MAX_GRAMMAR_ALTERNATIVES = 1024
MAX_SCHEMA_NESTING = 48
"""Arrays and objects of JSON, so about half as many levels of schema."""
MAX_SCHEMA_CONTAINERS = 16_384
MAX_SCHEMA_PROPERTIES = 256
"""In one object; 256 optional ones take 2.4 s to turn into a grammar, 1,000 take 17 s."""
MAX_SCHEMA_ALTERNATIVES = 512
"""In one array (`enum`, `anyOf`, …); 500 take 10 s, 5,000 more than a minute."""
MAX_PATTERN_CHARS = 1024
MAX_PATTERN_ALTERNATIVES = 128
MAX_PENALTY_WINDOW = 65_536
"""Tokens; the engine allocates up to 8 bytes for each before it looks at one."""
MAX_PROBABILITIES = 128
"""Tokens listed per generated token; the whole vocabulary takes seconds per token."""
MAX_STOPS = 256
MAX_SEQUENCE_BREAKERS = 16
"""Each is compared with the whole vocabulary: 100 stall the engine for 9 s."""
MAX_SAMPLERS = 64

_DROP: Final = object()
Rule = Callable[[str, Any], Any]
"""(field, value) -> the value to send instead, the same object, or `_DROP`; or InvalidRequest."""


def screen(route: str, body: dict[str, Any]) -> dict[str, Any]:
    """`body` as an engine may see it: the same object when nothing changes, else a copy.

    `route` is the path that the client asked for; only those that lead to generation have rules.
    Raises InvalidRequest, naming the field, for what cannot be made safe.
    """
    if not is_screened(route):
        return body
    changed = {
        field: replacement
        for field, value in body.items()
        if (rule := RULES.get(field)) and (replacement := rule(field, value)) is not value
    }
    if not changed:
        return body
    return {field: value for field, value in (body | changed).items() if value is not _DROP}


def is_screened(route: str) -> bool:
    """Whether a route has rules."""
    return route.removeprefix("/v1") in _ROUTES


# --- rules ---------------------------------------------------------------------------------------


def _drop(_field: str, _value: Any) -> Any:
    return _DROP


def _refuse_template(field: str, value: Any) -> Any:
    if value is None:
        return _DROP
    raise InvalidRequest(
        f"`{field}` cannot be chosen by a request",
        param=field,
        hint="the model's owner sets its template; `chat_template_kwargs` are passed to it",
    )


def _clamp(low: int, high: int) -> Rule:
    def rule(_field: str, value: Any) -> Any:
        if type(value) not in _NUMBERS or low <= value <= high:
            return value
        return low if value < low else high

    return rule


def _at_most(limit: int) -> Rule:
    def rule(field: str, value: Any) -> Any:
        if isinstance(value, list):
            _check(field, "entries", len(value), limit)
        return value

    return rule


def _messages(field: str, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    _check(field, "entries", len(value), MAX_MESSAGES)
    level = [m for m in value if type(m) is dict and type(m.get("content")) is not str]
    while level:
        for node in level:
            if type(node) is dict:
                _check_media(field, node)
        level = _inside(level)
    return value


def _grammar(field: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    _check(field, "characters", len(value), MAX_GRAMMAR_CHARS)
    _check(field, "alternatives", value.count("|") + 1, MAX_GRAMMAR_ALTERNATIVES)
    if value.count("(") > MAX_GRAMMAR_NESTING:
        _check(field, "nested parentheses", _grammar_nesting(value), MAX_GRAMMAR_NESTING)
    return value


def _schema(field: str, value: Any) -> Any:
    """For whatever holds schemas: a schema itself, a format, a list of tools."""
    level, containers, depth = _inside([[value]]), 0, 0
    while level:
        containers, depth = containers + len(level), depth + 1
        _check(field, "nested levels", depth, MAX_SCHEMA_NESTING)
        _check(field, "arrays and objects", containers, MAX_SCHEMA_CONTAINERS)
        for node in level:
            if type(node) is list:
                _check(field, "entries in one array", len(node), MAX_SCHEMA_ALTERNATIVES)
            else:
                _check(field, "properties in one object", len(node), MAX_SCHEMA_PROPERTIES)
                if "pattern" in node:
                    _check_pattern(field, node["pattern"])
        level = _inside(level)
    return value


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        # Internals of llama-server that its chat route fills in; some abort the process.
        "chat_format": _drop,
        "chat_parser": _drop,
        "generation_prompt": _drop,
        "grammar_lazy": _drop,
        "grammar_triggers": _drop,
        "grammar_type": _drop,
        "message_delimiters": _drop,
        "preserved_tokens": _drop,
        # What a client must not choose or see: slots, adapters, the cache, the rendered prompt.
        "id_slot": _drop,
        "lora": _drop,
        "n_discard": _drop,
        "slot_id": _drop,
        "verbose": _drop,
        "chat_template": _refuse_template,
        "chat_template_file": _refuse_template,
        # Allocated, or worked through, before the first token.
        "dry_penalty_last_n": _clamp(-1, MAX_PENALTY_WINDOW),
        "repeat_last_n": _clamp(-1, MAX_PENALTY_WINDOW),
        "logprobs": _clamp(0, MAX_PROBABILITIES),
        "n_probs": _clamp(0, MAX_PROBABILITIES),
        "top_logprobs": _clamp(0, MAX_PROBABILITIES),
        "dry_sequence_breakers": _at_most(MAX_SEQUENCE_BREAKERS),
        "samplers": _at_most(MAX_SAMPLERS),
        "stop": _at_most(MAX_STOPS),
        "stop_sequences": _at_most(MAX_STOPS),
        # Compiled in the engine's main loop.
        "grammar": _grammar,
        "json_schema": _schema,
        "response_format": _schema,
        "text": _schema,
        "tools": _schema,
        # May name pictures that the engine would fetch.
        "input": _messages,
        "messages": _messages,
    }
)
"""Every field that does not simply pass."""

_ROUTES = frozenset(
    {
        "/apply-template",
        "/chat/completions",
        "/chat/completions/input_tokens",
        "/completion",
        "/completions",
        "/infill",
        "/messages",
        "/messages/count_tokens",
        "/responses",
        "/responses/input_tokens",
    }
)
"""Without `/v1`."""

# --- what the rules look at ----------------------------------------------------------------------

_NUMBERS = frozenset({int, float})
_CONTAINERS = frozenset({dict, list})
_MEDIA_KEYS = frozenset({"image_url", "audio_url", "video_url", "source"})
"""Beside these, `input_audio` and `input_video` hold only base64."""
_SCHEME = re.compile(r"(?!data:)[A-Za-z][A-Za-z0-9+.-]{0,31}:")
_GRAMMAR_TOKEN = re.compile(
    r'#[^\n]*|"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|(?P<open>\()|(?P<close>\))', re.DOTALL
)


def _check(field: str, what: str, count: int, limit: int) -> None:
    """Raises InvalidRequest when `count` is over `limit`."""
    if count > limit:
        raise InvalidRequest(f"`{field}` has more than {limit:,} {what}", param=field)


def _check_media(field: str, node: dict[str, Any]) -> None:
    """`node` may name its medium: as a URL, or as an object with one. Base64 has no scheme."""
    for key in _MEDIA_KEYS & node.keys():
        source = node[key]
        url = source.get("url") if isinstance(source, dict) else source
        if isinstance(url, str) and _SCHEME.match(url):
            raise InvalidRequest(
                f"`{field}` names media by an address, which is not fetched: {url[:80]}",
                param=field,
                hint="send the content itself, as a `data:` URL with base64",
            )


def _check_pattern(field: str, pattern: Any) -> None:
    if isinstance(pattern, str):
        alternatives = pattern.count("|") + 1
        _check(field, "characters in a pattern", len(pattern), MAX_PATTERN_CHARS)
        _check(field, "alternatives in a pattern", alternatives, MAX_PATTERN_ALTERNATIVES)


def _grammar_nesting(grammar: str) -> int:
    depth = deepest = 0
    for token in _GRAMMAR_TOKEN.finditer(grammar):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        deepest = max(deepest, depth)
    return deepest


def _inside(level: list[Any]) -> list[Any]:
    """The arrays and objects directly inside those of `level`."""
    return [
        inner
        for outer in level
        for inner in (outer.values() if type(outer) is dict else outer)
        if type(inner) in _CONTAINERS
    ]
