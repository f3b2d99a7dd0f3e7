import pytest

from paddock.config.checks import TIME_FORMATS, is_loopback


def openai(**door):
    return {"openai": door}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host, expected):
    assert is_loopback(host) is expected


def test_the_defaults_are_right(faults):
    assert faults() == {}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "nas-01"])
def test_an_open_door_without_keys_is_refused_and_both_ways_out_are_told(faults, host):
    fault = faults(listen=openai(host=host))["listen.openai.host"]
    assert "apiKeys" in fault.suggestion
    assert "auth: none" in fault.suggestion


@pytest.mark.parametrize(
    "said",
    [
        {"listen": openai(host="0.0.0.0", auth="none")},
        {"listen": openai(host="0.0.0.0", auth="accounts")},
        {"listen": openai(host="0.0.0.0"), "apiKeys": ["k"]},
        {"listen": openai(auth="accounts") | {"chat": None}, "apiKeys": ["k"]},
        {"listen": openai(host="127.0.0.1")},
        {"listen": {"openai": None}},
    ],
)
def test_a_guarded_local_or_closed_door_is_right(faults, said):
    assert faults(**said) == {}


def test_keys_of_accounts_need_the_chat(faults):
    fault = faults(listen=openai(auth="accounts") | {"chat": None})["listen.openai.auth"]
    assert "listen.chat" in fault.suggestion


@pytest.mark.parametrize("host", ["", "[::1]", "127.0.0.1:8090", "http://x", "a b", "*"])
def test_a_door_needs_a_plain_address(faults, host):
    assert (
        "is not an address"
        in faults(apiKeys=["k"], listen=openai(host=host))["listen.openai.host"].message
    )


@pytest.mark.parametrize("name", ["llama-server", "embedded", "mine"])
def test_known_engines(faults, name):
    assert faults(engines={"mine": {}}, engine=name, models={"m": {"engine": name}}) == {}


def test_an_unknown_engine_is_told_with_the_nearest(faults):
    found = faults(engines={"vulkan": {}}, engine="vulcan", models={"m": {"engine": "zzz"}})
    assert found["engine"].suggestion == "did you mean `vulkan`?"
    assert found["models.m.engine"].suggestion == "known: vulkan, llama-server, embedded"


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "schlüssel", "k" * 5000])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(faults, key):
    fault = faults(apiKeys=["good", key])["apiKeys[1]"]
    assert not key.strip() or key not in fault.message + fault.suggestion


@pytest.mark.parametrize("host", ["http://nas", "nas:8090", "*", "*.", "a..b", "", "-x"])
def test_an_allowed_host_is_only_a_name(faults, host):
    assert list(faults(allowedHosts=[host])) == ["allowedHosts[0]"]


@pytest.mark.parametrize("host", ["nas", "nas.example.lan", "*.example.lan", "10.0.0.1", "fd00::1"])
def test_allowed_hosts(faults, host):
    assert faults(allowedHosts=[host]) == {}


@pytest.mark.parametrize("origin", ["*", "nas", "https://nas/", "https://", "null", "https://a b"])
def test_an_allowed_origin_is_scheme_host_and_port(faults, origin):
    assert list(faults(allowedOrigins=[origin])) == ["allowedOrigins[0]"]


@pytest.mark.parametrize("origin", ["https://nas", "http://nas.lan:3000", "http://[::1]:1"])
def test_allowed_origins(faults, origin):
    assert faults(allowedOrigins=[origin]) == {}


@pytest.mark.parametrize("key", ["defaultModelArgs"])
def test_flags_must_split_into_words(faults, key):
    assert list(faults(**{key: '--x "y'})) == [key]
    assert list(faults(engines={"e": {"args": "'"}})) == ["engines.e.args"]


@pytest.mark.parametrize("name", ["", *TIME_FORMATS])
def test_formats_of_times(faults, name):
    assert faults(logTimeFormat=name) == {}


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("RFC3339", "did you mean `rfc3339`?"),
        ("rfc3399", "did you mean `rfc3339`?"),
        ("stamp_milli", "did you mean `stampmilli`?"),
        ("2006-01-02", "known: ansic, unixdate"),
    ],
)
def test_a_format_of_times_has_a_name(faults, name, suggestion):
    assert suggestion in faults(logTimeFormat=name)["logTimeFormat"].suggestion


@pytest.mark.parametrize("pattern", ["[", "(", "*", "a{2,1}", "(?<n>", "\\"])
def test_an_ignored_path_is_a_regular_expression(faults, pattern):
    found = faults(upstream={"ignorePaths": ["ok", pattern]})
    assert list(found) == ["upstream.ignorePaths[1]"]


@pytest.mark.parametrize("pattern", ["", r"\.css$", "(?i)x", "^/assets/", "a|b"])
def test_ignored_paths(faults, pattern):
    assert faults(upstream={"ignorePaths": [pattern]}) == {}


@pytest.mark.parametrize(
    ("headers", "bad"),
    [([], []), (["X-Id", "session"], []), ([""], [0]), (["X Id"], [0]), (["a", "b:"], [1])],
)
def test_sessions_are_named_by_headers(faults, headers, bad):
    found = faults(ui={"activity": {"session_id": headers}})
    assert list(found) == [f"ui.activity.session_id[{index}]" for index in bad]
