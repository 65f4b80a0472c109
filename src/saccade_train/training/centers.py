"""Find the centres of the classes for the centre loss of Enhanced CTC.

    python -m saccade_train.training.centers RUN --data LINES [--data MORE] -o centers.safetensors

A recogniser that was trained with CTC reads labelled lines; the features of every step of the lines
that it reads without a mistake are averaged by the class that it names there (PP-OCRv2, section
2.2; ``PaddleOCR/tools/export_center.py``). Unlike there, the network is in evaluation mode and the
lines are not augmented. The file goes into ``loss.centers`` of a recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import save_file
from torch import Tensor

from saccade._files import whole_file
from saccade.datasets.text import TextLineSet, open_text_lines
from saccade.errors import ImageError, SaccadeError, TrainingError
from saccade.text.ctc_decode import decode_greedy
from saccade_train.losses.center import CenterSums, add_to_centers, centers_of
from saccade_train.models.text_recogniser import TextRecogniser
from saccade_train.recipes import TextRecogniseRecipe
from saccade_train.text.lines import line_size, pad_lines

from .evaluate import normaliser
from .run import load_trained

__all__ = ["find_centers"]


@torch.inference_mode()
def find_centers(run: Path, places: Sequence[Path], split: str = "train") -> tuple[Tensor, int]:
    """Average the features of each class over the lines that are read right.

    Args:
        run: Run folder of a recogniser.
        places: Labelled lines.
        split: Which part of them.

    Returns:
        float32 (C, F), drawn from N(0, 1) for classes that were never seen; and how many classes
        were seen.

    Raises:
        TrainingError: The run is no recogniser's, or reads no line right.
    """
    trained = load_trained(run)
    if not isinstance(trained.recipe, TextRecogniseRecipe):
        raise TrainingError(f"{run}: a training to {trained.recipe.task}; expected a recogniser's")
    model: TextRecogniser = trained.model
    data = trained.recipe.data
    change = normaliser(data.mean, data.std, torch.device("cpu"), channels_last=True)
    seen = CenterSums.empty(model.num_classes, model.head.features)
    for place in places:
        lines = open_text_lines(place, split)
        for number in range(len(lines)):
            seen = _add_line(seen, model, lines, number, trained.classes, change)
    known = int((seen.counts > 0).sum())
    if known == 0:
        raise TrainingError(f"{run}: reads none of these lines right; train it longer first")
    generator = torch.Generator().manual_seed(0)
    return centers_of(seen, generator).float(), known


def _add_line(
    seen: CenterSums,
    model: TextRecogniser,
    lines: TextLineSet,
    number: int,
    alphabet: Sequence[str],
    change: object,
) -> CenterSums:
    try:
        image = lines.read(number)
    except ImageError:
        return seen
    width = max(8, -(-32 * image.shape[1] // image.shape[0]))
    batch = pad_lines([line_size(image, (width, 32))])
    steps = model(change(torch.from_numpy(batch)))  # type: ignore[operator]
    read = decode_greedy(steps.logits.softmax(2).numpy(), alphabet)[0].text
    right = torch.tensor([read == lines.samples[number].text])
    return add_to_centers(seen, steps.features, steps.logits, right)


def main(
    run: Annotated[Path, typer.Argument(help="Run folder of a recogniser trained with CTC.")],
    data: Annotated[list[Path], typer.Option(help="Labelled lines.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file, .safetensors.")],
) -> None:
    """Find the centres of the classes for loss.center of a recipe."""
    try:
        centers, known = find_centers(run, data)
        with whole_file(out) as beside:
            save_file({"centers": centers.contiguous()}, beside)
    except (SaccadeError, OSError) as error:
        typer.echo(f"saccade: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{out}: centres of {known} of {len(centers)} classes", err=True)


if __name__ == "__main__":
    typer.run(main)
