import subprocess
import sys
from pathlib import Path

import pytest

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config, EngineEntry
from paddock.engine.arguments import command_line, context_per_request, fixes_context
from paddock.engine.flags import FlagTable, parse_help
from paddock.engine.placed import Placed
from paddock.errors import ArgumentRefused
from paddock.library.model import NOT_SAID, HeaderSummary, LoadOptions, Model, Trait
from paddock.library.variant import variant

FAKE = Path(__file__).parents[2] / "fakes" / "llama_server.py"


@pytest.fixture(scope="module")
def table() -> FlagTable:
    said = subprocess.run([sys.executable, FAKE, "--help"], capture_output=True, text=True)
    return parse_help("llama-server", said.stdout)


def model(
    *, context=4096, traits=(Trait.CHAT,), projector=None, options=NOT_SAID, adapters=(), **settings
):
    return Model(
        id="m",
        fingerprint="1",
        path=Path("/models/m.gguf"),
        projector=projector,
        header=HeaderSummary(context_length=context),
        traits=frozenset(traits),
        settings=ModelEntry(**settings),
        options=options,
        adapters=adapters,
    )


def line(table, model, engine_args="", placed=None, **config):
    made = Config(**config)
    return command_line(model, made, table, engine_args, port=4711, placed=placed)


def pairs(words):
    """Each flag with the word after it."""
    return set(zip(words, (*words[1:], ""), strict=True))


def test_each_slot_gets_its_own_context(table):
    made = line(table, model(), context_length=1000, parallel=3)
    assert made.slots == 3
    assert {("--parallel", "3"), ("--ctx-size", "3000")} <= pairs(made.words)
    assert "--no-kv-unified" in made.words


def test_identity_and_safety_are_always_there(table):
    words = line(table, model()).words
    assert words[:2] == ("--model", "/models/m.gguf")
    assert {
        ("--host", "127.0.0.1"),
        ("--port", "4711"),
        ("--alias", "m"),
        ("--cors-origins", "localhost"),
        ("--log-verbosity", "4"),
    } <= pairs(words)


@pytest.mark.parametrize(
    ("own", "default", "trained", "context"),
    [
        (None, 8192, 4096, 4096),
        (None, 2048, 4096, 2048),
        (0, 2048, 4096, 4096),
        (512, 2048, 4096, 512),
        (9999, 2048, 4096, 4096),
        (None, 0, 4096, 4096),
        (None, 2048, 0, 2048),
        (0, 2048, 0, 0),
    ],
)
def test_context_is_what_was_asked_but_never_more_than_trained(own, default, trained, context):
    config = Config(context_length=default)
    assert context_per_request(model(context=trained, context_length=own), config) == context


def test_an_unknown_context_is_left_to_the_engine(table):
    assert "--ctx-size" not in line(table, model(context=0, context_length=0)).words


def test_an_embedding_model_takes_whole_inputs(table):
    words = line(table, model(context=512, traits=[Trait.EMBEDDING])).words
    assert "--embedding" in words
    assert {("--batch-size", "512"), ("--ubatch-size", "512")} <= pairs(words)


def test_a_chat_model_that_can_embed_still_chats(table):
    assert "--embedding" not in line(table, model(traits=[Trait.EMBEDDING, Trait.CHAT])).words


def test_a_reranker_reranks(table):
    words = line(table, model(traits=[Trait.RERANK, Trait.EMBEDDING])).words
    assert "--reranking" in words
    assert "--embedding" not in words


def test_a_projector_is_given(table):
    words = line(table, model(projector=Path("/models/mmproj.gguf"))).words
    assert ("--mmproj", "/models/mmproj.gguf") in pairs(words)


def test_the_owners_flags_come_last_in_the_order_engine_default_model(table):
    made = line(table, model(args="-t 3"), "-t 1", default_model_args="-t 2")
    assert made.words[-6:] == ("-t", "1", "-t", "2", "-t", "3")


@pytest.mark.parametrize(
    ("args", "dropped"),
    [
        ("-c 777", "--ctx-size"),
        ("--ctx_size 777", "--ctx-size"),
        ("-np 5", "--parallel"),
        ("-kvu", "--no-kv-unified"),
        ("-lv 3", "--log-verbosity"),
        ("-a other", "--alias"),
    ],
)
def test_a_flag_of_the_owner_replaces_ours_however_it_is_spelled(table, args, dropped):
    words = line(table, model(args=args)).words
    ours = words[: -len(args.split())]
    assert dropped not in ours


def test_the_owners_slots_count_for_our_context(table):
    made = line(table, model(args="-np 5"), context_length=100, default_model_args="")
    assert made.slots == 5
    assert ("--ctx-size", "500") in pairs(made.words)


