"""A daemon whose configuration is rewritten while it works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.fakes.caller import Crowd
from tests.fakes.house import House

Json = dict[str, Any]

REWRITES = 200
LEAST = 60
"""Of the rewrites under load at least so many requests have to go well."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon that does not watch its file, so that a test says when it is read."""
    house = House(tmp_path_factory.mktemp("reload"))
    house.add("found")
    house.start(base(house))
    yield house
    house.stop()


@pytest.fixture
def lived_in(running: House) -> Iterator[House]:
    """The daemon, as it was after the test."""
    yield running
    reload(running, base(running), key="k")
    running.ask("POST", "/api/models/unload")


@pytest.fixture
def callers(lived_in: House) -> Iterator[Crowd]:
    """Clients of the daemon, gone after the test."""
    crowd = Crowd(lived_in)
    yield crowd
    crowd.close()


def base(house: House, **changes: Any) -> Json:
    """The configuration that every test begins with."""
    settings = {
        "watchConfig": False,
        "maxLoadedModels": 4,
        "defaultTtl": 0,
        "models": {"steady": {"cmd": house.command()}, "other": {"cmd": house.command()}},
    }
    return house.config(**settings | changes)


def with_model(house: House, name: str, **fields: Any) -> Json:
    """The first configuration with another entry for one model."""
    models = base(house)["models"]
    return base(house, models={**models, name: models.get(name, {}) | fields})


def file(house: House) -> Path:
    return house.folder / "paddock.yaml"


def write(house: House, config: Json | str) -> None:
    """Replace the file at once, as editors that take care do."""
    text = config if isinstance(config, str) else json.dumps(config)
    fresh = file(house).with_suffix(".tmp")
    fresh.write_text(text)
    fresh.rename(file(house))


def reload(house: House, config: Json | str, key: str = "") -> Any:
    """Write the file and reload it; what the daemon says to that."""
    write(house, config)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return house.ask("POST", "/api/paddock/reload", {}, headers).json()


def pid(house: House, model: str) -> int | None:
    """The process of a model that is in memory."""
    instances = house.get("/api/paddock/instances")["instances"]
    return next((one["pid"] for one in instances if one["model"] == model), None)


# --- two hundred rewrites


class Load:
    """Callers that ask one model all the time, and what went wrong for them."""

    def __init__(self, house: House, model: str) -> None:
        self._house = house
        self._model = model
        self._done = threading.Event()
        self.failures: list[str] = []
        self.answered = 0
        asks: list[Callable[[], None]] = [self._whole, self._stream, self._stream]
        self._threads = [threading.Thread(target=self._ask, args=(ask,)) for ask in asks]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, ask: Callable[[], None]) -> None:
        while not self._done.is_set():
            try:
                ask()
                self.answered += 1
            except Exception as error:  # noqa: BLE001
                self.failures.append(repr(error))

    def _whole(self) -> None:
        answer = self._house.chat(self._model, "fake tokens=5 tps=100")
        assert answer.status == 200, answer.text

    def _stream(self) -> None:
        answer = self._house.chat(self._model, "fake tokens=30 tps=60", stream=True)
        assert answer.status == 200, answer.text
        assert answer.events()[-1] == "[DONE]", answer.text[-300:]


def rewritten(house: House, number: int) -> Json | str:
    """The file of the n-th rewrite: another command, another setting, broken, or without it."""
    match number % 5:
        case 0:
            return with_model(house, "other", cmd=house.command("--fake", f"chatter={number}"))
        case 1:
            return with_model(house, "other", ttl=number)
        case 2:
            return json.dumps(base(house))[: 100 + number]
        case 3:
            return base(house, models={"steady": base(house)["models"]["steady"]})
        case _:
            return with_model(house, "other", aliases=[f"alias-{number}"])


