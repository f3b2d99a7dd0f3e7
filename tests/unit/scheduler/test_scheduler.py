from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from paddock.config.routing import Group
from paddock.errors import (
    EngineMissing,
    FailureKind,
    InstanceFailed,
    LineFull,
    ModelGone,
    QueueFull,
    ShuttingDown,
    WaitExpired,
)
from paddock.events import InstanceState
from paddock.scheduler.coexist import FREE, Groups

ONE_OF_TWO = Groups({"big": Group(members=["a", "b"])})


async def serve(bench, name, seconds, client="", served=None):
    """One whole request."""
    with await bench.scheduler.lease(bench.model(name), client=client):
        await asyncio.sleep(seconds)
    if served is not None:
        served.append(client or name)


# --- single flight -------------------------------------------------------------------------------


def test_the_first_request_starts_the_model_and_the_next_finds_it_ready(play):
    async def test(bench):
        bench.house.start_seconds = 3
        with await bench.scheduler.lease(bench.model()) as first:
            assert first.instance is bench.house.last
            assert (first.queued, first.loading) == (0, 3)
            second = bench.scheduler.lease_now(bench.model())
            assert second.instance is first.instance
            assert (second.queued, second.loading) == (0, 0)
            assert bench.scheduler.lease_now(bench.model()) is None
            second.release()

    assert play(test).house.starts == ["a"]


def test_two_hundred_requests_for_a_cold_model_start_one_child_though_half_of_them_leave(play):
    async def test(bench):
        bench.house.start_gate = True
        requests = [bench.ask(client=f"c{n % 7}") for n in range(200)]
        await bench.settle()
        for request in requests[::2]:
            request.cancel()
        await bench.settle()
        assert len(bench.waiting()) == 100
        bench.house.last.starting.set_result(None)
        for request in requests[1::2]:
            request.add_done_callback(lambda done: done.result().release())
        await asyncio.gather(*requests[1::2])
        assert all(request.cancelled() for request in requests[::2])

    assert play(test).house.starts == ["a"]


def test_a_start_that_fails_fails_all_who_wait_at_once_with_the_same_words(play):
    async def test(bench):
        bench.house.start_gate = True
        requests = [bench.ask(client=f"c{n}") for n in range(50)]
        await bench.settle()
        error = bench.failure("a", FailureKind.OUT_OF_MEMORY, "no memory for 4 GiB")
        bench.house.last.starting.set_exception(error)
        await bench.settle()
        errors = [request.exception() for request in requests]
        assert {(e.kind, e.message, e.output, e.retry_after) for e in errors} == {
            (FailureKind.OUT_OF_MEMORY, "no memory for 4 GiB", error.output, 1.0)
        }
        assert len({id(e) for e in errors}) == 50

    assert play(test).house.starts == ["a"]


# --- slots and turns -----------------------------------------------------------------------------


def test_leases_never_pass_the_slots_and_the_rest_wait_in_order(play):
    async def test(bench):
        served: list[str] = []
        for n in range(9):
            bench.task(serve(bench, "a", 1, client=f"c{n}", served=served))
        await bench.settle()
        assert bench.scheduler.snapshot().instances[0].active == 2
        await bench.after(5)
        assert served == [f"c{n}" for n in range(9)]

    play(test)


def test_a_concurrency_limit_lowers_the_slots(play):
    async def test(bench):
        bench.house.slots = 10
        first = await bench.ask(concurrency_limit=1)
        assert bench.scheduler.lease_now(bench.model()) is None
        first.release()

    play(test)


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_a_burst_of_one_client_does_not_hold_up_another(play, slots):
    async def test(bench):
        bench.house.slots = slots
        served: list[str] = []
        for _ in range(30):
            bench.task(serve(bench, "a", 1, client="agent", served=served))
        await bench.after(2.5)
        for _ in range(3):
            bench.task(serve(bench, "a", 1, client="person", served=served))
        before = len(served)
        await bench.after(40)
        assert served[before:][: 3 * slots + 6].count("person") == 3
        assert len(served) == 33

    play(test)


# --- rooms ---------------------------------------------------------------------------------------


def test_a_stop_ends_before_the_next_start_begins(play):
    async def test(bench):
        await bench.ready("a")
        bench.house.stop_gate = True
        request = bench.ask("b")
        await bench.settle()
        assert bench.states() == {"a#0": "stopping"}
        bench.house.last.stopping.set_result(None)
        (await request).release()
        assert bench.states() == {"b#1": "ready"}

    assert play(test).house.most_alive == 1


