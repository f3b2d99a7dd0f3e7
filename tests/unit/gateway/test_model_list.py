"""Which entry of `/v1/models` a name leads to."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import make_mocked_request
from tests.fakes.scripted import Upstream, reply, says

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.errors import UnknownModel
from paddock.events import EventBus, InstanceState
from paddock.gateway.model_list import ModelList
from paddock.gateway.naming import Names
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.gateway.routes import Call
from paddock.library.catalog import build

MODELS = {"a": {"cmd": "a", "aliases": ["also a"]}, "b": {"cmd": "b"}, "far/c": {"cmd": "c"}}
SELECTORS = {
    "sel": {"strategy": "pin", "targets": ["b"]},
    "secret": {"strategy": "pin", "targets": ["a"], "unlisted": True},
}
PROFILES = {"p": {"pins": {"to a": "also a", "to b": "b", "to sel": "SEL", "b": "a", "off": None}}}
RUNNING = SimpleNamespace(model="b", state=InstanceState.READY)


class Listed:
    """The list of a configuration, of which `b` is in memory."""

    def __init__(self, **peers: Any) -> None:
        config = Config.model_validate(
            {"models": MODELS, "selectors": SELECTORS, "profiles": PROFILES, "peers": peers}
        )
        current, bus = Current(config), EventBus()
        scheduler: Any = SimpleNamespace(
            snapshot=lambda: SimpleNamespace(instances=(RUNNING,)),
            occupation=lambda name: (RUNNING.state if name == "b" else None, 0),
        )
        library: Any = SimpleNamespace(catalog=build([], [], config))
        self.profiles, self.peers = Profiles(current, bus), Peers(current, bus)
        names = Names(current, bus, library, scheduler, self.profiles, self.peers)
        self._list = ModelList(current, library, scheduler, names, self.profiles, self.peers)

    async def all(self) -> dict[str, Any]:
        answer = await self._list.models(_call("/v1/models"))
        return {entry["id"]: entry for entry in json.loads(answer.text or "")["data"]}

    async def one(self, name: str) -> Any:
        answer = await self._list.model(_call(f"/v1/models/{name}"))
        return json.loads(answer.text or "")


def _call(path: str) -> Call:
    return Call(make_mocked_request("GET", quote(path)), "r1")


@pytest.mark.parametrize(
    ("profile", "name", "found"),
    [
        (None, "a", "a"),
        (None, "ALSO A", "a"),
        (None, "sel", "sel"),
        (None, "SEL:latest", "sel"),
        (None, "secret", "secret"),
        ("p", "to a", "to a"),
        ("p", "TO A", "a"),
        ("p", "To Sel", "sel"),
    ],
)
async def test_an_entry_is_found_by_any_name_that_leads_to_it(
    profile: str | None, name: str, found: str
) -> None:
    listed = Listed()
    listed.profiles.activate(profile)

    assert (await listed.one(name))["id"] == found


@pytest.mark.parametrize("name", ["off", "nobody"])
async def test_a_name_that_leads_nowhere_has_no_entry(name: str) -> None:
    listed = Listed()
    listed.profiles.activate("p")

    with pytest.raises(UnknownModel):
        await listed.one(name)


async def test_a_pin_is_as_loaded_as_what_it_leads_to() -> None:
    listed = Listed()
    listed.profiles.activate("p")

    told = await listed.all()

    values = {name: told[name]["status"]["value"] for name in ("to a", "to b", "to sel")}
    assert values == {"to a": "unloaded", "to b": "loaded", "to sel": "loaded"}
    assert told["b"]["meta"]["llamaswap"]["type"] == "model"
    assert "secret" not in told


async def test_a_model_here_is_listed_where_a_peer_has_one_of_the_same_name() -> None:
    server = Upstream(says([reply(b'{"data": [{"id": "c"}, {"id": "d"}]}')]))
    async with server.listening():
        listed = Listed(far={"proxy": f"http://127.0.0.1:{server.port}"})
        await listed.peers.all["far"].ask()

        told = await listed.all()
        await listed.peers.aclose()

    kinds = {name: told[name]["meta"]["llamaswap"]["type"] for name in ("far/c", "far/d")}
    assert kinds == {"far/c": "model", "far/d": "peer"}
