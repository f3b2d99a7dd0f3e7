"""The embedded engine's child: `python -m paddock.engine.embedded FLAGS`.

Serves llama-server's HTTP routes with xllamacpp, which is llama.cpp as a Python wheel. It takes
llama-server's flags (`embedded_flags.py`), its key from LLAMA_API_KEY like llama-server, and fails
in llama-server's words. It ends at once on SIGTERM, and when its stdin ends.

It imports nothing of the daemon: its start and its memory are part of every model's.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from paddock.engine.embedded_flags import ALSO, DEVICES, MAX_DEVICES, Setting, by_name

BASE = (("reasoning_format", 1),)
"""Where xllamacpp's defaults differ from llama-server's."""

WHOLE = 0
"""`--split-mode none`: all of a model on one device."""

LAST_WORDS_SECONDS = 2.0
"""How long a clean exit may take."""


def main(argv: list[str]) -> NoReturn:
    """Serve until SIGTERM, or the end of stdin. Ends the process."""
    if argv == ["--list-devices"]:
        list_devices()
    wanted = wishes(argv)
    import xllamacpp  # noqa: PLC0415 - bad flags are told without it

    params = xllamacpp.CommonParams()
    for attribute, value in (*BASE, *wanted):
        if attribute != DEVICES:
            apply(params, attribute, value, xllamacpp.CommonAdapterLoraInfo)
    names: Any = dict(wanted).get(DEVICES)
    if names is not None:
        place(params, names, xllamacpp.get_device_info() if names else [])
    params.api_keys = [key for key in (os.environ.get("LLAMA_API_KEY"),) if key]
    try:
        # Holds the interpreter for the whole load: until then SIGTERM has its default effect.
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        give_up(f"error: {error}")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    print(f"ready on {server.listening_address}", file=sys.stderr, flush=True)  # noqa: T201
    threading.Thread(target=leave_with_parent, daemon=True).start()
    # A signal that comes just before `signal.pause()` would not end it: a pipe keeps it.
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    while True:
        os.read(woken, 1)


def list_devices() -> NoReturn:
    """Print what this machine has beside its processor, as llama-server does. Ends the process."""
    import xllamacpp  # noqa: PLC0415 - as above

    print("Available devices:")  # noqa: T201
    for one in xllamacpp.get_device_info():
        if str(one["type"]).endswith("GPU"):
            total, free = (int(one[key]) >> 20 for key in ("memory_total", "memory_free"))
            place = f" [{one['device_id'].lower()}]" if one.get("device_id") else ""
            told = f"{one['description']} ({total} MiB, {free} MiB free){place}"
            print(f"  {one['name']}: {told}")  # noqa: T201
    sys.stdout.flush()
    os._exit(0)


def wishes(argv: list[str]) -> list[tuple[str, object]]:
    """The attributes that the flags set, in order. Ends the process for a flag that it refuses."""
    known = by_name()
    found: list[tuple[str, object]] = []
    words = iter(argv)
    for word in words:
        name = word.replace("_", "-") if word.startswith("--") else word
        setting = known.get(name)
        if setting is None:
            refuse(f"error: invalid argument: {word}")
        value = setting.constant if setting.convert is None else converted(word, setting, words)
        found.append((setting.attribute, value))
        for spelling in setting.names:
            found += [
                (more, value if other is None else other) for more, other in ALSO.get(spelling, ())
            ]
    return found


def converted(word: str, setting: Setting, words: Any) -> object:
    """The next word as the flag's value. Ends the process when it cannot be one."""
    text = next(words, None)
    if text is None:
        refuse(f'error while handling argument "{word}": expected value for argument')
    try:
        return setting.convert(text) if setting.convert else None
    except (ValueError, OSError) as error:
        refuse(f'error while handling argument "{word}": {error}')


def apply(params: Any, attribute: str, value: object, adapter: Any) -> None:
    """Set one attribute; overrides and adapters add up."""
    *path, last = attribute.split(".")
    for step in path:
        params = getattr(params, step)
    if last == "tensor_buft_overrides":
        value = ",".join(filter(None, (params.tensor_buft_overrides, str(value))))
    elif last == "lora_adapters" and isinstance(value, list):
        value = params.lora_adapters + [adapter(path, scale) for path, scale in value]
    if last:
        setattr(params, last, value)


def place(params: Any, names: Sequence[str], devices: Iterable[Any]) -> None:
    """Use these of the devices, as llama-server's `--device`: xllamacpp knows no such list.

    Without it, what llama.cpp counts is all devices. Ends the process for one that is not there.
    """
    free = usable(devices)
    for name in names:
        if name not in free:
            refuse(f'error while handling argument "--device": invalid device: {name}')
    if len(names) > 1 and params.split_mode != WHOLE:
        given = dict(zip(names, params.tensor_split, strict=False))
        shares = given if any(given.values()) else free
        split = [float(shares[name]) if name in names else 0.0 for name in free]
        params.tensor_split = split + [0.0] * (MAX_DEVICES - len(split))
        return
    number = params.main_gpu if params.split_mode == WHOLE else 0
    if names and number >= len(names):
        refuse(f'error while handling argument "--main-gpu": there is no device {number}')
    # Below 0 it is none of them.
    params.main_gpu = list(free).index(names[number]) if names and number >= 0 else -1
    params.split_mode = WHOLE


def usable(devices: Iterable[Any]) -> dict[str, int]:
    """The devices that llama.cpp counts, in its order, and the bytes that each has free.

    Of two with one address the first; graphics within the processor where there is nothing else.
    """
    first: dict[str, Any] = {}
    for one in devices:
        if str(one["type"]).endswith("GPU"):
            first.setdefault(one.get("device_id") or one["name"], one)
    discrete = [one for one in first.values() if not str(one["type"]).endswith("IGPU")]
    return {one["name"]: int(one["memory_free"]) for one in discrete or first.values()}


def leave_with_parent() -> None:
    """End the process when stdin ends: whoever held it is gone."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def give_up(line: str) -> NoReturn:
    """Fail after llama.cpp has told why: it logs from a thread that only a clean exit waits for."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201
    hurry = threading.Timer(LAST_WORDS_SECONDS, os._exit, (1,))
    hurry.daemon = True
    hurry.start()
    sys.exit(1)


def refuse(line: str) -> NoReturn:
    """Fail as llama-server does: one line, exit code 1."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
