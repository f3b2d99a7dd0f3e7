"""Writes the parts of docs/reference that are made from the code; `--check` only compares.

Exit code 1 when a file is out of date and `--check` was given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paddock.chat.reference import markdown as chat_markdown
from paddock.cli.reference import markdown as cli_markdown
from paddock.config.outline import json_schema_text
from paddock.config.reference import markdown as config_markdown

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def main() -> int:
    pages = {
        FOLDER / "config.md": config_markdown(),
        FOLDER / "config.schema.json": json_schema_text(),
        FOLDER / "cli.md": cli_markdown(),
        FOLDER / "api-chat.md": chat_markdown(),
    }
    stale = {
        page: text
        for page, text in pages.items()
        if not page.exists() or page.read_text(encoding="utf-8") != text
    }
    if "--check" in sys.argv[1:]:
        for page in stale:
            print(f"{page} is out of date: type `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for page, text in stale.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