def test_the_least_recently_used_idle_model_leaves_first(play):
    async def test(bench):
        for name in "abc":
            await bench.ready(name)
            await bench.after(1)
        (await bench.ask("a")).release()
        (await bench.ask("d")).release()
        assert list(bench.states()) == ["a#0", "c#2", "d#3"]

    assert play(test, max_loaded=3).house.most_alive == 3


def test_a_busy_model_is_waited_for(play):
    async def test(bench):
        busy = await bench.ask("a")
        other = bench.ask("b")
        await bench.after(200)
        assert not other.done()
        assert bench.scheduler.snapshot().instances[0].leaving.startswith("its turn is over")
        busy.release()
        lease = await other
        assert lease.queued == 200
        lease.release()

    play(test)


def test_a_loaded_model_is_served_while_another_loads(play):
    async def test(bench):
        await bench.ready("a")
        bench.house.start_gate = True
        loading = bench.ask("b")
        await bench.settle()
        (await bench.ask("a")).release()
        assert not loading.done()

    play(test, max_loaded=2)


def test_a_start_nobody_waits_for_goes_on_while_nobody_needs_its_room(play):
    async def test(bench):
        bench.house.start_gate = True
        request = bench.ask("a")
        await bench.settle()
        request.cancel()
        await bench.settle()
        assert bench.states() == {"a#0": "starting"}
        bench.house.last.starting.set_result(None)
        await bench.settle()
        assert bench.states() == {"a#0": "ready"}

    play(test)


def test_a_start_nobody_waits_for_is_aborted_for_another_model(play):
    async def test(bench):
        bench.house.start_gate = True
        abandoned = bench.ask("a")
        await bench.settle()
        abandoned.cancel()
        other = bench.ask("b")
        await bench.settle()
        assert bench.house.children[0].aborted
        bench.house.last.starting.set_result(None)
        (await other).release()

    assert play(test).house.starts == ["a", "b"]


# --- collation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "load", "spread", "slots"),
    [(0.5, 3, 0, 2), (0.5, 3, 10, 2), (0.1, 20, 1, 1), (1, 30, 5, 2), (0.01, 0.5, 2, 4)],
)
def test_a_hundred_mixed_requests_over_four_models_need_at_most_twelve_swaps(
    play, seconds, load, spread, slots
):
    async def test(bench):
        bench.house.slots, bench.house.start_seconds, bench.house.stop_seconds = slots, load, 0.2
        dice = random.Random(7)

        async def one(name):
            await asyncio.sleep(dice.uniform(0, spread))
            await serve(bench, name, seconds)

        names = ["a", "b", "c", "d"] * 25
        dice.shuffle(names)
        await asyncio.gather(*(one(name) for name in names))

    house = play(test).house
    assert len(house.starts) <= 12
    assert house.most_alive == 1


def test_a_stream_of_requests_for_a_loaded_model_overtakes_only_so_long(play):
    async def test(bench):
        bench.house.start_seconds = 5

        async def chatter():
            while True:
                await serve(bench, "a", 0.4)

        await bench.ready("a")
        for _ in range(5):
            bench.task(chatter())
        await bench.after(1)
        lease = await bench.scheduler.lease(bench.model("b"))
        assert 15 <= lease.queued <= 16
        lease.release()

    play(test)


def test_models_in_constant_demand_take_turns_however_long_their_loads_are(play):
    async def test(bench):
        bench.house.start_seconds = 40
        served: list[str] = []

        async def chatter(name):
            while True:
                await serve(bench, name, 1, served=served)

        for name in "abc" * 4:
            bench.task(chatter(name))
        await bench.after(1000)
        assert all(served.count(name) > 150 for name in "abc")
        assert len(bench.house.starts) <= 1000 / 55 + 1

    play(test)


def test_a_turn_goes_on_when_those_it_was_to_end_for_have_left(play):
    async def test(bench):
        first = await bench.ask("a")
        second = await bench.ask("a")
        other = bench.ask("b")
        more = bench.ask("a")
        await bench.after(16)
        first.release()
        await bench.settle()
        assert not more.done()
        other.cancel()
        (await more).release()
        second.release()

    assert play(test).house.starts == ["a"]


def test_without_overtaking_every_turn_still_serves_somebody(play):
    async def test(bench):
        bench.house.slots = 1
        requests = [serve(bench, name, 1) for name in "aabb" * 5]
        await asyncio.gather(*requests)

    play(test, max_overtake=0)


# --- cancelling ----------------------------------------------------------------------------------


