"""Makes a store as Ollama writes it, in plain steps of its own: nothing of Paddock's is used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

IMAGE = "application/vnd.ollama.image."
DEFAULTS = ("registry.ollama.ai", "library", "latest")


class OllamaStore:
    """A store below `root`; `add` puts models in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def blob(self, data: bytes) -> tuple[str, int]:
        """Keep these bytes; gives their digest and size."""
        digest = f"sha256:{sha256(data).hexdigest()}"
        path = self.blob_path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)
        return digest, len(data)

    def blob_path(self, digest: str) -> Path:
        """Where the blob of a digest is."""
        return self.root / "blobs" / digest.replace(":", "-")

    def manifest_path(self, name: str) -> Path:
        """Where the manifest of `[host/][namespace/]model[:tag]` is."""
        front, _, last = name.rpartition("/")
        model, _, tag = last.partition(":")
        host, _, namespace = front.rpartition("/")
        parts = (host or DEFAULTS[0], namespace or DEFAULTS[1], model, tag or DEFAULTS[2])
        return self.root.joinpath("manifests", *parts)

    def layer(self, kind: str, data: bytes | str, **more: str) -> dict[str, Any]:
        """A layer of this kind (`model`, `template`, …), its blob written."""
        digest, size = self.blob(data.encode() if isinstance(data, str) else data)
        return {"mediaType": IMAGE + kind, "digest": digest, "size": size, **more}

    def add(
        self,
        name: str,
        gguf: Path | None,
        *,
        template: str = "",
        system: str = "",
        params: Mapping[str, Any] | None = None,
        messages: Sequence[Mapping[str, str]] = (),
        license: str | Sequence[str] = (),  # noqa: A002  # the layer's name
        adapter: Path | None = None,
        projector: Path | None = None,
        config: Mapping[str, Any] | None = None,
        more_layers: Sequence[Mapping[str, Any]] = (),
    ) -> Path:
        """Write a model with these layers; gives its manifest's path."""
        files = (("model", gguf), ("projector", projector), ("adapter", adapter))
        texts = [("template", template), ("system", system)]
        texts += [
            ("license", text) for text in ([license] if isinstance(license, str) else license)
        ]
        texts.append(("params", json.dumps(params) if params else ""))
        texts.append(("messages", json.dumps(messages) if messages else ""))
        layers = [self.layer(kind, file.read_bytes()) for kind, file in files if file]
        layers += [self.layer(kind, text) for kind, text in texts if text]
        return self.add_layers(name, [*layers, *more_layers], config)

    def add_layers(
        self,
        name: str,
        layers: Sequence[Mapping[str, Any]],
        config: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a manifest of these layers, and a config; gives its path."""
        about = {
            "model_format": "gguf",
            "model_family": "llama",
            "model_families": ["llama"],
            "model_type": "1.0B",
            "file_type": "Q4_K_M",
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer.get("digest") for layer in layers]},
            **(config or {}),
        }
        digest, size = self.blob(json.dumps(about).encode())
        return self.write(
            name,
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "digest": digest,
                    "size": size,
                },
                "layers": list(layers),
            },
        )

    def write(self, name: str, manifest: Any) -> Path:
        """Write this as the manifest of a name, whatever it is; gives its path."""
        path = self.manifest_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        path.write_bytes(data)
        return path
