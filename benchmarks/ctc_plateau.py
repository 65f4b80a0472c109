"""How soon does a recogniser begin to read? Two trunks, with and without the loss of aligned steps.

    python benchmarks/ctc_plateau.py [--steps 400] [--fonts FOLDER]

All start from the same seed on the same short drawn lines, as in the recipe (AdamW 3e-3, 2,560
columns a step, one thread). Printed: character error rate on 200 other lines after each quarter of
the steps, and seconds of training. CTC alone stays at 1: it answers blanks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import torch

from saccade.metrics.text import line_metrics
from saccade_train.augment.text_lines import LineAugment
from saccade_train.losses.aligned import aligned_loss
from saccade_train.losses.ctc import ctc_loss
from saccade_train.models.text_recogniser import TextRecogniser, build_text_recogniser
from saccade_train.synth import LATIN, LineSource, find_fonts, preset
from saccade_train.text.lines import LineBatch, LineMaker, LineSamples
from saccade_train.training.evaluate import normaliser
from saccade_train.training.text_recognise import read_lines

HALF = (0.5, 0.5, 0.5)
ROWS = (
    ("crnn_lcnet_x0_5", 0.0),
    ("crnn_lcnet_x0_5", 1.0),
    ("crnn_resnet10_vd_x0_5", 0.0),
    ("crnn_resnet10_vd_x0_5", 1.0),
)


def train(arch: str, aligned: float, batches: list[LineBatch], test: LineSource) -> None:
    """Train one row and print it."""
    torch.manual_seed(0)
    model: TextRecogniser = build_text_recogniser(arch, len(LATIN) + 1)
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.01)
    change = normaliser(HALF, HALF, torch.device("cpu"), channels_last=True)
    lines = [test[number] for number in range(200)]
    rates, seconds = [], 0.0
    for step, batch in enumerate(batches, start=1):
        began = perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1.0, step / 50)
        logits = model(change(torch.from_numpy(batch.images))).logits
        labels, lengths = torch.from_numpy(batch.labels), torch.from_numpy(batch.lengths)
        loss = ctc_loss(logits, labels, lengths).mean()
        if aligned:
            loss = loss + aligned * aligned_loss(logits, torch.from_numpy(batch.columns))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        seconds += perf_counter() - began
        if step % (len(batches) // 4) == 0:
            model.eval()
            said = read_lines(
                model,
                [line.image for line in lines],
                LATIN,
                lambda images: change(torch.from_numpy(images)),
                widest=256,
            )
            rates.append(line_metrics([line.text for line in lines], said)["cer"])
            model.train()
    shown = " | ".join(f"{rate:.2f}" for rate in rates)
    loss_name = "CTC and aligned steps" if aligned else "CTC"
    print(f"| `{arch}` | {loss_name} | {shown} | {seconds:.0f} |", flush=True)


def main() -> None:
    """Draw the lines once, then train each row on them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--fonts", type=Path, action="append", help="instead of the system's")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fonts = find_fonts(LATIN, arguments.fonts)
    options = preset("document", length=(1, 10))
    source = LineSource(options, 0, fonts=fonts)
    samples = LineSamples(source, (), 0.0, LineAugment(), 0.0, 0)
    maker = LineMaker(samples, LATIN, 24, 2560, 256)
    batches = [batch for job in range(arguments.steps // 8) for batch in maker(job)]
    quarter = len(batches) // 4
    heads = " | ".join(f"CER at {quarter * number}" for number in range(1, 5))
    print(f"| network | loss | {heads} | seconds |\n|---|---|---|---|---|---|---|", flush=True)
    test = LineSource(options, 2**40, fonts=fonts)
    for arch, aligned in ROWS:
        train(arch, aligned, batches, test)


if __name__ == "__main__":
    main()