def test_cancelling_in_the_queue_gives_the_place_up_at_once(play):
    async def test(bench):
        held = [await bench.ask(), await bench.ask()]
        gone, stays = bench.ask(), bench.ask()
        await bench.settle()
        gone.cancel()
        await bench.settle()
        assert bench.waiting() == ["a"]
        held.pop().release()
        (await stays).release()
        held.pop().release()
        assert bench.scheduler.snapshot().instances[0].active == 0

    play(test)


def test_a_lease_granted_in_the_moment_of_cancelling_comes_back(play):
    async def test(bench):
        held = [await bench.ask(), await bench.ask()]
        late = bench.ask()
        await bench.settle()
        held[0].release()
        late.cancel()
        await bench.settle()
        assert late.cancelled()
        assert bench.scheduler.snapshot().instances[0].active == 1
        early = bench.ask()
        await bench.settle()
        early.result().release()
        waiting = [bench.ask(), bench.ask()]
        await bench.settle()
        waiting[1].cancel()
        held[1].release()
        await bench.settle()
        waiting[0].result().release()
        assert bench.scheduler.snapshot().instances[0].active == 0

    play(test)


# --- bounds --------------------------------------------------------------------------------------


def test_a_full_queue_refuses_at_once_and_still_serves_what_is_free(play):
    async def test(bench):
        await bench.ready("a")
        bench.house.start_gate = True
        for _ in range(3):
            bench.ask("b")
        await bench.settle()
        with pytest.raises(QueueFull) as caught:
            await bench.scheduler.lease(bench.model("b"))
        assert caught.value.retry_after == 5
        (await bench.scheduler.lease(bench.model("a"))).release()

    play(test, max_queue=3, max_loaded=2)


def test_a_request_waits_no_longer_than_it_may(play):
    async def test(bench):
        busy = await bench.ask("a")
        started = bench.loop.now
        with pytest.raises(WaitExpired) as caught:
            await bench.scheduler.lease(bench.model("b"))
        assert bench.loop.now - started == pytest.approx(20, abs=0.01)
        assert caught.value.retry_after == 5
        busy.release()

    play(test, queue_timeout=20)


# --- failing -------------------------------------------------------------------------------------


def test_inside_the_pause_the_last_failure_is_answered_without_a_start(play):
    async def test(bench):
        bench.house.start_errors["a"] = bench.failure("a")
        for _ in range(3):
            with pytest.raises(InstanceFailed, match="boom") as caught:
                await bench.scheduler.lease(bench.model())
            await bench.after(0.3)
        assert caught.value.retry_after == pytest.approx(0.4)
        assert bench.house.starts == ["a"]
        await bench.after(1)
        bench.house.start_errors.clear()
        (await bench.ask()).release()

    assert play(test).house.starts == ["a", "a"]


def test_a_crash_loop_ends_starts_until_a_load_by_hand_or_another_version(play):
    async def test(bench):
        bench.house.start_errors["a"] = bench.failure(
            "a", FailureKind.EXITED, "segfault in layer 3"
        )
        kinds = []
        for _ in range(600):
            with suppress(InstanceFailed):
                await bench.scheduler.lease(bench.model())
            kinds.append(bench.scheduler.snapshot().failed)
            await bench.after(0.1)
        assert len(bench.house.starts) == 5
        with pytest.raises(InstanceFailed) as caught:
            await bench.scheduler.lease(bench.model())
        assert caught.value.kind is FailureKind.CRASH_LOOP
        assert caught.value.output == ("line 1", "segfault in layer 3")
        assert caught.value.retry_after is None
        assert "segfault in layer 3" in caught.value.message
        await bench.after(10_000)
        with pytest.raises(InstanceFailed):
            await bench.scheduler.lease(bench.model())
        assert len(bench.house.starts) == 5
        bench.house.start_errors.clear()
        (await bench.ask(version="2")).release()
        await bench.scheduler.load(bench.model())

    assert play(test).house.starts == ["a"] * 7


def test_what_no_retry_heals_is_remembered_until_the_library_says_otherwise(play):
    async def test(bench):
        bench.house.start_errors["a"] = bench.failure("a", FailureKind.FILE_CORRUPT)
        for _ in range(3):
            with pytest.raises(InstanceFailed) as caught:
                await bench.scheduler.lease(bench.model())
            assert caught.value.kind is FailureKind.FILE_CORRUPT
            await bench.after(1000)
        assert bench.house.starts == ["a"]
        bench.house.start_errors.clear()
        bench.scheduler.catalog_changed(removed={"a"})
        (await bench.ask()).release()

    play(test)


