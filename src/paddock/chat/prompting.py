"""What a model is asked: the branch up to a message, its files, and what the user set. Pure.

What is set nearer to the message wins: the user's own settings, the preset, the chat's, the
request's. A user with a locked preset gets that one's, whatever else is set.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from paddock.chat.params import checked, told
from paddock.errors import InvalidRequest
from paddock.storage.chats import Chat
from paddock.storage.files import File
from paddock.storage.messages import Message
from paddock.storage.presets import Preset
from paddock.storage.users import User

LONGEST_SYSTEM: Final = 100_000
CHARACTERS_PER_TOKEN: Final = 3.6
MESSAGE_TOKENS: Final = 4
"""What a template writes around a message, about."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wishes:
    """How an answer is wanted."""

    model: str
    """Empty: nobody has chosen one."""
    system: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attached:
    """The files of a branch, by id."""

    files: Mapping[str, File] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """The bytes of those that the model is to see; the others it is only told of."""


def wishes(
    user: User,
    chat: Chat,
    preset: Preset | None,
    locked: Preset | None,
    sent: Mapping[str, Any],
) -> Wishes:
    """How the answer to a request is wanted. `sent`: its `model` and `params`.

    Raises InvalidRequest for what was set and cannot be.
    """
    if locked is not None:
        return Wishes(locked.model, locked.system, checked(locked.params))
    layers: tuple[Mapping[str, Any], ...] = (
        user.settings,
        _layer(preset),
        {"model": chat.model} if not chat.settings.get("model") else {},
        chat.settings,
        sent,
    )
    params: dict[str, Any] = {}
    for layer in layers:
        params |= checked(layer.get("params"))
    model = _last(layers, "model")
    system = _last(layers, "system")
    if len(system) > LONGEST_SYSTEM:
        raise InvalidRequest(
            f"the system prompt has more than {LONGEST_SYSTEM:,} characters", param="system"
        )
    return Wishes(model, system, params)


def body(wanted: Wishes, branch: Sequence[Message], attached: Attached) -> Body:
    """The chat in OpenAI's form. Blocking where there are pictures: they are large."""
    system = [{"role": "system", "content": wanted.system}] if wanted.system.strip() else []
    said = [one for message in branch for one in _said(message, attached)]
    return {"messages": [*system, *_joined(said)], **told(wanted.params)}


def estimate(asked: Body, attached: Attached) -> int:
    """About how many tokens a prompt has, where nobody can count them."""
    texts = [_text(message["content"]) for message in asked["messages"]]
    characters = sum(map(len, texts))
    pictures = sum(attached.files[one].tokens for one in attached.pictures)
    return round(characters / CHARACTERS_PER_TOKEN) + MESSAGE_TOKENS * len(texts) + pictures


def _layer(preset: Preset | None) -> Mapping[str, Any]:
    """A preset says nothing where its field is empty."""
    if preset is None:
        return {}
    told = {"model": preset.model or None, "system": preset.system or None}
    return {**told, "params": preset.params}


def _last(layers: Sequence[Mapping[str, Any]], name: str) -> str:
    """What the last layer that says something says."""
    said = [value for layer in layers if (value := layer.get(name)) is not None]
    if said and not isinstance(said[-1], str):
        raise InvalidRequest(f"`{name}` must be a text", param=name)
    return said[-1] if said else ""


def _said(message: Message, attached: Attached) -> list[Body]:
    """A message as the model is told it; thoughts of earlier answers are left out, and so is an
    answer that never came."""
    if message.role == "assistant":
        return [{"role": "assistant", "content": message.content}] if message.content else []
    files = [attached.files[one] for one in message.files if one in attached.files]
    texts = [_written(file) for file in files if file.id not in attached.pictures]
    text = "\n\n".join((*texts, message.content))
    pictures = [
        _picture(file, attached.pictures[file.id]) for file in files if file.id in attached.pictures
    ]
    if not pictures:
        return [{"role": "user", "content": text}]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}]


def _written(file: File) -> str:
    name = " ".join(file.name.split())
    if file.text is None:
        return f"[picture: {name}]"
    return f"File: {name}\n\n{file.text}\n\n(end of {name})"


def _picture(file: File, data: bytes) -> Body:
    url = f"data:{file.media_type};base64,{b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _joined(said: Sequence[Body]) -> list[Body]:
    """Two in a row of one role as one: many templates refuse them."""
    joined: list[Body] = []
    for message in said:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1] = {**message, "content": _both(joined[-1]["content"], message["content"])}
        else:
            joined.append(message)
    return joined


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}\n\n{other}"
    return [*_parts(one), *_parts(other)]


def _parts(content: Any) -> list[Body]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    return "".join(part.get("text", "") for part in _parts(content))