def test_two_hundred_rewrites_do_not_touch_a_model_that_did_not_change(house: House) -> None:
    house.start(base(house, watchConfig=True))
    house.chat("steady")
    process = pid(house, "steady")

    with Load(house, "steady") as load:
        for number in range(REWRITES):
            config = rewritten(house, number)
            if number % 3:
                write(house, config)
            else:  # in place, empty for a moment, and in two pieces
                text = config if isinstance(config, str) else json.dumps(config)
                with file(house).open("w") as rewriting:
                    rewriting.write(text[:50])
                    rewriting.flush()
                    rewriting.write(text[50:])
            answer = house.ask("POST", "/api/paddock/reload", {})
            assert answer.status == (400 if isinstance(config, str) else 200), answer.text
            if number % 10 == 0:
                assert house.chat("other").status == 200
        house.until(lambda: load.answered >= LEAST, "enough was asked")

    assert load.failures == []
    assert pid(house, "steady") == process
    assert house.get("/api/config")["refused"] is None
    assert house.chat(f"alias-{REWRITES - 1}").status == 200
    assert house.said.count("Traceback") == 0


# --- what a change means for a model


def test_a_changed_model_drains_and_starts_anew_when_it_is_next_asked_for(
    lived_in: House, callers: Crowd, tmp_path: Path
) -> None:
    lived_in.chat("other")
    before = pid(lived_in, "other")
    gate = tmp_path / "gate"
    streaming = callers.ask("other", f"tokens=6 gate_at=3 gate={gate}").until("t1")

    told = reload(lived_in, with_model(lived_in, "other", cmd=lived_in.command("-fa", "on")))
    assert told["models"]["replaced"] == ["other"]
    assert [change["key"] for change in told["changes"]] == ["models.other.cmd"]
    assert pid(lived_in, "other") == before
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(lived_in.chat("other").status))
    asking.start()
    gate.touch()
    assert b"data: [DONE]" in streaming.finish().body
    asking.join()

    assert answers == [200]
    assert pid(lived_in, "other") not in (before, None)
    assert "-fa on" in lived_in.get("/running")["running"][0]["cmd"]


def test_a_removed_model_goes(lived_in: House) -> None:
    lived_in.chat("other")
    lived_in.chat("steady")

    told = reload(lived_in, base(lived_in, models={"steady": {"cmd": lived_in.command()}}))

    assert told["models"]["removed"] == ["other"]
    lived_in.until(lambda: lived_in.running() == ["steady"], "it has left")
    assert lived_in.chat("other").status == 404


def test_an_alias_answers_at_once_and_touches_no_process(lived_in: House) -> None:
    lived_in.chat("other")
    before = pid(lived_in, "other")

    told = reload(lived_in, with_model(lived_in, "other", aliases=["nick"]))

    assert told["models"]["refreshed"] == ["other"]
    assert lived_in.chat("nick").status == 200
    assert pid(lived_in, "other") == before


def test_a_time_to_live_counts_for_a_model_that_runs(lived_in: House) -> None:
    lived_in.chat("other")
    lived_in.chat("steady")

    reload(lived_in, with_model(lived_in, "other", ttl=0.2))

    lived_in.until(lambda: lived_in.running() == ["steady"], "it has left")


@pytest.mark.parametrize("name", ["other", "found"])
def test_more_requests_at_once_are_let_in_at_once(
    lived_in: House, callers: Crowd, tmp_path: Path, name: str
) -> None:
    reload(lived_in, with_model(lived_in, name, concurrencyLimit=1))
    gate = tmp_path / "gate"
    both = [callers.ask(name, f"tokens=2 gate={gate}") for _ in range(2)]
    lived_in.until(lambda: _active(lived_in, name) == 1, "one is served")

    reload(lived_in, with_model(lived_in, name, concurrencyLimit=2))

    lived_in.until(lambda: _active(lived_in, name) == 2, "both are served")
    gate.touch()
    for caller in both:
        assert b"data: [DONE]" in caller.finish().body


def _active(house: House, model: str) -> int:
    instances = house.get("/api/paddock/instances")["instances"]
    return sum(one["active"] for one in instances if one["model"] == model)


def test_limits_of_a_connection_count_for_a_model_that_runs(lived_in: House) -> None:
    assert lived_in.chat("other", "fake delay=1.5").status == 200

    reload(lived_in, with_model(lived_in, "other", timeouts={"responseHeader": 0.2}))

    answer = lived_in.chat("other", "fake delay=1.5")
    assert answer.status == 502
    assert "responseHeader" in answer.text


