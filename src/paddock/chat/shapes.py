"""The JSON shapes in which the page is told of chats, messages and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddock.storage.chats import Chat
    from paddock.storage.files import File
    from paddock.storage.folders import Folder
    from paddock.storage.messages import Message
    from paddock.storage.presets import Preset


def summary(chat: Chat) -> dict[str, Any]:
    """A `ChatSummary`: what a list of chats shows."""
    return {
        "id": chat.id,
        "title": chat.title,
        "folder": chat.folder_id,
        "pinned": chat.pinned,
        "archived": chat.archived,
        "temporary": chat.temporary,
        "created": chat.created,
        "updated": chat.updated,
        "model": chat.model,
    }


def chat(chat: Chat) -> dict[str, Any]:
    """A `Chat`: its summary, and what it is asked with."""
    return summary(chat) | {"settings": chat.settings, "current": chat.current}


def message(message: Message, files: Mapping[str, File]) -> dict[str, Any]:
    """A `Message`. `files` by id; one that is there no more is left out."""
    return {
        "id": message.id,
        "chat": message.chat_id,
        "parent": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "model": message.model,
        "files": [file_info(files[one]) for one in message.files if one in files],
        "created": message.created,
        "state": message.state,
        "error": message.error,
        "meta": message.meta,
    }


def file_info(file: File) -> dict[str, Any]:
    """A `FileInfo`: all but what is in it."""
    return {
        "id": file.id,
        "name": file.name,
        "kind": file.kind,
        "media_type": file.media_type,
        "size": file.size,
        "tokens": file.tokens,
    }


def folder(folder: Folder) -> dict[str, Any]:
    """A folder."""
    return {"id": folder.id, "name": folder.name, "position": folder.position}


def preset(preset: Preset) -> dict[str, Any]:
    """A preset; `house`: everybody may use it."""
    return {
        "id": preset.id,
        "name": preset.name,
        "model": preset.model,
        "system": preset.system,
        "params": preset.params,
        "house": preset.user_id is None,
    }
