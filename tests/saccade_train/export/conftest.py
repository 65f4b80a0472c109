"""Small networks of every family, exported once for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from saccade.imaging.prepare import Prepare
from saccade_train.export.onnx import ExportReport, export_model
from saccade_train.models.classifier import Classifier, build_classifier
from saccade_train.recipes import dump_recipe, parse_recipe
from saccade_train.training.checkpoint import write_folder

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

# Name -> architecture, height, width, options.
NETWORKS: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "lcnet": ("lcnet_x1_0", 224, 224, {}),
    "lcnet_paddle": ("lcnet_x0_25", 65, 49, {"paddle_compat": True}),
    "mobilenet_small": ("mobilenet_v3_small_x0_35", 47, 64, {}),
    "resnet": ("resnet18", 33, 65, {"width": 0.25}),
    "resnet_vd": ("resnet18_vd", 65, 47, {"width": 0.25}),
    "hs_resnet": ("hs_resnet26", 49, 64, {"width": 0.25, "hs_splits": 4}),
}


@dataclass(frozen=True)
class Exported:
    model: Classifier
    report: ExportReport
    height: int
    width: int

    @property
    def path(self) -> Path:
        return self.report.path

    def noise(self, count: int, seed: int = 5) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return generator.integers(0, 256, (count, self.height, self.width, 3), dtype=np.uint8)


def lively(architecture: str, classes: int, **options: Any) -> Classifier:
    """A network whose BatchNorms do something, so that folding them can go wrong."""
    torch.manual_seed(0)
    model = build_classifier(architecture, classes, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
        elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def export_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """Export a network of NETWORKS, the first time it is asked for."""
    folder = tmp_path_factory.mktemp("exported")
    done: dict[str, Exported] = {}

    def export(name: str) -> Exported:
        if name not in done:
            architecture, height, width, options = NETWORKS[name]
            model = lively(architecture, 7, **options)
            report = export_model(
                model,
                folder / f"{name}.onnx",
                labels=[f"class {number}" for number in range(7)],
                prepare=Prepare(height, width, "stretch"),
                mean=MEAN,
                std=STD,
            )
            done[name] = Exported(model, report, height, width)
        return done[name]

    return export


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder as a finished training leaves it."""

    def make(name: str = "run", classes: tuple[str, ...] = ("blue", "green", "red")) -> Path:
        run = tmp_path / name
        recipe = parse_recipe(
            {
                "model": {"arch": "lcnet_x0_25"},
                "data": {
                    "train_size": 32,
                    "eval": {"height": 32, "width": 32, "short": 36},
                    "mean": [0.5, 0.4, 0.3],
                    "std": [0.2, 0.25, 0.3],
                },
            }
        )
        model = lively("lcnet_x0_25", len(classes))
        write_folder(run / "best", {"model": model.state_dict()}, {"scores": {"top1": 0.5}})
        (run / "recipe.yaml").write_text(dump_recipe(recipe), "utf-8")
        (run / "classes.txt").write_text("\n".join(classes) + "\n", "utf-8")
        return run

    return make
