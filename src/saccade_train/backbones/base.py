"""What every backbone offers to classifiers, detectors and text recognisers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.layers.conv import Stride

__all__ = ["Backbone", "check_strides"]


class Backbone(nn.Module, ABC):
    """A trunk with four feature taps.

    The taps carry the names 4, 8, 16 and 32: the strides that they have at the default strides. A
    network built with other strides (for text) keeps the same four taps under the same names.

    Attributes:
        feature_channels: channels of each tap, by its name 4, 8, 16, 32.
        decay_norm: whether the reference applies weight decay to BatchNorm's gamma and beta.
    """

    feature_channels: dict[int, int]
    decay_norm: ClassVar[bool] = False

    @property
    def out_channels(self) -> int:
        """Channels of the last map."""
        return self.feature_channels[32]

    @abstractmethod
    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, 3, H, W) to the four maps (N, C, H / stride, W / stride), sides rounded up."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the last map, (N, out_channels, H / 32, W / 32), rounded up."""
        return self.forward_features(x)[-1]

    @abstractmethod
    def stages(self) -> dict[str, list[nn.Module]]:
        """Name the groups that the reference gives learning rates of their own, in order."""

    def parameter_stages(self) -> dict[str, list[nn.Parameter]]:
        """Name the parameters of each stage; every parameter is in exactly one.

        For learning-rate multipliers per stage (PaddleClas' ``lr_mult_list``).
        """
        return {
            name: [parameter for module in modules for parameter in module.parameters()]
            for name, modules in self.stages().items()
        }


def check_strides(strides: Sequence[Stride | Sequence[int]], count: int) -> tuple[Stride, ...]:
    """Read strides as they come from code or from YAML.

    Args:
        strides: one entry a strided layer: a number, or (height, width).
        count: how many strided layers there are.

    Raises:
        OptionError: another count, or an entry that is no stride.
    """
    if isinstance(strides, str | int) or len(strides) != count:
        raise OptionError(f"strides {strides!r}: expected {count} entries, e.g. {[2] * count}")
    return tuple(_check_stride(stride) for stride in strides)


def _check_stride(stride: Stride | Sequence[int]) -> Stride:
    sides = [stride] if isinstance(stride, int) else list(stride)
    valid = all(type(side) is int and 1 <= side <= 4 for side in sides)
    if not valid or len(sides) not in (1, 2):
        raise OptionError(f"stride {stride!r}: expected 1 to 4, or a pair (height, width) of them")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])
