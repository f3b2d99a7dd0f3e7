"""What is said of a door's certificate that cannot be used, and how a new one is taken in."""

from __future__ import annotations

import base64
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.certificate import Certificate as Files
from tests.fakes.certificate import make_certificate

from paddock.config.schema import Tls
from paddock.daemon.certificate import Certificate, CertificateUnusable


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Files]:
    """Two certificates, each with its own key."""
    one = make_certificate(tmp_path_factory.mktemp("one"))
    return one, make_certificate(tmp_path_factory.mktemp("other"))


@pytest.fixture
def files(made: tuple[Files, Files], tmp_path: Path) -> Tls:
    """Copies of the first one, to spoil."""
    for file in made[0]:
        shutil.copy(file, tmp_path)
    return Tls(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")


def changed_dates(pem: str, end: bytes) -> str:
    """A certificate with another last date, of the same length."""
    der = ssl.PEM_cert_to_DER_cert(pem)
    last = re.findall(rb"\x17\x0d(\d{12}Z)", der)[1]
    return ssl.DER_cert_to_PEM_cert(der.replace(b"\x17\x0d" + last, b"\x17\x0d" + end, 1))


def encrypt(files: Tls, _: Files) -> None:
    plain = files.key.with_name("plain.pem")
    files.key.rename(plain)
    command = ["openssl", "pkey", "-in", str(plain), "-aes128", "-passout", "pass:secret"]
    subprocess.run([*command, "-out", str(files.key)], check=True, capture_output=True)


def expire(files: Tls, _: Files) -> None:
    files.cert.write_text(changed_dates(files.cert.read_text(), b"200131235959Z"))


def exchange_key(files: Tls, other: Files) -> None:
    shutil.copy(other.key, files.key)


def write(name: str, data: bytes) -> Callable[[Tls, Files], None]:
    return lambda files, _: (getattr(files, name).write_bytes(data), None)[1]


def remove(name: str) -> Callable[[Tls, Files], None]:
    return lambda files, _: getattr(files, name).unlink()


def make_folder(files: Tls, _: Files) -> None:
    files.cert.unlink()
    files.cert.mkdir()


GARBAGE = (
    b"-----BEGIN CERTIFICATE-----\n"
    + base64.b64encode(b"x" * 60)
    + (b"\n-----END CERTIFICATE-----\n")
)


@pytest.mark.parametrize(
    ("spoil", "name", "words"),
    [
        (remove("cert"), "cert", "cannot be read: No such file"),
        (remove("key"), "key", "cannot be read: No such file"),
        (make_folder, "cert", "cannot be read: Is a directory"),
        (write("cert", b""), "cert", "holds no certificate"),
        (write("cert", b"\xff\x00"), "cert", "holds no certificate"),
        (write("cert", GARBAGE), "cert", "holds no certificate"),
        (write("key", b""), "key", "holds no private key"),
        (write("key", GARBAGE), "key", "holds no private key"),
        (encrypt, "key", "is encrypted"),
        (expire, "cert", "expired on 2020-01-31"),
        (exchange_key, "key", "is not the key of"),
    ],
)
def test_what_cannot_be_used_is_told_with_key_and_file(
    files: Tls,
    made: tuple[Files, Files],
    spoil: Callable[[Tls, Files], None],
    name: str,
    words: str,
) -> None:
    spoil(files, made[1])
    with pytest.raises(CertificateUnusable) as caught:
        Certificate("openai", files)

    assert f"listen.openai.tls.{name}: {getattr(files, name)}" in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint


def test_a_good_one_makes_a_context_for_todays_tls(files: Tls) -> None:
    context = Certificate("openai", files).context

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.protocol is ssl.PROTOCOL_TLS_SERVER
