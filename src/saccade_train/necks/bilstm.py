"""From a map of height one to a sequence that knows its surroundings (CRNN, arXiv 1507.05717)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.layers.check import check_whole

__all__ = ["BiLSTM"]


class BiLSTM(nn.Module):
    """A bidirectional LSTM over the columns of a map.

    Args:
        in_channels: channels of the map.
        hidden: units of each direction.
        layers: how many LSTMs on top of each other.
    """

    def __init__(self, in_channels: int, hidden: int = 64, layers: int = 2) -> None:
        super().__init__()
        check_whole("hidden", hidden, at_least=1)
        check_whole("layers", layers, at_least=1)
        self.out_channels = 2 * hidden
        # Gate order i, f, g, o and one bias for each of the two products, as in Paddle; both start
        # uniform within 1 / sqrt(hidden).
        self.lstm = nn.LSTM(in_channels, hidden, layers, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, 1, T) to (N, T, 2 * hidden).

        Raises:
            OptionError: the map is not one pixel high.
        """
        if x.shape[2] != 1:
            raise OptionError(
                f"the map of a text line came out {x.shape[2]} pixels high, expected 1; give lines "
                "of the height that the backbone's strides are made for (32)"
            )
        x = x.squeeze(2)  # (N, C, T)
        if torch.compiler.is_exporting():
            return self._as_onnx(x.permute(2, 0, 1)).transpose(0, 1)
        sequence: Tensor = self.lstm(x.transpose(1, 2))[0]
        return sequence

    def _as_onnx(self, x: Tensor) -> Tensor:
        """Say (T, N, C) -> (T, N, 2 * hidden) in ONNX' LSTM operators.

        torch.export takes an LSTM apart into its steps, and can't where T is left open.
        """
        lstm = self.lstm
        steps, batch = x.shape[:2]
        for layer in range(lstm.num_layers):
            names = (f"l{layer}", f"l{layer}_reverse")
            weights = [
                torch.stack([_iofc(getattr(lstm, f"{kind}_{name}")) for name in names])
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            y = torch.onnx.ops.symbolic(
                "LSTM",
                [x, *weights[:2], torch.cat(weights[2:], dim=1)],
                {"hidden_size": lstm.hidden_size, "direction": "bidirectional"},
                dtype=x.dtype,
                shape=(steps, 2, batch, lstm.hidden_size),
            )
            x = y.transpose(1, 2).flatten(2)
        return x


def _iofc(weight: Tensor) -> Tensor:
    """Bring gates from PyTorch's order i, f, g, o to that of ONNX: i, o, f, g ("c").

    In slices, because runtimes compute those of a constant once, when they load the model.
    """
    h = weight.shape[0] // 4
    return torch.cat([weight[:h], weight[3 * h :], weight[h : 3 * h]])
