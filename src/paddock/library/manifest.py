"""Manifests of the store: which blobs make a model. Ollama's form, which is Docker's.

Manifests come from registries and other programs: sizes, counts and types are checked before
anything is believed.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, Self

from paddock.errors import InvalidDigest, InvalidManifest
from paddock.library.digest import Digest

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_LAYERS: Final = 8192
MAX_SIZE: Final = 1 << 50
"""Bytes that one layer may claim to have: a pebibyte."""
MAX_TEXT: Final = 1024 * 1024
"""Bytes of a layer that is a text: a template, a system prompt, a licence."""
_MAX_FIELD: Final = 1024

MEDIA_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_IMAGE: Final = "application/vnd.ollama.image."
MODEL: Final = _IMAGE + "model"
PROJECTOR: Final = _IMAGE + "projector"
ADAPTER: Final = _IMAGE + "adapter"
TEMPLATE: Final = _IMAGE + "template"
PROMPT: Final = _IMAGE + "prompt"
"""What `template` was called once."""
SYSTEM: Final = _IMAGE + "system"
PARAMS: Final = _IMAGE + "params"
MESSAGES: Final = _IMAGE + "messages"
LICENSE: Final = _IMAGE + "license"
ORDER: Final = (
    MODEL,
    PROJECTOR,
    ADAPTER,
    TEMPLATE,
    PROMPT,
    SYSTEM,
    PARAMS,
    MESSAGES,
    LICENSE,
)
"""What a model is made of, in the order in which its layers are written."""
DRAFT: Final = _IMAGE + "draft"
TENSOR: Final = _IMAGE + "tensor"


class Layer(NamedTuple):
    """A blob, and what it is for."""

    media_type: str
    digest: Digest
    size: int
    """Bytes, as the manifest tells."""
    from_: str = ""
    """The model that it was taken from."""
    name: str = ""

    @classmethod
    def read(cls, told: Any, place: str) -> Self:
        """The layer in a manifest's JSON; `place` names it in errors. Raises InvalidManifest."""
        if not isinstance(told, dict):
            raise InvalidManifest(f"{place} is no object")
        size = told.get("size")
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise InvalidManifest(f"{place} has no believable size")
        try:
            digest = Digest.parse(_text(told, "digest", place))
        except InvalidDigest as error:
            raise InvalidManifest(f"{place}: {error.message}") from None
        return cls(
            _text(told, "mediaType", place),
            digest,
            size,
            _text(told, "from", place),
            _text(told, "name", place),
        )

    def told(self) -> dict[str, Any]:
        """As a manifest's JSON has it."""
        told: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.from_:
            told["from"] = self.from_
        if self.name:
            told["name"] = self.name
        return told


class Manifest(NamedTuple):
    """What a name of the store leads to."""

    config: Layer
    layers: tuple[Layer, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a manifest. Raises InvalidManifest with what is wrong."""
        if len(data) > MAX_BYTES:
            raise InvalidManifest(f"a manifest of more than {MAX_BYTES >> 20} MiB")
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            raise InvalidManifest("not JSON, so no manifest") from None
        if not isinstance(told, dict):
            raise InvalidManifest("not an object, so no manifest")
        layers = told.get("layers")
        if not isinstance(layers, list):
            raise InvalidManifest("a manifest without layers")
        if len(layers) > MAX_LAYERS:
            raise InvalidManifest(f"a manifest of {len(layers)} layers; {MAX_LAYERS} are allowed")
        return cls(
            Layer.read(told.get("config"), "config"),
            tuple(Layer.read(layer, f"layer {number}") for number, layer in enumerate(layers, 1)),
        )

    def of_type(self, *media_types: str) -> tuple[Layer, ...]:
        """The layers of these types, in the manifest's order."""
        return tuple(layer for layer in self.layers if layer.media_type in media_types)

    @property
    def digests(self) -> frozenset[Digest]:
        """Every blob that it names, the config's too."""
        return frozenset(layer.digest for layer in (*self.layers, self.config))

    @property
    def size(self) -> int:
        """Bytes of all its layers and its config, as Ollama lists it."""
        return sum(layer.size for layer in self.layers) + self.config.size

    def to_json(self) -> bytes:
        """The file's bytes: the same for the same manifest."""
        told = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE,
            "config": self.config.told(),
            "layers": [layer.told() for layer in self.layers],
        }
        return json.dumps(told, separators=(",", ":")).encode()


def _text(told: dict[str, Any], key: str, place: str) -> str:
    value = told.get(key) or ""
    if not isinstance(value, str) or len(value) > _MAX_FIELD:
        raise InvalidManifest(f"{place}: {key} is no short text")
    return value
