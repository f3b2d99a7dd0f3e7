"""A conversation with one model: what was set, what was said, and the requests that come of it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from paddock.cli.attachments import Attachment
from paddock.cli.client import Client

Message = dict[str, Any]


class Conversation:
    """What goes to the daemon with the next message. Everything here may be changed at any time."""

    def __init__(self, client: Client, model: str, shown: dict[str, Any]) -> None:
        """`shown` is what `/api/show` tells of the model."""
        self.client = client
        self.model = model
        self.shown = shown
        self.messages: list[Message] = []
        self.system = ""
        self.options: dict[str, Any] = {}
        self.format: Any = ""
        """Empty, `json`, or a JSON schema."""
        self.think: bool | str | None = None
        """None: as the model does by itself."""
        self.keep_alive: float | str | None = None
        """None: as the daemon does by itself."""

    @property
    def capabilities(self) -> Sequence[str]:
        """What the model can do, in Ollama's words."""
        return self.shown.get("capabilities") or ("completion",)

    @property
    def takes_files(self) -> bool:
        """Whether pictures or sounds can go along."""
        return not {"vision", "audio", "image"}.isdisjoint(self.capabilities)

    @property
    def is_embedder(self) -> bool:
        """Whether the model only embeds."""
        return "embedding" in self.capabilities and "completion" not in self.capabilities

    @property
    def opening(self) -> list[Message]:
        """The messages that the model itself begins with."""
        return list(self.shown.get("messages") or ())

    def switch(self, model: str, shown: dict[str, Any]) -> None:
        """Begin anew with another model; what was set for this one goes."""
        self.model, self.shown = model, shown
        self.messages, self.system, self.options = [], "", {}
        self.think = None

    def load(self) -> None:
        """Bring the model into memory. Raises what the client does."""
        asked = {**self._settings(), "stream": False}
        asked.pop("format", None)
        self.client.post("/api/generate", asked)

    def generate(self, prompt: str, files: Sequence[Attachment]) -> Generator[dict[str, Any]]:
        """The lines that answer one prompt by itself."""
        asked: dict[str, Any] = {**self._settings(), "prompt": prompt, "stream": True}
        if self.system:
            asked["system"] = self.system
        if files:
            asked["images"] = [file.encoded for file in files]
        return self.client.stream("/api/generate", asked)

    def chat(self, text: str, files: Sequence[Attachment]) -> Generator[dict[str, Any]]:
        """The lines that answer `text` after all that was said. It stays among the messages."""
        message: Message = {"role": "user", "content": text}
        if files:
            message["images"] = [file.encoded for file in files]
        self.messages.append(message)
        system = [{"role": "system", "content": self.system}] if self.system else []
        asked = {**self._settings(), "messages": [*system, *self.messages], "stream": True}
        return self.client.stream("/api/chat", asked)

    def answered(self, text: str, thinking: str = "") -> None:
        """Keep what the model answered."""
        message = {"role": "assistant", "content": text}
        self.messages.append(message | ({"thinking": thinking} if thinking else {}))

    def take_back(self) -> None:
        """Forget the last message of the user, which got no answer."""
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages.pop()

    def save(self, name: str) -> None:
        """Make a model of it: this one, with what was set and said. Raises what the client does."""
        made: dict[str, Any] = {"model": name, "from": self.model, "stream": False}
        if self.system:
            made["system"] = self.system
        if self.options:
            made["parameters"] = self.options
        if self.messages:
            said = [*self.opening, *self.messages]
            made["messages"] = [{"role": m["role"], "content": m["content"]} for m in said]
        self.client.post("/api/create", made)

    def _settings(self) -> dict[str, Any]:
        said = {
            "model": self.model,
            "options": self.options,
            "format": self.format,
            "think": self.think,
            "keep_alive": self.keep_alive,
        }
        return {name: value for name, value in said.items() if value not in (None, "", {})}
