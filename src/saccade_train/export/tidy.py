"""From the exporter's graph to the one that we ship: few nodes, each named after its layer.

The exporter writes down which module each node comes from. Here that becomes the name of the node,
``backbone.blocks5.0.dw_conv.conv/Conv``, which is what a viewer of graphs, a profile and the parity
check show; everything else that it notes is dropped, since it only makes files larger.

Two patterns are rewritten because ONNX Runtime has something faster for them: a mean over height
and width is ``GlobalAveragePool``, which stays in the blocked layout of the convolutions around it;
and clip(a * x + b, 0, 1) is ``HardSigmoid``, which becomes part of the convolution before it. Two
more make graphs short: weights that are cut and joined (those of an LSTM) are so here, once; and
a reshape that leaves all axes but one as they are says so, instead of computing the sizes.
"""

from __future__ import annotations

import ast
from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import saccade

__all__ = ["layer_of", "layer_outputs", "tidy"]

_SCOPES = "pkg.torch.onnx.name_scopes"
_JOINING = ("Slice", "Concat", "Unsqueeze")


def tidy(model: onnx.ModelProto, prefix: str) -> None:
    """Rewrite and clean a graph in place.

    Args:
        model: as torch.onnx.export gives it.
        prefix: what names of layers and weights begin with, such as ``"net."``; it is cut off.
    """
    graph = model.graph
    _pool_globally(graph)
    _fuse_hard_sigmoid(graph)
    _join_weights(graph)
    _simplify_reshapes(graph)
    _drop_unused(graph)
    _name_nodes(graph, prefix)
    _name_weights(graph, prefix)
    for node in graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        tensor.ClearField("doc_string")
    del graph.value_info[:]
    del graph.metadata_props[:]
    for value in (*graph.input, *graph.output):
        del value.metadata_props[:]
    del model.metadata_props[:]
    del model.functions[:]
    graph.name = "saccade"
    graph.ClearField("doc_string")
    model.ClearField("doc_string")
    model.producer_name = "saccade"
    model.producer_version = saccade.__version__


def layer_of(node: onnx.NodeProto) -> str:
    """Give the layer that a node belongs to, as :func:`tidy` named it; ``""`` for the outermost."""
    return str(node.name.rpartition("/")[0])


def layer_outputs(graph: onnx.GraphProto) -> dict[str, str]:
    """Find the value that each layer hands on.

    Args:
        graph: a tidy one.

    Returns:
        Name of the layer -> name of the value, in the order in which the values are computed, an
        inner layer before the one around it. A layer that hands on several values is left out.
    """
    produced: dict[str, tuple[int, str]] = {}  # value -> (position, layer)
    users: dict[str, set[str]] = {value.name: {""} for value in graph.output}
    for position, node in enumerate(graph.node):
        layer = layer_of(node)
        for name in node.output:
            produced[name] = (position, layer)
        for name in node.input:
            users.setdefault(name, set()).add(layer)
    handed_on: dict[str, list[str]] = {}
    for value, (_, layer) in produced.items():
        parts = layer.split(".") if layer else []
        for depth in range(1, len(parts) + 1):
            around = ".".join(parts[:depth])
            if any(
                user != around and not user.startswith(f"{around}.")
                for user in users.get(value, ())
            ):
                handed_on.setdefault(around, []).append(value)
    single = {layer: values[0] for layer, values in handed_on.items() if len(values) == 1}
    return dict(
        sorted(single.items(), key=lambda item: (produced[item[1]][0], -item[0].count(".")))
    )


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if int(np.prod(tensor.dims)) <= 16
    }


def _pool_globally(graph: onnx.GraphProto) -> None:
    """Make GlobalAveragePool of ReduceMean over the last two of four axes."""
    constants = _constants(graph)
    for node in graph.node:
        if node.op_type != "ReduceMean" or len(node.input) != 2:
            continue
        options = {
            attribute.name: onnx.helper.get_attribute_value(attribute)
            for attribute in node.attribute
        }
        axes = constants.get(node.input[1])
        if (
            axes is not None
            and sorted(axes.tolist()) in ([2, 3], [-2, -1])
            and options.get("keepdims", 1)
        ):
            node.op_type = "GlobalAveragePool"
            del node.input[1:]
            del node.attribute[:]


