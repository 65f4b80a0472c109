from __future__ import annotations

import math

import pytest
import torch

from saccade.errors import OptionError
from saccade_train.heads.pooled import PooledHead


def test_wide_head_is_pool_conv_act_dropout_fc() -> None:
    torch.manual_seed(0)
    head = PooledHead(8, 5, expand=16, dropout=0.2, paddle_compat=True).eval()
    x = torch.randn(2, 8, 3, 4)
    hidden = torch.nn.functional.hardswish(x.mean((2, 3)) @ head.last_conv.weight[:, :, 0, 0].T)
    torch.testing.assert_close(head.embed(x), hidden * 0.8)
    torch.testing.assert_close(head(x), head.fc(hidden * 0.8))
    assert head.embedding_dim == 16
    assert head.last_conv.bias is None


def test_narrow_head_is_pool_fc() -> None:
    head = PooledHead(8, 5, dropout=0.9).eval()
    x = torch.randn(2, 8, 3, 4)
    torch.testing.assert_close(head.embed(x), x.mean((2, 3)))
    assert set(head.state_dict()) == {"fc.weight", "fc.bias"}


def test_initialisation() -> None:
    wide = PooledHead(8, 1000, expand=1280).fc
    bound = math.sqrt(6 / (1280 + 1000))
    assert bound == pytest.approx(0.051299, abs=1e-6)
    assert 0.99 * bound < float(wide.weight.detach().abs().max()) <= bound
    narrow = PooledHead(2048, 1000, fc_init="fan_in").fc
    bound = 1 / math.sqrt(2048)
    assert 0.99 * bound < float(narrow.weight.detach().abs().max()) <= bound
    assert float(narrow.bias.detach().abs().max()) == 0.0


@pytest.mark.parametrize("options", [{"expand": 0}, {"expand": 8, "dropout": 1.0}, {"dropout": -1}])
def test_bad_options(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="expected"):
        PooledHead(8, 5, **options)  # type: ignore[arg-type]


def test_no_classes() -> None:
    with pytest.raises(OptionError, match="number of classes 0"):
        PooledHead(8, 0)
