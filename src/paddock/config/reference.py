"""`docs/reference/config.md`, made from the schema, so that it cannot say something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from paddock.config.document import Place
from paddock.config.outline import as_yaml, known_keys, resolve, schema_at

_INTRODUCTION = """\
# The configuration file

<!-- Made from src/paddock/config/schema.py by `make docs`. -->

One YAML 1.2 file, and every key is optional. Paddock reads the first of these:

1. `--config FILE`
2. `$PADDOCK_CONFIG`
3. `$XDG_CONFIG_HOME/paddock/config.yaml` (`~/.config/paddock/config.yaml`)
4. `/etc/paddock/config.yaml`

Without any of them, the defaults below hold. A key given in the environment wins over the file,
and an option of `paddock serve` wins over both:

| environment | key | |
| --- | --- | --- |
| `PADDOCK_MODELS_DIR` | `modelsDir` | several folders are separated by `:` |
| `PADDOCK_LOG_LEVEL` | `logLevel` | |
| `STATE_DIRECTORY`, `XDG_STATE_HOME` | `stateDir` | only when the file has no `stateDir` |
| `XDG_DATA_HOME` | `modelsDir` | `paddock/models` in it, when nothing else is said |
| `HF_ENDPOINT` | `pulls.endpoint` | |
| `PADDOCK_CHAT_DATABASE` | `chat.database` | |
| `OLLAMA_HOST` | `listen.ollama.host` and `.port` | `nas`, `nas:8080`, `:8080`, `http://nas` (80) |
| `OLLAMA_MODELS` | `ollama.models` | |
| `OLLAMA_KEEP_ALIVE` | `ollama.keepAlive` | a plain number is seconds; below 0 is for ever |
| `OLLAMA_ORIGINS` | `ollama.origins` | separated by `,` |
| `OLLAMA_CONTEXT_LENGTH` | `contextLength` | |
| `OLLAMA_MAX_LOADED_MODELS` | `maxLoadedModels` | 0 says nothing |
| `OLLAMA_NUM_PARALLEL` | `parallel` | 0 says nothing |
| `OLLAMA_MAX_QUEUE` | `maxQueue` | |
| `OLLAMA_LOAD_TIMEOUT` | `healthCheckTimeout` | 0 and below: no limit |
| `OLLAMA_FLASH_ATTENTION` | `defaultModelArgs` | adds `--flash-attn on` or `off` |
| `OLLAMA_KV_CACHE_TYPE` | `defaultModelArgs` | adds `--cache-type-k` and `-v`: f16, q8_0 or q4_0 |
| `OLLAMA_GO_TEMPLATE` | `ollama.goTemplate` | true is `always`, false `never` |
| `OLLAMA_DEBUG` | `logLevel` | `debug`, unless it is false |

Ollama's other variables change nothing in the daemon. Those about its GPUs are llama.cpp's own, or
an engine's `env`; nothing is pruned at the start, so there is no need of `OLLAMA_NOPRUNE`.

`HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, `HF_TOKEN_PATH` and `HF_HOME` are looked at for a token where
`pulls.tokenFile` is not given.

Relative paths start at the config file's folder, and `~` is the user's home. Durations are seconds,
or text like `30s`, `5m`, `1h30m`; sizes are bytes, or text like `20MB`, `1.5GiB`. Unknown keys are
errors. `paddock config check` tells everything
that is wrong at once, `paddock config show` prints what is in force, and `paddock config schema`
prints the [JSON schema](config.schema.json): editors with a YAML language server use it after a
first line of `# yaml-language-server: $schema=config.schema.json`.
"""


def markdown() -> str:
    """`docs/reference/config.md`."""
    return "\n".join([_INTRODUCTION, *_section("Top level", ())])


def _section(title: str, place: Place) -> Iterator[str]:
    """A table of the keys at `place`, then a section for each that is a mapping itself."""
    deeper: list[tuple[str, Place]] = []
    yield f"## {title}\n"
    if place and (told := schema_at(place).get("description")):
        yield f"{_one_line(told)}\n"
    yield "| key | type | default | |"
    yield "| --- | --- | --- | --- |"
    for key in known_keys(place):
        node = schema_at((*place, key))
        told = _told(place, key)
        yield f"| `{key}` | {_type(node)} | {_default(node)} | {told} |"
        deeper += _mappings_below((*place, key))
    yield ""
    for heading, below in deeper:
        yield from _section(heading, below)


def _told(place: Place, key: str) -> str:
    """What the schema says about `key` of the mapping at `place`, on one line."""
    return _one_line(schema_at((*place, key)).get("description", ""))


def _mappings_below(place: Place) -> Iterator[tuple[str, Place]]:
    if known_keys(place):
        yield f"`{'.'.join(map(str, place))}`", place
    elif known_keys((*place, "NAME")):
        yield f"`{'.'.join(map(str, place))}.NAME`", (*place, "NAME")


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_type(resolve(choice)) for choice in node["anyOf"]))
    if node.get("type") == "array":
        of = _type(resolve(node["items"]))
        return f"list of {'paths' if of == 'path' else of}"
    return {
        "path": "path",
        "password": "text",
    }.get(node.get("format", ""), _TYPE_WORDS.get(node.get("type", ""), ""))


_TYPE_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
}


def _default(node: dict[str, Any]) -> str:
    if node.get("type") == "object" or node.get("default") in (None, "", [], {}, "."):
        return ""
    return f"`{as_yaml(node['default'])}`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
