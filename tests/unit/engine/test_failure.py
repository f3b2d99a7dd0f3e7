import signal

import pytest

from paddock.engine.failure import classify
from paddock.errors import FailureKind

OOM = FailureKind.OUT_OF_MEMORY
CORRUPT = FailureKind.FILE_CORRUPT
MISSING = FailureKind.FILE_MISSING
FLAG = FailureKind.BAD_FLAG
ARCH = FailureKind.UNSUPPORTED_ARCHITECTURE
PORT = FailureKind.PORT_TAKEN
EXECUTABLE = FailureKind.NOT_EXECUTABLE


@pytest.mark.parametrize(
    ("line", "kind", "named"),
    [
        ("0.00.010.000 E alloc_tensor_range: failed to allocate CPU buffer of size 9", OOM, "size"),
        ("E llama_init: failed to allocate buffer for kv cache", OOM, "kv cache"),
        ("E ggml_vulkan: Device memory allocation of size 4294967296 failed.", OOM, "429496"),
        ("ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory", OOM, "allocateMemory"),
        ("allocating 9000.00 MiB on device 0: cudaMalloc failed: out of memory", OOM, "9000.00"),
        ("ggml_cuda: hipMalloc failed: out of memory", OOM, "hipMalloc"),
        ("ROCm error: out of memory", OOM, "ROCm"),
        ("terminate called: std::bad_alloc", OOM, "bad_alloc"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED", OOM, "CUBLAS"),
        ("hipErrorOutOfMemory: out of memory", OOM, "hip"),
        ("E alloc: unable to allocate Vulkan0 buffer", OOM, "Vulkan0"),
        ("E ggml: failed to allocate buffer of size 99", OOM, "99"),
        ("E graph_reserve: failed to reserve graph buffers", OOM, "reserve"),
        ("W fit: failed to fit params to free device memory: no, abort", OOM, "no, abort"),
        ("fit: was unable to fit model into system memory, abort", OOM, "system memory"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", OOM, "2 GiB"),
        (
            "pre-allocated tensor (cache_k_l0) in a buffer (Vulkan0) that cannot run the operation",
            OOM,
            "cache_k_l0",
        ),
        ("E load: unknown model architecture: 'mamba9'", ARCH, "'mamba9'"),
        ("llama_model_load: unknown pre-tokenizer type: 'zorg'", ARCH, "'zorg'"),
        ("clip: unknown projector type: frob", ARCH, "'frob'"),
        ("error: invalid argument: --mlock", FLAG, "--mlock"),
        ('error while handling argument "-c": stoi', FLAG, "-c: stoi"),
        (
            "E failed to open GGUF file '/m/x.gguf' (No such file or directory)",
            MISSING,
            "/m/x.gguf: No such file or directory",
        ),
        ("E failed to open GGUF file '/m/x.gguf' (Permission denied)", MISSING, "denied"),
        ("E srv: failed to load multimodal model, '/m/mmproj.gguf'", MISSING, "/m/mmproj.gguf"),
        ("E failed to load lora adapter '/m/lora.gguf'", MISSING, "/m/lora.gguf"),
        ("E failed to load draft model, '/m/draft.gguf'", MISSING, "/m/draft.gguf"),
        ("E gguf: failed to read magic", CORRUPT, "magic"),
        ("E gguf: invalid magic characters: 'hell', expected 'GGUF'", CORRUPT, "hell"),
        ("E gguf: failed to read key-value pairs", CORRUPT, "key-value"),
        ("E gguf: failed to read header", CORRUPT, "header"),
        ("E tensor 'T' data is not within the file bounds, model is corrupted", CORRUPT, "'T'"),
        ("E load: tensor 'blk.0.attn_q.weight' not found", CORRUPT, "blk.0"),
        ("E load: key not found in model: llama.context_length", CORRUPT, "context_length"),
        ("E srv: failed to notify router server: Could not connect", EXECUTABLE, "router"),
        ("E couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 9", PORT, "port"),
        ("OSError: [Errno 98] error while attempting to bind on address", PORT, "port"),
        ("bind: Address already in use", PORT, "port"),
        ("sh: 4: exec: /opt/llama-server: not found", EXECUTABLE, "/opt/llama-server: not found"),
        ("sh: 4: exec: ./run: Permission denied", EXECUTABLE, "./run"),
        (
            "x: error while loading shared libraries: libcudart.so.12: cannot open shared object",
            EXECUTABLE,
            "libcudart.so.12",
        ),
    ],
)
def test_a_line_tells_the_kind(line, kind, named):
    failure = classify(1, ["0.00.001.000 I srv: hello", line, "E srv: exiting due to an error"])
    assert failure.kind is kind
    assert named in failure.message
    assert failure.hint


@pytest.mark.parametrize(
    ("code", "kind", "named"),
    [
        (-9, OOM, "killed"),
        (137, OOM, "killed"),
        (-11, FailureKind.SIGNAL, "SIGSEGV"),
        (139, FailureKind.SIGNAL, "SIGSEGV"),
        (-6, FailureKind.SIGNAL, "SIGABRT"),
        (-15, FailureKind.SIGNAL, "SIGTERM"),
        (-64, FailureKind.SIGNAL, "SIGRTMAX"),
        (3, FailureKind.EXITED, "code 3"),
        (0, FailureKind.EXITED, "code 0"),
        (255, FailureKind.EXITED, "code 255"),
    ],
)
def test_a_silent_death_is_told_by_its_code(code, kind, named):
    failure = classify(code, [])
    assert failure.kind is kind
    assert named in failure.message


def test_an_unknown_death_shows_the_last_complaint_without_its_prefix():
    lines = ["0.00.010.000 E srv load: error: the moon is full", "0.00.011.000 I srv: bye"]
    assert classify(1, lines).message == (
        "the engine ended with exit code 1: srv load: error: the moon is full"
    )


def test_an_assertion_is_shown_with_the_signal():
    failure = classify(-signal.SIGABRT, ["/src/ggml.c:42: GGML_ASSERT(a == b) failed", "bye"])
    assert failure.kind is FailureKind.SIGNAL
    assert "GGML_ASSERT(a == b)" in failure.message


def test_the_precise_cause_wins_over_what_follows_from_it():
    lines = [
        "E load: unknown model architecture: 'x'",
        "E fit: failed to allocate anything",
        "E load: failed to load model",
    ]
    assert classify(1, lines).kind is ARCH


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: failed to allocate 512.00 MB of pinned memory",
        "srv get_available: failed to allocate memory for prompt cache state: no",
        "W fit: failed to fit params to free device memory: n_gpu_layers already set, abort",
    ],
)
def test_what_an_engine_goes_on_without_is_not_why_it_died(line):
    assert classify(1, [line, "E gguf: failed to read magic"]).kind is CORRUPT


def test_a_dollar_in_a_line_is_not_a_placeholder():
    failure = classify(1, ["E tensor '$hint${kind}' not found"])
    assert "'$hint${kind}'" in failure.message