@pytest.mark.parametrize("place", ["start_errors", "new_errors"])
def test_a_missing_engine_is_told_each_time_and_never_counted(play, place):
    async def test(bench):
        getattr(bench.house, place)["a"] = EngineMissing("no llama-server", hint="install one")
        for _ in range(9):
            with pytest.raises(EngineMissing, match="no llama-server") as caught:
                await bench.scheduler.lease(bench.model())
            assert caught.value.hint == "install one"
        getattr(bench.house, place).clear()
        (await bench.ask()).release()

    play(test)


def test_a_start_that_crashes_in_our_own_code_is_a_failure_like_any_other(play):
    async def test(bench):
        bench.house.start_errors["a"] = ZeroDivisionError("secret detail")
        with pytest.raises(InstanceFailed) as caught:
            await bench.scheduler.lease(bench.model())
        assert "secret" not in caught.value.message

    play(test)


def test_a_model_that_dies_while_it_serves_is_started_again_at_once(play):
    async def test(bench):
        (await bench.ask()).release()
        bench.house.last.die()
        before = bench.loop.time()
        (await bench.ask()).release()
        assert bench.loop.time() - before < 1
        assert bench.scheduler.snapshot().failed == ()

    assert play(test).house.starts == ["a", "a"]


def test_requests_that_wait_behind_a_serving_instance_outlive_its_crash(play):
    async def test(bench):
        (await bench.ask()).release()
        bench.house.last.die()
        held = [await bench.ask(), await bench.ask()]
        waits = bench.ask()
        await bench.settle()
        bench.house.last.die(bench.failure("a", FailureKind.SIGNAL, "killed by signal 11"))
        await bench.settle()
        with pytest.raises(InstanceFailed, match="signal 11") as caught:
            await bench.scheduler.lease(bench.model())
        assert caught.value.retry_after == pytest.approx(2.0)
        assert "tried again in 2 s" in bench.scheduler.snapshot().waiting[0].reason
        assert bench.house.starts == ["a", "a"]
        lease = await waits
        assert lease.instance is bench.house.children[2]
        for ended in held:
            ended.release()
        assert bench.scheduler.snapshot().instances[0].active == 1
        lease.release()

    play(test)


def test_a_request_in_the_moment_of_a_death_is_not_given_to_the_dead(play):
    async def test(bench):
        dead = await bench.ready()
        dead.die()
        assert bench.scheduler.lease_now(bench.model()) is None
        lease = await bench.scheduler.lease(bench.model())
        assert lease.instance is not dead
        lease.release()

    play(test)


def test_a_model_that_dies_whenever_it_serves_becomes_a_crash_loop(play):
    async def test(bench):
        kinds = []
        for _ in range(400):
            try:
                lease = await bench.scheduler.lease(bench.model())
                lease.instance.die()
                lease.release()
            except InstanceFailed as error:
                kinds.append(error.kind)
            await bench.after(0.1)
        assert kinds[-1] is FailureKind.CRASH_LOOP

    assert len(play(test).house.starts) == 5


def test_who_waits_for_a_restart_is_told_when_there_will_be_none(play):
    async def test(bench):
        for _ in range(4):
            bench.house.start_errors["a"] = bench.failure("a")
            with pytest.raises(InstanceFailed):
                await bench.scheduler.lease(bench.model())
            await bench.after(8)
        bench.house.start_errors.clear()
        for _ in range(2):
            await bench.ask()
        waits = bench.ask()
        await bench.settle()
        bench.house.last.die()
        await bench.settle()
        assert waits.exception().kind is FailureKind.CRASH_LOOP

    play(test)


def test_a_stop_that_was_asked_for_is_no_failure(play):
    async def test(bench):
        for _ in range(6):
            (await bench.ask()).release()
            await bench.scheduler.unload("a")
            await bench.settle()
        assert bench.scheduler.snapshot().failed == ()

    assert len(play(test).house.starts) == 6


def test_the_death_of_an_instance_on_its_way_out_is_no_matter_for_the_one_that_serves(play):
    async def test(bench):
        bench.house.start_errors["a"] = bench.failure("a")
        with pytest.raises(InstanceFailed):
            await bench.scheduler.lease(bench.model())
        bench.house.start_errors.clear()
        await bench.after(1)
        old = await bench.ask()
        bench.task(bench.scheduler.unload("a"))
        await bench.settle()
        new = [await bench.ask(), await bench.ask()]
        old.instance.die()
        await bench.settle()
        waits = bench.ask()
        await bench.settle()
        assert not waits.done()
        for lease in [old, *new]:
            lease.release()
        (await waits).release()

    play(test, max_loaded=2)


# --- leaving -------------------------------------------------------------------------------------


