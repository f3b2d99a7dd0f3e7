"""Prints the configuration in force, as a config file would say it. Secrets stay hidden."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from paddock.config.masking import MASK, masked_setting, sounds_secret
from paddock.config.schema import Config


def as_values(config: Config) -> dict[str, Any]:
    """`config` as plain JSON values, keys as the owner writes them.

    Masked: keys, environment variables and macros whose names sound secret, and the values of the
    latter two wherever they were put. What an entry of `models` or `engines` does not say is left
    out.
    """
    values = config.model_dump(mode="json", by_alias=True)
    said = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    values |= {key: said[key] for key in ("models", "engines") if key in said}
    for entry in (*values["engines"].values(), *values["models"].values()):
        entry |= {key: _masked(entry[key]) for key in ("env", "macros") if key in entry}
    values["macros"] = _masked(values["macros"])
    values["chat"]["database"] = config.chat.shown_database
    masked: dict[str, Any] = config.masking.value(values)
    return masked


def as_yaml_text(config: Config) -> str:
    """`as_values` as YAML."""
    writer: Any = YAML(typ="safe", pure=True)  # its attributes are typed as None
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    text = StringIO()
    writer.dump(as_values(config), text)
    return text.getvalue()


def _masked(env: dict[str, Any] | list[str]) -> dict[str, Any] | list[str]:
    """An engine's variables or macros, or a model's NAME=value settings."""
    if isinstance(env, dict):
        return {name: MASK if sounds_secret(name) else env[name] for name in env}
    return [masked_setting(setting) for setting in env]
