"""Titles: one plain line of at most 60 characters, whatever was said."""

from __future__ import annotations

import pytest

from paddock.chat.titles import LONGEST, asked, first_words, sanitised


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("How do I bake bread?", "How do I bake bread?"),
        ("## **Bake** `bread`\n- now", "Bake bread now"),
        ("[a link](http://x.example) and ![a cat](cat.png)", "a link and a cat"),
        ("```python\nprint(snake_case)\n```", "print(snake_case)"),
        ("  \n ", "New chat"),
        ("a\u202eb\x00c\u200bd", "a b c d"),
        ("word " * 40, "word word word word word word word word word word word word…"),
        ("x" * 100, "x" * 59 + "…"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    ],
)
def test_first_words(text: str, title: str) -> None:
    found = first_words(text, "New chat")
    assert found == title
    assert len(found) <= LONGEST


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ('"Baking Bread."\nIs that fine?', "Baking Bread"),
        ("Title: Baking Bread", "Baking Bread"),
        ("<think>hm\nhm</think>\n\n**Bread**", "Bread"),
        ("<think>never ends", ""),
        ("", ""),
        ("„Brot backen“", "Brot backen"),
    ],
)
def test_what_a_model_says_is_made_a_title(said: str, title: str) -> None:
    assert sanitised(said) == title


def test_a_title_is_asked_for_shortly() -> None:
    picture = [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "look"}]
    request = asked(
        {
            "messages": [
                {"role": "user", "content": picture},
                {"role": "assistant", "content": "x" * 9000},
            ],
            "temperature": 2,
        }
    )
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]
    assert request["messages"][0]["content"] == "look"
    assert len(request["messages"][1]["content"]) == 2000
    assert request["max_tokens"] <= 64
