"""The proof that a model file is what its card says, on this machine and runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from saccade.modelfile.card import ModelCard, SelfTest, digest
from saccade.modelfile.file import fingerprint, read_card
from saccade.runtime import open_session

__all__ = ["BF16_TOLERANCE", "VerifyReport", "verify"]

# bfloat16 keeps 8 bits: about 0.4 % in each step. A wrong model is off by far more than this.
BF16_TOLERANCE = 0.1


@dataclass(frozen=True)
class VerifyReport:
    """What :func:`verify` found.

    Attributes:
        path: The file.
        card: Its card.
        runtime: The runtime that replayed the self-test.
        fingerprint: The fingerprint of the file as it is now.
        errors: For each output, its relative difference from the self-test; infinite where the
            size of the output is another, or the output is missing.
        tolerance: The largest difference allowed.
        self_test: ``"passed"``, ``"failed"``, or ``"absent"`` when the card has none.
    """

    path: str
    card: ModelCard
    runtime: str
    fingerprint: str
    errors: dict[str, float]
    tolerance: float
    self_test: Literal["passed", "failed", "absent"]

    @property
    def fingerprint_matches(self) -> bool:
        """Whether the file is the one that the card was written for."""
        return self.fingerprint == self.card.fingerprint

    @property
    def passed(self) -> bool:
        """Whether the fingerprint matches and the self-test passed."""
        return self.fingerprint_matches and self.self_test == "passed"

    @property
    def problems(self) -> tuple[str, ...]:
        """What failed, a sentence each; empty when all is well."""
        found = []
        if not self.fingerprint_matches:
            found.append(
                f"the graph was changed after its card was written (fingerprint "
                f"{self.fingerprint[:12]}, the card says {self.card.fingerprint[:12] or 'none'}); "
                "get the file again from where it came"
            )
        if self.self_test == "absent":
            found.append("the card has no self-test; export the model again (saccade export)")
        if self.self_test == "failed":
            worst = max(self.errors, key=lambda name: self.errors[name])
            found.append(
                f"the output {worst!r} differs from the self-test by {self.errors[worst]:.2g}, "
                f"allowed {self.tolerance:.2g}; get the file again or use another runtime"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; an infinite difference becomes None."""
        return {
            "model": self.path,
            "passed": self.passed,
            "runtime": self.runtime,
            "fingerprint": self.fingerprint,
            "fingerprint_matches": self.fingerprint_matches,
            "self_test": self.self_test,
            "errors": {n: e if np.isfinite(e) else None for n, e in self.errors.items()},
            "tolerance": self.tolerance,
            "problems": list(self.problems),
        }


def verify(
    path: str | os.PathLike[str], runtime: str = "onnxruntime", threads: int | None = None
) -> VerifyReport:
    """Check the fingerprint of a model file and replay the self-test of its card.

    Args:
        path: The model file.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        ModelFileError: The file cannot be read or run at all.
        OptionError: Unknown runtime, or a bad number of threads.
        MissingExtra: The runtime is not installed.
    """
    card = read_card(path)
    session = open_session(path, runtime=runtime, threads=threads)
    errors: dict[str, float] = {}
    tolerance = 0.0
    if card.self_test is not None:
        tolerance = card.self_test.tolerance
        if runtime.endswith("bf16"):
            tolerance = max(tolerance, BF16_TOLERANCE)
        errors = _replay(card.self_test, session.run(card.self_test.make_input()))
    passed = all(error <= tolerance for error in errors.values())
    return VerifyReport(
        path=str(path),
        card=card,
        runtime=runtime,
        fingerprint=fingerprint(path),
        errors=errors,
        tolerance=tolerance,
        self_test="absent" if not errors else "passed" if passed else "failed",
    )


def _replay(test: SelfTest, outputs: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    return {
        name: _difference(np.array(want), np.array(digest(outputs[name])))
        if name in outputs
        else float("inf")
        for name, want in test.digest.items()
    }


def _difference(want: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    """Largest difference of two digests, relative to the largest number of the wanted one."""
    # The first number is the count of the elements: an output of another size is another output.
    if want.shape != got.shape or want[:1] != got[:1] or not np.isfinite(got).all():
        return float("inf")
    scale = np.abs(want[1:]).max(initial=0.0)
    return float(np.abs(want[1:] - got[1:]).max(initial=0.0) / (scale or 1.0))
