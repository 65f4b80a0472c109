"""One file is one model: the ``.onnx`` graph with its card inside.

* :mod:`saccade.modelfile.card`: the card, typed, from and to JSON;
* :mod:`saccade.modelfile.file`: cards in and out of files, and fingerprints;
* :mod:`saccade.modelfile.check`: the proof that a file is what its card says;
* :mod:`saccade.modelfile.wire`: the bit of protobuf underneath.
"""

from saccade.modelfile.card import FORMAT_VERSION, ModelCard, SelfTest, digest, make_self_test
from saccade.modelfile.check import VerifyReport, verify
from saccade.modelfile.file import (
    CARD_KEY,
    fingerprint,
    has_card,
    read_card,
    read_metadata,
    write_card,
)

__all__ = [
    "CARD_KEY",
    "FORMAT_VERSION",
    "ModelCard",
    "SelfTest",
    "VerifyReport",
    "digest",
    "fingerprint",
    "has_card",
    "make_self_test",
    "read_card",
    "read_metadata",
    "verify",
    "write_card",
]
