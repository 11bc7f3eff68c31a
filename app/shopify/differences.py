"""Where the shop's own counts and Encore's differ, by cause as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT_DELETED = "deleted at the shop and kept here, because orders speak of them"
ERASED_OR_MERGED = "in the shop's export and left out here: erased or merged"
DELETED_MEANWHILE = "deleted at the shop while the import ran"
MORE_WHOLE = "here and no longer counted by the shop: deleted there since its export was made"
FEWER_WHOLE = "counted by the shop and not in its export: created since, or not readable by Encore"
MORE_CHANGES = "kept from before and no longer counted by the shop; tonight's whole import settles it"
FEWER_CHANGES = "counted by the shop and not here: created since, erased here, or not readable by Encore"


@dataclass(frozen=True)
class Counts:
    """One kind of object. served: rows of the shop's export, None if it held only what changed.

    kept_deleted: rows here that are marked as deleted at the shop.
    """

    here: int
    shop: int
    served: int | None
    kept_deleted: int = 0


def differences(found: Mapping[str, Counts]) -> list[dict[str, Any]]:
    """One entry per object: both counts, their difference, its causes (signed counts) and a sentence of them."""
    lines = []
    for name, counts in found.items():
        causes = _causes(name, counts)
        sentence = "; ".join(f"{abs(count):,} {words}" for count, words in causes)
        lines.append(
            {
                "object": name,
                "shop": counts.shop,
                "imported": counts.here,
                "difference": counts.here - counts.shop,
                "causes": [{"count": count, "cause": words} for count, words in causes],
                "reason": f"{sentence}." if causes else None,
            }
        )
    return lines


def _causes(name: str, counts: Counts) -> list[tuple[int, str]]:
    """Signed counts that add up to the difference; what nothing explains comes last."""
    causes = [(counts.kept_deleted, KEPT_DELETED)]
    if counts.served is not None:
        left_out = counts.here - counts.kept_deleted - counts.served
        causes.append((left_out, ERASED_OR_MERGED if name == "customers" else DELETED_MEANWHILE))
    rest = counts.here - counts.shop - sum(count for count, _ in causes)
    if counts.served is not None:
        causes.append((rest, MORE_WHOLE if rest > 0 else FEWER_WHOLE))
    else:
        causes.append((rest, MORE_CHANGES if rest > 0 else FEWER_CHANGES))
    return [(count, words) for count, words in causes if count]
