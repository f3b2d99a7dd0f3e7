"""A door that speaks HTTPS."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from tests.fakes.certificate import Certificate, make_certificate
from tests.fakes.house import PATIENCE, House
from tests.fakes.wire import Wire


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, files: Certificate) -> Iterator[House]:
    """A daemon whose door speaks HTTPS, and a model."""
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama-a")
    tls = {"cert": str(files.cert), "key": str(files.key)}
    door = {"host": "127.0.0.1", "port": 0, "tls": tls}
    house.start(house.config(listen={"openai": door}, defaultTtl=0, sendLoadingState=True))
    yield house
    house.stop()


@pytest.fixture
def trust(files: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.cert))


@contextmanager
def tls_wire(home: House, context: ssl.SSLContext) -> Iterator[Wire]:
    """A connection to the door on which every byte is the test's."""
    port = urlsplit(home.url).port
    with (
        socket.create_connection(("127.0.0.1", port or 0), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        yield Wire(sock)


def get(home: House, context: ssl.SSLContext, path: str) -> Any:
    with urllib.request.urlopen(home.url + path, timeout=PATIENCE, context=context) as answer:
        return json.load(answer)


def chat(switches: str) -> bytes:
    messages = [{"role": "user", "content": f"fake {switches}"}]
    return json.dumps({"model": "llama-a", "stream": True, "messages": messages}).encode()


def active(home: House, context: ssl.SSLContext) -> int:
    return sum(one["active"] for one in get(home, context, "/api/paddock/instances")["instances"])


def test_the_greeting_and_the_page_name_https(home: House, trust: ssl.SSLContext) -> None:
    assert home.url.startswith("https://127.0.0.1:")
    with urllib.request.urlopen(home.url, timeout=PATIENCE, context=trust) as page:
        assert home.url in page.read().decode()


def test_openai_streams_over_it(home: House, trust: ssl.SSLContext) -> None:
    client = openai.DefaultHttpxClient(verify=trust)
    messages: Any = [{"role": "user", "content": "hello"}]
    with (
        openai.OpenAI(base_url=f"{home.url}/v1", api_key="-", http_client=client) as door,
        door.chat.completions.create(model="llama-a", messages=messages, stream=True) as stream,
    ):
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert said == "t0 t1 t2 t3 t4 t5 t6 t7 "


def test_a_client_that_reads_late_gets_every_byte(home: House, trust: ssl.SSLContext) -> None:
    with tls_wire(home, trust) as wire:
        wire.ask("POST", "/v1/chat/completions", body=chat("tokens=40000 text=x"))
        wire.bytes_until(b"\r\n\r\n")
        time.sleep(0.5)  # the pipes are full by now
        answer = wire.bytes_until(b"data: [DONE]\n\n")

    assert answer.count(b'"content":"x "') == 40000


def test_a_client_that_leaves_ends_its_generation(home: House, trust: ssl.SSLContext) -> None:
    with tls_wire(home, trust) as wire:
        wire.ask("POST", "/v1/chat/completions", body=chat("tokens=1000000 tps=20"))
        wire.bytes_until(b"t0 ")
        assert active(home, trust) == 1

    home.until(lambda: active(home, trust) == 0, "its slot is free")


def test_many_requests_on_one_connection(home: House, trust: ssl.SSLContext) -> None:
    with tls_wire(home, trust) as wire:
        for _ in range(20):
            assert wire.ask("GET", "/health").answer().json() == {"status": "ok"}


def test_tls_of_the_past_is_refused(home: House, trust: ssl.SSLContext) -> None:
    trust.set_ciphers("ALL:@SECLEVEL=0")
    trust.options &= ~ssl.OP_NO_TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        trust.minimum_version = trust.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)), tls_wire(home, trust):
        pass


def test_plain_http_is_answered_by_nothing_and_harms_nobody(
    home: House, trust: ssl.SSLContext
) -> None:
    port = urlsplit(home.url).port
    with socket.create_connection(("127.0.0.1", port or 0), PATIENCE) as sock:
        assert b"HTTP/" not in Wire(sock).send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").rest()

    assert get(home, trust, "/health") == {"status": "ok"}
    assert "Traceback" not in home.said


# --- the command line as a client -----------------------------------------------------------------


def paddock(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paddock", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | env,
    )


def test_the_command_line_trusts_what_ssl_cert_file_names(home: House, files: Certificate) -> None:
    shown = paddock("list", "--host", home.url, SSL_CERT_FILE=str(files.cert))

    assert shown.returncode == 0, shown.stderr
    assert "llama-a" in shown.stdout


def test_the_command_line_trusts_no_stranger(home: House) -> None:
    shown = paddock("list", "--host", home.url)

    assert shown.returncode == 1
    assert "SSL_CERT_FILE" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_the_command_line_says_when_a_door_speaks_https(home: House) -> None:
    shown = paddock("list", "--host", home.url.removeprefix("https://"))

    assert shown.returncode == 1
    assert "https://" in shown.stderr


# --- flags, and a certificate that is renewed -----------------------------------------------------


def test_a_certificate_that_cannot_be_used_is_one_line(tmp_path: Path, files: Certificate) -> None:
    missing = tmp_path / "no.pem"
    ended = paddock(
        "serve", "--state-dir", str(tmp_path / "s"), "--models-dir", str(tmp_path), "--port", "0",
        "-tls-cert-file", str(missing), "-tls-key-file", str(files.key),
    )  # fmt: skip

    assert ended.returncode == 1
    assert f"listen.openai.tls.cert: {missing} cannot be read" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("flag", ["--tls-cert-file", "--tls-key-file"])
def test_one_of_the_two_files_is_not_enough(flag: str) -> None:
    ended = paddock("serve", flag, "x.pem")

    assert ended.returncode == 2
    assert "both --tls-cert-file and --tls-key-file" in ended.stderr


def test_a_renewed_certificate_is_taken_in_without_a_restart(
    tmp_path: Path, house: House, files: Certificate
) -> None:
    used = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    shutil.copy(files.cert, used.cert)
    shutil.copy(files.key, used.key)
    tls = {"cert": str(used.cert), "key": str(used.key)}
    house.add("llama-a")
    house.start(house.config(listen={"openai": {"port": 0, "tls": tls}}))
    address = ("127.0.0.1", urlsplit(house.url).port or 0)
    (tmp_path / "new").mkdir()
    renewed = make_certificate(tmp_path / "new")
    with tls_wire(house, ssl.create_default_context(cafile=str(files.cert))) as old:
        assert old.ask("GET", "/health").answer().status == 200
        renewed.cert.replace(used.cert)
        house.until(lambda: "the old certificate" in house.said, "a half renewal is told")
        assert ssl.get_server_certificate(address) == files.cert.read_text()
        renewed.key.replace(used.key)
        house.until(lambda: "has a new certificate" in house.said, "the renewal is told")

        assert ssl.get_server_certificate(address) == used.cert.read_text()
        assert old.ask("GET", "/health").answer().status == 200
