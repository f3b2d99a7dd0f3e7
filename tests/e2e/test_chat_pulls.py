"""Models brought in from the chat's admin page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House
from tests.fakes.hub import Hub

from paddock.storage.users import Role

REPO = "maker/tiny-GGUF"
PULLS = "/api/admin/pulls"


class Shop(NamedTuple):
    house: House
    hub: Hub
    admin: Visitor
    user: Visitor


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Hub(tmp_path) as hub:
        house = House(tmp_path)
        data = Gguf().write(tmp_path / "made").read_bytes() + bytes(1 << 20)
        hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": data, "tiny-Q8_0.gguf": data + bytes(4096)})
        people = visitors(house, ada=Role.ADMIN, bob=Role.USER)
        house.start(house.config(listen=CHAT_DOOR, pulls={"endpoint": hub.url}))
        yield Shop(house, hub, people["ada"], people["bob"])
        house.stop()


def test_a_model_is_found_brought_in_and_told_to_all(shop):
    admin = shop.admin
    offered = admin.get(f"/api/admin/quants?name={REPO}")
    assert {row["quant"] for row in offered["rows"]} == {"Q4_K_M", "Q8_0"}
    with admin.live() as events, shop.user.live() as others:
        others.until("models", lambda models: not models)
        begun = admin.ask("POST", PULLS, {"name": REPO, "quant": "Q4_K_M"})
        assert begun.status == 202
        number = begun.json()["id"]
        done = events.until("pull", lambda one: one["id"] == number and one["state"] == "done")
        assert [file["completed"] == file["total"] > 0 for file in done["files"]] == [True]
        (model,) = others.until("models", lambda models: models)
        assert model["id"] in done["models"]
        assert not [name for name, _ in others.heard if name == "pull"]
    assert number in {one["id"] for one in admin.get(PULLS)["pulls"]}
    disk = admin.get("/api/admin/disk")
    assert disk["models"][0]["size"] > 1 << 20


def test_a_pull_is_cancelled(shop):
    shop.hub.switch(rate=64 << 10)
    number = shop.admin.ask("POST", PULLS, {"name": REPO, "quant": "Q8_0"}).json()["id"]
    ended = shop.admin.ask("DELETE", f"{PULLS}/{number}").json()
    assert ended["state"] == "cancelled"
    assert shop.admin.ask("DELETE", f"{PULLS}/nothing").status == 404


@pytest.mark.parametrize("body", [{}, {"name": 5}, {"name": "maker/x", "files": 7}])
def test_a_body_that_names_nothing_is_refused(shop, body):
    answer = shop.admin.ask("POST", PULLS, body)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_why_a_pull_failed_is_told(shop):
    with shop.admin.live() as events:
        shop.admin.ask("POST", PULLS, {"name": "maker/none"})
        failed = events.until("pull", lambda one: one["error"])
        assert failed["error"]["code"] == "needs_token"  # as the hub says of what is not there
