#!/usr/bin/env python3
"""A llama-quantize that writes a header and no weights: `llama_quantize.py SOURCE TARGET TYPE`.

It fails with words of its own when the environment has FAKE_QUANTIZE=fail.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.gguf_maker import Gguf

FILE_TYPES = {"Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15}


def main() -> None:
    source, target, kind = sys.argv[1:4]
    assert Path(source).read_bytes()[:4] == b"GGUF"
    for number in range(1, 4):
        print(f"[ {number:4d}/   3] blk.{number}.weight - converting to {kind} .. ", flush=True)
    if os.environ.get("FAKE_QUANTIZE") == "fail":
        sys.exit("llama_model_quantize: failed to quantize: it does not want to")
    Gguf(metadata={"general.file_type": FILE_TYPES[kind], "general.name": "Small"}).write(
        Path(target)
    )


if __name__ == "__main__":
    main()
