"""The exports of Open WebUI, of ChatGPT and our own, as chats that were read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from typing import Any, Final

from paddock.chat.imported import Read, Said, key_of, moment, text
from paddock.errors import InvalidRequest

Object = Mapping[str, Any]

MOST_CHATS: Final = 10_000


def chats_in(data: Any) -> list[Any]:
    """The chats in an export, each as it is there. Raises InvalidRequest for something else."""
    for name in ("chats", "conversations"):
        if isinstance(data, dict) and isinstance(data.get(name), list):
            data = data[name]
    found = [data] if isinstance(data, dict) and _reader(data) else data
    if not isinstance(found, list):
        raise InvalidRequest("this is no export of chats", hint=_HINT)
    if found and not any(_reader(one) for one in found):
        raise InvalidRequest("there is no chat in this export", hint=_HINT)
    if len(found) > MOST_CHATS:
        raise InvalidRequest(
            f"an import may have {MOST_CHATS:,} chats, this one has {len(found):,}"
        )
    return found


def read_chat(data: Any) -> Read | None:
    """A chat of an export; None: it is none."""
    reader = _reader(data)
    return reader(data) if reader else None


_HINT: Final = (
    "import the JSON file that Open WebUI exports, conversations.json of a ChatGPT export (unpack"
    " its ZIP first), or an export of Paddock"
)


def _reader(data: Any) -> Callable[[Object], Read] | None:
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("mapping"), dict):
        return _chatgpt
    if isinstance(data.get("chat"), dict):
        return _paddock if isinstance(data.get("messages"), list) else _open_webui
    return None


# --- our own


def _paddock(data: Object) -> Read:
    chat = data["chat"]
    settings = _object(chat.get("settings"))
    read = Read(
        source="paddock",
        key=key_of(chat.get("id"), chat),
        title=text(chat.get("title")),
        created=moment(chat.get("created")),
        updated=moment(chat.get("updated")),
        messages=[],
        current=text(chat.get("current")) or None,
        pinned=chat.get("pinned") is True,
        archived=chat.get("archived") is True,
        system=text(settings.get("system")),
        model=text(chat.get("model")) or None,
    )
    for one in _objects(data["messages"]):
        read.left_out["files"] += _count(one.get("files"))
        read.messages.append(
            Said(
                key=key_of(one.get("id"), one),
                parent=text(one.get("parent")) or None,
                role=text(one.get("role")),
                content=text(one.get("content")),
                reasoning=text(one.get("reasoning")),
                model=text(one.get("model")) or None,
                created=moment(one.get("created")),
            )
        )
    return read


# --- Open WebUI


def _open_webui(data: Object) -> Read:
    chat = data["chat"]
    history = _object(chat.get("history"))
    params = _object(chat.get("params"))
    models = chat.get("models")
    read = Read(
        source="open-webui",
        key=key_of(data.get("id") or chat.get("id"), data),
        title=text(data.get("title")) or text(chat.get("title")),
        created=moment(data.get("created_at")) or moment(chat.get("timestamp")),
        updated=moment(data.get("updated_at")),
        messages=[],
        current=text(history.get("currentId")) or None,
        pinned=data.get("pinned") is True,
        archived=data.get("archived") is True,
        system=text(params.get("system")) or text(chat.get("system")),
        model=text(models[0]) if isinstance(models, list) and models else None,
    )
    for key, one in _owui_messages(history, chat):
        read.left_out["files"] += _count(one.get("files"))
        content, reasoning, tools = _details(text(one.get("content")))
        read.left_out["tool calls"] += tools
        read.messages.append(
            Said(
                key=key,
                parent=text(one.get("parentId")) or None,
                role=text(one.get("role")),
                content=content,
                reasoning=reasoning,
                model=text(one.get("model")) or None,
                created=moment(one.get("timestamp")),
            )
        )
    return read


def _owui_messages(history: Object, chat: Object) -> Iterator[tuple[str, Object]]:
    """By their ids; of old exports, which have a list only, one after the other."""
    tree = history.get("messages")
    if isinstance(tree, dict) and tree:
        yield from ((key, one) for key, one in tree.items() if isinstance(one, dict))
        return
    above = None
    for number, one in enumerate(_objects(chat.get("messages"))):
        key = text(one.get("id")) or str(number)
        yield key, {"parentId": above, **one}
        above = key


def _details(content: str) -> tuple[str, str, int]:
    """What is said, what was thought before, and how many calls of tools were left out.

    Open WebUI writes both into the message as `<details>` blocks.
    """
    said, thoughts, tools = [], [], 0
    first, *blocks = content.split("<details ")
    said.append(first)
    for block in blocks:
        kind, _, rest = block.partition(">")
        inside, end, after = rest.partition("</details>")
        if not end or 'type="' not in kind:
            said.append(f"<details {block}")
        elif 'type="reasoning"' in kind:
            thoughts.append(_thought(inside))
            said.append(after)
        else:
            tools += 1
            said.append(after)
    return "".join(said).strip(), "\n\n".join(thoughts), tools


def _thought(inside: str) -> str:
    """Without its summary, and without the mark of a quotation in each line."""
    _, end, after = inside.partition("</summary>")
    lines = unescape(after if end else inside).strip().splitlines()
    return "\n".join(line.removeprefix(">").removeprefix(" ") for line in lines).strip()


# --- ChatGPT


def _chatgpt(data: Object) -> Read:
    read = Read(
        source="chatgpt",
        key=key_of(data.get("conversation_id") or data.get("id"), data),
        title=text(data.get("title")),
        created=moment(data.get("create_time")),
        updated=moment(data.get("update_time")),
        messages=[],
        current=text(data.get("current_node")) or None,
        archived=data.get("is_archived") is True,
        pinned=data.get("is_starred") is True,
    )
    for key, node in data["mapping"].items():
        if isinstance(node, dict):
            message = _object(node.get("message"))
            read.messages.append(_node(read, key, text(node.get("parent")) or None, message))
    _join_thoughts(read.messages)
    return read


def _node(read: Read, key: str, parent: str | None, message: Object) -> Said:
    role = text(_object(message.get("author")).get("role"))
    about = _object(message.get("metadata"))
    content = _object(message.get("content"))
    kind = text(content.get("content_type"))
    said, thoughts = "", ""
    if about.get("is_visually_hidden_from_conversation") is not True and role in _SPEAKERS:
        said, thoughts = _parts(read, content, kind), _thoughts(content)
        if kind not in _KNOWN and kind:
            read.left_out[f"parts of the kind {kind[:40]}"] += 1
    elif role == "tool":
        read.left_out["results of tools"] += 1
    return Said(
        key=key,
        parent=parent,
        role=role,
        content=said,
        reasoning=thoughts,
        model=text(about.get("model_slug")) or None,
        created=moment(message.get("create_time")),
    )


_SPEAKERS: Final = frozenset({"user", "assistant"})
_KNOWN: Final = frozenset({"text", "multimodal_text", "code", "thoughts", "reasoning_recap"})


def _join_thoughts(messages: Sequence[Said]) -> None:
    """Thoughts stand before their answer there, with nodes between that say nothing."""
    after = {said.parent: said for said in messages}
    for said in messages:
        if said.content or not said.reasoning:
            continue
        answer = after.get(said.key)
        for _ in range(_NODES_BETWEEN):
            if answer is None or answer.content or answer.reasoning:
                break
            answer = after.get(answer.key)
        if answer is not None and answer.role == "assistant" and answer is not said:
            answer.reasoning = "\n\n".join(filter(None, (said.reasoning, answer.reasoning)))
            said.reasoning = ""


_NODES_BETWEEN: Final = 20


def _parts(read: Read, content: Object, kind: str) -> str:
    if kind == "code":
        return f"```\n{text(content.get('text'))}\n```" if text(content.get("text")) else ""
    if kind not in {"text", "multimodal_text"}:
        return ""
    parts = content.get("parts")
    texts = []
    for part in parts if isinstance(parts, list) else ():
        written = part if isinstance(part, str) else text(_object(part).get("text"))
        texts.append(written)
        read.left_out["files"] += not isinstance(part, str) and not written
    return "\n\n".join(one for one in texts if one)


def _thoughts(content: Object) -> str:
    found = [
        "\n".join(filter(None, (text(one.get("summary")), text(one.get("content")))))
        for one in _objects(content.get("thoughts"))
    ]
    return "\n\n".join(filter(None, found))


# --- values of any kind


def _object(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Object]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0
