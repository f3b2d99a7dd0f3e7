import pytest
from pydantic import ValidationError

from paddock.config.schema import Config
from paddock.units import parse_bytes


@pytest.mark.parametrize(
    "origin",
    ["https://registry.example.lan", "http://127.0.0.1:5000", "http://[::1]:5000/", "https://nas"],
)
def test_origins_of_registries(faults, origin):
    assert faults(registries=[origin], registryMirror=origin) == {}


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "nas:5000",
        "ftp://nas",
        "http://ann:secret@nas",
        "http://nas/v2",
        "http://nas?x",
        "//nas",
    ],
)
def test_what_is_no_origin_of_a_registry(faults, origin):
    assert set(faults(registries=[origin])) == {"registries[0]"}
    assert faults(registryMirror=origin).keys() == ({"registryMirror"} if origin else set())


def test_the_address_of_the_hub_may_have_a_path(faults):
    assert faults(pulls={"endpoint": "https://mirror.example.lan/hf"}) == {}
    assert set(faults(pulls={"endpoint": "mirror"})) == {"pulls.endpoint"}
    assert set(faults(pulls={"endpoint": "https://ann:secret@mirror"})) == {"pulls.endpoint"}


@pytest.mark.parametrize(
    ("text", "count"),
    [(0, 0), (2048, 2048), ("20MB", 2 * 10**7), ("1.5 GiB", 3 << 29), ("2t", 2 * 10**12)],
)  # fmt: skip
def test_sizes(text, count):
    assert parse_bytes(text) == count
    assert Config.model_validate({"pulls": {"quota": text}}).pulls.quota == count


@pytest.mark.parametrize("text", ["", "x", "-1", -1, True, "1 EB", "1e9", float("inf"), [], None])
def test_what_is_no_size(text):
    if text is None:
        assert Config.model_validate({"pulls": {"rate": text}}).pulls.rate == 0
        return
    with pytest.raises(ValidationError, match="a size"):
        Config.model_validate({"pulls": {"rate": text}})
