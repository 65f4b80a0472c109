from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import ModelFileError
from saccade.imaging.prepare import Prepare
from saccade.modelfile import ModelCard, SelfTest, digest, make_self_test
from toymodel import toy_card


def plain_card(**changes: Any) -> dict[str, Any]:
    test = SelfTest(seed=3, shape=(1, 8, 8, 3), digest={"probabilities": (3.0, 0.5)})
    return json.loads(toy_card(self_test=test).to_json()) | changes


def test_a_card_round_trips_through_json() -> None:
    test = SelfTest(seed=3, shape=(1, 8, 8, 3), digest={"probabilities": (3.0, 0.5)})
    card = toy_card(
        labels=("Äpfel", "猫", '"quoted"\n'), thresholds={"score": 0.25}, notes="ü", self_test=test
    )
    assert ModelCard.from_json(card.to_json()) == card


@pytest.mark.parametrize("key", sorted(plain_card()))
def test_every_missing_key_is_named(key: str) -> None:
    plain = plain_card()
    del plain[key]
    with pytest.raises(ModelFileError, match=f"lacks the key '{key}'"):
        ModelCard.from_dict(plain)


@pytest.mark.parametrize("key", sorted(plain_card()))
def test_every_key_of_a_wrong_type_is_named(key: str) -> None:
    with pytest.raises(ModelFileError, match=f"the key '{key}' of the card is"):
        ModelCard.from_dict(plain_card(**{key: [{"no": "such"}]}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mean", [0.1, 0.2]),
        ("std", [0.1, 0.2, "x"]),
        ("labels", ["a", 1]),
        ("embedding_dim", 0),
        ("embedding_dim", True),
        ("scores", {"top1": "high"}),
        ("scores", {"top1": 10**400}),
        ("prepare", {"height": -1}),
        ("prepare", {"hight": 224}),
    ],
)
def test_bad_values_are_refused(key: str, value: object) -> None:
    with pytest.raises(ModelFileError, match=key):
        ModelCard.from_dict(plain_card(**{key: value}))


@pytest.mark.parametrize(
    "change", [{"seed": -1}, {"shape": [1, 8, 8]}, {"shape": [1 << 20, 999, 999, 3]}]
)
def test_bad_self_tests_are_refused_by_their_full_key(change: dict[str, object]) -> None:
    plain = plain_card()
    plain["self_test"] |= change
    with pytest.raises(ModelFileError, match=f"self_test.{next(iter(change))}"):
        ModelCard.from_dict(plain)


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelFileError, match=r"'lables'; did you mean 'labels'\?"):
        ModelCard.from_dict(plain_card(lables=[]))


def test_a_newer_format_asks_for_an_upgrade() -> None:
    with pytest.raises(ModelFileError, match="upgrade Saccade"):
        ModelCard.from_dict(plain_card(format_version=2, something_new=1))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": NaN}', "[" * 100_000, "12"])
def test_text_that_is_no_card_is_one_error(text: str) -> None:
    with pytest.raises(ModelFileError, match="the card"):
        ModelCard.from_json(text)


def test_a_card_that_could_not_be_read_back_is_not_written() -> None:
    with pytest.raises(ModelFileError, match="cannot be written"):
        replace(toy_card(), scores={"top1": float("nan")}).to_json()
    with pytest.raises(ModelFileError, match="labels"):
        replace(toy_card(), labels=(1, 2)).to_json()


def test_prepare_is_part_of_the_card() -> None:
    prepare = Prepare(height=96, width=128, mode="letterbox", interpolation="area")
    assert ModelCard.from_json(toy_card(prepare=prepare).to_json()).prepare == prepare


@given(st.integers(0, 40))
def test_a_digest_keeps_first_and_last(size: int) -> None:
    values = np.arange(1, size + 1, dtype=np.float32)
    numbers = digest(values)
    assert numbers[0] == size
    if size:
        assert numbers[1] == pytest.approx(values.mean())
        assert numbers[2] == pytest.approx(np.sqrt(np.mean(values**2)))
        assert (numbers[3], numbers[-1]) == (1, size)
        assert len(numbers) == 3 + min(16, size)


def test_self_test_input_is_the_documented_generator() -> None:
    test = make_self_test(lambda batch: {"sum": batch.sum(axis=(1, 2, 3))}, (2, 4, 4, 3), seed=7)
    want = np.random.Generator(np.random.PCG64(7)).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    assert np.array_equal(test.make_input(), want)
    assert test.digest["sum"][3:] == tuple(want.sum(axis=(1, 2, 3)))
