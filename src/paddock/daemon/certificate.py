"""A door's certificate: checked before it is used, and taken in anew when its files change."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

from paddock.config.schema import Tls
from paddock.errors import PaddockError

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Pause between two looks at the files. Network file systems tell no changes, so nobody waits for
them to."""

State = tuple[tuple[int, ...] | None, ...]
"""How the files are; whatever is written makes another one."""

_VALIDITY = re.compile(
    rb"\x30[\x1e-\x22](?:\x17\x0d|\x18\x0f)\d{12,14}Z(?P<kind>\x17\x0d|\x18\x0f)(?P<end>\d{12,14})Z"
)
"""The two dates of a certificate in DER, RFC 5280 §4.1: of two digits for the year, or of four."""


class CertificateUnusable(PaddockError):
    """A certificate or its key cannot be used. The message names the file."""


class Certificate:
    """The certificate of one door, and the context that carries it."""

    def __init__(self, door: str, files: Tls) -> None:
        """Blocks: it reads the files. Raises CertificateUnusable."""
        self._door = door
        self._files = files
        self._state = self._look()
        self._refused = ""
        self.context = _checked(door, files)

    async def follow(self) -> None:
        """Take in every change of the files, for ever. What cannot be used changes nothing."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            state = await asyncio.to_thread(self._look)
            if state != self._state:
                await self._renew(state)

    async def _renew(self, state: State) -> None:
        """Connections from now on get the new one. The two files are seldom written at once, so
        what does not fit yet is looked at again.
        """
        try:
            await asyncio.to_thread(_checked, self._door, self._files)
            self.context.load_cert_chain(self._files.cert, self._files.key)
        except (CertificateUnusable, OSError) as error:
            if str(error) != self._refused:
                log.warning("the old certificate of the %s door stays: %s", self._door, error)
            self._refused = str(error)
            return
        self._state, self._refused = state, ""
        log.info("the %s door has a new certificate", self._door)

    def _look(self) -> State:
        return _state(self._files.cert), _state(self._files.key)


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _checked(door: str, files: Tls) -> ssl.SSLContext:
    """A context with this certificate. Raises CertificateUnusable for one no client would take."""
    cert_key, key_key = f"listen.{door}.tls.cert", f"listen.{door}.tls.key"
    cert = _read(files.cert, cert_key)
    _read(files.key, key_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    ends = _end_of(cert, f"{cert_key}: {files.cert}")
    if ends < datetime.now(UTC):
        raise CertificateUnusable(
            f"{cert_key}: {files.cert} expired on {ends:%Y-%m-%d}",
            hint="renew it; no client takes it any more",
        )
    try:
        context.load_cert_chain(files.cert, files.key, password=lambda: _refuse_password(files.key))
    except _Encrypted:
        raise CertificateUnusable(
            f"{key_key}: {files.key} is encrypted",
            hint="write it without a password, readable only by the daemon: `openssl pkey -in KEY`",
        ) from None
    except ssl.SSLError as error:
        raise _misfit(error, files, key_key) from error
    return context


class _Encrypted(Exception):
    """A password would be needed."""


def _refuse_password(key: Path) -> str:
    raise _Encrypted(key)


def _misfit(error: ssl.SSLError, files: Tls, key_key: str) -> CertificateUnusable:
    if error.reason == "KEY_VALUES_MISMATCH":
        return CertificateUnusable(
            f"{key_key}: {files.key} is not the key of {files.cert}",
            hint="name the key that was made with this certificate",
        )
    return CertificateUnusable(
        f"{key_key}: {files.key} holds no private key that can be used",
        hint="it must be a PEM file that begins with -----BEGIN PRIVATE KEY-----",
    )


def _read(file: Path, key: str) -> str:
    try:
        return file.read_text("ascii", "replace")
    except OSError as error:
        raise CertificateUnusable(
            f"{key}: {file} cannot be read: {error.strerror or error}",
            hint="see that the file is there and that the daemon's user may read it",
        ) from error


def _end_of(pem: str, what: str) -> datetime:
    """When the first certificate in `pem` ends to be valid."""
    block = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL)
    try:
        found = _VALIDITY.search(ssl.PEM_cert_to_DER_cert(block[0])) if block else None
    except ValueError:
        found = None
    if found is None:
        raise CertificateUnusable(
            f"{what} holds no certificate that can be read",
            hint="it must be a PEM file that begins with -----BEGIN CERTIFICATE-----",
        )
    digits = found["end"].decode()
    if found["kind"] == b"\x17\x0d":
        digits = ("19" if digits >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
