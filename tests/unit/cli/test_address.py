import pytest

from paddock.cli.address import Address, BadAddress, find_address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("nas", "http://nas:8090"),
        ("nas:1234", "http://nas:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234"),
        ("0.0.0.0", "http://127.0.0.1:8090"),
        ("::", "http://[::1]:8090"),
        ("::1", "http://[::1]:8090"),
        ("[::1]:7", "http://[::1]:7"),
        ("[::]:7", "http://[::1]:7"),
        ("http://nas", "http://nas:80"),
        ("http://nas:8090/", "http://nas:8090"),
        ("https://nas.tail.ts.net", "https://nas.tail.ts.net:443"),
        ("https://nas/paddock/", "https://nas:443/paddock"),
        (" 'nas:1' ", "http://nas:1"),
    ],
)
def test_forms(text, url):
    assert str(find_address(text, {})) == url


@pytest.mark.parametrize(
    "text", ["ftp://nas", "nas:port", "nas:99999", "a b", "http://u@nas", "[::1"]
)
def test_what_is_no_address_is_named_with_its_source(text):
    for option, env in ((text, {}), (None, {"PADDOCK_HOST": text}), (None, {"OLLAMA_HOST": text})):
        with pytest.raises(BadAddress) as caught:
            find_address(option, env)
        assert caught.value.message.split()[0] in {"--host", "PADDOCK_HOST", "OLLAMA_HOST"}


def test_the_option_wins_then_our_variable_then_ollamas():
    env = {"PADDOCK_HOST": "b", "OLLAMA_HOST": "c"}
    assert find_address("a", env).host == "a"
    assert find_address(None, env).host == "b"
    assert find_address(None, {"OLLAMA_HOST": "c"}) == Address("c", 11434)
    assert find_address(None, {"OLLAMA_HOST": "0.0.0.0:5"}) == Address("127.0.0.1", 5)
    assert find_address("", {"PADDOCK_HOST": ""}) == Address("127.0.0.1", 8090)
