import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "asyncio", "pydantic", "rich", "ruamel", "paddock.config", "paddock.daemon")


@pytest.mark.parametrize("name", ["ps", "list", "load", "stop", "logs", "serve", "demo", "config"])
def test_importing_a_command_imports_nothing_heavy(name):
    program = f"import sys, paddock.cli.{name};print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr
