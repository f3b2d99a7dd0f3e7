"""Where Paddock looks for things when nobody says: the config file, its state, the models.

Every function takes the environment as a mapping, so that a test or another user's environment can
be asked about. As the XDG specification says, a folder variable that is not absolute is ignored.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

SYSTEM_CONFIG = Path("/etc/paddock/config.yaml")


def find_config(env: Mapping[str, str], system: Path = SYSTEM_CONFIG) -> Path | None:
    """The config file that is used without `--config`; None: there is none, use the defaults.

    `$PADDOCK_CONFIG` is used whether or not the file exists, so that a typing error shows. Then the
    user's file, then the system's. Never a file of the current folder: a config names programs to
    run, and a folder is not always the owner's.
    """
    if named := env.get("PADDOCK_CONFIG"):
        return Path(named)
    user = _xdg(env, "XDG_CONFIG_HOME", ".config") / "paddock" / "config.yaml"
    return next((file for file in (user, system) if os.path.lexists(file)), None)


def default_state_dir(env: Mapping[str, str]) -> Path:
    """`$STATE_DIRECTORY` (the first, as systemd sets it), else the XDG state folder."""
    given = env.get("STATE_DIRECTORY", "").split(":")[0]
    if given.startswith("/"):
        return Path(given)
    return _xdg(env, "XDG_STATE_HOME", ".local/state") / "paddock"


def default_models_dir(env: Mapping[str, str]) -> Path:
    """The user's own models folder."""
    return _xdg(env, "XDG_DATA_HOME", ".local/share") / "paddock" / "models"


def home(env: Mapping[str, str]) -> Path:
    """The user's home; `/` for a service user that has none."""
    given = env.get("HOME", "")
    if given.startswith("/"):
        return Path(given)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def _xdg(env: Mapping[str, str], variable: str, default: str) -> Path:
    given = env.get(variable, "")
    return Path(given) if given.startswith("/") else home(env) / default
