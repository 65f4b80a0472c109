from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saccade.errors import MissingExtra, ModelFileError, OptionError
from saccade.runtime import RUNTIMES, open_session
from toymodel import toy_graph

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="the extra 'openvino' is not installed"
)
EVERY = [
    name if name == "onnxruntime" else pytest.param(name, marks=needs_openvino) for name in RUNTIMES
]


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("runtime", EVERY)
def test_outputs_are_named_float32(toy_classifier: Path, runtime: str) -> None:
    session = open_session(toy_classifier, runtime, threads=2)
    assert (session.runtime, session.threads, session.input_name) == (runtime, 2, "image")
    assert session.output_names == ("probabilities", "embedding")
    outputs = session.run(noise(5))
    assert {name: (a.shape, a.dtype) for name, a in outputs.items()} == {
        "probabilities": ((5, 3), np.float32),
        "embedding": ((5, 8), np.float32),
    }
    assert np.allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("runtime", EVERY[1:])
def test_runtimes_agree(toy_classifier: Path, runtime: str) -> None:
    want = open_session(toy_classifier, threads=1).run(noise(3))
    got = open_session(toy_classifier, runtime, threads=1).run(noise(3))
    # bfloat16 keeps 8 bits; on a processor without it the runtime computes in float32.
    tolerance = 2e-2 if runtime.endswith("bf16") else 1e-5
    for name in want:
        assert np.allclose(want[name], got[name], atol=tolerance)


@pytest.mark.parametrize("runtime", EVERY)
def test_many_threads_get_their_own_answers(toy_classifier: Path, runtime: str) -> None:
    session = open_session(toy_classifier, runtime, threads=2)
    batches = [noise(1 + seed % 3, seed) for seed in range(40)]
    want = [session.run(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(session.run, batches * 3))
    for answer, expected in zip(got, want * 3, strict=True):
        for name in expected:
            assert np.allclose(answer[name], expected[name], atol=1e-6)


@pytest.mark.parametrize("runtime", EVERY)
def test_a_later_run_leaves_an_earlier_answer_alone(toy_classifier: Path, runtime: str) -> None:
    session = open_session(toy_classifier, runtime, threads=1)
    first = session.run(noise(2, 1))["embedding"]
    kept = first.copy()
    session.run(noise(2, 2))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("runtime", EVERY)
@pytest.mark.parametrize(
    "batch",
    [
        noise(1).astype(np.float32),
        noise(1)[0],
        noise(1)[:, :16],
        noise(1)[:0],
        noise(1).tolist(),
    ],
    ids=["float", "three sizes", "half a picture", "no picture", "a list"],
)
def test_a_batch_that_does_not_fit_is_refused(
    toy_classifier: Path, runtime: str, batch: Any
) -> None:
    with pytest.raises(OptionError, match=r"expected .*uint8 \(any, 32, 32, 3\)"):
        open_session(toy_classifier, runtime, threads=1).run(batch)


@pytest.mark.parametrize("runtime", EVERY)
def test_a_strided_batch_is_taken_as_it_looks(toy_classifier: Path, runtime: str) -> None:
    session = open_session(toy_classifier, runtime, threads=1)
    batch = noise(4)[::2, :, ::-1]
    assert np.allclose(
        session.run(batch)["embedding"], session.run(batch.copy())["embedding"], atol=1e-6
    )


@pytest.mark.parametrize("runtime", EVERY)
@pytest.mark.parametrize("content", [b"", b"junk" * 50, "half"], ids=["empty", "junk", "half"])
def test_a_corrupt_graph_is_one_line(
    runtime: str, content: bytes | str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "corrupt.onnx"
    whole = toy_graph().SerializeToString()
    path.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    with pytest.raises(ModelFileError) as caught:
        open_session(path, runtime, threads=1)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_missing_files_and_unknown_runtimes(toy_classifier: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        open_session("none.onnx")
    with pytest.raises(OptionError, match="did you mean 'onnxruntime'"):
        open_session(toy_classifier, "onnxruntim")


def test_a_graph_of_two_inputs_is_foreign(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = toy_graph()
    model.graph.input.append(
        onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1])
    )
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(ModelFileError, match="its inputs are image"):
        open_session(tmp_path / "two.onnx")


def test_a_missing_openvino_names_the_extra(
    toy_classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"pip install 'saccade\[openvino\]'"):
        open_session(toy_classifier, "openvino")


@needs_openvino
def test_openvino_reports_to_nobody(toy_classifier: Path) -> None:
    code = """
import sys
touched = []
def watch(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.fork"):
        touched.append(event)
sys.addaudithook(watch)
import numpy
from saccade.runtime import open_session
open_session(sys.argv[1], "openvino", 1).run(numpy.zeros((1, 32, 32, 3), numpy.uint8))
assert "openvino_telemetry" not in sys.modules, "the telemetry was imported"
assert not touched, touched
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(toy_classifier)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("runtime", EVERY[:2])
def test_memory_is_flat_over_changing_shapes(tmp_path: Path, runtime: str) -> None:
    onnx = pytest.importorskip("onnx")
    model = toy_graph(dim=32)
    for axis, name in ((1, "H"), (2, "W")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    path = tmp_path / "free.onnx"
    onnx.save(model, path)
    session = open_session(path, runtime, threads=1)
    rng = np.random.default_rng(0)

    def run_some(count: int) -> None:
        for _ in range(count):
            height, width = rng.integers(16, 160, 2)
            session.run(np.zeros((rng.integers(1, 4), height, width, 3), np.uint8))

    session.run(np.zeros((3, 160, 160, 3), np.uint8))
    run_some(400)
    before = resident_mib()
    run_some(450)
    # With the engines' own settings OpenVINO grows by 60 MiB here.
    assert resident_mib() - before < 20
