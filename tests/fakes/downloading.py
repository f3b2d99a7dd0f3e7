"""A program that downloads, to be killed, or to run where the disk is full.

Each line of its stdin is a JSON object: `url`, `size`, `sha256`, `part`, and where wanted
`part_bytes`, `fill_after` (bytes after which the disk is filled up), `reserve` (false: as on a file
system that cannot), `killed` (true: as soon as the next line comes). For each it forks a child that
downloads, and tells its end as JSON: `{"ended": "ok" | "killed" | name of the error, …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from paddock.acquire import part_file
from paddock.acquire.addresses import origin_of
from paddock.acquire.download import Downloader, Limits, Wanted
from paddock.acquire.web import Policy
from paddock.errors import AcquireError, NoRoom
from paddock.library.digest import Digest


def main() -> None:
    """Until stdin ends."""
    for line in sys.stdin:
        ask = json.loads(line)
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(told)
            os.write(tell, json.dumps(asyncio.run(download(ask))).encode())
            os._exit(0)
        os.close(tell)
        if ask.get("killed"):
            sys.stdin.readline()
            os.kill(child, signal.SIGKILL)
        with os.fdopen(told) as ended:
            end = ended.read()
        os.waitpid(child, 0)
        print(end or '{"ended": "killed"}', flush=True)


async def download(ask: dict[str, Any]) -> dict[str, Any]:
    """One download; how it ended."""
    if not ask.get("reserve", True):
        setattr(part_file, "_system_call", lambda: None)  # noqa: B010
    part, filler = Path(ask["part"]), Path(ask["part"]).with_name("filler")
    filler.unlink(missing_ok=True)

    def progress(present: int) -> None:
        if present >= ask.get("fill_after", 1 << 60) and not filler.exists():
            fill(filler)

    async def headers() -> dict[str, str]:
        return {}

    limits = Limits(part_bytes=ask.get("part_bytes", 64 << 10), pause=0.01)
    downloader = Downloader(Policy.of((str(origin_of(ask["url"])),)), limits)
    wanted = Wanted("k", ask["size"], Digest(ask["sha256"]), "", ask["url"], part, headers)
    try:
        await downloader.fetch(wanted, progress)
    except NoRoom as error:
        kept = part.stat().st_blocks * 512 if part.exists() else 0
        return {"ended": "NoRoom", "says": str(error), "needed": error.needed, "kept": kept}
    except AcquireError as error:
        return {"ended": type(error).__name__, "says": str(error)}
    finally:
        await downloader.aclose()
    return {"ended": "ok", "right": Digest.of(part.read_bytes()).hex == ask["sha256"]}


def fill(filler: Path) -> None:
    """Take all the room there is."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


if __name__ == "__main__":
    main()
