"""What stands between a pooled vector and the embedding: PP-ShiTu's necks.

``PaddleClas/ppcls/arch/gears/``: a linear layer (``FC``), batch normalisation (``BNNeck``), and,
for binary codes, a linear layer and tanh.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from saccade.errors import OptionError, nearest
from saccade_train.layers.check import check_whole

__all__ = ["NECKS", "BNNeck", "FCNeck", "HashNeck", "NeckName", "build_neck"]

NeckName = Literal["fc", "bn", "hash", "none"]
NECKS: tuple[str, ...] = get_args(NeckName)


class FCNeck(nn.Module):
    """A linear layer with bias; of PP-ShiTu V1, 1280 -> 512."""

    def __init__(self, in_features: int, features: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_features, features)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_features) to (N, features)."""
        mapped: Tensor = self.fc(x)
        return mapped


class BNNeck(nn.Module):
    """[linear layer ->] batch normalisation whose bias stays 0 (Luo et al., arXiv 1903.07071).

    Args:
        in_features: of what comes in.
        features: of the embedding; where it differs from ``in_features`` a linear layer without
            bias comes first.
    """

    def __init__(self, in_features: int, features: int) -> None:
        super().__init__()
        self.fc: nn.Module = nn.Identity()
        if features != in_features:
            self.fc = nn.Linear(in_features, features, bias=False)
            nn.init.xavier_uniform_(self.fc.weight)
        self.bn = nn.BatchNorm1d(features, eps=1e-5, momentum=0.1)  # Paddle's momentum 0.9
        self.bn.bias.requires_grad_(False)
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_features) to (N, features)."""
        normalised: Tensor = self.bn(self.fc(x))
        return normalised


class HashNeck(FCNeck):
    """Linear layer -> tanh: numbers in -1..1 whose signs are the bits of a code."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_features) to (N, features), each number in -1..1."""
        return super().forward(x).tanh()


class NoNeck(nn.Module):
    """The pooled vector is the embedding."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.features = in_features

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, F) to itself."""
        return x


def build_neck(name: str, in_features: int, features: int) -> FCNeck | BNNeck | HashNeck | NoNeck:
    """Build a neck with freshly drawn weights.

    Args:
        name: ``"fc"``, ``"bn"``, ``"hash"`` or ``"none"``.
        in_features: of the pooled vector.
        features: length of the embedding; ``"none"`` takes the pooled vector as it is.

    Raises:
        OptionError: an unknown name or a bad length; a code must be of whole bytes.
    """
    check_whole("embedding size", features, at_least=1)
    match name:
        case "fc":
            return FCNeck(in_features, features)
        case "bn":
            return BNNeck(in_features, features)
        case "hash":
            if features % 8:
                raise OptionError(
                    f"a code of {features} bits; expected a multiple of 8, for whole bytes"
                )
            return HashNeck(in_features, features)
        case "none":
            return NoNeck(in_features)
    raise OptionError(f"unknown neck {name!r}; {nearest(name, NECKS)}")