def test_an_idle_model_leaves_when_its_time_is_over(play):
    async def test(bench):
        lease = await bench.ask()
        await bench.after(400)
        lease.release()
        await bench.after(299)
        view = bench.scheduler.snapshot().instances[0]
        assert (view.idle, view.unload_in) == (pytest.approx(299), pytest.approx(1))
        await bench.after(1.1)
        assert bench.states() == {}

    play(test)


@pytest.mark.parametrize(
    ("default", "own", "gone_after"), [(60, None, 60), (60, 10, 10), (60, 0, None), (0, None, None)]
)
def test_a_models_own_ttl_wins_and_zero_is_never(play, default, own, gone_after):
    async def test(bench):
        await bench.ready("a", ttl=own)
        await bench.after((gone_after or 100_000 / 2) - 1)
        assert len(bench.states()) == 1
        await bench.after(2)
        assert len(bench.states()) == (0 if gone_after else 1)

    play(test, default_ttl=default)


def test_a_request_during_the_stop_waits_for_it_and_starts_anew(play):
    async def test(bench):
        await bench.ready()
        bench.house.stop_seconds = 4
        await bench.after(301)
        assert bench.states() == {"a#0": "stopping"}
        (await bench.ask()).release()

    house = play(test).house
    assert house.starts == ["a", "a"]
    assert house.most_alive == 1


def test_unloading_waits_for_running_requests_and_takes_no_new_ones(play):
    async def test(bench):
        lease = await bench.ask()
        unload = bench.task(bench.scheduler.unload("a"))
        await bench.after(10)
        assert not unload.done()
        assert bench.scheduler.lease_now(bench.model()) is None
        later = bench.ask()
        await bench.settle()
        lease.release()
        assert await unload is True
        (await later).release()
        assert bench.house.starts == ["a", "a"]

    play(test)


def test_unloading_cuts_what_runs_on_after_the_drain(play):
    async def test(bench):
        lease = await bench.ask()
        started = bench.loop.now
        assert await bench.scheduler.unload("a", drain=7) is True
        assert bench.loop.now - started == pytest.approx(7, abs=0.01)
        assert not lease.instance.alive
        lease.release()
        lease.release()
        assert await bench.scheduler.unload("a") is False

    play(test)


def test_unloading_fails_the_requests_that_wait_for_the_model(play):
    async def test(bench):
        leases = [await bench.ask(), await bench.ask()]
        waits, other = bench.ask(), bench.ask("b")
        await bench.settle()
        unload = bench.task(bench.scheduler.unload("a"))
        await bench.settle()
        with pytest.raises(ModelGone, match="unloaded by hand"):
            await waits
        for lease in leases:
            lease.release()
        await unload
        (await other).release()

    play(test)


def test_unloading_aborts_a_start(play):
    async def test(bench):
        bench.house.start_gate = True
        waits = bench.ask()
        await bench.settle()
        assert await bench.scheduler.unload("a") is True
        assert bench.house.last.aborted
        with pytest.raises(ModelGone):
            await waits

    play(test)


def test_unloading_all_leaves_nothing(play):
    async def test(bench):
        for name in "abc":
            await bench.ready(name)
        assert await bench.scheduler.unload_all() is True
        assert bench.states() == {}
        assert await bench.scheduler.unload_all() is False

    play(test, max_loaded=3)


# --- the library changes -------------------------------------------------------------------------


def test_a_removed_model_leaves_when_its_leases_end_and_its_queue_is_told(play):
    async def test(bench):
        leases = [await bench.ask(), await bench.ask()]
        waits = bench.ask()
        await bench.settle()
        bench.scheduler.catalog_changed(removed={"a"})
        with pytest.raises(ModelGone, match="left the library"):
            await waits
        await bench.after(1000)
        assert leases[0].instance.alive
        for lease in leases:
            lease.release()
        await bench.settle()
        assert bench.states() == {}

    play(test)


def test_a_replaced_model_finishes_its_leases_and_the_queue_gets_the_new_file(play):
    async def test(bench):
        leases = [await bench.ask(), await bench.ask()]
        waits = bench.ask()
        await bench.settle()
        bench.scheduler.catalog_changed(replaced=[bench.model("a", "2")])
        await bench.after(1)
        assert bench.states() == {"a#0": "ready"}
        for lease in leases:
            lease.release()
        lease = await waits
        assert lease.instance.model.fingerprint == "2"
        lease.release()

    assert play(test).house.most_alive == 1