def _fuse_hard_sigmoid(graph: onnx.GraphProto) -> None:
    """Make HardSigmoid of Mul by a number, Add of a number, Clip to 0..1."""
    constants = {name: value for name, value in _constants(graph).items() if value.size == 1}
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(value.name for value in graph.output)
    maker = {name: node for node in graph.node for name in node.output}
    for clip in list(graph.node):
        if clip.op_type != "Clip" or [constants.get(name) for name in clip.input[1:]] != [0.0, 1.0]:
            continue
        add = maker.get(clip.input[0])
        scale = maker.get(add.input[0]) if add is not None and add.op_type == "Add" else None
        if add is None or scale is None or scale.op_type != "Mul":
            continue
        alpha, beta = constants.get(scale.input[1]), constants.get(add.input[1])
        if alpha is None or beta is None or uses[add.output[0]] > 1 or uses[scale.output[0]] > 1:
            continue
        clip.op_type = "HardSigmoid"
        clip.input[:] = [scale.input[0]]
        del clip.attribute[:]
        clip.attribute.extend(
            [
                onnx.helper.make_attribute("alpha", float(alpha.item())),
                onnx.helper.make_attribute("beta", float(beta.item())),
            ]
        )
        graph.node.remove(scale)
        graph.node.remove(add)


def _join_weights(graph: onnx.GraphProto) -> None:
    """Compute what is only cut and joined from weights."""
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type in _JOINING and all(name in arrays for name in node.input if name):
            given = {name: numpy_helper.to_array(arrays[name]) for name in node.input if name}
            (value,) = ReferenceEvaluator(node).run(None, given)
            arrays[node.output[0]] = numpy_helper.from_array(value, node.output[0])
            graph.initializer.append(arrays[node.output[0]])
            graph.node.remove(node)


def _simplify_reshapes(graph: onnx.GraphProto) -> None:
    """Where all axes but one stay, or one more is joined to it, ask for just that."""
    sizes = {value.name: _sizes(value) for value in (*graph.input, *graph.value_info)}
    for value in graph.output:
        sizes[value.name] = _sizes(value)
    fixed = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] in fixed:
            continue
        before, after = sizes.get(node.input[0]), sizes.get(node.output[0])
        if before is None or after is None:
            continue
        # 0 keeps the size of the axis at the same place.
        target = [0 if old == new else -1 for old, new in zip(before, after, strict=False)]
        target += [-1] * (len(after) - len(target))
        target = [
            size if isinstance(size, int) and asked == -1 else asked
            for size, asked in zip(after, target, strict=True)
        ]
        if target.count(-1) <= 1:
            name = f"{node.output[0]}_shape"
            graph.initializer.append(numpy_helper.from_array(np.array(target, np.int64), name))
            node.input[1] = name
            del node.attribute[:]  # allowzero


def _sizes(value: onnx.ValueInfoProto) -> list[int | str] | None:
    """The sizes of a value, numbers or formulas; None where one is unknown."""
    shape = value.type.tensor_type.shape
    sizes = [
        int(side.dim_value) if side.HasField("dim_value") else str(side.dim_param)
        for side in shape.dim
    ]
    return sizes if sizes and all(size != "" for size in sizes) else None


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Drop nodes and weights that no output needs."""
    needed = {value.name for value in graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    kept = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _name_nodes(graph: onnx.GraphProto, prefix: str) -> None:
    times: Counter[str] = Counter()
    for node in graph.node:
        noted = {entry.key: entry.value for entry in node.metadata_props}
        # ['', 'net.backbone', 'net.backbone.conv1', 'conv2d']: modules, then the operation.
        scopes = ast.literal_eval(noted.get(_SCOPES, "['', '']"))
        scope = f"{scopes[-2]}." if len(scopes) > 1 else ""
        layer = scope.removeprefix(prefix).removesuffix(".")
        name = f"{layer}/{node.op_type}" if layer else node.op_type
        times[name] += 1
        node.name = name if times[name] == 1 else f"{name}_{times[name]}"


def _name_weights(graph: onnx.GraphProto, prefix: str) -> None:
    renamed = {tensor.name: tensor.name.removeprefix(prefix) for tensor in graph.initializer}
    for tensor in graph.initializer:
        tensor.name = renamed[tensor.name]
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
