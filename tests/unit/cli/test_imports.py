import subprocess
import sys

import pytest

from paddock.cli.group import COMMANDS

HEAVY = ("aiohttp", "asyncio", "pydantic", "rich", "ruamel", "paddock.config", "paddock.daemon")


@pytest.mark.parametrize("name", COMMANDS)
def test_importing_a_command_imports_nothing_heavy(name):
    program = f"import sys, paddock.cli.{name};print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr


def test_what_is_hastened_trusts_nobody_over_tls_and_leaves_ssl_as_it_was():
    program = """
import ssl
from paddock.cli.hasten import hastened_imports
make = ssl.SSLContext.set_default_verify_paths
with hastened_imports():
    import aiohttp
context = aiohttp.TCPConnector._get_ssl_context.__globals__["_SSL_CONTEXT_VERIFIED"]
assert ssl.SSLContext.set_default_verify_paths is make
print(context.cert_store_stats()["x509"], context.verify_mode.name, context.check_hostname)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout == "0 CERT_REQUIRED True\n", found.stderr


def test_what_is_hastened_looks_for_no_plugins_and_leaves_the_environment_as_it_was():
    program = """
import os
from paddock.cli.hasten import hastened_imports
before = dict(os.environ)
with hastened_imports():
    import paddock.daemon.run
    from paddock.config.source import Source
assert dict(os.environ) == before
Source(None, before).load()
from pydantic.plugin import _loader
print(_loader._plugins)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout == "None\n", found.stderr
