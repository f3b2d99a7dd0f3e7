import pytest


def peer(**said):
    return {"p": {"proxy": "http://nas.lan:8090", **said}}


@pytest.mark.parametrize(
    "proxy",
    [
        "http://nas",
        "https://api.example.com/v1/base",
        "http://10.0.0.9:8090",
        "http://127.0.0.1:8091",
        "http://[fd00::1]:8090",
        "https://127.0.0.1",
    ],
)
def test_addresses_of_peers(faults, proxy):
    assert faults(peers=peer(proxy=proxy)) == {}


@pytest.mark.parametrize(
    "proxy",
    [
        "", "nas", "nas:8090", "ftp://nas", "http://", "http://nas:99999", "http://[::1",
        "http://ann:secret@nas", "http://nas/?key=1", "http://nas#x",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be(faults, proxy):
    found = faults(peers=peer(proxy=proxy))
    assert list(found) == ["peers.p.proxy"]
    assert "secret" not in str(found)


def test_a_key_has_its_own_place(faults):
    [fault] = faults(peers=peer(proxy="https://x:secret@nas")).values()
    assert fault.suggestion == "write the key as `apiKey`"


@pytest.mark.parametrize(
    ("proxy", "door"),
    [
        ("http://127.0.0.1:8090", {}),
        ("http://localhost:8090/v1", {}),
        ("http://LOCALHOST.:8090", {}),
        ("http://[::1]:8090", {}),
        ("http://0.0.0.0:8090", {}),
        ("https://127.0.0.1:8090", {}),
        ("http://127.0.0.1", {"port": 80}),
        ("https://127.0.0.1", {"port": 443}),
        ("http://10.0.0.1:8090", {"host": "10.0.0.1", "auth": "none"}),
        ("http://nas.lan:8090", {"host": "NAS.lan", "auth": "none"}),
    ],
)
def test_a_peer_is_not_ourselves(faults, proxy, door):
    found = faults(peers=peer(proxy=proxy), listen={"openai": door})
    assert "requests would go round" in found["peers.p.proxy"].message


def test_a_name_under_which_we_are_called_is_ourselves(faults):
    found = faults(peers=peer(), allowedHosts=["nas.lan"])
    assert "requests would go round" in found["peers.p.proxy"].message


@pytest.mark.parametrize("listen", [{"openai": None}, {"openai": {"port": 0}}])
def test_a_closed_door_and_a_free_port_are_nobodys(faults, listen):
    assert faults(peers=peer(proxy="http://127.0.0.1:8090"), listen=listen) == {}


@pytest.mark.parametrize("key", ["a b", "a\nb", "schlüssel"])
def test_a_key_that_cannot_be_sent(faults, key):
    found = faults(peers=peer(apiKey=key))
    assert list(found) == ["peers.p.apiKey"]
    assert key not in found["peers.p.apiKey"].message


@pytest.mark.parametrize("key", ["", "sk-123", None])
def test_keys_of_peers(faults, key):
    assert faults(peers=peer(apiKey=key)) == {}
