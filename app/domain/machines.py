"""Opens and clicks that are probably no person's, and whose opens may be observed at all.

Mailbox scanners open every link within moments of the delivery; privacy proxies load every picture.
What they did is kept as it was seen and marked: figures leave it out, and a better rule can judge anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

OpenTracking = Literal["off", "opted_in", "unless_opted_out"]
DEFAULT_OPEN_TRACKING: OpenTracking = "opted_in"  # silence is no consent to being watched
OPENS_WITHIN = timedelta(seconds=10)  # of the hand-over: no person has seen it by then
CLICKS_WITHIN = timedelta(seconds=90)
AT_ONCE = timedelta(seconds=10)
LINKS_AT_ONCE = 3  # different links of one message within AT_ONCE: read by no eye

# Apple's Mail Privacy Protection loads pictures from a proxy that calls itself just "Mozilla/5.0".
BARE = frozenset({"", "mozilla/5.0"})
PROXIES = ("googleimageproxy", "yahoomailproxy", "ggpht.com", "outlook-ios-image")
SCANNERS = (
    "barracuda", "bot", "crawl", "curl", "proofpoint", "fireeye", "fortinet", "go-http-client", "headless", "java/",
    "libwww", "mimecast", "okhttp", "phantomjs", "preview", "python", "safelinks", "scan", "sophos", "spider",
    "symantec", "trendmicro", "urldefense", "wget", "zscaler",
)  # fmt: skip


def may_observe_opens(shop: str, customer: str | None) -> bool:
    """Whether a message may hold the picture that tells of its opening.

    shop: the shop's choice, an OpenTracking; anything else is off.
    customer: Shopify's open-tracking level, upper case; null and what is not known here say nothing.
    """
    if shop == "opted_in":
        return customer == "OPTED_IN"
    return shop == "unless_opted_out" and customer != "OPTED_OUT"


def opened_by_machine(user_agent: str, since: timedelta | None) -> bool:
    """Whether an opening was probably a proxy's or scanner's. since: time from the hand-over, if known."""
    agent = user_agent.strip().lower()
    return (
        agent in BARE
        or any(word in agent for word in (*PROXIES, *SCANNERS))
        or (since is not None and since < OPENS_WITHIN)
    )


def clicked_by_machine(method: str, user_agent: str, since: timedelta | None, links_at_once: int) -> bool:
    """Whether a click was probably a scanner's. links_at_once: different links of the message within AT_ONCE."""
    agent = user_agent.strip().lower()
    return (
        method != "GET"
        or agent in BARE
        or any(word in agent for word in SCANNERS)
        or (since is not None and since < CLICKS_WITHIN)
        or links_at_once >= LINKS_AT_ONCE
    )
