"""CTC by looking at all alignments, for short lines of few characters."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np


def spell(path, alphabet):
    kept = [k for k, _ in itertools.groupby(path) if k]
    return "".join(alphabet[k - 1] for k in kept)


def all_texts(probabilities, alphabet):
    """Probability of every text, and its best alignment."""
    total, best = defaultdict(float), {}
    steps, classes = probabilities.shape
    for path in itertools.product(range(classes), repeat=steps):
        chance = math.prod(probabilities[t, k] for t, k in enumerate(path))
        text = spell(path, alphabet)
        total[text] += chance
        if chance > best.get(text, (0.0,))[0]:
            best[text] = (chance, path)
    return total, best


def draw(seed, steps=5, classes=4, sharpness=2.0):
    logits = sharpness * np.random.default_rng(seed).standard_normal((steps, classes))
    exponents = np.exp(logits)
    return exponents / exponents.sum(1, keepdims=True)
