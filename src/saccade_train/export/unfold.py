"""Back from an exported file to weights that can be trained: :mod:`.fold` the other way round.

A graph that ``saccade export`` wrote has the weights of its network under their own names, but for
what was folded or rewritten for speed:

- a BatchNorm is a factor and a shift inside the convolution before it. The factor stays there, and
  the BatchNorm becomes y = x + shift (:func:`unfold`). In evaluation mode that is the same network.
  In training mode it would not be, since a batch is scaled by its own deviation; so each BatchNorm
  gets the mean and deviation of what it sees, and gives them back by its own scale and shift
  (:func:`settle`);
- the first convolution reads packed pixels, and contains 1 / 255 and 1 / std;
- an LSTM has its gates in ONNX' order, a linear layer behind one has its matrix transposed;
- a linear layer behind Paddle's dropout contains the factor 1 - p.

Parallel kernels that were joined (PP-LCNetV2) cannot be told apart again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from saccade.errors import TrainingError
from saccade_train.export.fold import norm_names
from saccade_train.export.tidy import layer_of
from saccade_train.layers.dropout import DownscaleInInfer

__all__ = ["settle", "unfold"]

Norm = nn.BatchNorm1d | nn.BatchNorm2d
Modules = dict[str, nn.Module]

_PARAMETERS = {
    "Conv": ("weight", "bias"),
    "ConvTranspose": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "Add": ("bias",),
}
"""What a node takes besides its first input."""


def unfold(
    file: Path, std: Sequence[float], model: nn.Module
) -> tuple[dict[str, Tensor], list[str]]:
    """Read the weights of an exported file under the names that they have in a network.

    Args:
        file: written by ``saccade export``.
        std: as its card says.
        model: a network of the same architecture; left as it is.

    Returns:
        Tensors by name, as of ``model.state_dict()``; and the names of the BatchNorms that were
        folded, which stand for y = x + shift now and are to be settled.

    Raises:
        TrainingError: its weights are not those of an export.
    """
    graph = onnx.load(file).graph
    values = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
    }
    modules = dict(model.named_modules())
    try:
        found = values | _by_layer(graph, values) | _lstm_weights(graph, values, modules)
        norms = norm_names(model) | _norms_behind_linear(graph, modules)
    except (IndexError, KeyError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"{file}: its layers are not as 'saccade export' writes them; start from a run folder "
            "or from an exported file"
        ) from error
    for name, module in modules.items():
        weight = found.get(f"{name}.weight")
        if weight is None or not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        if isinstance(module, nn.Conv2d):
            found[f"{name}.weight"] = _unpack_pixels(weight, module, std)
        if module.bias is not None or name in norms:  # shifts of zero are left out of graphs
            outputs = weight.shape[isinstance(module, nn.ConvTranspose2d)]
            found.setdefault(f"{name}.bias", torch.zeros(outputs))
    dropout = modules.get("head.dropout")
    if isinstance(dropout, DownscaleInInfer) and "head.fc.weight" in found:
        found["head.fc.weight"] = found["head.fc.weight"] / (1.0 - dropout.p)
    return found, _unfold_batch_norms(found, modules, norms)


def settle(model: nn.Module, norms: Sequence[str], look: Callable[[], None]) -> None:
    """Give BatchNorms that mean y = x + shift statistics of real input, in place.

    With mean m and variance v of what a BatchNorm sees, its scale becomes sqrt(v + eps) and its
    shift grows by m: in evaluation mode it gives what it gave before, and in training mode too, as
    far as a batch is like the one that was looked at.

    Args:
        model: with such BatchNorms.
        norms: their names.
        look: runs the network once on a batch. Whatever else it changes, it must put back.
    """
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    shifts: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def before(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(norm, Norm)
            x = inputs[0].detach().float()
            others = [axis for axis in range(x.ndim) if axis != 1]
            variance, mean = torch.var_mean(x, others, unbiased=False)
            seen.setdefault(name, (mean, variance))
            _say_through(norm, mean, variance, shifts[name])  # what comes after sees the same

        return before

    handles = []
    for name in norms:
        norm = model.get_submodule(name)
        assert isinstance(norm, Norm)
        shifts[name] = norm.bias.detach().clone()
        handles.append(norm.register_forward_pre_hook(watch(name)))
    try:
        look()
    finally:
        for handle in handles:
            handle.remove()
    for name, (mean, variance) in seen.items():
        norm = model.get_submodule(name)
        assert isinstance(norm, Norm)
        _say_through(norm, mean, variance, shifts[name])


def _say_through(norm: Norm, mean: Tensor, variance: Tensor, shift: Tensor) -> None:
    """Make ``norm`` give x + shift, for x of this mean and variance in training mode too."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + shift)


