from __future__ import annotations

import cv2
import numpy as np
import pytest

from near_copies import crop, saved, scene
from saccade.mining import sift
from saccade.mining.duplicates import KnownPictures, look_at
from saccade.mining.sift import Features, Sifter, SiftIndex, count_inliers, is_copy


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [scene(seed, (150, 200)) for seed in range(4)]


@pytest.fixture(scope="module")
def features(pictures: list[np.ndarray]) -> list[Features]:
    return [Sifter()(image) for image in pictures]


def test_features_have_the_shapes_they_promise(features: list[Features]) -> None:
    for one in features:
        assert one.points.shape == (len(one), 2) and one.points.dtype == np.float32
        assert one.descriptors.shape == (len(one), 128) and one.descriptors.dtype == np.uint8
        assert sift.LEAST_INLIERS < len(one) <= sift.MOST_FEATURES


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda image: saved(image, 40),
        crop,
        lambda image: (image * 1.15).clip(0, 255).astype(np.uint8),
    ],
    ids=["half", "saved", "cropped", "brighter"],
)
@pytest.mark.parametrize("most_flat", [200_000, 0], ids=["flat", "cells"])
def test_near_copies_are_found(
    pictures: list[np.ndarray],
    features: list[Features],
    change: object,
    most_flat: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sift, "_MOST_FLAT", most_flat)
    # FAISS asks for 39 points a cell, and says so on stderr.
    monkeypatch.setattr(sift, "_CELLS_SEARCHED", 100)
    index = SiftIndex(features)
    for number, image in enumerate(pictures):
        found = index.find(Sifter()(change(image)))  # type: ignore[operator]
        assert found is not None and found[0] == number
        assert found[1] >= sift.LEAST_INLIERS


def test_other_pictures_are_not_found(features: list[Features]) -> None:
    index = SiftIndex(features)
    for seed in range(50, 54):
        other = Sifter()(scene(seed))
        assert index.find(other) is None
        assert is_copy(other, features[0]) == 0


def test_a_picture_matches_itself_everywhere(features: list[Features]) -> None:
    # SIFT may describe one point twice, in two directions; those fail the ratio test or are one.
    assert count_inliers(features[0], features[0]) > 0.8 * len(features[0])


def test_plain_pictures_match_nothing(features: list[Features]) -> None:
    plain = Sifter()(np.full((40, 50, 3), 90, np.uint8))
    assert len(plain) == 0
    assert count_inliers(plain, plain) == 0
    assert SiftIndex([plain, *features]).find(plain) is None
    assert SiftIndex([plain]).find(features[0]) is None
    assert SiftIndex([]).find(features[0]) is None


def test_known_pictures_by_file_by_hash_and_by_sift(pictures: list[np.ndarray]) -> None:
    names = [f"{number}.png" for number in range(len(pictures))]
    looks = [look_at(bytes([n]), image, sift=True) for n, image in enumerate(pictures)]
    small = cv2.resize(pictures[1], None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    same, resized, cut, other = (
        look_at(b"\2", scene(9), sift=True),
        look_at(b"x", small, sift=True),
        look_at(b"y", crop(pictures[3]), sift=True),
        look_at(b"z", scene(8), sift=True),
    )
    expected = {
        "off": ["2.png", None, None, None],
        "fast": ["2.png", "1.png", None, None],
        "sift": ["2.png", "1.png", "3.png", None],
    }
    digests = set()
    for mode, of in expected.items():
        known = KnownPictures(names, looks, mode)  # type: ignore[arg-type]
        found = [known.find(look) for look in (same, resized, cut, other)]
        assert [copy and copy.of for copy in found] == of, mode
        digests.add(known.digest)
    assert len(digests) == 3
    assert found[0] and found[0].how == "the same file"
    assert found[1] and found[1].how.startswith("hash, ")
    assert found[2] and found[2].how.startswith("SIFT, ")
    assert KnownPictures([], [], "sift").find(other) is None
    shuffled = KnownPictures(names[::-1], looks[::-1], "sift")
    assert shuffled.digest in digests
