from dataclasses import fields
from pathlib import Path

import pytest

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config
from paddock.engine.embedded_engine import _flags as embedded
from paddock.engine.flags import Flag, FlagTable
from paddock.engine.owner_flags import ALL, OwnerFlags, owner_flags
from paddock.errors import ArgumentRefused
from paddock.library.model import NOT_SAID, LoadOptions, Model, Trait

NOTHING = OwnerFlags()


MORE = [
    Flag(("-ncffn", "--n-cpu-ffn"), 1),
    Flag(("-bs", "--backend-sampling"), 0),
]
"""What llama-server knows beside."""


@pytest.fixture(scope="module")
def table():
    return FlagTable("the engine", [*embedded(), *MORE])


def told(table, args="", engine="", default="", options=NOT_SAID, traits=(Trait.CHAT,)):
    """What is said, without what is not."""
    model = Model(
        id="m",
        path=Path("/m.gguf"),
        settings=ModelEntry(args=args),
        options=options,
        traits=frozenset(traits),
    )
    found = owner_flags(model, Config(default_model_args=default), table, engine)
    pairs = {field.name: getattr(found, field.name) for field in fields(found)}
    return {name: one for name, one in pairs.items() if one != getattr(NOTHING, name)}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("", {}),
        ("--no-ui -t 3 --temp 0.5 --no-warmup", {}),
        ("-c 8192", {"context": 8192}),
        ("--ctx_size 0", {"context": 0}),
        ("-c -1", {}),
        ("-c 9999999999", {}),
        ("-c viel", {}),
        ("--kv-unified-per-slot 99", {"kv_unified_per_slot": 99}),
        ("-np 3", {"slots": 3}),
        ("-np -1", {"slots": 4, "unified": True}),
        ("-np -1 --no-kv-unified", {"slots": 4, "unified": True}),
        ("-np 3 -kvu", {"slots": 3, "unified": True}),
        ("-kvu -no-kvu", {"unified": False}),
        ("-b 64 -ub 32", {"batch": 64, "ubatch": 32}),
        ("-b 0 -ub 1.5", {}),
        ("-ctk q8_0 -ctv f16", {"keys": "q8_0", "values": "f16"}),
        ("-ctk q9_9", {}),
        ("-fa on", {"flash": True}),
        ("-fa off", {"flash": False}),
        ("-fa auto", {}),
        ("--swa-full", {"full_window": True}),
        ("--embeddings", {"embedding": True}),
        ("--rerank", {"embedding": True}),
        ("-dev Vulkan1,Vulkan0", {"devices": ("Vulkan1", "Vulkan0")}),
        ("-dev none", {"devices": ()}),
        ("-ngl 7", {"gpu_layers": 7}),
        ("-ngl all", {"gpu_layers": ALL}),
        ("-ngl -2", {"gpu_layers": ALL}),
        ("-ngl 7 -ngl auto", {}),
        ("-ngl -1", {}),
        ("-ts 3,1", {"split": (3.0, 1.0)}),
        ("-ts 0.5/1", {"split": (0.5, 1.0)}),
        ("-ts 0,0", {}),
        ("-ts 3,", {}),
        ("-ts 3,-1", {}),
        ("-ts 3,nan", {}),
        ("-sm none -mg 1", {"split_mode": "none", "main_gpu": 1}),
        ("-sm row", {"split_mode": "row", "odd": ("--split-mode",)}),
        ("-cmoe", {"cpu_experts": ALL}),
        ("-ncmoe 3", {"cpu_experts": 3}),
        ("-ncmoe 3 -cmoe", {"cpu_experts": ALL}),
        ("-cram 0 -ctxcp 4", {"cache_ram": 0, "checkpoints": 4}),
        ("-cram -1", {"cache_ram": -1}),
        ("-fit off", {}),
        ("-fit on", {"odd": ("--fit",)}),
        ("-ot exps=CPU", {"odd": ("--override-tensor",)}),
        ("-nkvo", {"odd": ("--no-kv-offload",)}),
        ("-md /d.gguf --lora /l.gguf", {"odd": ("--lora", "--model-draft")}),
        ("--mmproj /p.gguf --no-mmproj-offload", {"odd": ("--mmproj", "--no-mmproj-offload")}),
        ("--mmproj-offload", {}),
    ],
)
def test_what_the_flags_say_of_memory(table, args, said):
    assert told(table, args) == said


def test_of_two_the_later_counts_in_the_order_engine_default_model(table):
    assert told(table, "-c 3", engine="-c 1 -ngl 1", default="-c 2 -ngl 2") == {
        "context": 3,
        "gpu_layers": 2,
    }


@pytest.mark.parametrize(
    ("args", "options", "said"),
    [
        ("", LoadOptions(gpu_layers=5), {"gpu_layers": 5}),
        ("", LoadOptions(gpu_layers=-1, threads=3, mmap=False, context=100), {}),
        ("", LoadOptions(main_gpu=1), {"main_gpu": 1, "split_mode": "none"}),
        ("", LoadOptions(batch=64), {"batch": 64, "ubatch": 64}),
        ("-ngl 7 -ub 32", LoadOptions(gpu_layers=5, batch=64), None),
        ("-ts 3,1", LoadOptions(main_gpu=1), {"split": (3.0, 1.0)}),
    ],
)
def test_what_a_request_says_counts_where_the_owner_says_nothing(table, args, options, said):
    expected = {"gpu_layers": 7, "batch": 64, "ubatch": 32} if said is None else said
    assert told(table, args, options=options) == expected


def test_what_embeds_takes_whole_inputs_whatever_its_batch(table):
    assert told(table, options=LoadOptions(batch=64), traits=[Trait.EMBEDDING]) == {}


@pytest.mark.parametrize(
    ("found", "places"),
    [
        (OwnerFlags(context=1, slots=2, odd=("--lora",)), False),
        (OwnerFlags(devices=()), True),
        (OwnerFlags(gpu_layers=0), True),
        (OwnerFlags(main_gpu=0), True),
        (OwnerFlags(odd=("--lora", "--override-tensor")), True),
    ],
)
def test_who_places(found, places):
    assert found.places is places


@pytest.mark.parametrize("args", ["--nonsense", "--ctx-size=4096", "--port 1"])
def test_what_a_launch_refuses_is_refused(table, args):
    with pytest.raises(ArgumentRefused):
        told(table, args)
