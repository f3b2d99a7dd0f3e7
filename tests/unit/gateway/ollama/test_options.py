"""A request's options, in Ollama's words and in llama-server's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import InvalidOption, InvalidRequest
from paddock.gateway.ollama.options import checked, loading, own_sampling, sampling
from paddock.library import variant
from paddock.library.model import NOT_SAID, LoadOptions
from paddock.library.modelfile import PARAMETERS

DEFAULTS = {
    "n_keep": 4, "seed": -1, "n_predict": -1, "top_k": 40, "top_p": 0.9, "min_p": 0.0,
    "typical_p": 1.0, "repeat_last_n": 64, "temperature": 0.8, "repeat_penalty": 1.0,
    "presence_penalty": 0.0, "frequency_penalty": 0.0, "stop": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stop": "x"}, 'option "stop" must be of type array'),
        ({"stop": [1]}, 'option "stop" must be of an array of strings'),
        ({"num_ctx": "8"}, 'option "num_ctx" must be of type integer'),
        ({"num_ctx": True}, 'option "num_ctx" must be of type integer'),
        ({"temperature": "hot"}, 'option "temperature" must be of type float32'),
        ({"temperature": 10**400}, 'option "temperature" must be of type float32'),
        ({"use_mmap": 1}, 'option "use_mmap" must be of type boolean'),
        ([], "`options` must be an object"),
    ],
)
def test_a_wrong_type_is_refused_in_ollamas_words(options: Any, text: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        checked(options)

    assert refused.value.message == text


def test_what_is_unknown_or_null_is_as_if_it_was_not_said() -> None:
    assert checked({"nonsense": 1, "seed": None, "mirostat": 2, "top_k": 3.9}) == {"top_k": 3}
    assert checked(None) == {}


ANYTHING = (
    st.none()
    | st.booleans()
    | st.text()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.lists(st.text())
)


@given(st.dictionaries(st.sampled_from([*PARAMETERS, "x"]), ANYTHING))
def test_whatever_is_said_gets_its_type_or_a_refusal(options: dict[str, Any]) -> None:
    try:
        told = checked(options)
    except InvalidOption:
        return
    assert all(type(value) is PARAMETERS[name] for name, value in told.items())


def test_all_sampling_is_told_always() -> None:
    assert sampling({}, {}) == DEFAULTS


def test_a_request_goes_before_a_parameter_and_that_before_the_default() -> None:
    told = sampling({"top_k": 1}, {"top_k": 2, "num_predict": 3, "num_ctx": 4})

    assert told == DEFAULTS | {"top_k": 1, "n_predict": 3}
    assert own_sampling({"num_predict": 3, "num_ctx": 4, "stop": ("a",)}) == {
        "n_predict": 3,
        "stop": ["a"],
    }


def test_what_is_about_loading_is_told_apart() -> None:
    said = {"num_ctx": 1, "num_gpu": 9, "num_batch": 7, "num_thread": 2, "use_mmap": False,
            "main_gpu": 1, "top_k": 5}  # fmt: skip

    assert variant.checked(loading(said)) == LoadOptions(4, 9, 7, 2, False, 1)
    nothing = loading({"num_ctx": 0, "num_gpu": -1, "num_thread": 0, "num_batch": 0})
    assert variant.checked(nothing) == NOT_SAID


@pytest.mark.parametrize("option", ["num_ctx", "num_batch", "num_thread", "main_gpu"])
def test_less_than_nothing_is_not_taken_for_nothing(option: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{option} is -3"):
        variant.checked(loading({option: -3}))


def test_counts_that_an_engine_cannot_hold_are_its_largest() -> None:
    said = checked({"num_predict": 1e300, "top_k": -(1 << 40), "seed": 1 << 40})
    assert said == {"num_predict": (1 << 31) - 1, "top_k": 1 - (1 << 31), "seed": 1 << 40}
