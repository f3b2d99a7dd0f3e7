import pytest

from paddock.engine.address import Address, parse_url
from paddock.errors import ArgumentRefused


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:9000", Address("127.0.0.1", 9000)),
        ("http://localhost:9000/", Address("localhost", 9000)),
        ("HTTP://LocalHost", Address("localhost", 80)),
        ("http://[::1]:9000", Address("::1", 9000)),
        ("http://vllm_1:8000", Address("vllm_1", 8000)),
        ("http://nas.example.lan", Address("nas.example.lan", 80)),
        ("https://api.example.com", Address("api.example.com", 443, tls=True)),
        ("https://api.example.com:8443/", Address("api.example.com", 8443, tls=True)),
        ("http://127.0.0.1:9000/api", Address("127.0.0.1", 9000, base_path="/api")),
        ("https://x.example/a%20b/c/", Address("x.example", 443, tls=True, base_path="/a%20b/c")),
        ("http://häuser.example", Address("xn--huser-gra.example", 80)),
    ],
)
def test_a_url_is_an_address(url, address):
    assert parse_url(url) == address


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "not an http"),
        ("127.0.0.1:9000", "not an http"),
        ("ftp://host", "not an http"),
        ("http://", "names no host"),
        ("http://:80", "names no host"),
        ("http://host:0", "names no host"),
        ("http://host:99999", "cannot be read"),
        ("http://host:x", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http://a..b", "cannot be read"),
        ("http://a b", "no name"),
        ("http://h%41", "no name"),
        ("http://host/a b", "cannot hold"),
        ("http://host/\u20ac", "cannot hold"),
        ("http://host/a\r\nX: y", "cannot hold"),
        ("http://host/?a=b", "after its path"),
        ("http://host/?key=secret", "after its path"),
        ("http://host/#secret", "after its path"),
        ("http://host/#a", "after its path"),
        ("http://me:secret@host", "password"),
    ],
)
def test_what_is_no_address_is_refused_with_its_problem(url, problem):
    with pytest.raises(ArgumentRefused, match=problem) as refused:
        parse_url(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://127.0.0.1:9000", "127.0.0.1:9000"),
        ("http://host:80", "host"),
        ("https://host", "host"),
        ("https://host:80", "host:80"),
        ("http://host:443", "host:443"),
        ("http://[::1]:9000/x", "[::1]:9000"),
    ],
)
def test_the_host_header_has_no_port_that_the_scheme_implies(url, authority):
    assert parse_url(url).authority == authority


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.8.9.1", True),
        ("http://localhost", True),
        ("http://[::1]", True),
        ("http://0.0.0.0", False),
        ("http://192.168.1.5", False),
        ("http://127.0.0.1.nip.io", False),
    ],
)
def test_only_loopback_is_local(url, local):
    assert parse_url(url).is_local is local


def test_an_address_is_shown_as_its_url():
    assert str(parse_url("https://host/api/")) == "https://host/api"
