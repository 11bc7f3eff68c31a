"""Random streams with names: what is drawn for one purpose never repeats what is drawn for another."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(domain: str, *numbers: int) -> np.random.Generator:
    """The generator of a domain ("simulator", ...) and some numbers ≥ 0; the same for the same, independent otherwise.

    The domain's hash is part of the entropy, so that equal seeds of two domains share nothing. Source: NumPy's
    SeedSequence (O'Neill 2015), which turns any entropy into well separated states.
    """
    name = np.frombuffer(hashlib.sha256(domain.encode()).digest(), dtype=np.uint32)
    return np.random.default_rng(np.random.SeedSequence([*name.tolist(), *numbers]))
