import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paddock.acquire.addresses import Origin, is_literal, is_public, origin_of, read, shown
from paddock.errors import AddressRefused


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://huggingface.co", ("https", "huggingface.co", 443)),
        ("HTTPS://HuggingFace.CO:443/a", ("https", "huggingface.co", 443)),
        ("http://127.0.0.1:5000", ("http", "127.0.0.1", 5000)),
        ("http://[::1]:5000/x", ("http", "::1", 5000)),
        ("https://[2001:DB8:0:0::1]/", ("https", "2001:db8::1", 443)),
        ("http://my_registry:5000", ("http", "my_registry", 5000)),
        ("https://h?q=@x", ("https", "h", 443)),
        ("https://h#@evil", ("https", "h", 443)),
        ("https://xn--bcher-kva.example", ("https", "xn--bcher-kva.example", 443)),
    ],
)
def test_an_origin_is_read(text, origin):
    assert origin_of(text) == Origin(*origin)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "//host/x",
        "host/x",
        "ftp://host/x",
        "file:///etc/passwd",
        "https:/host",
        "https://",
        "https:///x",
        "https://a@b",
        "https://a:b@c/",
        "https://a@b@c/",
        "https://127.1",
        "https://0x7f.1",
        "https://0x7f000001",
        "https://2130706433",
        "https://017700000001",
        "https://127.0.0.01",
        "https://127.0.0.0x1",
        "https://1.2.3.4.5",
        "https://1.2.3.4.",
        "https://host.",
        "https://.host",
        "https://a..b",
        "https://-a",
        "https://a%2eb",
        "https://%31%32%37.0.0.1",
        "https://[::1",
        "https://[::1]x",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[127.0.0.1]/",
        "https://::1/",
        "https://h:0",
        "https://h:65536",
        "https://h:+80",
        "https://h:",
        "https://h:080",
        "https://h:80:90",
        "https://good.example\\@evil.example/",
        "https://good.example\t.evil.example",
        " https://h",
        "https://h\r\nX: y",
        "https://h\x00",
        "https://bücher.example",
        "https://\uff11\uff12\uff17.0.0.1",
        "https://\u24dbocalhost",
        "https://h/" + "a" * 20_000,
    ],
)
def test_what_two_programs_could_read_differently_is_no_address(text):
    with pytest.raises(AddressRefused):
        read(text)


def test_an_address_is_sent_as_it_is_written():
    url, _ = read("https://h.example/a%7Eb%2Fc?X=%27%20~'&s=a%2Bb#part")
    assert str(url) == "https://h.example/a%7Eb%2Fc?X=%27%20~'&s=a%2Bb"


@given(st.text(max_size=60).map("https://".__add__) | st.text(max_size=60))
@example("https://[::ffff:7f00:1]")
def test_whatever_is_read_is_read_again_as_the_same(text):
    try:
        url, origin = read(text)
    except AddressRefused:
        return
    assert (url.scheme, url.raw_host, url.port) == origin
    assert url.raw_user is None
    assert origin_of(str(origin)) == origin


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.1", "192.0.2.1",
        "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "100::1", "2001::1",
        "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "fc00::1", "fd00::1",
        "fd7a:115c:a1e0::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "::8.8.8.8",
        "", "localhost", "8.8.8", "8.8.8.8.8", "1:2",
    ],
)  # fmt: skip
def test_what_not_everybody_can_have_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00:1450::1"],
)
def test_what_anybody_can_have_is_public(address):
    assert is_public(address)


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_calls_private(address):
    if is_public(str(address)):
        inner = getattr(address, "ipv4_mapped", None) or address
        in_nat64 = address in ipaddress.ip_network("64:ff9b::/96") if address.version == 6 else 0
        assert in_nat64 or (inner.is_global and not inner.is_multicast)


def test_a_literal_is_told_from_a_name():
    assert is_literal("127.0.0.1")
    assert is_literal("::1")
    assert not is_literal("localhost")
    assert not is_literal("1.example")


def test_what_is_shown_has_no_signature_and_no_user():
    assert shown("https://u:secret@h/p?X-Amz-Signature=abc#f") == "https://h/p"
    assert "\x1b" not in shown("https://h/\x1b[2J")
