from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.config.model_entry import ModelEntry
from paddock.errors import InvalidRequest
from paddock.library.model import NOT_SAID, HeaderSummary, LoadOptions, Model
from paddock.library.variant import (
    base,
    checked,
    context_of,
    joined,
    possible,
    serves,
    variant,
    widened,
)

DEFAULT = 8192


def model(*, trained=32768, options=NOT_SAID, fingerprint="1", cmd="", **settings):
    return Model(
        "m",
        path=None if cmd else Path("/m.gguf"),
        header=HeaderSummary(context_length=trained),
        fingerprint=fingerprint,
        options=options,
        settings=ModelEntry(cmd=cmd, **settings),
    )


def ctx(tokens):
    return LoadOptions(context=tokens)


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        (NOT_SAID, True),
        (LoadOptions(), True),
        (ctx(2048), True),
        (ctx(8192), True),
        (ctx(8193), False),
        (LoadOptions(gpu_layers=0), False),
        (LoadOptions(threads=4), False),
        (LoadOptions(mmap=True), True),
        (LoadOptions(mmap=False), False),
        (LoadOptions(main_gpu=0), False),
    ],
)
def test_a_plain_instance_serves_who_asks_for_no_more_than_it_has(asked, served):
    assert serves(model(), model(), asked, DEFAULT) is served


def test_a_variant_serves_who_asks_for_the_same_for_less_or_for_nothing():
    running = variant(model(), LoadOptions(context=16384, gpu_layers=3))
    for asked in (
        NOT_SAID,
        ctx(16384),
        ctx(100),
        LoadOptions(gpu_layers=3),
        LoadOptions(16384, 3),
    ):
        assert serves(running, model(), asked, DEFAULT)
    for asked in (ctx(16385), LoadOptions(gpu_layers=4), LoadOptions(batch=64)):
        assert not serves(running, model(), asked, DEFAULT)


def test_an_instance_of_another_version_serves_nobody():
    assert not serves(model(fingerprint="2"), model(), NOT_SAID, DEFAULT)
    assert not serves(variant(model(fingerprint="2"), ctx(1)), model(), NOT_SAID, DEFAULT)


def test_more_than_was_trained_for_is_as_good_as_all_of_it():
    running = variant(model(), ctx(1_000_000))
    assert context_of(running, DEFAULT) == 32768
    assert serves(running, model(), ctx(2_000_000), DEFAULT)


def test_a_variant_knows_what_it_was_made_of_and_differs_from_it_and_others():
    wide, wider = variant(model(), ctx(9000)), variant(model(), ctx(9001))
    assert wide.origin == base(wide) == "1"
    assert len({"1", wide.fingerprint, wider.fingerprint}) == 3
    assert variant(model(), ctx(9000)) == wide
    assert base(variant(wide, ctx(10000))) == "1"


def test_a_command_has_no_variants():
    command = model(cmd="serve it")
    assert variant(command, ctx(100)) is command
    assert serves(command, command, ctx(100_000), DEFAULT)


@pytest.mark.parametrize(
    ("asked", "entry", "parameter", "context"),
    [
        (None, None, None, 8192),
        (None, None, 4096, 4096),
        (None, 2048, 4096, 2048),
        (None, 0, 4096, 32768),
        (1024, 2048, 4096, 1024),
        (16384, 2048, 4096, 16384),
        (16384, None, 4096, 16384),
        (99999, None, None, 32768),
    ],
)
def test_the_context_is_the_requests_else_the_owners_else_the_models(
    asked, entry, parameter, context
):
    made = variant(model(options=ctx(parameter), context_length=entry), ctx(asked))
    assert context_of(made, DEFAULT) == context


def test_a_variant_keeps_the_parameters_that_a_request_does_not_mention():
    made = variant(model(options=LoadOptions(4096, threads=2)), LoadOptions(batch=64))
    assert made.options == LoadOptions(4096, threads=2, batch=64)
    assert context_of(made, DEFAULT) == 4096


def test_the_owners_context_outdoes_a_parameter_in_a_variant_too():
    owned = model(options=ctx(4096), context_length=2048)
    assert context_of(variant(owned, LoadOptions(batch=64)), DEFAULT) == 2048


def test_what_replaces_an_instance_has_at_least_its_context():
    running = variant(model(), LoadOptions(context=16384, threads=2))
    assert widened(LoadOptions(2048, batch=64), running, DEFAULT) == LoadOptions(
        16384, batch=64, threads=2
    )
    assert widened(LoadOptions(2048, batch=64), model(), DEFAULT).context == 8192


def test_two_wishes_together_are_the_larger_context_and_what_the_first_says():
    first, second = LoadOptions(100, gpu_layers=1), LoadOptions(200, gpu_layers=2, batch=3)
    assert joined(first, second) == LoadOptions(200, gpu_layers=1, batch=3)
    assert joined(first, NOT_SAID) is first


OPTIONS = st.builds(
    LoadOptions,
    context=st.none() | st.integers(1, 50_000),
    gpu_layers=st.none() | st.integers(0, 3),
    batch=st.none() | st.integers(1, 3),
    threads=st.none(),
    mmap=st.none() | st.booleans(),
    main_gpu=st.none() | st.integers(0, 1),
)


@given(OPTIONS, OPTIONS, OPTIONS, st.sampled_from([None, 0, 512, 65536]), st.integers(0, 40_000))
def test_what_is_made_for_a_request_serves_it(parameters, first, asked, own, trained):
    """Also in place of what another request had loaded: and that one's context is still there."""
    plain = model(options=parameters, context_length=own, trained=trained)
    made = variant(plain, checked(first))
    assert serves(made, plain, checked(first), DEFAULT)
    again = variant(plain, widened(checked(asked), made, DEFAULT))
    assert serves(again, plain, checked(asked), DEFAULT)
    assert context_of(again, DEFAULT) >= (context_of(made, DEFAULT) if asked.context else 0)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (LoadOptions(), NOT_SAID),
        (LoadOptions(context=0, batch=0, threads=0, gpu_layers=-1), NOT_SAID),
        (LoadOptions(gpu_layers=0, main_gpu=0), LoadOptions(gpu_layers=0, main_gpu=0)),
        (LoadOptions(context=1), ctx(4)),
        (LoadOptions(context=4096, mmap=False), LoadOptions(context=4096, mmap=False)),
    ],
)
def test_what_leaves_the_choice_to_the_engine_is_not_said(asked, kept):
    assert checked(asked) == kept


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (ctx(-1), "num_ctx"),
        (ctx(2**31), "num_ctx"),
        (ctx(10**5000), "num_ctx"),
        (LoadOptions(batch=-5), "num_batch"),
        (LoadOptions(batch=2**31), "num_batch"),
        (LoadOptions(threads=10**6), "num_thread"),
        (LoadOptions(gpu_layers=2**32), "num_gpu"),
        (LoadOptions(main_gpu=-1), "main_gpu"),
        (LoadOptions(main_gpu=128), "main_gpu"),
    ],
)
def test_what_no_engine_could_load_is_refused_by_name(asked, named):
    with pytest.raises(InvalidRequest, match=named) as refused:
        checked(asked)
    assert refused.value.param == named
    assert len(refused.value.message) < 200


def test_parameters_that_no_engine_could_load_with_are_not_said():
    hostile = LoadOptions(2**40, 2**40, 2**40, 2**40, True, 2**40)
    assert possible(hostile) == LoadOptions(mmap=True)
    sane = LoadOptions(4096, 99, 512, 8, False, 1)
    assert possible(sane) == sane
