"""Takes the pictures of the docs: a chat on a desktop and on a phone. Needs Chromium."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.fakes.browser import DESKTOP, PHONE, chromium, lacking, visiting  # noqa: E402
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors  # noqa: E402
from tests.fakes.house import House  # noqa: E402

from paddock.storage.users import Role  # noqa: E402

IMAGES = ROOT / "docs" / "images"
QUESTION = "Why do llamas hum? Answer with a small table."
ANSWER = """Llamas hum to talk to each other. The tone tells what it is about:

| Hum | Means |
|---|---|
| short and rising | *Who is there?* |
| long and low | tired, or too warm |
| soft, nose to nose | a mother and her cria |

A herd of $n$ llamas has $\\frac{n(n-1)}{2}$ pairs that can hum to each other:

```python
def pairs(n: int) -> int:
    return n * (n - 1) // 2
```
"""
OLDER = ("Soup with what is in the fridge", "A letter to the school", "Fractions, once more")


def main() -> int:
    """Take both."""
    if why := lacking():
        print(why, file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder, house(Path(folder)) as (there, ann), chromium() as browser:
        for name, size, scheme in (("desktop", DESKTOP, "light"), ("phone", PHONE, "dark")):
            with visiting(browser, there.chat_url, ann, size, color_scheme=scheme) as room:
                room.open(f"/c/{ann.get('/api/chats')['chats'][0]['id']}")
                room.page.locator(".katex").first.wait_for()
                room.page.locator(".hljs-keyword").first.wait_for()
                room.page.screenshot(path=IMAGES / f"chat-{name}.png", animations="disabled")
    return 0


@contextmanager
def house(folder: Path) -> Iterator[tuple[House, Visitor]]:
    """A daemon with a few models and chats, and its admin."""
    there = House(folder)
    ann = visitors(there, ann={"role": Role.ADMIN, "name": "Ann"})["ann"]
    models = ("gemma3-12b", "qwen3-30b-a3b", "llama3.2-3b")
    there.start(
        there.config(listen=CHAT_DOOR, models={name: {"cmd": there.command()} for name in models})
    )
    try:
        for title in OLDER:
            ann.ask("POST", "/api/chats", {"title": title})
        there.load(models[0])
        ask(there, ann, folder, models[0])
        yield there, ann
    finally:
        there.stop()


def ask(there: House, ann: Visitor, folder: Path, model: str) -> None:
    """The question, and its answer."""
    said = folder / "answer.md"
    said.write_text(ANSWER)
    chat = ann.ask("POST", "/api/chats", {"settings": {"model": model}}).json()["id"]
    path = f"/api/chats/{chat}"
    sent = ann.ask(
        "POST", f"{path}/messages", {"content": f"fake read={said} tps=40 speed=31.4"}
    ).json()
    there.until(lambda: ann.get(path)["messages"][-1]["state"] == "done", "it is said")
    ann.ask("PATCH", f"{path}/messages/{sent['message']['id']}", {"content": QUESTION})
    ann.ask("PATCH", path, {"title": "Why llamas hum"})


if __name__ == "__main__":
    sys.exit(main())