def _unfold_batch_norms(
    found: dict[str, Tensor], modules: Modules, norms: dict[str, str]
) -> list[str]:
    """Take the shifts out of the layers before BatchNorms; the BatchNorms that they make up."""
    settled = []
    for layer, norm in norms.items():
        if f"{layer}.weight" not in found or f"{norm}.weight" in found:
            continue
        shift = found[f"{layer}.bias"]
        module = modules[norm]
        assert isinstance(module, Norm)
        found[f"{norm}.weight"] = torch.ones_like(shift)
        found[f"{norm}.bias"] = shift
        found[f"{norm}.running_mean"] = torch.zeros_like(shift)
        found[f"{norm}.running_var"] = torch.full_like(shift, 1.0 - module.eps)
        found[f"{layer}.bias"] = torch.zeros_like(shift)
        settled.append(norm)
    return settled


def _norms_behind_linear(graph: onnx.GraphProto, modules: Modules) -> dict[str, str]:
    """Name of each linear layer that took over a BatchNorm -> name of that BatchNorm."""
    pairs = {
        _linear(node): layer_of(node)
        for node in graph.node
        if node.op_type == "Gemm" and layer_of(node) != _linear(node)
    }
    return {
        linear: norm
        for linear, norm in pairs.items()
        if isinstance(modules.get(norm), nn.BatchNorm1d)
    }


def _linear(node: onnx.NodeProto) -> str:
    """The linear layer that a Gemm is, by the name of its matrix."""
    return str(node.input[1].removesuffix(".weight"))


def _unpack_pixels(weight: Tensor, conv: nn.Conv2d, std: Sequence[float]) -> Tensor:
    """The reverse of :func:`.fold.fold_pixels`: (O, 1, k, 3k) -> (O, 3, k, k); others as is."""
    count, depth, height, width = weight.shape
    if depth != 1 or conv.in_channels != 3 or width != 3 * conv.kernel_size[1]:
        return weight
    scale = 255.0 * torch.tensor(std, dtype=torch.float64).view(1, 3, 1, 1)
    planes = weight.view(count, height, width // 3, 3).permute(0, 3, 1, 2)
    return (planes * scale).float().contiguous()


def _by_layer(graph: onnx.GraphProto, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name what layers multiply and add after the layers.

    Weights that are equal, such as two shifts of zero, are one value of the graph and have the name
    of one of their layers; and the matrix of a linear layer on sequences lies transposed.
    """
    found = {}
    for node in graph.node:
        layer = _linear(node) if node.op_type == "Gemm" else layer_of(node)
        for name, value in zip(_PARAMETERS.get(node.op_type, ()), node.input[1:], strict=False):
            if value in values:
                found[f"{layer}.{name}"] = values[value]
        matrix = values.get(node.input[1]) if node.op_type == "MatMul" else None
        if matrix is not None and matrix.ndim == 2:
            found[f"{layer}.weight"] = matrix.T.contiguous()
    return found


def _lstm_weights(
    graph: onnx.GraphProto, values: dict[str, Tensor], modules: Modules
) -> dict[str, Tensor]:
    """The weights of LSTMs under PyTorch's names and in its order of gates."""
    found = {}
    layers = [
        f"{name}.{{}}_l{layer}"
        for name, module in modules.items()
        if isinstance(module, nn.LSTM)
        for layer in range(module.num_layers)
    ]
    nodes = [node for node in graph.node if node.op_type == "LSTM"]
    for layer, node in zip(layers, nodes, strict=False):
        into, again, biases = (values[name] for name in node.input[1:4])
        of_input, of_state = biases.chunk(2, dim=1)
        parts = {"weight_ih": into, "weight_hh": again, "bias_ih": of_input, "bias_hh": of_state}
        for kind, both in parts.items():
            for weight, direction in zip(both, ("", "_reverse"), strict=True):
                found[layer.format(kind) + direction] = _ifgo(weight)
    return found


def _ifgo(weight: Tensor) -> Tensor:
    """Bring gates from ONNX' order i, o, f, g to PyTorch's i, f, g, o."""
    i, o, f, g = weight.chunk(4)
    return torch.cat([i, f, g, o])
