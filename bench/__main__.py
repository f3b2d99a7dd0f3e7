"""`make bench`: measure everything, print the table, write `bench/results.json`."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    chat_bench,
    daemon_bench,
    download_bench,
    plan_bench,
    relay_bench,
    routing_bench,
    swap_bench,
)
from bench.figure import table

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    figures = []
    parts = (
        daemon_bench,
        swap_bench,
        routing_bench,
        relay_bench,
        download_bench,
        plan_bench,
        chat_bench,
    )
    for part in parts:
        print(f"measuring: {(part.__doc__ or '').strip().splitlines()[0]}", file=sys.stderr)
        figures += part.measure()
    print(table(figures))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    told = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "figures": [figure.as_json() for figure in figures],
    }
    RESULTS.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
