"""The weight gradient of depthwise convolutions: PyTorch's against ours, and what a step gains.

    python benchmarks/depthwise_gradient.py [--threads 1]

Prints milliseconds (best of several) of the forward pass and of both weight gradients on the maps
that PP-LCNet meets, then pictures a second of whole training steps with either, alternating in one
run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter

import torch
from torch.nn import functional as F

from saccade_train.layers import depthwise_conv
from saccade_train.layers.depthwise_conv import depthwise_weight_gradient
from saccade_train.models.classifier import build_classifier

# batch, channels, height, width, kernel
MAPS = [
    (64, 128, 4, 4, 5),
    (64, 256, 2, 2, 5),
    (32, 256, 2, 80, 5),  # a text line of 32 x 320 in the recogniser's trunk
    (32, 512, 1, 80, 5),
    (32, 256, 8, 8, 5),
    (32, 256, 14, 14, 5),
    (64, 64, 8, 8, 3),
]


def best(work: Callable[[], object], rounds: int = 7) -> float:
    """Shortest of several runs, in milliseconds."""
    work()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times) * 1e3


def compare_maps() -> None:
    """Print one line a map."""
    print(f"{'batch, C, H, W, k':>24} {'forward':>9} {'PyTorch':>9} {'ours':>9}  (ms)")
    for batch, channels, height, width, kernel in MAPS:
        x = torch.randn(batch, channels, height, width)
        x = x.contiguous(memory_format=torch.channels_last)
        weight, padding = torch.randn(channels, 1, kernel, kernel), kernel // 2
        grad = torch.randn_like(x)

        def theirs(x=x, weight=weight, grad=grad, padding=padding) -> object:
            return torch.ops.aten.convolution_backward(
                grad, x, weight, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], len(weight),
                [False, True, False],
            )  # fmt: skip

        forward = best(lambda x=x, w=weight, p=padding: F.conv2d(x, w, None, 1, p, 1, len(w)))
        ours = best(lambda x=x, g=grad, k=kernel: depthwise_weight_gradient(x, g, (k, k), (1, 1)))
        shape = str((batch, channels, height, width, kernel))
        print(f"{shape:>24} {forward:9.2f} {best(theirs):9.2f} {ours:9.2f}")


def compare_steps(size: int, batch: int, rounds: int = 6) -> None:
    """Print pictures a second of whole steps of LCNet x0.5, with and without our gradient."""
    model = build_classifier("lcnet_x0_5", 100).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    x = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 100, (batch,))

    def step() -> None:
        F.cross_entropy(model(x), labels).backward()
        optimiser.step()
        optimiser.zero_grad()

    ours = depthwise_conv.DepthwiseConv2d.forward
    found: dict[str, list[float]] = {"PyTorch": [], "ours": []}
    for round_ in range(2 * rounds):
        name = ("PyTorch", "ours")[round_ % 2]
        depthwise_conv.DepthwiseConv2d.forward = ours if name == "ours" else torch.nn.Conv2d.forward
        found[name].append(best(step, 1))
    depthwise_conv.DepthwiseConv2d.forward = ours
    rates = {name: 1e3 * batch / sorted(times)[len(times) // 2] for name, times in found.items()}
    print(
        f"training step, LCNet x0.5, {batch} pictures of {size}x{size}: "
        f"PyTorch {rates['PyTorch']:.0f}/s, ours {rates['ours']:.0f}/s, "
        f"ratio {rates['ours'] / rates['PyTorch']:.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    compare_maps()
    compare_steps(64, 64)
    compare_steps(112, 32)
