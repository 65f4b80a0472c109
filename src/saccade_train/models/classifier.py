"""Image classifiers by name: a backbone and a pooled head.

:data:`ARCHITECTURES` is the whole list. Each entry is a function of the number of classes and of
the options that make sense for that family; :func:`build_classifier` checks names and options and
calls it. The numbers of parameters are those of PaddleClas, to the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, get_args

from torch import Tensor, nn

from saccade.errors import OptionError, nearest
from saccade_train.backbones.base import Backbone
from saccade_train.backbones.lcnet import LCNET_SCALES, LCNet
from saccade_train.backbones.lcnet_v2 import LCNET_V2_SIZES, LCNetV2
from saccade_train.backbones.mobilenet_v3 import (
    MOBILENET_V3_SCALES,
    MobileNetV3,
    MobileNetV3Size,
)
from saccade_train.backbones.resnet import RESNET_DEPTHS, HsMode, HsOptions, ResNet, Variant
from saccade_train.heads.pooled import PooledHead
from saccade_train.layers.activation import ActivationName
from saccade_train.layers.check import check_flag, check_number, check_options, check_whole
from saccade_train.layers.conv import Stride

__all__ = ["ARCHITECTURES", "Classifier", "build_classifier"]

Strides = Sequence[Stride | Sequence[int]]


class Classifier(nn.Module):
    """A backbone with a classifier on top.

    Attributes:
        architecture: the name it was built by.
        backbone: the trunk; ``backbone.forward_features`` gives maps at strides 4, 8, 16, 32.
        head: pooling, optional wide layer, linear layer ``head.fc``.
    """

    def __init__(self, architecture: str, backbone: Backbone, head: PooledHead) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = backbone
        self.head = head

    @property
    def num_classes(self) -> int:
        """How many logits."""
        return self.head.num_classes

    @property
    def embedding_dim(self) -> int:
        """Length of the vector before the linear layer."""
        return self.head.embedding_dim

    @property
    def decay_norm(self) -> bool:
        """Whether the reference applies weight decay to BatchNorm's gamma and beta."""
        return self.backbone.decay_norm

    def reset_classifier(self, num_classes: int) -> None:
        """Put a freshly drawn linear layer for that many classes; all else stays."""
        device = self.head.fc.weight.device
        self.head.reset(num_classes)
        self.head.fc.to(device)

    def parameter_stages(self) -> dict[str, list[nn.Parameter]]:
        """Name the parameters of each stage of the backbone, then of the head (``"head"``).

        In the reference the learning-rate multipliers never touch the head.
        """
        return {**self.backbone.parameter_stages(), "head": list(self.head.parameters())}

    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map normalised pictures (N, 3, H, W) to the maps at strides 4, 8, 16 and 32."""
        return self.backbone.forward_features(x)

    def forward_embedding(self, x: Tensor) -> Tensor:
        """Map normalised pictures (N, 3, H, W) to (N, embedding_dim); not of unit length."""
        return self.head.embed(self.backbone(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures (N, 3, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.backbone(x))
        return logits


def build_classifier(architecture: str, num_classes: int, /, **options: Any) -> Classifier:
    """Build a classifier with freshly drawn weights.

    Args:
        architecture: a name of :data:`ARCHITECTURES`.
        num_classes: how many logits.
        **options: of the family, see the builder functions in this module, e.g. ``strides``.

    Raises:
        OptionError: an unknown name or option (the nearest are named), or a value out of range.

    Examples:
        >>> model = build_classifier("lcnet_x0_25", 10, se=False)
        >>> model.embedding_dim
        1280
    """
    builder = ARCHITECTURES.get(architecture)
    if builder is None:
        raise OptionError(
            f"unknown architecture {architecture!r}; {nearest(architecture, ARCHITECTURES)}"
        )
    check_options(builder, options, architecture)
    return builder(num_classes, **options)


def _lcnet(
    architecture: str,
    scale: float,
    num_classes: int,
    *,
    act: ActivationName = "hardswish",
    se: bool | str = True,
    large_kernel: bool | str = True,
    last_conv: bool = True,
    class_expand: int = 1280,
    last_conv_bias: bool = False,
    dropout: float = 0.2,
    strides: Strides = (2, 2, 2, 2, 2),
    paddle_compat: bool = False,
) -> Classifier:
    """PP-LCNet: the options of :class:`LCNet` and of :class:`PooledHead`."""
    check_flag("last_conv", last_conv)
    backbone = LCNet(scale, act=act, se=se, large_kernel=large_kernel, strides=strides)
    head = PooledHead(
        backbone.out_channels,
        num_classes,
        expand=class_expand if last_conv else None,
        expand_bias=last_conv_bias,
        act=act,
        dropout=dropout,
        paddle_compat=paddle_compat,
    )
    return Classifier(architecture, backbone, head)


def _lcnet_v2(
    architecture: str,
    size: str,
    num_classes: int,
    *,
    class_expand: int = 1280,
    last_conv_bias: bool = False,
    last_act: bool = True,
    dropout: float = 0.2,
    strides: Strides = (2, 2, 2, 2, 2),
    paddle_compat: bool = False,
) -> Classifier:
    """PP-LCNetV2: the options of :class:`LCNetV2` and of :class:`PooledHead`.

    ``last_act=False`` leaves out the ReLU behind the wide layer, as PP-ShiTu V2 does.
    """
    check_flag("last_act", last_act)
    backbone = LCNetV2(size, strides=strides)
    head = PooledHead(
        backbone.out_channels,
        num_classes,
        expand=class_expand,
        expand_bias=last_conv_bias,
        act="relu" if last_act else None,
        dropout=dropout,
        paddle_compat=paddle_compat,
    )
    return Classifier(architecture, backbone, head)


def _mobilenet_v3(
    architecture: str,
    size: MobileNetV3Size,
    scale: float,
    num_classes: int,
    *,
    se: bool = True,
    class_expand: int = 1280,
    dropout: float = 0.2,
    strides: Strides = (2, 2, 2, 2, 2),
    paddle_compat: bool = False,
) -> Classifier:
    """MobileNetV3: the options of :class:`MobileNetV3` and of :class:`PooledHead`."""
    backbone = MobileNetV3(size, scale, se=se, strides=strides)
    head = PooledHead(
        backbone.out_channels,
        num_classes,
        expand=class_expand,
        dropout=dropout,
        paddle_compat=paddle_compat,
    )
    return Classifier(architecture, backbone, head)


def _resnet(
    architecture: str,
    depth: int,
    variant: Variant,
    num_classes: int,
    *,
    width: float = 1.0,
    strides: Strides = (2, 2, 2, 2, 2),
) -> Classifier:
    """ResNet and ResNet-vd: the options of :class:`ResNet`."""
    backbone = ResNet(depth, variant=variant, width=width, strides=strides)
    head = PooledHead(backbone.out_channels, num_classes, fc_init="fan_in")
    return Classifier(architecture, backbone, head)


def _hs_resnet(
    architecture: str,
    depth: int,
    num_classes: int,
    *,
    hs_splits: int = 8,
    hs_width: int | None = None,
    hs_mode: HsMode = "plain_stride2",
    width: float = 1.0,
    strides: Strides = (2, 2, 2, 2, 2),
) -> Classifier:
    """HS-ResNet: :class:`HsOptions` in a ResNet-vd.

    ``hs_width`` stays what it is at every ``width``; left out, the bottlenecks are as wide as those
    of the ResNet-vd of that width (rounded down to a multiple of ``hs_splits``).
    """
    check_number("width", width, above=0, up_to=8)
    check_whole("hs_splits", hs_splits, at_least=2)
    group = max(1, int(64 * width) // hs_splits) if hs_width is None else hs_width
    hs = HsOptions(hs_splits, group, hs_mode)
    backbone = ResNet(depth, width=width, strides=strides, hs=hs)
    head = PooledHead(backbone.out_channels, num_classes, fc_init="fan_in")
    return Classifier(architecture, backbone, head)


def _scaled(family: str, scale: float) -> str:
    """Spell a width as PaddleClas does: 0.25 -> ``x0_25``, 1.0 -> ``x1_0``."""
    return f"{family}_x{scale:.2f}".removesuffix("0").replace(".", "_")


def _architectures() -> dict[str, Callable[..., Classifier]]:
    table: dict[str, Callable[..., Classifier]] = {}
    for scale in LCNET_SCALES:
        name = _scaled("lcnet", scale)
        table[name] = partial(_lcnet, name, scale)
    for width in LCNET_V2_SIZES:
        table[f"lcnet_v2_{width}"] = partial(_lcnet_v2, f"lcnet_v2_{width}", width)
    for size in get_args(MobileNetV3Size):
        for scale in MOBILENET_V3_SCALES:
            name = _scaled(f"mobilenet_v3_{size}", scale)
            table[name] = partial(_mobilenet_v3, name, size, scale)
    for depth, (_, bottleneck) in RESNET_DEPTHS.items():
        table[f"resnet{depth}_vd"] = partial(_resnet, f"resnet{depth}_vd", depth, "vd")
        table[f"resnet{depth}"] = partial(_resnet, f"resnet{depth}", depth, "vb")
        if bottleneck:
            table[f"hs_resnet{depth}"] = partial(_hs_resnet, f"hs_resnet{depth}", depth)
    return table


ARCHITECTURES = _architectures()
"""Name -> function of the number of classes and keyword options."""
