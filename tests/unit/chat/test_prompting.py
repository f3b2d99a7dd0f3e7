"""What a model is told: branch, files, and whose settings win."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from paddock.chat.params import checked, told
from paddock.chat.prompting import Attached, Wishes, body, estimate, wishes
from paddock.errors import InvalidRequest
from paddock.storage import messages
from paddock.storage.chats import Chat
from paddock.storage.files import File
from paddock.storage.messages import Message
from paddock.storage.presets import Preset
from paddock.storage.users import Role, User

NOTES = File("f1", "ann", "notes.txt", "text", "text/plain", 5, 3, 0, "milk and eggs")
CAT = File("f2", "ann", "cat\n.png", "image", "image/png", 3, 700, 0)
FILES = {"f1": NOTES, "f2": CAT}
URL = f"data:image/png;base64,{b64encode(b'png').decode()}"


def user(**settings: Any) -> User:
    return User("ann", "ann", "Ann", Role.USER, 0, 0, settings=settings)


def chat(last: str | None = None, /, **settings: Any) -> Chat:
    return Chat("c", "ann", 0, 0, model=last, settings=settings)


def said(*texts: str, files: tuple[str, ...] = ()) -> list[Message]:
    """A branch in which the two take turns; the files come with its last message."""
    roles: tuple[messages.Role, ...] = ("user", "assistant")
    return [
        Message(
            str(n), "ann", "c", None, roles[n % 2], text, n, "thoughts",
            files=files if n == len(texts) - 1 else (),
        )
        for n, text in enumerate(texts)
    ]  # fmt: skip


def preset(model: str = "", system: str = "", **params: Any) -> Preset:
    return Preset("p", None, "P", 0, 0, model, system, params)


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        ((user(model="a"), chat(), None, None, {}), Wishes("a")),
        ((user(model="a"), chat("b"), None, None, {}), Wishes("b")),
        ((user(model="a"), chat("b", model="c"), preset("d"), None, {}), Wishes("c")),
        ((user(model="a"), chat(), preset("d"), None, {}), Wishes("d")),
        ((user(model="a"), chat("b", model="c"), None, None, {"model": "e"}), Wishes("e")),
        ((user(system="u"), chat(system=""), preset(system="p"), None, {}), Wishes("", "")),
        ((user(system="u"), chat(), preset(system="p"), None, {}), Wishes("", "p")),
        (
            (
                user(params={"top_k": 1, "seed": 1}),
                chat(params={"top_k": 3}),
                preset(top_k=2, min_p=0.5),
                None,
                {"params": {"seed": 4}},
            ),
            Wishes("", "", {"top_k": 3, "seed": 4, "min_p": 0.5}),
        ),
        (
            (
                user(model="a", system="u"),
                chat(model="c", params={"top_k": 3}),
                None,
                preset("kids", "be kind", top_k=1),
                {"model": "e", "params": {"top_k": 9}},
            ),
            Wishes("kids", "be kind", {"top_k": 1}),
        ),
    ],
)
def test_what_is_nearer_wins(layers: Any, wanted: Wishes) -> None:
    assert wishes(*layers) == wanted


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"temperature": True}, "params.temperature"),
        ({"temperature": float("nan")}, "params.temperature"),
        ({"top_p": 1.1}, "params.top_p"),
        ({"max_tokens": 0}, "params.max_tokens"),
        ({"stop": "x"}, "params.stop"),
        ({"stop": [""]}, "params.stop"),
        ({"reasoning": "maybe"}, "params.reasoning"),
        ([], "params"),
    ],
)
def test_a_parameter_out_of_range_is_named(params: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked(params)
    assert refused.value.param == field


def test_an_unknown_parameter_is_told_the_nearest() -> None:
    with pytest.raises(InvalidRequest, match="topk") as refused:
        checked({"topk": 3})
    assert refused.value.hint == "did you mean top_k?"


@pytest.mark.parametrize(
    ("reasoning", "fields"),
    [
        ("auto", {}),
        ("on", {"chat_template_kwargs": {"enable_thinking": True}}),
        ("off", {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_reasoning_is_told_in_the_engines_words(reasoning: str, fields: dict[str, Any]) -> None:
    assert told({"reasoning": reasoning, "seed": 1}) == {"seed": 1, **fields}


def test_thoughts_and_answers_that_never_came_are_left_out() -> None:
    asked = body(Wishes("m", "Be brief."), said("one", "two", "three", "", "four"), Attached())
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three\n\nfour"},
    ]


def test_texts_come_before_the_message_under_their_names() -> None:
    asked = body(Wishes("m"), said("buy", files=("f1", "gone")), Attached(FILES))
    (message,) = asked["messages"]
    assert message["content"].startswith("File: notes.txt\n\nmilk and eggs\n\n")
    assert message["content"].endswith("\n\nbuy")


def test_pictures_are_seen_or_told_of() -> None:
    branch = said("look", files=("f2",))
    seen = body(Wishes("m"), branch, Attached(FILES, {"f2": b"png"}))["messages"][0]["content"]
    assert seen == [
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "look"},
    ]
    blind = body(Wishes("m"), branch, Attached(FILES))["messages"][0]["content"]
    assert blind == "[picture: cat .png]\n\nlook"


def test_a_picture_is_joined_with_what_follows_an_answer_that_never_came() -> None:
    first, second = said("look", files=("f2",))[0], said("a", "", "and?")[2]
    asked = body(Wishes("m"), [first, second], Attached(FILES, {"f2": b"png"}))
    (message,) = asked["messages"]
    assert [part["type"] for part in message["content"]] == ["image_url", "text", "text"]


def test_an_estimate_counts_words_and_pictures() -> None:
    attached = Attached(FILES, {"f2": b"png"})
    asked = body(Wishes("m"), said("x" * 360, files=("f2",)), attached)
    assert estimate(asked, attached) == 100 + 4 + 700
