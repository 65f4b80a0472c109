from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from saccade.bench import (
    Case,
    interleave,
    measure_memory,
    open_case,
    paired_ratio,
    timing,
)
from saccade.errors import ModelError, OptionError, UnknownModel


def test_subjects_run_in_turns_and_the_order_alternates() -> None:
    log: list[str] = []
    seconds = interleave({"a": lambda: log.append("a"), "b": lambda: log.append("b")}, 4, warm_up=2)
    assert "".join(log) == "abba" * 3
    assert {name: values.shape for name, values in seconds.items()} == {"a": (4,), "b": (4,)}


def test_times_are_those_of_the_subject() -> None:
    seconds = interleave({"nap": lambda: time.sleep(0.02), "none": lambda: None}, 3, warm_up=0)
    assert (seconds["nap"] >= 0.02).all()
    assert (seconds["none"] < 0.01).all()


def test_a_timing_is_checked_by_hand() -> None:
    took = timing(np.array([0.1, 0.1, 0.1, 0.1, 0.6]), batch=2)
    assert took.median_ms == pytest.approx(100)
    assert took.p90_ms == pytest.approx(400)  # between 0.1 and 0.6, at 0.6 of the way
    assert took.images_per_second == pytest.approx(10)
    assert took.runs == 5


def test_a_slow_round_does_not_touch_the_paired_ratio() -> None:
    pace = np.array([1, 1, 50, 1, 7.0])
    ratio = paired_ratio(0.01 * pace, 0.03 * pace)
    assert (ratio.median, ratio.p10, ratio.p90) == pytest.approx((3, 3, 3))


def test_runs_must_be_positive() -> None:
    with pytest.raises(OptionError, match="runs is 0"):
        interleave({"a": lambda: None}, 0)


def test_a_case_runs_a_batch(toy_classifier: Path) -> None:
    outputs = open_case(Case(str(toy_classifier), "onnxruntime", 1, 3))()
    assert outputs["probabilities"].shape == (3, 3)  # type: ignore[index]


def test_bad_cases() -> None:
    with pytest.raises(UnknownModel):
        open_case(Case("no_such", "onnxruntime", 1, 1))
    with pytest.raises(OptionError, match="batch is 0"):
        open_case(Case("any", "onnxruntime", 1, 0))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_memory_is_that_of_a_fresh_process(toy_classifier: Path) -> None:
    ballast = np.ones(300 * 2**20, np.uint8)  # must not count
    memory = measure_memory(Case(str(toy_classifier), "onnxruntime", 1, 1))
    assert memory is not None
    assert 0 < memory.model_mib < memory.peak_mib < 250
    bigger = measure_memory(Case(str(toy_classifier), "onnxruntime", 1, 512))
    assert bigger is not None
    assert bigger.model_mib > memory.model_mib + 5
    with pytest.raises(ModelError, match=r"no_such.*no model 'no_such'"):
        measure_memory(Case("no_such", "onnxruntime", 1, 1))
    del ballast