def test_a_request_for_a_new_version_is_not_served_by_the_old(play):
    async def test(bench):
        old = await bench.ask(version="1")
        new = bench.ask(version="2")
        await bench.settle()
        assert not new.done()
        assert "changed" in bench.scheduler.snapshot().instances[0].leaving
        old.release()
        lease = await new
        assert lease.instance.model.fingerprint == "2"
        lease.release()

    play(test)


def test_with_room_the_new_version_starts_beside_the_old(play):
    async def test(bench):
        old = await bench.ask(version="1")
        new = await bench.ask(version="2")
        assert old.instance.alive
        old.release()
        new.release()
        await bench.settle()
        assert bench.states() == {"a#1": "ready"}

    play(test, max_loaded=2)


def test_a_version_replaced_while_it_loads_is_not_loaded_to_the_end(play):
    async def test(bench):
        bench.house.start_gate = True
        waits = bench.ask(version="1")
        await bench.settle()
        bench.scheduler.catalog_changed(replaced=[bench.model("a", "2")])
        await bench.settle()
        assert bench.house.children[0].aborted
        bench.house.last.starting.set_result(None)
        lease = await waits
        assert lease.instance.model.fingerprint == "2"
        lease.release()

    play(test)


# --- the end -------------------------------------------------------------------------------------


def test_closing_refuses_new_work_fails_what_waits_and_lets_what_runs_end(play):
    async def test(bench):
        lease = await bench.ask()
        waits = bench.ask("b")
        await bench.settle()
        closing = bench.task(bench.scheduler.aclose(30))
        await bench.settle()
        with pytest.raises(ShuttingDown):
            await waits
        with pytest.raises(ShuttingDown):
            await bench.scheduler.lease(bench.model())
        assert lease.instance.alive
        await bench.after(10)
        lease.release()
        await closing
        assert bench.states() == {}

    play(test)


def test_closing_under_load_is_over_when_the_drain_is(play):
    async def test(bench):
        for n in range(40):
            bench.task(serve(bench, "abcd"[n % 4], 1000, client=f"c{n % 3}"))
        await bench.after(3)
        started = bench.loop.now
        await bench.scheduler.aclose(5)
        assert bench.loop.now - started == pytest.approx(5, abs=0.01)

    play(test, max_loaded=2)


def test_closing_again_hurries(play):
    async def test(bench):
        await bench.ask()
        first = bench.task(bench.scheduler.aclose(30))
        await bench.after(1)
        started = bench.loop.now
        await bench.scheduler.aclose(0)
        await first
        assert bench.loop.now - started < 0.1

    play(test)


def test_loading_by_hand_returns_when_ready_though_every_slot_is_taken(play):
    async def test(bench):
        leases = [await bench.ask(), await bench.ask()]
        await bench.scheduler.load(bench.model())
        for lease in leases:
            lease.release()

    play(test)


def test_the_snapshot_says_why_each_request_waits(play):
    async def test(bench):
        leases = [await bench.ask("a"), await bench.ask("a")]
        bench.ask("a", client="k1")
        bench.ask("b", client="k2")
        await bench.after(2)
        waiting = bench.scheduler.snapshot().waiting
        assert [(w.model, w.client, w.waited, w.position, w.reason) for w in waiting] == [
            ("a", "k1", 2, 1, "all 2 slots are in use"),
            ("b", "k2", 2, 1, "waits for room: a serves 2 requests, its turn ends in 13 s"),
        ]
        for lease in leases:
            lease.release()

    play(test)


def test_the_occupation_of_a_model_counts_who_runs_and_who_waits(play):
    async def test(bench):
        occupation = bench.scheduler.occupation
        assert occupation("a") == (None, 0)
        leases = [await bench.ask("a"), await bench.ask("a")]
        bench.ask("a")
        bench.ask("b")
        await bench.after(1)
        assert occupation("a") == (InstanceState.READY, 3)
        assert occupation("b") == (None, 1)
        for lease in leases:
            lease.release()

    play(test)


def test_the_snapshot_says_which_rule_and_which_stay_is_in_the_way(play):
    async def test(bench):
        busy = await bench.ask("a")
        bench.ask("b")
        bench.ask("x")
        await bench.after(5)
        view = bench.scheduler.snapshot()
        serves = "waits for room: a serves 1 request, its turn ends in 10 s"
        assert [w.reason for w in view.waiting] == [
            f"{serves} (group big runs one model at a time)",
            f"{serves} (group (default) is exclusive)",
        ]
        assert [i.group for i in view.instances] == ["big"]
        busy.release()

    play(test, rules=ONE_OF_TWO, max_loaded=9)


