import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent.parent


def test_the_reference_says_what_the_code_does():
    script = [sys.executable, str(ROOT / "scripts" / "docs.py"), "--check"]
    checked = subprocess.run(script, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def asked(extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("run.txt", ["embedded", "demo"]), ("dev.txt", ["embedded", "demo", "dev"])],
)
def test_the_lock_has_all_that_pyproject_asks_for_and_names_no_host(lock, extras):
    text = (ROOT / "requirements" / lock).read_text()
    pins = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if "==" in line]
    locked = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    for requirement in asked(extras):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock}: type `make lock`"
        assert requirement.specifier.contains(Version(version)), f"{requirement}: `make lock`"
    assert text.count("--hash=sha256:") >= len(locked)
    assert "://" not in text
    assert "index" not in text
