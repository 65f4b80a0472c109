"""WS-DAN's graph says what its network says; DCL leaves a plain classifier."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from classifier_runs import write_classifier_run
from saccade.modelfile import read_card
from saccade.runtime import open_session
from saccade_train.export.parity import torch_outputs
from saccade_train.export.run import export_run
from saccade_train.training.run import load_trained

NETWORK = {"arch": "resnet10_vd", "options": {"width": 0.125, "strides": [2, 2, 2, 2, 1]}}


def test_torch_against_the_exported_graph(tmp_path: Path) -> None:
    runtimes = ["onnxruntime"] + ["openvino"] * (find_spec("openvino") is not None)
    parts = {"method": "wsdan", "maps": 4}
    run = write_classifier_run(tmp_path / "run", model=NETWORK, parts=parts)
    report = export_run(run, tmp_path / "model.onnx", runtimes=runtimes)
    trained = load_trained(run)
    data = trained.recipe.data
    batch = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    wanted = torch_outputs(trained.model, batch, data.mean, data.std)
    assert len(report.parity) == len(runtimes)
    for parity in report.parity:
        assert parity.tolerance == 1e-3
        assert parity.same_answer == parity.pictures
        got = open_session(report.path, runtime=parity.runtime).run(batch)
        assert wanted.keys() == got.keys()
        for name, values in wanted.items():
            assert np.abs(values - got[name]).max() < 1e-3, (parity.runtime, name)
        assert got["embedding"].shape == (3, read_card(report.path).embedding_dim)
