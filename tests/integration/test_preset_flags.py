import os
import subprocess

from paddock.config.ini import Pair
from paddock.config.preset_flags import flag, long_name
from paddock.engine.flags import parse_help


def test_the_keys_of_presets_are_flags_of_llama_server(real_llama_server):
    env = {**os.environ, "LD_LIBRARY_PATH": str(real_llama_server.parent)}
    told = subprocess.run(
        [real_llama_server, "--help"], capture_output=True, text=True, env=env, timeout=60
    )
    table = parse_help("llama-server", told.stdout)
    known = [name for name in told.stdout.replace(",", " ").split() if name.startswith("-")]
    for flag_ in filter(None, map(table.find, dict.fromkeys(known))):
        for name in (spelling.lstrip("-") for spelling in flag_.names if not flag_.successor):
            if name in UNUSUAL or name.endswith(("-default", "-spec")):
                continue
            assert f"--{long_name(name)}" in flag_.names, name
            words = flag(Pair(name, "on", 1), "on")
            assert len(words) == 1 + min(flag_.arity, 1), name


UNUSUAL = {
    "help", "usage", "h", "version", "completion-bash", "cache-list", "cl", "list-devices",
    "reuse-port", "models-autoload", "no-models-autoload",
}  # fmt: skip
"""Flags without a value that nobody writes into presets."""