def test_the_owners_limit_of_requests_does_not_change_the_engine(table):
    assert line(table, model(concurrency_limit=1)) == line(table, model())


def test_flags_that_an_older_program_does_not_know_are_left_out():
    older = parse_help("llama-server", "--model FNAME  x\n--port PORT  x\n--log-colors  x\n")
    words = line(older, model(), default_model_args="").words
    assert words == ("--model", "/models/m.gguf", "--port", "4711")


@pytest.mark.parametrize("args", ["--host 0.0.0.0", "--port 1", "--api-key x", "-m y", "--version"])
def test_flags_that_would_take_the_child_away_are_refused(table, args):
    with pytest.raises(ArgumentRefused, match="not for the owner"):
        line(table, model(args=args))


@pytest.mark.parametrize("place", ["engine", "default", "model"])
def test_an_unknown_flag_is_refused_wherever_it_stands(table, place):
    args = {name: "--nonsense" if name == place else "" for name in ("engine", "default", "model")}
    with pytest.raises(ArgumentRefused, match="--nonsense"):
        line(table, model(args=args["model"]), args["engine"], default_model_args=args["default"])


def test_a_file_named_like_a_flag_stays_a_value(table):
    hostile = Model(id="--host=0.0.0.0", path=Path("/models/--host=0.0.0.0.gguf"))
    words = line(table, hostile).words
    assert words[1] == "/models/--host=0.0.0.0.gguf"
    assert ("--alias", "--host=0.0.0.0") in pairs(words)


# --- what PARAMETERs and requests say ---


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (LoadOptions(context=1024), {("--ctx-size", "2048")}),
        (LoadOptions(gpu_layers=0), {("--gpu-layers", "0")}),
        (LoadOptions(gpu_layers=99), {("--gpu-layers", "99")}),
        (LoadOptions(batch=64), {("--batch-size", "64"), ("--ubatch-size", "64")}),
        (LoadOptions(threads=3), {("--threads", "3")}),
        (LoadOptions(mmap=False), {("--load-mode", "none")}),
        (LoadOptions(main_gpu=1), {("--main-gpu", "1"), ("--split-mode", "none")}),
    ],
)
def test_each_option_becomes_its_flags(table, options, flags):
    for asked in (model(options=options), variant(model(), options)):
        assert flags <= pairs(line(table, asked).words)


def test_what_is_not_said_is_left_to_the_engine(table):
    words = line(table, model(options=LoadOptions(gpu_layers=-1, mmap=True))).words
    assert words == line(table, model()).words


def test_a_program_without_load_modes_gets_the_flag_it_knows():
    older = parse_help("llama-server", "--model FNAME  x\n--no-mmap  x\n")
    words = line(older, model(options=LoadOptions(mmap=False)), default_model_args="").words
    assert words[-1] == "--no-mmap"


def test_a_request_outdoes_the_owners_context_and_the_owner_a_parameter(table):
    owned = model(context_length=512, options=LoadOptions(context=1024))
    assert ("--ctx-size", "1024") in pairs(line(table, owned).words)
    asked = variant(owned, LoadOptions(context=2048))
    assert ("--ctx-size", "4096") in pairs(line(table, asked).words)


@pytest.mark.parametrize(
    ("args", "dropped"),
    [
        ("-c 777", "--ctx-size"),
        ("-ngl 1", "--gpu-layers"),
        ("-t 1", "--threads"),
        ("-b 7", "--batch-size"),
        ("-lm mmap", "--load-mode"),
        ("-ts 1,1", "--split-mode"),
        ("-mg 0", "--main-gpu"),
        ("--lora /x", "--lora"),
    ],
)
def test_the_owners_flags_outdo_what_requests_ask_for(table, args, dropped):
    asked = model(
        args=args, options=LoadOptions(100, 5, 6, 7, False, 1), adapters=(Path("/a.gguf"),)
    )
    ours = line(table, asked).words[: -len(args.split())]
    assert dropped not in ours


def test_adapters_are_given_as_one_value(table):
    given = model(adapters=(Path("/a.gguf"), Path("/b.gguf")))
    assert ("--lora", "/a.gguf,/b.gguf") in pairs(line(table, given).words)
    with pytest.raises(ArgumentRefused, match="comma"):
        line(table, model(adapters=(Path("/a,b.gguf"),)))


def test_an_embedding_model_takes_whole_inputs_whatever_its_batch(table):
    words = line(table, model(traits=[Trait.EMBEDDING], options=LoadOptions(batch=8))).words
    assert {("--batch-size", "4096"), ("--ubatch-size", "4096")} <= pairs(words)


def test_a_context_that_no_engine_can_count_is_refused(table):
    with pytest.raises(ArgumentRefused, match="context of 16777216 tokens"):
        line(table, model(context=0, options=LoadOptions(1 << 24), parallel=512))


