"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from toymodel import write_toy_classifier

# A machine that is busy elsewhere must not fail a test of arithmetic.
settings.register_profile("saccade", deadline=None)
settings.load_profile("saccade")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data packs; tests that need it are skipped where it is missing."""
    place = Path(os.environ.get("SACCADE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"the data packs are not at {place} (set SACCADE_SHARED_DATA)")
    return place


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests keep on disk is not the user's, and goes with them."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def toy_classifier(tmp_path: Path) -> Path:
    """A model file of a few kilobytes that names the strongest colour of a picture."""
    return write_toy_classifier(tmp_path / "toy.onnx")
