"""PP-ShiTu's extractors through files as Paddle writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drawn_weights import draw_weights
from paddle_files import write_pdparams
from saccade.cli.app import main
from saccade.errors import ModelFileError
from saccade_train.models.embedder import Embedder, build_embedder
from saccade_train.paddle.embed import EMBED_ARCHITECTURES, import_embedder, paddle_embedder_names


def tensors_of(model: Embedder) -> dict[str, np.ndarray]:
    state = model.state_dict()
    found = {}
    for ours, theirs in paddle_embedder_names(model).items():
        value = state[ours].numpy()
        found[theirs] = np.ascontiguousarray(value.T if ours == "neck.fc.weight" else value)
    found["head.weight"] = np.zeros((16, 9), np.float32)
    return found


@pytest.mark.parametrize("neck", ["fc", "hash"])
def test_weights_come_in_with_the_dropout_folded(neck: str, tmp_path: Path) -> None:
    model = build_embedder("lcnet_x0_25", 9, neck=neck, embedding_dim=16)
    draw_weights(model)
    tensors = tensors_of(model)
    assert ("backbone.fc.weight" in tensors) == (neck == "hash")
    assert "backbone.last_conv.weight" in tensors
    assert "backbone.conv1.bn._mean" in tensors
    path = write_pdparams(tmp_path / "w.pdparams", tensors)
    found = import_embedder(path, "lcnet_x0_25", neck)
    assert found.embedding_dim == 16
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model.eval()
    with torch.no_grad():
        pooled = model.pooled.embed(model.backbone(x)) * 0.8
        torch.testing.assert_close(found(x), model.neck(pooled), atol=1e-5, rtol=1e-4)


def test_the_second_version_with_its_unused_kernels(tmp_path: Path) -> None:
    architecture, neck, options = EMBED_ARCHITECTURES["shitu_v2_lcnet_v2_base"]
    model = build_embedder(architecture, 9, neck=neck, embedding_dim=512, options=options)
    draw_weights(model)
    tensors = tensors_of(model)
    assert {"backbone.stages.2.0.dw_conv_list.1.bn._mean", "neck.feat_bn.weight"} <= set(tensors)
    tensors["backbone.stages.2.0.dw_conv.weight"] = np.zeros((256, 1, 5, 5), np.float32)
    tensors["backbone.stages.2.0.dw_conv.bias"] = np.zeros(256, np.float32)
    path = write_pdparams(tmp_path / "w.pdparams", tensors)
    found = import_embedder(path, architecture, neck, options)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model.eval()
    with torch.no_grad():
        assert model.backbone(x).shape[2:] == (4, 4)  # the last stage keeps its size
        pooled = model.pooled.embed(model.backbone(x)) * 0.8
        torch.testing.assert_close(found(x), model.neck(pooled), atol=1e-5, rtol=1e-4)


def test_what_does_not_fit(tmp_path: Path) -> None:
    model = build_embedder("lcnet_x0_25", 9, embedding_dim=16)
    path = write_pdparams(tmp_path / "w.pdparams", tensors_of(model))
    with pytest.raises(ModelFileError, match=r"no 'backbone\.fc\.bias'"):
        import_embedder(path, "lcnet_x0_25", "hash")
    with pytest.raises(ModelFileError, match="of another shape"):
        import_embedder(path, "lcnet_x0_35", "fc")


def test_the_command_line_names_the_misfit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build_embedder("lcnet_x0_25", 9, embedding_dim=16)
    path = write_pdparams(tmp_path / "w.pdparams", tensors_of(model))
    out = tmp_path / "out.onnx"
    assert main(["import", str(path), "--arch", "shitu_lcnet_x2_5", "-o", str(out)]) != 0
    assert "does not fit lcnet_x2_5" in capsys.readouterr().err
    assert not out.exists()