@pytest.mark.parametrize(
    ("engine", "default", "own", "fixed"),
    [
        ("", "--no-webui", "", False),
        ("-c 100", "", "", True),
        ("", "--ctx-size 100", "", True),
        ("", "", "--ctx_size 100", True),
        ("", "", "--cache-ram 5", False),
    ],
)
def test_the_owners_flags_may_say_the_context(engine, default, own, fixed):
    config = Config(
        engines={"one": EngineEntry(args=engine)},
        default_model_args=default,
    )
    assert fixes_context(model(args=own), config) is fixed


# --- with a plan ---

PLAN = (
    "--device Vulkan0,Vulkan1 --gpu-layers 12 --tensor-split 3,1 --n-cpu-moe 4 --ctx-size 8192"
    " --parallel 2 --no-kv-unified --cache-type-k q8_0 --fit off"
)


def placed(words=PLAN, slots=2):
    return Placed(tuple(words.split()), 4096, slots, "100% GPU", 1.0, "it fits")


def test_a_plan_says_where_it_goes_and_how_much_it_holds(table):
    made = line(table, model(parallel=7, context_length=100), placed=placed())
    words = " ".join(made.words)
    assert PLAN in words
    assert made.slots == 2
    assert words.count("--parallel") == words.count("--ctx-size") == 1


def test_a_plan_says_how_long_an_input_can_be_that_is_embedded(table):
    embeds = model(traits=[Trait.EMBEDDING])
    words = pairs(line(table, embeds, placed=placed("--ctx-size 99 --ubatch-size 99")).words)
    assert ("--ubatch-size", "99") in words
    assert ("--ubatch-size", "4096") not in words


def test_how_it_is_loaded_is_no_part_of_a_plan(table):
    asked = model(options=LoadOptions(threads=3, mmap=False), projector=Path("/p.gguf"))
    words = line(table, asked, placed=placed()).words
    assert {("--threads", "3"), ("--load-mode", "none"), ("--mmproj", "/p.gguf")} <= pairs(words)


@pytest.mark.parametrize(
    ("args", "dropped"),
    [
        ("-dev Vulkan1", ["--device"]),
        ("-ngl 3", ["--gpu-layers"]),
        ("-ts 1,1", ["--tensor-split"]),
        ("-c 777", ["--ctx-size"]),
        ("--kv-unified-per-slot 99", ["--ctx-size", "--no-kv-unified"]),
        ("--cpu-moe", ["--n-cpu-moe"]),
        ("-ot exps=CPU", ["--n-cpu-moe"]),
        ("-fit on", ["--fit"]),
        ("-sm none -mg 1", ["--device"]),
        ("-mg 1", []),
        ("-ctk f16", ["--cache-type-k"]),
    ],
)
def test_the_owners_flags_outdo_a_plan_flag_by_flag(table, args, dropped):
    made = line(table, model(args=args), placed=placed())
    ours = made.words[: -len(args.split())]
    planned = [word for word in PLAN.split() if word.startswith("--")]
    assert [word for word in planned if word not in ours] == dropped
    assert made.words[-len(args.split()) :] == tuple(args.split())


def test_the_owners_slots_outdo_those_of_a_plan(table):
    assert line(table, model(args="-np 5"), placed=placed()).slots == 5
    assert line(table, model(args="-np 5"), placed=placed()).words.count("--parallel") == 0


@pytest.mark.parametrize(
    ("options", "there", "gone"),
    [
        (LoadOptions(gpu_layers=5), {("--gpu-layers", "5")}, {("--gpu-layers", "12")}),
        (
            LoadOptions(main_gpu=1),
            {("--main-gpu", "1"), ("--split-mode", "none"), ("--gpu-layers", "12")},
            {("--device", "Vulkan0,Vulkan1")},
        ),
        (LoadOptions(batch=64), {("--batch-size", "64"), ("--ubatch-size", "64")}, set()),
    ],
)
def test_what_a_request_asks_for_outdoes_a_plan(table, options, there, gone):
    words = pairs(line(table, variant(model(), options), placed=placed()).words)
    assert there <= words
    assert not gone & words


def test_a_plan_for_the_processor_stays_one_whatever_the_main_gpu(table):
    asked = variant(model(), LoadOptions(main_gpu=1))
    words = line(table, asked, placed=placed("--device none --gpu-layers 0")).words
    assert {("--device", "none"), ("--main-gpu", "1")} <= pairs(words)


def test_words_of_a_plan_that_an_older_program_does_not_know_are_left_out():
    older = parse_help("llama-server", "--model FNAME  x\n--ctx-size N  x\n--kv-unified  x\n")
    words = line(older, model(), placed=placed(), default_model_args="").words
    assert words == ("--model", "/models/m.gguf", "--ctx-size", "8192")
