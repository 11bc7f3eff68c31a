"""Who is offered which discount: expected margin net of it, a ceiling per code, a budget for all of them.

How buying answers to a discount is one logistic curve on top of the calibrated probability p of buying anyway,

    logit P(buy | d) = logit p + intercept + context . weights + sum over k of slope[k] * part of step k that d covers

with d the discount as a share of the basket, steps between the levels, and every slope >= 0, so that a larger
discount never makes buying less likely. Monotone boosted trees (scikit-learn's `monotonic_cst`) were the other
choice. A shop sees some dozens of purchases per level: there a handful of slopes drawn to zero, found by convex
optimisation, is what the data can carry, and it gives equal answers to equal input. Trees would also have to
learn anew what p says already.

Who surely buys gains little from a discount and costs it in full, so the curve itself gives them none.

Sources: Barlow et al. (1972), "Statistical Inference under Order Restrictions", for the monotone response;
Everett (1963), Operations Research 11(3), for the multiplier that keeps to a budget; Deming & Stephan (1940) and
Madow (1949), Annals of Mathematical Statistics 20(3), for systematic samples of exact size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from ml.policy.log import Log
from ml.policy.off_policy import MIN_EFFECTIVE, Verdict, cross_fit_policy, judge, one_hot

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.history import Bools, Floats, Ints

LEVELS = (0, 5, 10, 15, 20)  # percent of the expected basket; none is always among them
NONE_SHARE = 0.10  # get none whatever the policy says, so that what discounts add stays measurable
EXPLORE_SHARE = 0.05  # get a level at random, so that the response can be learned
EXPLORE_BUDGET = 5  # exploring may take a fifth of a budget at most
SLOPE_SD, WEIGHT_SD, INTERCEPT_SD = 0.5, 0.5, 2.0  # of the priors that draw the curve to p
MIN_OFFERS = 500
PROBABILITY_FLOOR = 1e-6
HALVINGS = 100


@dataclass(frozen=True)
class Customers:
    """Who may be offered a discount now, one row each.

    customer_no:  (n,) int, each once
    probability:  (n,) float in (0, 1), of buying without a discount within the code's life, calibrated
    context:      (n, d) float, what else may shift the response; d may be 0
    basket_minor: (n,) int >= 0, expected basket, minor units
    margin_minor: (n,) int, margin on that basket before a discount, minor units
    """

    customer_no: Ints
    probability: Floats
    context: Floats
    basket_minor: Ints
    margin_minor: Ints

    def __post_init__(self) -> None:
        if {len(column) for column in vars(self).values()} != {len(self.customer_no)}:
            raise ValueError("columns of customers differ in length")
        if not (np.isfinite(self.probability).all() and np.isfinite(self.context).all()):
            raise ValueError("probabilities and context must be finite")
        if (self.basket_minor < 0).any():
            raise ValueError("an expected basket is never negative")

    def rows(self, chosen: Bools) -> Customers:
        """The same with these rows only."""
        return Customers(*(column[chosen] for column in vars(self).values()))


@dataclass(frozen=True)
class Trials:
    """Offers that were made and have run out, one row each.

    customers:    to whom, as they were then; a customer may stand here more than once
    amount_minor: (n, k) int, what each level would have been worth, after the ceiling of the day; none first
    level:        (n,) int, position of what was offered
    propensity:   (n, k) float, each level's probability
    bought:       (n,) bool
    """

    customers: Customers
    amount_minor: Ints
    level: Ints
    propensity: Floats
    bought: Bools

    def rows(self, chosen: Bools) -> Trials:
        """The same with these rows only."""
        others = (column[chosen] for name, column in vars(self).items() if name != "customers")
        return Trials(self.customers.rows(chosen), *others)

    @property
    def judged(self) -> Bools:
        """(n,) whether every level had a chance."""
        result: Bools = np.min(self.propensity, axis=1) > 0
        return result

    def log(self) -> Log:
        """Offers as choices: context is p's log-odds and the customers' own; reward is margin net of the discount.

        Offers that are not `judged`, made when there was no budget to explore, are left out.
        """
        given = self.amount_minor[np.arange(len(self.level)), self.level]
        reward = np.where(self.bought, self.customers.margin_minor - given, 0).astype(float)
        context = np.column_stack([_log_odds(self.customers.probability), self.customers.context])
        kept = self.judged
        return Log(
            context[kept], self.level[kept], self.propensity[kept], reward[kept], self.customers.customer_no[kept]
        )


@dataclass(frozen=True)
class Response:
    """How P(buy) answers to a discount. slopes: (4,) >= 0, in log-odds per whole step between levels."""

    intercept: float
    weights: Floats
    centre: Floats
    spread: Floats
    slopes: Floats

    def probability(self, customers: Customers, amount_minor: Ints) -> Floats:
        """P(buy | amount), (n, k) for amounts (n, k) in minor units; never falls from a smaller to a larger amount."""
        context = (customers.context - self.centre) / self.spread
        base = _log_odds(customers.probability) + self.intercept + context @ self.weights
        dose = amount_minor / np.maximum(customers.basket_minor, 1)[:, None]
        result: Floats = expit(base[:, None] + _steps(dose) @ self.slopes)
        return result


@dataclass(frozen=True)
class Offers:
    """What each customer is offered, in the order given.

    level:                 (n,) int, position in LEVELS, or in (none, *levels_minor)
    amount_minor:          (n,) int, the value of the code; 0 means no code
    propensity:            (n, k) float, the probability of each level, exactly
    expected_margin_minor: (n,) float, P(buy) * (margin - amount) under the offer
    """

    level: Ints
    amount_minor: Ints
    propensity: Floats
    expected_margin_minor: Floats


@dataclass(frozen=True)
class DiscountPolicy:
    """What past offers teach.

    levels:  positions of levels that the policy may choose by itself: all, or none and one constant level, or none
    basis:   start (no discount but in the random slices), constant, or customers (each their own level)
    verdict: each customer's own level against the best constant one; None with too few offers to say
    """

    response: Response
    levels: tuple[int, ...]
    basis: str
    verdict: Verdict | None = None


def amounts(basket_minor: Ints, ceiling_minor: int) -> Ints:
    """(n, 5) value of each level in minor units: its percentage of the basket rounded down, never over the ceiling."""
    if ceiling_minor < 0:
        raise ValueError("a ceiling is never negative")
    result: Ints = np.minimum(basket_minor[:, None] * np.array(LEVELS) // 100, ceiling_minor)
    return result


def fixed_amounts(levels_minor: tuple[int, ...], customers: int, ceiling_minor: int) -> Ints:
    """(customers, k + 1) value of none and of each fixed level in minor units, never over the ceiling."""
    if ceiling_minor < 0:
        raise ValueError("a ceiling is never negative")
    row: Ints = np.minimum(np.array((0, *levels_minor), dtype=np.int64), ceiling_minor)
    return np.tile(row, (customers, 1))


def fit_response(trials: Trials) -> Response:
    """Maximum posterior of the curve; without trials nothing but p itself, and discounts that change nothing."""
    context = trials.customers.context
    centre = context.mean(axis=0) if len(context) else np.zeros(context.shape[1])
    spread = context.std(axis=0) if len(context) else np.ones(context.shape[1])
    spread = np.where(spread > 0, spread, 1.0)
    given = trials.amount_minor[np.arange(len(trials.level)), trials.level]
    dose = given / np.maximum(trials.customers.basket_minor, 1)
    design = np.column_stack([np.ones(len(dose)), (context - centre) / spread, _steps(dose)])
    offset = _log_odds(trials.customers.probability)
    steps = len(LEVELS) - 1
    sds = np.array([INTERCEPT_SD] + [WEIGHT_SD] * context.shape[1] + [SLOPE_SD] * steps)
    bought = trials.bought.astype(float)

    def loss(theta: Floats) -> tuple[float, Floats]:
        odds = offset + design @ theta
        value = float((np.logaddexp(0, odds) - bought * odds).sum() + 0.5 * ((theta / sds) ** 2).sum())
        return value, design.T @ (expit(odds) - bought) + theta / sds**2

    bounds = [(None, None)] * (len(sds) - steps) + [(0.0, None)] * steps
    found = minimize(loss, np.zeros(len(sds)), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12}).x
    return Response(float(found[0]), found[1 : len(found) - steps], centre, spread, found[len(found) - steps :])


def learn(trials: Trials, seed: int = 0) -> DiscountPolicy:
    """The policy that these trials teach: as much choice as surely pays, by doubly robust scores of money kept.

    Each customer's own best level, if that beats every constant level; else the best constant level, if that
    beats none at all; else none. Judged without a budget. Equal input and seed give an equal policy.
    """
    response = fit_response(trials)
    log = trials.log()
    if len(log) < MIN_OFFERS:
        return DiscountPolicy(response, (0,), "start")
    target = cross_fit_policy(_with_row_numbers(log), _greedy_learner(trials.rows(trials.judged)), seed)
    verdict = judge(log, target, seed)
    if verdict.promote:
        return DiscountPolicy(response, tuple(range(log.arms)), "customers", verdict)
    if verdict.best != 0:
        constant = judge(log, one_hot(np.full(len(log), verdict.best), log.arms), seed)
        enough = constant.policy.effective_size >= MIN_EFFECTIVE
        if enough and constant.differences[0].surely_positive(tries=log.arms - 1):
            return DiscountPolicy(response, (0, verdict.best), "constant", verdict)
    return DiscountPolicy(response, (0,), "start", verdict)


def offer(
    policy: DiscountPolicy,
    customers: Customers,
    ceiling_minor: int,
    budget_minor: int | None = None,
    seed: int = 0,
    *,
    levels_minor: tuple[int, ...] | None = None,
    none_share: float = NONE_SHARE,
    explore_share: float = EXPLORE_SHARE,
    explore_budget: int = EXPLORE_BUDGET,
) -> Offers:
    """Choose a level for each customer, so that no code is worth more than the ceiling nor all codes than the budget.

    budget_minor: what the codes issued here may be worth together, each in full, as any may be redeemed; None is
                  no limit. Callers take off the codes that are still out and add back those that ran out.
    levels_minor: fixed amounts to choose from besides none, instead of LEVELS of the expected basket
    none_share:   get none whatever the policy says; explore_share: get a level at random. Together at most 1.
    explore_budget: one part in so many of the budget may go to exploring
    One in ten gets none whatever the policy says and one in twenty a level at random; both samples have an exact
    size, and the budget is kept whoever is drawn, so that who is drawn says nothing about the rest of the
    propensities. Equal customers and seed give equal offers, in whatever order.
    """
    if none_share < 0 or explore_share < 0 or none_share + explore_share > 1:
        raise ValueError("shares are never negative, and together at most 1")
    n = len(customers.customer_no)
    if levels_minor is None:
        worth = amounts(customers.basket_minor, ceiling_minor)
    else:
        worth = fixed_amounts(levels_minor, n, ceiling_minor)
    gain = policy.response.probability(customers, worth) * (customers.margin_minor[:, None] - worth)
    explored = explore_share * n
    reserve = 0
    if budget_minor is not None:
        if budget_minor < 0:
            raise ValueError("a budget is never negative")
        dearest = np.cumsum(np.sort(worth[:, -1])[::-1])
        explored = min(explored, float(np.searchsorted(dearest, budget_minor // explore_budget, side="right")))
        most = int(np.ceil(explored))
        reserve = int(dearest[most - 1]) if most else 0
    left = None if budget_minor is None else budget_minor - reserve
    chosen = _within(gain, worth, policy.levels, left, customers.customer_no)
    none, explore, random_level = _slices(customers.customer_no, none_share, explored, worth.shape[1], seed)
    level = np.where(explore, random_level, np.where(none, 0, chosen))
    rows = np.arange(n)
    shares = np.array([none_share, explored / max(n, 1)])
    propensity = np.full((n, worth.shape[1]), shares[1] / worth.shape[1])
    propensity[:, 0] += shares[0]
    propensity[rows, chosen] += max(1 - shares.sum(), 0.0)
    return Offers(level, worth[rows, level], propensity, gain[rows, level])


def _within(gain: Floats, worth: Ints, levels: tuple[int, ...], budget: int | None, customer_no: Ints) -> Ints:
    """(n,) level of the highest gain less multiplier * amount, with the multiplier that keeps to the budget.

    Customers between whom the multiplier can't tell are served by rising number while the budget lasts.
    """
    allowed = np.array(levels)
    gain, cost = gain[:, allowed], worth[:, allowed]
    rows = np.arange(len(gain))

    def best(multiplier: float) -> Ints:
        result: Ints = (gain - multiplier * cost).argmax(axis=1)  # of equals the first: the smallest amount
        return result

    low, high = 0.0, 1.0
    if budget is None or int(cost[rows, best(low)].sum()) <= budget:
        return allowed[best(low)]
    while int(cost[rows, best(high)].sum()) > budget:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if int(cost[rows, best(middle)].sum()) > budget else (low, middle)
    kept, more = best(high), best(low)
    extra = cost[rows, more] - cost[rows, kept]
    order = np.argsort(customer_no, kind="stable")
    fits = np.cumsum(extra[order]) <= budget - int(cost[rows, kept].sum())
    kept[order[fits]] = more[order[fits]]
    return allowed[kept]


def _slices(customer_no: Ints, none_share: float, explored: float, arms: int, seed: int) -> tuple[Bools, Bools, Ints]:
    """Who gets none, who gets a random level, and which: a random order cut at sizes of the right expectation.

    Sizes are rounded by one uniform number, so that each share is met exactly on average, also of one customer.
    """
    n = len(customer_no)
    rng = np.random.default_rng(seed)
    start, order, level = rng.random(), rng.permutation(n), rng.integers(0, arms, n)
    first = int(none_share * n + start)
    second = min(int(none_share * n + explored + start), first + int(np.ceil(explored)))
    place = np.empty(n, dtype=np.int64)
    place[np.argsort(customer_no, kind="stable")] = order
    drawn = np.empty(n, dtype=np.int64)
    drawn[np.argsort(customer_no, kind="stable")] = level
    return place < first, (place >= first) & (place < second), drawn


def _greedy_learner(trials: Trials) -> Callable[[Log, int], Callable[[Floats], Floats]]:
    """A learner for `cross_fit_policy` whose context is nothing but the row's number in `trials`."""

    def learner(train: Log, _seed: int) -> Callable[[Floats], Floats]:
        response = fit_response(trials.rows(np.isin(np.arange(len(trials.level)), train.context[:, 0].astype(int))))

        def policy(context: Floats) -> Floats:
            rows = context[:, 0].astype(int)
            people, worth = trials.customers.rows(rows), trials.amount_minor[rows]
            gain = response.probability(people, worth) * (people.margin_minor[:, None] - worth)
            return one_hot(gain.argmax(axis=1), gain.shape[1])

        return policy

    return learner


def _with_row_numbers(log: Log) -> Log:
    numbers = np.arange(len(log), dtype=float)[:, None]
    return Log(numbers, log.action, log.propensity, log.reward, log.group)


def _log_odds(probability: Floats) -> Floats:
    result: Floats = logit(np.clip(probability, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))
    return result


def _steps(dose: Floats) -> Floats:
    """(..., 4) how much of each step between levels a discount covers, 0 to 1; beyond the last level, 1."""
    edges = np.array(LEVELS) / 100
    result: Floats = np.clip((np.asarray(dose)[..., None] - edges[:-1]) / np.diff(edges), 0.0, 1.0)
    return result
