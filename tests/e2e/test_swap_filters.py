"""llama-swap's filters: in which order, by which name, into which depth, and never the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.house import House

FILTERS: dict[str, dict[str, Any]] = {
    "bare": {},
    "strips": {"stripParams": "a, b.c , model,, deep.er.est"},
    "strips-list": {"stripParams": ["a", "b.c"]},
    "sets": {"setParams": {"a": 1, "b.c": 2, "model": "evil", "n": None, "l": [1, {"x": 2}]}},
    "both": {"stripParams": "a, s", "setParams": {"a": 1, "t": 2}},
    "by-id": {
        "stripParams": "a",
        "setParams": {"a": 1, "b": 1, "o.x": 1},
        "setParamsByID": {
            "by-id": {"mine": True},
            "by-id:hot": {"a": 2, "o.y": 2},
            "hotter": {"a": 3, "b": 3, "model": "evil"},
            "odd/name with blanks": {"a": 4},
        },
    },
}
RENAMED = "its/own-name"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a model of each kind of filter, and each of them once more with a new name."""
    house = House(tmp_path_factory.mktemp("home"))
    cmd = house.command()
    models: dict[str, Any] = {name: {"cmd": cmd, "filters": said} for name, said in FILTERS.items()}
    for name in ("bare", "strips", "sets", "both"):
        models[f"{name}-new"] = models[name] | {"useModelName": RENAMED}
    together = {"all": {"swap": False, "members": list(models)}}
    house.start(house.config(models=models, groups=together))
    yield house
    house.stop()


def passed(home: House, asked: str, body: dict[str, Any], path: str = "/v1/embeddings") -> Any:
    """What the model's server got of this body, without the model's name."""
    model = home.get(f"/v1/models/{asked.replace(' ', '%20')}")["id"]
    answer = home.ask("POST", path, {"model": asked, **body})
    assert answer.status == 200, answer.text
    got = json.loads(home.last_request(model)["body"])
    assert got.pop("model") == (RENAMED if model.endswith("-new") else asked)
    return got


ROWS: tuple[tuple[str, Any, Any], ...] = (
    # nothing to do
    ("bare", {}, {}),
    ("bare", {"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}),
    # strip
    ("strips", {}, {}),
    ("strips", {"a": 1}, {}),
    ("strips", {"a": None, "aa": 1, "A": 2}, {"aa": 1, "A": 2}),
    ("strips", {"a": {"x": 1}, "c": 3}, {"c": 3}),
    ("strips", {"b": {"c": 1}}, {"b": {}}),
    ("strips", {"b": {"c": 1, "d": 2}}, {"b": {"d": 2}}),
    ("strips", {"b": 5}, {"b": 5}),
    ("strips", {"b": "c"}, {"b": "c"}),
    ("strips", {"b": [{"c": 1}]}, {"b": [{"c": 1}]}),
    ("strips", {"b": {"model": 1}}, {"b": {"model": 1}}),
    ("strips", {"deep": {"er": {"est": 1, "k": 2}}}, {"deep": {"er": {"k": 2}}}),
    ("strips", {"deep": {"er": None}}, {"deep": {"er": None}}),
    ("strips-list", {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2}}),
    # set
    ("sets", {}, {"a": 1, "b": {"c": 2}, "n": None, "l": [1, {"x": 2}]}),
    ("sets", {"a": 5}, {"a": 1, "b": {"c": 2}, "n": None, "l": [1, {"x": 2}]}),
    ("sets", {"b": {"d": 1}}, {"a": 1, "b": {"d": 1, "c": 2}, "n": None, "l": [1, {"x": 2}]}),
    ("sets", {"b": {"c": 9}}, {"a": 1, "b": {"c": 2}, "n": None, "l": [1, {"x": 2}]}),
    ("sets", {"l": "x"}, {"a": 1, "b": {"c": 2}, "n": None, "l": [1, {"x": 2}]}),
    ("sets", {"z": [0]}, {"a": 1, "b": {"c": 2}, "n": None, "l": [1, {"x": 2}], "z": [0]}),
    # strip, then set
    ("both", {}, {"a": 1, "t": 2}),
    ("both", {"a": 9, "s": 9, "t": 9, "u": 9}, {"a": 1, "t": 2, "u": 9}),
    # strip, then set, then by the name that was asked for
    ("by-id", {}, {"a": 1, "b": 1, "o": {"x": 1}, "mine": True}),
    ("by-id", {"a": 9, "o": {"z": 9}}, {"a": 1, "b": 1, "o": {"x": 1, "z": 9}, "mine": True}),
    ("by-id:hot", {}, {"a": 2, "b": 1, "o": {"x": 1, "y": 2}}),
    ("hotter", {"a": 9, "b": 9}, {"a": 3, "b": 3, "o": {"x": 1}}),
    ("HOTTER", {}, {"a": 3, "b": 3, "o": {"x": 1}}),
    ("odd/name with blanks", {}, {"a": 4, "b": 1, "o": {"x": 1}}),
)


@pytest.mark.parametrize(("asked", "sent", "got"), ROWS)
def test_what_a_server_is_sent(home: House, asked: str, sent: Any, got: Any) -> None:
    assert passed(home, asked, sent) == got


@pytest.mark.parametrize(
    ("asked", "sent", "got"),
    [
        (f"{asked}-new", sent, got)
        for asked, sent, got in ROWS
        if asked in {"bare", "strips", "sets", "both"}
    ],
)
def test_and_by_its_own_name(home: House, asked: str, sent: Any, got: Any) -> None:
    assert passed(home, asked, sent) == got


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/reranking",
        "/rerank",
        "/reranking",
        "/infill",
        "/completion",
        "/v1/audio/speech",
        "/v1/audio/voices",
        "/v1/images/generations",
        "/v1/images/edits",
        "/sdapi/v1/txt2img",
        "/sdapi/v1/img2img",
        "/audioapi/v1/tasks/run",
        "/v/chat/completions",
        "/v/completions",
        "/v/responses",
        "/v/messages",
        "/v/embeddings",
    ],
)
def test_at_every_endpoint(home: House, path: str) -> None:
    sent = {"s": 1, "a": 9, "u": 9, "max_tokens": 2}
    body = {"messages": [{"role": "user", "content": "x"}], "prompt": "x", "input": "x"}
    got = passed(home, "both-new", sent | body, path)

    assert {key: got.get(key) for key in ("a", "s", "t", "u")} == {
        "a": 1,
        "s": None,
        "t": 2,
        "u": 9,
    }


@pytest.mark.parametrize("asked", ["bare", "strips", "strips-list"])
@pytest.mark.parametrize(
    "raw", [b' "x" : 1.0e+2 }\n', b' "\\u00fc":"\xc3\xbc"}', b' "n": 12345678901234567890}']
)
def test_what_needs_no_change_is_not_written_anew(home: House, asked: str, raw: bytes) -> None:
    body = b'{ "model":"%s",%s' % (asked.encode(), raw)
    assert home.ask("POST", "/v1/embeddings", body).status == 200

    assert home.last_request(asked)["body"].encode() == body
