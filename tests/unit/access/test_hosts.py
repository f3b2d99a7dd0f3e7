from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.access.hosts import (
    Authority,
    HostRules,
    cross_origin,
    is_local_page,
    looks_like_browser,
    parse_authority,
)
from paddock.errors import Forbidden, InvalidRequest

RULES = HostRules("NAS-01.example.lan", ["chat.example.lan", "*.home.arpa", "10.9.9.9", "fd00::9"])
LOCAL = "192.168.1.5"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8090",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:8090",
        "127.200.0.1:1",
        "[::1]:8090",
        "[::ffff:127.0.0.1]",
        "nas-01",
        "NAS-01:8090",
        "nas-01.local",
        "nas-01.example.lan",
        "nas-01.tail1234.ts.net",
        "nas-01.tail1234.ts.net.:443",
        "192.168.1.5:8090",
        "[::ffff:192.168.1.5]",
        "chat.example.lan",
        "a.home.arpa",
        "a.b.home.arpa",
        "10.9.9.9",
        "[fd00::9]:8090",
    ],
)
def test_our_names(host):
    RULES.check([host], LOCAL)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "evil.localhost.example",
        "xlocalhost",
        "nas-01.evil.example",
        "nas-01.ts.net",
        "nas-01.a.b.ts.net",
        "nas-01.evil-ts.net",
        "evil.tail1234.ts.net",
        "nas-01.tail1234.ts.net.evil.example",
        "other.local",
        "home.arpa",
        "xhome.arpa",
        "sub.chat.example.lan",
        "192.168.1.6",
        "0.0.0.0",
        "[::]",
        "8.8.8.8",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "[fd00::8]",
    ],
)
def test_other_names_are_forbidden_and_the_way_out_is_told(host):
    with pytest.raises(Forbidden) as caught:
        RULES.check([host], LOCAL)
    assert "allowedHosts" in caught.value.hint


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        ".",
        "a/health?",
        "localhost/",
        "user@localhost",
        "user:pw@localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:123456",
        "localhost:80:80",
        "localhost\t",
        " localhost",
        "localhost#",
        "localhost,evil",
        "::1",
        "[::1",
        "[]",
        "[1.2.3]",
        "[fe80::1%25eth0]",
        "loc\u0430lhost",
        "localhost\x00",
        "%6cocalhost",
    ],
)
def test_malformed_hosts_are_bad_requests(host):
    with pytest.raises(InvalidRequest):
        RULES.check([host], LOCAL)


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil"]])
def test_exactly_one_host_header(hosts):
    with pytest.raises(InvalidRequest):
        RULES.check(hosts, LOCAL)


@pytest.mark.parametrize("local", ["fe80::1%eth0", "FE80::1"])
def test_the_address_a_connection_came_in_on_is_ours(local):
    assert HostRules("nas").check(["[fe80::1]:8090"], local).host == ip_address("fe80::1")


def test_a_machine_without_a_name_still_has_loopback():
    rules = HostRules("")
    rules.check(["localhost"], "127.0.0.1")
    for host in ("local", ".local", "a.tail.ts.net"):
        with pytest.raises(Forbidden):
            rules.check([host], "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("A.b.:1", Authority("a.b", 1)),
        ("127.0.0.1", Authority(ip_address("127.0.0.1"))),
        ("[::1]:9", Authority(ip_address("::1"), 9)),
    ],
)
def test_authorities_are_normalised(text, authority):
    assert parse_authority(text) == authority


@given(st.text(alphabet="localhost127.:[]-/@ ", max_size=30))
def test_parsing_never_raises(text):
    authority = parse_authority(text)
    assert authority is None or not set("/@ ") & set(text)


ALLOWED = ["https://chat.example.lan", "app://Obsidian.md"]
HOST = Authority("nas-01", 8090)


def test_without_an_origin_there_is_no_page():
    assert cross_origin([], HOST, ALLOWED) == ""


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://nas-01:8090", "nas-01:8090"),
        ("https://nas-01.tail.ts.net", "nas-01.tail.ts.net"),
        ("http://127.0.0.1:8090", "127.0.0.1:8090"),
        ("http://[::1]:8090", "[::1]:8090"),
        ("HTTP://NAS-01:8090", "nas-01:8090"),
    ],
)
def test_our_own_pages_pass(origin, host):
    authority = parse_authority(host)
    assert authority is not None
    assert cross_origin([origin], authority, ALLOWED) == ""


@pytest.mark.parametrize("origin", ["https://chat.example.lan", "app://obsidian.md"])
def test_allowed_pages_are_named_for_cors(origin):
    assert cross_origin([origin], HOST, ALLOWED) == origin


@pytest.mark.parametrize(
    "origins",
    [
        ["null"],
        [""],
        ["https://evil.example"],
        ["http://nas-01"],
        ["http://nas-01:8091"],
        ["http://nas-01:8090.evil.example"],
        ["http://nas-01:8090/"],
        ["http://evil@nas-01:8090"],
        ["ftp://nas-01:8090"],
        ["http://chat.example.lan"],
        ["https://chat.example.lan:444"],
        ["https://chat.example.lan.evil.example"],
        ["http://nas-01:8090", "http://nas-01:8090"],
        ["http://localhost:8090"],
    ],
)
def test_other_pages_are_forbidden(origins):
    with pytest.raises(Forbidden):
        cross_origin(origins, HOST, ALLOWED)


NETWORK = HostRules("nas-01", network_names=True)


@pytest.mark.parametrize("host", ["host.docker.internal", "host.containers.internal:1", "x.local"])
def test_names_of_the_network_are_for_programs_only(host):
    assert NETWORK.check([host], LOCAL, by_browser=False)
    for rules, by_browser in ((NETWORK, True), (RULES, False), (RULES, True)):
        with pytest.raises(Forbidden):
            rules.check([host], LOCAL, by_browser=by_browser)


@pytest.mark.parametrize("host", ["evil.example", "local.evil.example", "xlocal", "10.0.0.1"])
def test_other_names_are_for_nobody(host):
    for by_browser in (True, False):
        with pytest.raises(Forbidden):
            NETWORK.check([host], LOCAL, by_browser=by_browser)


def test_every_name_below_localhost_is_this_machine():
    assert RULES.check(["chat.localhost:8090"], LOCAL).host == "chat.localhost"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"accept-language": "de"},
        {"Referer": "http://x/"},
        {"Sec-Fetch-Site": "none"},
        {"User-Agent": "Mozilla/5.0 (X11)"},
    ],
)
def test_browsers_give_themselves_away(headers):
    assert looks_like_browser(headers)


def test_programs_do_not():
    assert not looks_like_browser({"Host": "x.internal", "User-Agent": "python-httpx/0.28"})


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:3000",
        "https://127.0.0.1:8443",
        "http://0.0.0.0:1",
        "http://[::1]:5173",
        "app://obsidian.md",
        "file://",
        "tauri://localhost",
        "vscode-webview://abc",
        "vscode-file://vscode-app",
    ],
)
def test_pages_of_this_machine(origin):
    assert is_local_page(origin)
    assert cross_origin([origin], HOST, [], is_local_page) == origin


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "file",
        "http://localhost.evil.example",
        "http://evil.example",
        "http://localhost@evil.example",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "ftp://localhost",
        "data://x",
        "blob:http://localhost",
        "https://app",
    ],
)
def test_pages_of_others(origin):
    assert not is_local_page(origin)
    with pytest.raises(Forbidden):
        cross_origin([origin], HOST, [], is_local_page)