def test_settings_of_every_found_model_reach_found_models_only(lived_in: House) -> None:
    lived_in.chat("found")
    lived_in.chat("steady")
    before = pid(lived_in, "steady")

    told = reload(lived_in, base(lived_in, contextLength=1234))

    assert told["models"]["replaced"] == ["found"]
    lived_in.chat("found")
    commands = {one["model"]: one["cmd"] for one in lived_in.get("/running")["running"]}
    assert "--ctx-size 2468" in commands["found"]
    assert pid(lived_in, "steady") == before


def test_an_engine_that_changed_runs_the_next_start(lived_in: House) -> None:
    lived_in.chat("found")
    engine = {"llamaServer": str(lived_in.engine), "env": {"FAKE_TEXT": "changed"}}

    reload(lived_in, base(lived_in, engines={"fake": engine}))

    answer = lived_in.chat("found").json()
    assert "changed" in answer["choices"][0]["message"]["content"]


def test_a_folder_of_models_is_there_when_the_reload_is_done(lived_in: House) -> None:
    more = lived_in.folder / "more"
    more.mkdir()
    lived_in.add("late").rename(more / "late.gguf")

    told = reload(lived_in, base(lived_in, modelsDir=[str(lived_in.models), str(more)]))

    assert told["models"]["added"] == ["late"]
    assert lived_in.chat("late").status == 200


# --- the doors and the rest


def test_keys_count_from_the_next_request_on(lived_in: House) -> None:
    with lived_in.wire() as kept:
        kept.ask("GET", "/v1/models")
        assert kept.answer().status == 200

        reload(lived_in, base(lived_in, apiKeys=["k"]))

        kept.ask("GET", "/v1/models")
        assert kept.answer().status == 401
    assert lived_in.ask("GET", "/v1/models").status == 401
    assert lived_in.ask("GET", "/v1/models", headers={"X-Api-Key": "k"}).status == 200


def test_hosts_and_origins_count_from_the_next_request_on(lived_in: House) -> None:
    page = {"Host": "box.example", "Origin": "https://page.example"}
    assert lived_in.ask("GET", "/health", headers=page).status == 403

    reload(
        lived_in,
        base(lived_in, allowedHosts=["box.example"], allowedOrigins=["https://page.example"]),
    )

    assert lived_in.ask("GET", "/health", headers=page).status == 200


def test_how_much_is_logged_counts_at_once(lived_in: House) -> None:
    loads = lived_in.said.count("is in force: defaultTtl")
    reload(lived_in, base(lived_in, logLevel="warn", defaultTtl=1))
    reload(lived_in, base(lived_in, logLevel="warn", defaultTtl=2))
    reload(lived_in, base(lived_in, defaultTtl=3))

    lived_in.until(lambda: "is in force: defaultTtl, logLevel" in lived_in.said, "it is told")
    assert lived_in.said.count("is in force: defaultTtl") == loads + 1


def test_another_port_waits_for_a_restart_and_is_told(lived_in: House) -> None:
    listen = base(lived_in)["listen"] | {"openai": {"host": "127.0.0.1", "port": 45678}}

    told = reload(lived_in, base(lived_in, listen=listen, defaultTtl=33))

    assert told["needs_restart"] == ["listen.openai.port"]
    config = lived_in.get("/api/config")
    assert config["needs_restart"] == ["listen.openai.port"]
    assert config["config"]["listen"]["openai"]["port"] == 0
    assert config["config"]["defaultTtl"] == 33
    assert reload(lived_in, base(lived_in))["needs_restart"] == []


def test_a_broken_file_is_told_everywhere_and_forgotten_when_it_is_right(lived_in: House) -> None:
    lived_in.chat("steady")
    before = pid(lived_in, "steady")

    error = reload(lived_in, "models:\n  steady:\n    cmdd: x\n  - y\n")["error"]

    (problem,) = error["problems"]
    assert (problem["file"], problem["line"]) == (str(file(lived_in)), 4)
    assert error["code"] == "invalid_config"
    for health in (lived_in.get("/api/config"), lived_in.get("/api/paddock/status")["config"]):
        (told,) = health["refused"]["problems"]
        assert (told["file"], told["line"]) == (problem["file"], 4)
    assert f"{file(lived_in)}:4" in lived_in.get("/api/paddock/status")["warnings"][-1]
    assert f"{file(lived_in)}:4" in lived_in.said
    assert pid(lived_in, "steady") == before
    reload(lived_in, base(lived_in))
    assert lived_in.get("/api/config")["refused"] is None


