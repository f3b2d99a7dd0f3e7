"""What a model's recipe adds to a request."""

from typing import Any

import pytest

from paddock.gateway.recipes import told_by, with_messages
from paddock.library.model import Recipe, Said

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "u"}
FEW = (Said("user", "q"), Said("assistant", "a"))
SHOTS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


@pytest.mark.parametrize(
    ("recipe", "messages", "told"),
    [
        (Recipe(), [USER], [USER]),
        (Recipe(system="s"), [USER], [system("s"), USER]),
        (Recipe(system="s"), [system("mine"), USER], [system("mine"), USER]),
        (Recipe(messages=FEW), [USER], [*SHOTS, USER]),
        (Recipe(system="s", messages=FEW), [USER], [system("s"), *SHOTS, USER]),
        (Recipe(system="s", messages=FEW), [system("mine"), USER],
         [system("mine"), *SHOTS, USER]),
        (Recipe(system="s", messages=FEW), [], []),
    ],
)  # fmt: skip
def test_system_and_messages_go_before_a_conversation(
    recipe: Recipe, messages: list[Any], told: list[Any]
) -> None:
    assert with_messages(recipe, messages) == told


def test_a_recipe_without_anything_changes_nothing() -> None:
    body = {"messages": [USER]}

    assert told_by(Recipe(template="t"), CHAT, body) is body
    assert told_by(Recipe(system="s"), "/v1/embeddings", body) is body


def test_parameters_take_the_place_of_what_is_not_said() -> None:
    recipe = Recipe(parameters={"temperature": 0.1, "num_predict": 9, "stop": ["x"], "num_ctx": 7})

    told = told_by(recipe, CHAT, {"messages": [USER], "temperature": None, "max_tokens": 3})

    assert told == {"messages": [USER], "temperature": 0.1, "max_tokens": 3, "stop": ["x"]}
    assert told_by(recipe, "/v1/completions", {"prompt": "p", "temperature": 0})["temperature"] == 0


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/messages", "system"), ("/v1/responses", "instructions")]
)
def test_the_system_message_may_be_a_field(path: str, field: str) -> None:
    assert told_by(Recipe(system="s"), path, {"x": 1}) == {"x": 1, field: "s"}
    assert told_by(Recipe(system="s"), path, {field: "mine"}) == {field: "mine"}
