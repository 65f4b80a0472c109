"""Other people's small detectors, to measure ours beside: networks with random weights.

Each is written by us, from its public definition, in the words of this repository; for benchmarks
only. All take (N, 3, H, W), sides multiples of 32, and give boxes (N, P, 4) xyxy in pixels and
scores (N, P, C) in 0..1, as ours do. Where a definition can be computed faster with the same
result, a peer gets the faster form (see :mod:`peers.blocks` and :mod:`peers.yolox`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from peers.nanodet_plus import nanodet_plus_m, nanodet_plus_m_1_5x
from peers.rtmdet import rtmdet_tiny
from peers.yolov8 import yolov8n
from peers.yolox import yolox_nano, yolox_tiny

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A detector of other people.

    Attributes:
        build: makes it, for a number of classes.
        millions: parameters, as its authors publish them for 80 classes.
        map: COCO val2017 mAP (0.5:0.95) in per cent, as its authors publish it, by input side.
    """

    build: Callable[[int], nn.Module]
    millions: float
    map: dict[int, float]


PEERS: dict[str, Peer] = {
    # README.md of Megvii-BaseDetection/YOLOX
    "yolox_nano": Peer(yolox_nano, 0.91, {416: 25.8}),
    "yolox_tiny": Peer(yolox_tiny, 5.06, {416: 32.8}),
    # README.md of RangiLyu/nanodet
    "nanodet_plus_m": Peer(nanodet_plus_m, 1.17, {320: 27.0, 416: 30.4}),
    "nanodet_plus_m_1_5x": Peer(nanodet_plus_m_1_5x, 2.44, {320: 29.9, 416: 34.1}),
    # README.md of ultralytics/ultralytics
    "yolov8n": Peer(yolov8n, 3.2, {640: 37.3}),
    # configs/rtmdet/README.md of open-mmlab/mmdetection
    "rtmdet_tiny": Peer(rtmdet_tiny, 4.8, {640: 41.1}),
}
