"""Alternating least squares, a baseline for new products: `implicit`'s, over everything that each customer has bought.

Source: Hu, Koren & Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets". The regularisation is
the one of five settings tried that did best on average over the data sets, which favours the baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.prediction.protocol import HORIZON, SEED
from ml.affinity import learn, ownership
from ml.history import build_history

if TYPE_CHECKING:
    import pandas as pd

    from ml.history import Floats
    from ml.pair_model import Examples

FACTORS = 48
REGULARISATION = 10.0


def als_score(lines: pd.DataFrame, chosen: list[int], moment: pd.Timestamp, part: Examples) -> Floats:
    """Score the pairs of `part` (numbers of the shop) as of `moment`; products that nobody owned get 0."""
    from implicit.als import AlternatingLeastSquares  # noqa: PLC0415 - only `make bench-prediction` installs it

    h = build_history(lines, None, moment + np.timedelta64(HORIZON, "D"), np.array(sorted(chosen)))
    known = h.before(h.until - HORIZON)
    first = np.isin(h.product_no, chosen)
    place = learn(known, first).place
    owned = ownership(known, place, int(place.max()) + 1, np.arange(known.n_customers))
    model = AlternatingLeastSquares(
        factors=FACTORS, regularization=REGULARISATION, alpha=1.0, iterations=15, random_state=SEED, num_threads=1
    )
    model.fit(owned, show_progress=False)
    item = place[np.searchsorted(h.product_no, part.product)]
    customer = np.searchsorted(h.customer_no, part.customer)
    score = np.einsum("ij,ij->i", model.user_factors[customer], model.item_factors[np.maximum(item, 0)])
    found: Floats = np.where(item >= 0, score, 0.0).astype(np.float64)
    return found
