"""Certificates for tests: one for 127.0.0.1 and localhost that vouches for itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Certificate(NamedTuple):
    """Two PEM files."""

    cert: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """A fresh one. The test is skipped where there is no `openssl` program."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl program here to make a certificate with")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", str(made.key), "-out", str(made.cert),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made