def test_the_snapshot_says_who_is_before(play):
    async def test(bench):
        busy = await bench.ask("x")
        bench.ask("a")
        bench.ask("c")
        await bench.after(1)
        reasons = [w.reason for w in bench.scheduler.snapshot().waiting]
        assert reasons[1] == "waits for room: a is before it, and they do not run together"
        busy.release()

    rules = Groups(
        {
            "g": Group(members=["a"], exclusive=True),
            "h": Group(members=["c"], exclusive=False),
        }
    )
    play(test, rules=rules, max_loaded=9)


def test_the_snapshot_tells_how_long_who_came_back_stays(play):
    async def test(bench):
        for name in "aba":
            (await bench.ask(name)).release()
        bench.ask("b")
        await bench.after(4)
        view = bench.scheduler.snapshot()
        assert [(i.model, i.stays_for) for i in view.instances] == [("a", 6)]
        assert [w.reason for w in view.waiting] == [
            "waits for room: a has just come back and stays 6 s"
        ]

    play(test, min_residency=10)


# --- residency -----------------------------------------------------------------------------------


def test_two_agents_on_two_models_do_not_swap_at_every_request(play):
    waits = []

    async def agent(bench, name):
        while bench.loop.now < bench.ends:
            with await bench.scheduler.lease(bench.model(name), client=name) as lease:
                waits.append(lease.queued + lease.loading)
                await asyncio.sleep(0.5)
            await asyncio.sleep(0.1)

    async def test(bench):
        bench.house.start_seconds = 2
        bench.ends = bench.loop.now + 600
        agents = [bench.task(agent(bench, name)) for name in "ab"]
        await bench.after(620)
        assert all(task.done() for task in agents)

    house = play(test, min_residency=20, max_overtake=5).house
    assert len(house.starts) <= 600 / 20 + 2
    assert max(waits) < 20 + 2 * 2 + 1, "a stay, and a load before and after it"


def test_the_first_swap_is_made_at_once(play):
    async def test(bench):
        await bench.ready("a")
        await bench.after(1)
        lease = await bench.ask("b")
        assert lease.queued == 0
        lease.release()

    assert play(test, min_residency=1000).house.starts == ["a", "b"]


def test_who_comes_back_after_more_than_a_minute_has_no_claim(play):
    async def test(bench):
        for name in "ab":
            (await bench.ask(name)).release()
        await bench.after(61)
        (await bench.ask("a")).release()
        lease = await bench.ask("c")
        assert lease.queued == 0
        lease.release()

    play(test, min_residency=1000, queue_timeout=100)


# --- queues of single models ---------------------------------------------------------------------


def test_more_than_may_wait_for_one_model_are_refused_and_others_are_not(play):
    async def test(bench):
        busy = [await bench.ask(queue_limit=1) for _ in range(2)]
        bench.ask(queue_limit=1)
        refused = bench.ask(queue_limit=1)
        await bench.settle()
        error = refused.exception()
        assert isinstance(error, LineFull)
        assert error.retry_after
        bench.ask("b")
        await bench.settle()
        assert bench.waiting() == ["a", "b"]
        for lease in busy:
            lease.release()

    play(test, max_queue=9)


def test_where_none_may_wait_a_cold_model_still_takes_what_it_will_serve(play):
    async def test(bench):
        bench.house.start_gate = True
        asked = [bench.ask(queue_limit=0) for _ in range(3)]
        await bench.settle()
        assert [request.done() for request in asked] == [False, False, True]
        assert isinstance(asked[2].exception(), LineFull)
        bench.house.last.starting.set_result(None)
        for request in asked[:2]:
            (await request).release()

    play(test)


def test_who_is_refused_learns_when_to_come_back(play):
    async def test(bench):
        for _ in range(3):
            lease = await bench.ask(concurrency_limit=1)
            await bench.after(12)
            lease.release()
        lease = await bench.ask(concurrency_limit=1)
        refused = bench.ask(concurrency_limit=1, queue_limit=0)
        await bench.settle()
        assert refused.exception().retry_after == pytest.approx(12)
        lease.release()

    play(test)


def test_a_model_can_have_a_patience_of_its_own(play):
    async def test(bench):
        busy = await bench.ask("a")
        other = bench.ask("b", queue_timeout=7)
        third = bench.ask("c")
        await bench.after(7.1)
        assert isinstance(other.exception(), WaitExpired)
        assert "7 s" in other.exception().message
        assert not third.done()
        busy.release()
        (await third).release()

    play(test, max_overtake=100)


# --- what changes while it runs ------------------------------------------------------------------