def test_secrets_are_not_shown(lived_in: House) -> None:
    entry = {"cmd": lived_in.command(), "env": ["MY_TOKEN=s3cret"]}
    engine = {"llamaServer": str(lived_in.engine), "env": {"API_KEY": "s3cret"}}
    models = {"steady": entry}
    reload(lived_in, base(lived_in, apiKeys=["k-s3cret"], models=models, engines={"fake": engine}))

    shown = lived_in.ask("GET", "/api/config", headers={"X-Api-Key": "k-s3cret"})

    assert shown.status == 200
    assert "s3cret" not in shown.text
    reload(lived_in, base(lived_in), key="k-s3cret")


def test_the_signal_reloads(lived_in: House) -> None:
    write(lived_in, with_model(lived_in, "other", aliases=["by-signal"]))

    lived_in.signal(signal.SIGHUP)

    lived_in.until(lambda: lived_in.chat("by-signal").status == 200, "the alias answers")


def paddock(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paddock", *words],
        env=os.environ | {"PADDOCK_HOST": house.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_says_what_changed(lived_in: House) -> None:
    write(lived_in, with_model(lived_in, "new", cmd=lived_in.command()))
    said = paddock(lived_in, "reload")
    assert said.stdout.splitlines() == ["+ models.new", "new models: new"]
    assert said.returncode == 0

    again = paddock(lived_in, "reload")
    assert (again.stdout, again.stderr) == ("", "nothing has changed\n")


def test_the_command_says_what_is_wrong(lived_in: House) -> None:
    write(lived_in, 'defaultTtl: soon\nmodelsDirs: "/x"\n')

    said = paddock(lived_in, "reload")

    assert said.returncode == 1
    assert f"{file(lived_in)}:1: defaultTtl" in said.stderr
    assert f"{file(lived_in)}:2: modelsDirs" in said.stderr
    assert "Traceback" not in said.stderr


def test_status_is_one_screen(lived_in: House) -> None:
    lived_in.chat("steady")
    reload(lived_in, "models: [\n")

    said = paddock(lived_in, "status").stdout

    assert len(said.splitlines()) <= 24
    for word in (lived_in.url, "NOT TAKEN IN", str(file(lived_in)), "steady (ready, 0/", "fake"):
        assert word in said
    assert json.loads(paddock(lived_in, "status", "--json").stdout)["models"]["count"] == 3


# --- watching the file


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon that watches its file, which lies where Kubernetes would put it."""
    house = House(tmp_path_factory.mktemp("watched"))
    (house.folder / "v0").mkdir()
    (house.folder / "..data").symlink_to("v0")
    file(house).symlink_to("..data/paddock.yaml")
    house.start(base(house, watchConfig=True))
    yield house
    house.stop()


def test_the_named_models_are_loaded_at_the_start(house: House) -> None:
    models = {
        "steady": {"cmd": house.command(), "aliases": ["first-nick"]},
        "other": {"cmd": house.command("--fake", "die=exit")},
    }
    preload = {"on_startup": {"preload": ["first-nick", "stead", "other"]}}
    house.start(base(house, hooks=preload, models=models))

    house.until(lambda: "steady" in house.running(), "the model is loaded")
    house.until(lambda: "preload of stead: model 'stead' not found" in house.said, "told")
    assert "did you mean 'steady'" in house.said
    house.until(lambda: "preload of other: " in house.said, "the failure is told")


def test_the_named_models_are_loaded_after_a_reload(lived_in: House) -> None:
    lived_in.chat("other")
    preload = {"on_startup": {"preload": ["steady", "found"]}}

    reload(lived_in, base(lived_in, hooks=preload))

    everything = {"steady", "found", "other"}
    lived_in.until(lambda: set(lived_in.running()) == everything, "all are loaded")


def test_a_link_that_is_swapped_is_a_change(watched: House) -> None:
    for version in ("v1", "v2"):
        folder = watched.folder / version
        folder.mkdir()
        config = with_model(watched, "steady", aliases=[f"nick-{version}"])
        (folder / "paddock.yaml").write_text(json.dumps({**config, "watchConfig": True}))
        (watched.folder / "..next").symlink_to(version)
        (watched.folder / "..next").rename(watched.folder / "..data")

        watched.until(lambda v=version: watched.chat(f"nick-{v}").status == 200, "it is seen")
