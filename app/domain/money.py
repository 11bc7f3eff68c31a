"""Money: int64 minor units of the shop's currency.

Source: ISO 4217, table A.1 (2024), the currencies whose minor unit is not a hundredth.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

DEFAULT_EXPONENT = 2
EXPONENTS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def exponent(currency: str) -> int:
    """How many decimals a currency's minor unit has: 2 for USD, 0 for JPY, 3 for KWD."""
    return EXPONENTS.get(currency.upper(), DEFAULT_EXPONENT)


def to_minor(amount: str | Decimal, currency: str) -> int:
    """A decimal amount as minor units, halves away from zero. Raises decimal.InvalidOperation for no number."""
    return int((Decimal(amount) * 10 ** exponent(currency)).quantize(Decimal(1), ROUND_HALF_UP))


def to_text(minor: int, currency: str) -> str:
    """Minor units as a decimal amount with its currency: `12.34 USD`."""
    digits = exponent(currency)
    return f"{Decimal(minor).scaleb(-digits):,.{digits}f} {currency.upper()}"