def test_a_raised_limit_is_used_at_once(play):
    async def test(bench):
        busy = await bench.ask("a")
        other = bench.ask("b")
        await bench.settle()
        bench.scheduler.reconfigure(bench.limits(max_loaded=2), FREE)
        (await other).release()
        busy.release()

    play(test)


def test_a_lowered_limit_sends_idle_ones_away_and_leaves_busy_ones_alone(play):
    async def test(bench):
        busy = await bench.ask("a")
        for name in "bc":
            await bench.ready(name)
        bench.scheduler.reconfigure(bench.limits(max_loaded=1), FREE)
        await bench.settle()
        assert bench.states() == {"a#0": "ready"}
        busy.release()
        assert bench.states() == {"a#0": "ready"}

    play(test, max_loaded=3)


def test_busy_ones_beyond_a_lowered_limit_go_when_they_are_done(play):
    async def test(bench):
        leases = [await bench.ask(name) for name in "ab"]
        bench.scheduler.reconfigure(bench.limits(max_loaded=1), FREE)
        await bench.settle()
        assert len(bench.states()) == 2
        leases[0].release()
        await bench.settle()
        assert bench.states() == {"b#1": "ready"}
        leases[1].release()

    play(test, max_loaded=2)


def test_new_rules_harm_nothing_that_runs_and_hold_for_the_next_start(play):
    async def test(bench):
        leases = [await bench.ask(name) for name in "ab"]
        bench.scheduler.reconfigure(bench.limits(max_loaded=9), ONE_OF_TWO)
        await bench.after(100)
        assert bench.states() == {"a#0": "ready", "b#1": "ready"}
        for lease in leases:
            lease.release()
        (await bench.ask("c")).release()
        assert bench.states() == {"c#2": "ready"}

    play(test, max_loaded=2)


def test_rules_that_fall_let_those_start_who_waited_for_them(play):
    async def test(bench):
        busy = await bench.ask("a")
        other = bench.ask("b")
        await bench.settle()
        bench.scheduler.reconfigure(bench.limits(max_loaded=9), FREE)
        (await other).release()
        busy.release()

    play(test, rules=ONE_OF_TWO, max_loaded=9)


@pytest.mark.parametrize(("default", "own"), [(5, None), (1000, 5)])
def test_another_time_to_live_holds_for_what_is_loaded(play, default, own):
    async def test(bench):
        child = await bench.ready("a")
        bench.scheduler.reconfigure(bench.limits(default_ttl=default), FREE)
        bench.scheduler.catalog_changed(refreshed=[bench.model("a", ttl=own)])
        await bench.after(6)
        assert bench.states() == {}
        assert not child.alive

    play(test)


def test_another_concurrency_limit_holds_for_what_is_loaded(play):
    async def test(bench):
        bench.house.slots = 4
        leases = [await bench.ask(concurrency_limit=1)]
        waiting = bench.ask(concurrency_limit=1)
        await bench.settle()
        bench.scheduler.catalog_changed(refreshed=[bench.model(concurrency_limit=2)])
        leases.append(await waiting)
        bench.scheduler.catalog_changed(refreshed=[bench.model(concurrency_limit=1)])
        late = bench.ask(concurrency_limit=1)
        leases.pop().release()
        await bench.settle()
        assert not late.done()
        leases.pop().release()
        (await late).release()

    assert play(test).house.starts == ["a"]


def test_models_of_disjoint_rules_load_at_the_same_time(play):
    async def test(bench):
        for name in "ax":
            await bench.ready(name)
        bench.house.stop_gate = True
        asked = [bench.ask(name) for name in "by"]
        await bench.settle()
        assert sorted(bench.states().values()) == ["stopping", "stopping"]
        bench.house.stop_gate = False
        for child in bench.house.children:
            child.stopping.set_result(None)
        for request in asked:
            (await request).release()

    rules = Groups(
        {
            "g": Group(members=["a", "b"], exclusive=False),
            "h": Group(members=["x", "y"], exclusive=False),
        }
    )
    play(test, rules=rules, max_loaded=9)


def test_low_priority_is_served_in_the_end_and_high_priority_mostly(play):
    async def agent(bench, name):
        while bench.loop.now < bench.ends:
            await serve(bench, name, 1, client=name, served=bench.served)

    async def test(bench):
        bench.served, bench.ends = [], bench.loop.now + 1000
        for name in "ab":
            for _ in range(4):
                bench.task(agent(bench, name))
        await bench.after(1010)
        assert bench.served.count("b") > 5 * bench.served.count("a") > 0
        assert bench.scheduler.snapshot().waiting == ()

    play(test, priorities={"b": 1}, queue_timeout=200)
