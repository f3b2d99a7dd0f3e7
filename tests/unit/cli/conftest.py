import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from paddock.cli import main


@dataclass
class FakeDaemon:
    """Answers what it is told to, and keeps what it was asked."""

    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def json(self, request: str, value: object, status: int = 200) -> None:
        self.answers[request] = (status, "application/json", json.dumps(value).encode())

    def text(self, request: str, text: str, status: int = 200) -> None:
        self.answers[request] = (status, "text/plain; charset=utf-8", text.encode())


@pytest.fixture
def daemon():
    fake = FakeDaemon()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.asked.append((self.command, self.path, dict(self.headers), body))
            missing = (404, "text/plain", b"404 page not found")
            status, kind, data = fake.answers.get(f"{self.command} {self.path}", missing)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self):
            self.do_GET()

        def do_DELETE(self):
            self.do_GET()

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(tmp_path):
    """Runs the command line with an empty home and no settings of this machine's."""

    def run(*args: str, **env: str):
        clean = {
            "HOME": str(tmp_path / "home"),
            "PADDOCK_HOST": None,
            "OLLAMA_HOST": None,
            "PADDOCK_API_KEY": None,
            "PADDOCK_CONFIG": None,
            "PADDOCK_MODELS_DIR": None,
            "XDG_CONFIG_HOME": str(tmp_path / "home" / "xdg"),
        }
        return CliRunner().invoke(main, args, env=clean | env, prog_name="paddock")

    return run
