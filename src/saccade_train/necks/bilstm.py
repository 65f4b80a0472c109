"""From a map of height one to a sequence that knows its surroundings (CRNN, arXiv 1507.05717)."""

from __future__ import annotations

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
        sequence: Tensor = self.lstm(x.squeeze(2).transpose(1, 2))[0]
        return sequence
