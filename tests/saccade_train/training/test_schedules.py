"""The learning rate, against the worked numbers of the PP-LCNet recipe."""

from __future__ import annotations

import pytest

from saccade_train.recipes.schema import ScheduleOptions
from saccade_train.training.schedules import learning_rate


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.0),
        (1, 0.0016),
        (250, 0.4),
        (499, 0.7984),
        (500, 0.8),
        (501, 0.799999998434),
        (18000, 0.408848834861),
        (35999, 1.5663e-9),
    ],
)
def test_worked_numbers(step: int, rate: float) -> None:
    found = learning_rate(
        step,
        peak=0.8,
        schedule=ScheduleOptions(kind="cosine", warmup_epochs=5),
        steps_per_epoch=100,
        epochs=360,
    )
    assert found == pytest.approx(rate, rel=1e-10 if rate > 1e-3 else 1e-4, abs=1e-15)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.032),
        (1, 0.03296),
        (150, 0.176),
        (299, 0.31904),
        (300, 0.32),
        (68_700, 0.16054995),
        (137_399, 4.2e-11),
    ],
)
def test_worked_numbers_of_picodet(step: int, rate: float) -> None:
    found = learning_rate(
        step,
        peak=0.32,
        schedule=ScheduleOptions(kind="cosine", warmup_steps=300, warmup_from=0.1),
        steps_per_epoch=458,
        epochs=300,
    )
    assert found == pytest.approx(rate, rel=1e-7 if rate > 1e-3 else 0.01, abs=1e-15)


def test_cosine_ends_at_its_end() -> None:
    options = ScheduleOptions(kind="cosine", end=0.01)
    rates = [
        learning_rate(step, peak=0.1, schedule=options, steps_per_epoch=10, epochs=2)
        for step in range(21)
    ]
    assert rates[0] == 0.1
    assert rates[10] == pytest.approx(0.055)
    assert rates[20] == pytest.approx(0.01)
    assert rates == sorted(rates, reverse=True)


def test_piecewise_and_constant() -> None:
    options = ScheduleOptions(kind="piecewise", boundaries=(1, 2.5), factor=0.1, warmup_steps=2)
    rates = [
        learning_rate(step, peak=1.0, schedule=options, steps_per_epoch=4, epochs=4)
        for step in range(12)
    ]
    assert rates == pytest.approx([0, 0.5, 1, 1, *[0.1] * 6, 0.01, 0.01])
    constant = ScheduleOptions(kind="constant", warmup_steps=4)
    rates = [
        learning_rate(step, peak=2.0, schedule=constant, steps_per_epoch=4, epochs=4)
        for step in (0, 2, 4, 15)
    ]
    assert rates == [0.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("done", "rate"), [(0, 0.03), (0.25, 0.0282463220), (0.5, 0.0231903136), (1, 0.0058527097)]
)
def test_the_cosine_of_fixmatch(done: float, rate: float) -> None:
    found = learning_rate(
        round(done * 1000),
        peak=0.03,
        schedule=ScheduleOptions(kind="cosine_7_16"),
        steps_per_epoch=100,
        epochs=10,
    )
    assert found == pytest.approx(rate, abs=5e-11)
