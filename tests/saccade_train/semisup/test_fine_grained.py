"""WS-DAN's and DCL's parts, by worked numbers and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade_train.semisup import dcl, wsdan

ATTENTION = torch.tensor([[0.1, 0.2, 0.4], [0.3, 0.9, 0.6], [0.2, 0.5, 0.8]])


def test_pooling() -> None:
    features = torch.tensor([[[[1.0, 2], [3, 4]], [[0, 1], [1, 0]]]], dtype=torch.float64)
    attention = torch.tensor([[[[1.0, 0], [0, 0]], [[0.5, 0.5], [0.5, 0.5]]]], dtype=torch.float64)
    found = 100 * wsdan.bilinear_attention_pool(features, attention)
    assert found[0].tolist() == pytest.approx([37.796447, 0, 84.515425, 37.796447], abs=1e-4)


def test_pooling_against_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    attention = torch.rand(2, 2, 4, 5, generator=generator, dtype=torch.float64)
    found = wsdan.bilinear_attention_pool(features, attention)
    for n in range(2):
        parts = []
        for k in range(2):
            for c in range(3):
                x = float((attention[n, k] * features[n, c]).mean())
                parts.append(np.sign(x) * np.sqrt(abs(x) + 1e-12))
        expected = np.array(parts) / np.linalg.norm(parts)
        assert found[n].tolist() == pytest.approx(expected.tolist(), abs=1e-12)


def test_sizes_of_the_specification() -> None:
    features, attention = torch.zeros(1, 2048, 2, 2), torch.zeros(1, 32, 2, 2)
    width = wsdan.bilinear_attention_pool(features, attention).shape[1]
    assert (width, width * 200) == (65_536, 13_107_200)
    assert (768 * 32, 768 * 32 * 200) == (24_576, 4_915_200)


def test_crop_and_drop_masks() -> None:
    box = wsdan.crop_box(ATTENTION, 0.5)
    assert box == wsdan.CropBox(1, 1, 3, 3)
    images = torch.ones(1, 3, 3, 3)
    dropped = wsdan.attention_drop(images, ATTENTION[None], 0.5)
    assert dropped[0, 0].tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert torch.equal(dropped[:, 0], dropped[:, 2])


def test_the_crop_is_of_the_whole_box() -> None:
    images = torch.arange(9.0).view(1, 1, 3, 3).repeat(2, 3, 1, 1)
    cropped = wsdan.attention_crop(images, ATTENTION[None].repeat(2, 1, 1), torch.tensor([0.5, 0]))
    corners = cropped[0, 0, ::2, ::2]
    assert corners.tolist() == [[4, 5], [7, 8]]
    # At threshold 0 it is the picture itself.
    assert torch.allclose(cropped[1], images[1])


def test_attention_is_brought_to_the_size_of_the_picture() -> None:
    images = torch.rand(1, 3, 8, 8)
    attention = torch.zeros(1, 2, 2)
    attention[0, 1, 1] = 1
    cropped = wsdan.attention_crop(images, attention, 0.9)
    assert cropped.shape == images.shape
    dropped = wsdan.attention_drop(images, attention, 0.9)
    assert (dropped[..., 7, 7] == 0).all()
    assert torch.equal(dropped[..., :4, :4], images[..., :4, :4])


def test_attention_that_sees_nothing_changes_nothing() -> None:
    images = torch.rand(2, 3, 8, 8)
    attention = torch.zeros(2, 2, 2)
    assert torch.equal(wsdan.attention_drop(images, attention, 0.3), images)
    assert torch.allclose(wsdan.attention_crop(images, attention, 0.3), images)
    # Of a network that has gone wrong too: the loss is to tell, not an empty box.
    assert wsdan.crop_box(torch.full((3, 3), torch.nan), 0.5) == wsdan.CropBox(0, 0, 3, 3)


def test_centres() -> None:
    centers = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    parts = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    labels = torch.tensor([0, 0])
    loss = wsdan.center_loss(parts, labels, centers)
    assert float(loss.detach()) == pytest.approx((0.4**2 + 0.8**2 + 0.6**2 + 0.2**2) / 4)
    moved = wsdan.moved_centers(centers, parts, labels, 0.05)
    # Both pictures count: the mean of (1, 0) - (3, 4) and (0, 1) - (3, 4).
    assert moved[0].tolist() == pytest.approx([3 - 0.05 * 2.5, 4 - 0.05 * 3.5])
    assert moved[1].tolist() == [0, 2]
    assert not moved.requires_grad


def test_centres_remember() -> None:
    """From 0, after many steps, the mean of what was seen."""
    rng = np.random.default_rng(0)
    centers = torch.zeros(1, 2)
    for _ in range(400):
        angle = rng.choice([0, np.pi / 2])
        parts = torch.tensor([[np.cos(angle), np.sin(angle)]], dtype=torch.float32)
        centers = wsdan.moved_centers(centers, parts, torch.tensor([0]), 0.02)
    assert centers[0].tolist() == pytest.approx([0.5, 0.5], abs=0.15)


@given(st.integers(1, 8), st.integers(0, 1000))
def test_patches_stay_near(patches: int, seed: int) -> None:
    found = dcl.local_shuffle(patches, np.random.default_rng(seed))
    assert sorted(found.flatten().tolist()) == list(range(patches**2))
    for row in range(patches):
        for column in range(patches):
            was_row, was_column = divmod(int(found[row, column]), patches)
            assert was_row - row <= 1
            assert was_column - column <= 1
        # A row moves as a whole.
        assert len(set((found[row] // patches).tolist())) == 1


def test_the_reference_shuffle_draws_as_often() -> None:
    """Each window of two is a fair coin: the first patch stays first in half of all draws."""
    rng = np.random.default_rng(0)
    first = [int(dcl.local_shuffle(2, rng)[0, 0]) for _ in range(2000)]
    assert np.bincount(first, minlength=4) / 2000 == pytest.approx([0.25] * 4, abs=0.04)


def test_region_confusion() -> None:
    image = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
    same = dcl.confuse_regions(image, np.arange(9).reshape(3, 3), border=0)
    assert np.array_equal(same, image)
    arrangement = np.array([[1, 0, 2], [3, 4, 5], [6, 7, 8]])
    mixed = dcl.confuse_regions(image, arrangement, border=0)
    assert np.array_equal(mixed[:2, :2], image[:2, 2:4])
    assert np.array_equal(mixed[:2, 2:4], image[:2, :2])
    assert np.array_equal(mixed[2:], image[2:])


def test_region_confusion_of_uneven_patches_and_a_border() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (43, 57, 3)).astype(np.uint8)
    mixed = dcl.confuse_regions(image, dcl.local_shuffle(7, rng), border=10)
    assert mixed.shape == image.shape
    with pytest.raises(OptionError, match="7x7 patches"):
        dcl.confuse_regions(image[:25], dcl.local_shuffle(7, rng), border=10)


def test_positions() -> None:
    targets = dcl.position_targets(np.arange(49).reshape(7, 7))
    assert targets[[0, 24, 48]].tolist() == pytest.approx([-24 / 49, 0, 24 / 49])
    swapped = dcl.position_targets(np.array([[1, 0], [2, 3]]))
    assert swapped.tolist() == [-0.25, -0.5, 0.0, 0.25]
    predicted = torch.zeros(1, 4, requires_grad=True)
    loss = dcl.position_loss(predicted, torch.from_numpy(swapped)[None])
    assert float(loss.detach()) == pytest.approx(0.25)
