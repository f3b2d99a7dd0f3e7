"""The `gpus` section: what owners may write, and what they are told."""

import json

import pytest

from paddock.config.gpus import Reservation
from paddock.config.load import load
from paddock.config.outline import example, known_keys
from paddock.config.schema import Config
from paddock.config.show import as_values
from paddock.errors import ConfigError


def read(said):
    return Config.model_validate({"gpus": said}).gpus


def test_one_rule_or_several():
    rule = {"reserve": "4GiB", "from": "8:00", "days": ["Friday", "sat"]}
    one = Reservation(reserve=4 << 30, from_="08:00", days=["fri", "sat"])
    assert read({"a": rule, "b": [rule, rule], "c": None, "d": []}) == {
        "a": [one],
        "b": [one, one],
        "c": [],
        "d": [],
    }


@pytest.mark.parametrize(
    ("amount", "kept"),
    [("all", 1000), ("ALL ", 1000), ("25%", 250), ("12.5 %", 125), ("0.5KB", 500), (7, 7)],
)
def test_amounts(amount, kept):
    assert read({"a": {"reserve": amount}})["a"][0].bytes_of(1000) == kept


@pytest.mark.parametrize(
    ("said", "line", "key", "words"),
    [
        ("a: {reserve: some}", 2, "gpus.a.reserve", "a percentage"),
        ("a: {reserve: 120%}", 2, "gpus.a.reserve", "like `reserve: 4GiB`"),
        ("a: {reserve: -1}", 2, "gpus.a.reserve", "a size"),
        ("a: {reserve: yes}\n  b: {from: x}", 2, "gpus.a.reserve", "a size"),
        ("a: {reserve: all, from: 25:00}", 2, "gpus.a.from", "a time of the day such as 18:00"),
        ("a: {reserve: all, until: 1800}", 2, "gpus.a.until", "a time of the day"),
        ("a: {reserve: all, days: [frei]}", 2, "gpus.a.days[0]", "expected 'mon', "),
        ("a: {reserve: all, days: fri}", 2, "gpus.a.days", "expected a list"),
        ("a: {reserve: all, form: 18:00}", 2, "gpus.a.form", "did you mean `from`?"),
        ("a:\n    from: 18:00", 2, "gpus.a.reserve", "is missing"),
        ("a:\n    reserve: all\n    untill: 18:00", 4, "gpus.a.untill", "did you mean `until`?"),
        ("a:\n    - reserve: all\n    - till: 3", 4, "gpus.a[1].till", "did you mean `until`?"),
        ("a: all", 2, "gpus.a", "like `a: {reserve: 4GiB}`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, said, line, key, words):
    file = tmp_path / "paddock.yaml"
    file.write_text(f"gpus:\n  {said}\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {"HOME": str(tmp_path)}, {})
    problem = next(one for one in caught.value.problems if one.key == key)
    assert (problem.file, problem.line) == (str(file), line)
    assert words in str(problem)


def test_what_is_shown_can_be_read_again():
    said = {"gpus": {"a": {"reserve": "25%", "from": "18:00", "days": ["fri"]}}}
    shown = json.loads(json.dumps(as_values(Config.model_validate(said))["gpus"]))
    assert Config.model_validate({"gpus": shown}) == Config.model_validate(said)


def test_the_schema_knows_a_rule_alone_and_in_a_list():
    assert known_keys(("gpus", "a")) == known_keys(("gpus", "a", 1))
    assert known_keys(("gpus", "a")) == ("reserve", "from", "until", "days")
    assert example(("gpus", "a")) == "a: {reserve: 4GiB}"
