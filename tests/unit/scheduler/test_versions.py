"""Requests that ask for a model loaded in different ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from paddock.errors import FailureKind, InstanceFailed
from paddock.library.model import NOT_SAID, HeaderSummary, LoadOptions, Model
from paddock.library.variant import context_of
from paddock.scheduler.backoff import CRASH_LOOP

DEFAULT = 1000


def a_model(version="1", name="a", **parts):
    header = HeaderSummary(context_length=100_000)
    return Model(name, path=Path("/a.gguf"), header=header, fingerprint=version, **parts)


A = a_model()


def ctx(tokens):
    return LoadOptions(context=tokens)


def run(play, test, **limits):
    return play(test, context_length=DEFAULT, **limits).house


def contexts(house):
    return [context_of(child.model, DEFAULT) for child in house.children]


async def once(bench, asked=NOT_SAID, model=A):
    (await bench.scheduler.lease(model, asked=asked)).release()
    await bench.settle()


def wait_for(bench, asked=NOT_SAID, model=A):
    return bench.task(bench.scheduler.lease(model, asked=asked))


def test_two_clients_that_alternate_two_contexts_cause_one_reload(play):
    async def test(bench):
        for _ in range(10):
            await once(bench, ctx(2048))
            await once(bench, ctx(4096))
            await once(bench)

    assert contexts(run(play, test)) == [2048, 4096]


def test_two_clients_that_ask_at_once_for_two_contexts_cause_one_reload(play):
    async def test(bench):
        bench.house.start_seconds = 3
        for _ in range(5):
            pair = [wait_for(bench, ctx(2048)), wait_for(bench, ctx(4096))]
            await bench.after(20)
            for request in pair:
                request.result().release()

    assert contexts(run(play, test)) == [2048, 4096]


def test_a_request_without_a_wish_is_served_by_what_runs(play):
    async def test(bench):
        await once(bench, ctx(500))
        await once(bench)
        assert bench.scheduler.lease_now(A, asked=ctx(501)) is None
        bench.scheduler.lease_now(A).release()
        bench.scheduler.lease_now(A, asked=ctx(500)).release()

    assert contexts(run(play, test)) == [500]


def test_less_than_the_default_is_served_by_the_default(play):
    async def test(bench):
        await once(bench)
        await once(bench, ctx(DEFAULT))
        await once(bench, ctx(DEFAULT - 1))

    assert contexts(run(play, test)) == [DEFAULT]


def test_a_reload_waits_for_running_requests_and_takes_new_ones_along(play):
    async def test(bench):
        first = await bench.scheduler.lease(A)
        bigger = wait_for(bench, ctx(4000))
        plain = wait_for(bench)
        await bench.settle()
        assert contexts(bench.house) == [1000]
        assert "another way" in bench.scheduler.snapshot().instances[0].leaving
        first.release()
        leases = [await bigger, await plain]
        assert [context_of(x.instance.model, DEFAULT) for x in leases] == [4000, 4000]
        for lease in leases:
            lease.release()

    assert contexts(run(play, test)) == [1000, 4000]


def test_who_waits_is_never_given_less_because_of_who_comes_later(play):
    """A start for a large context goes on, whatever small ones arrive."""

    async def test(bench):
        bench.house.start_gate = True
        requests = [wait_for(bench, asked) for asked in (ctx(4000), ctx(200), NOT_SAID, ctx(3000))]
        await bench.settle()
        bench.house.last.starting.set_result(None)
        for request in requests:
            (await request).release()

    assert contexts(run(play, test)) == [4000]


def test_what_a_request_does_not_mention_stays_as_it_is(play):
    async def test(bench):
        await once(bench, LoadOptions(context=2000, threads=3))
        await once(bench, LoadOptions(context=3000))
        await once(bench, LoadOptions(threads=3, context=100))

    house = run(play, test)
    assert [child.model.options for child in house.children] == [
        LoadOptions(2000, threads=3),
        LoadOptions(3000, threads=3),
    ]


def test_another_wish_than_a_context_reloads_and_keeps_the_context(play):
    async def test(bench):
        await once(bench, ctx(2000))
        await once(bench, LoadOptions(context=100, gpu_layers=0))

    house = run(play, test)
    assert house.last.model.options == LoadOptions(2000, gpu_layers=0)


def test_of_two_waiting_requests_that_contradict_each_other_the_first_has_it(play):
    async def test(bench):
        bench.house.start_gate = True
        requests = [wait_for(bench, LoadOptions(gpu_layers=n)) for n in (0, 9, 0, 9)]
        await bench.settle()
        bench.house.last.starting.set_result(None)
        for request in requests:
            (await request).release()

    assert [c.model.options.gpu_layers for c in run(play, test).children] == [0]


# --- a version and the library ---


def test_a_refresh_keeps_a_version_running_and_how_long_it_stays(play):
    async def test(bench):
        with await bench.scheduler.lease(A, asked=ctx(4000)) as lease:
            lease.keep_alive(7)
        renamed = replace(A, aliases=("other",))
        bench.scheduler.catalog_changed(refreshed=[renamed])
        running = bench.scheduler.loaded("a")
        assert (running.aliases, running.options) == (("other",), ctx(4000))
        assert bench.scheduler.snapshot().instances[0].keep_alive == 7
        await once(bench, ctx(4000), renamed)

    assert contexts(run(play, test)) == [4000]


def test_a_replaced_file_replaces_its_versions_too(play):
    async def test(bench):
        await once(bench, ctx(4000))
        bench.scheduler.catalog_changed(replaced=[a_model("2")])
        await bench.settle()
        assert bench.scheduler.loaded("a") is None
        await once(bench, ctx(100), a_model("2"))

    assert contexts(run(play, test)) == [4000, 100]


def test_requests_that_wait_get_their_version_of_the_new_file(play):
    async def test(bench):
        bench.house.start_gate = True
        request = wait_for(bench, ctx(4000))
        await bench.settle()
        bench.scheduler.catalog_changed(replaced=[a_model("2")])
        bench.house.start_gate = False
        await bench.after(1)
        with await request as lease:
            assert lease.instance.model.origin == "2"

    assert contexts(run(play, test))[-1] == 4000


def test_a_removed_model_takes_its_versions_along(play):
    async def test(bench):
        await once(bench, ctx(4000))
        bench.scheduler.catalog_changed(removed=["a"])
        await bench.settle()
        assert bench.scheduler.snapshot().instances == ()

    run(play, test)


def test_a_model_that_has_a_twin_now_leaves_its_requests_to_that(play):
    async def test(bench):
        await once(bench)
        bench.scheduler.catalog_changed(refreshed=[replace(A, twin="b")])
        await bench.settle()
        assert bench.scheduler.snapshot().instances == ()

    run(play, test)


# --- failures ---


def oom(bench):
    return bench.failure("a", FailureKind.OUT_OF_MEMORY)


def test_too_large_a_context_does_not_take_the_model_from_those_who_asked_for_less(play):
    async def test(bench):
        bench.house.start_errors["a"] = oom(bench)
        with pytest.raises(InstanceFailed):
            await bench.scheduler.lease(A, asked=ctx(90_000))
        bench.house.start_errors.clear()
        await once(bench)
        with pytest.raises(InstanceFailed):
            await bench.scheduler.lease(A, asked=ctx(90_000))
        assert bench.scheduler.loaded("a") == A

    assert contexts(run(play, test)) == [90_000, DEFAULT]


def test_a_client_cannot_try_one_large_context_after_another_for_ever(play):
    async def test(bench):
        bench.house.start_errors["a"] = oom(bench)
        for number in range(20):
            with pytest.raises(InstanceFailed):
                await bench.scheduler.lease(A, asked=ctx(90_000 + number))
        bench.house.start_errors.clear()
        await once(bench)

    assert len(run(play, test).children) == CRASH_LOOP + 1


def test_what_is_wrong_with_the_file_is_wrong_with_all_its_versions(play):
    async def test(bench):
        bench.house.start_errors["a"] = bench.failure("a", FailureKind.FILE_CORRUPT)
        for asked in (NOT_SAID, ctx(2000), ctx(3000)):
            with pytest.raises(InstanceFailed):
                await bench.scheduler.lease(A, asked=asked)

    assert len(run(play, test).children) == 1


# --- how long it stays ---


def test_the_last_request_says_how_long_the_instance_stays(play):
    async def test(bench):
        for seconds in (1000, 5):
            with await bench.scheduler.lease(A) as lease:
                lease.keep_alive(seconds)
        await bench.after(4.9)
        with await bench.scheduler.lease(A) as lease:
            lease.keep_alive(None)
            await bench.after(60)
        await bench.after(4.9)
        assert bench.scheduler.loaded("a") == A
        await bench.after(0.2)
        assert bench.scheduler.loaded("a") is None

    run(play, test, default_ttl=300)


def test_for_ever_outlives_the_owners_time(play):
    async def test(bench):
        with await bench.scheduler.lease(A) as lease:
            lease.keep_alive(float("inf"))
        await bench.after(10_000)
        view = bench.scheduler.snapshot().instances[0]
        assert (view.ttl, view.keep_alive, view.unload_in) == (300, float("inf"), None)

    run(play, test, default_ttl=300)


def test_nothing_unloads_at_once_when_everybody_is_done(play):
    async def test(bench):
        first, second = await bench.scheduler.lease(A), await bench.scheduler.lease(A)
        waiting = wait_for(bench)
        first.keep_alive(0)
        first.release()
        await bench.settle()
        (await waiting).release()
        await bench.after(50)
        assert bench.scheduler.loaded("a") == A
        second.release()
        await bench.after(0.01)
        assert bench.scheduler.loaded("a") is None

    assert len(run(play, test).children) == 1


def test_an_idle_instance_can_be_told_to_go_or_to_stay(play):
    async def test(bench):
        assert not bench.scheduler.keep_alive("a", 5)
        await once(bench)
        assert bench.scheduler.keep_alive("a", 5)
        await bench.after(4)
        assert bench.scheduler.keep_alive("a", 500)
        await bench.after(400)
        assert bench.scheduler.keep_alive("a", 0)
        await bench.settle()
        assert bench.scheduler.loaded("a") is None
        assert not bench.scheduler.keep_alive("a", 5)

    run(play, test)


def test_to_tell_it_to_go_does_not_fail_who_waits(play):
    async def test(bench):
        bench.house.start_gate = True
        request = wait_for(bench)
        await bench.settle()
        assert bench.scheduler.keep_alive("a", 0)
        bench.house.last.starting.set_result(None)
        with await request:
            await bench.after(10)
        await bench.after(0.01)
        assert bench.scheduler.loaded("a") is None

    run(play, test)


def test_a_default_is_for_whom_it_was_loaded_for(play):
    async def test(bench):
        with await bench.scheduler.lease(A) as lease:
            lease.keep_alive(None, default=50)
        with await bench.scheduler.lease(A) as lease:
            lease.keep_alive(None, default=70)
        assert bench.scheduler.snapshot().instances[0].keep_alive == 50

    run(play, test)


def test_a_default_does_not_change_what_was_loaded_for_others_or_what_the_owner_wrote(play):
    async def test(bench):
        await once(bench)
        with await bench.scheduler.lease(A) as lease:
            lease.keep_alive(None, default=50)
        assert bench.scheduler.snapshot().instances[0].keep_alive == 300
        own = bench.model("b", ttl=9)
        with await bench.scheduler.lease(own) as lease:
            lease.keep_alive(None, default=50)
        assert bench.scheduler.snapshot().instances[-1].keep_alive == 9

    run(play, test, default_ttl=300, max_loaded=2)


def test_a_hand_that_unloads_wins_over_for_ever(play):
    async def test(bench):
        with await bench.scheduler.lease(A) as lease:
            lease.keep_alive(float("inf"))
        assert await bench.scheduler.unload("a")

    run(play, test)
