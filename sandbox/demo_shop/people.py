"""Invented customers: names, e-mails, phones, addresses and consent, the same on every machine.

Nothing here belongs to a real person: e-mail domains are those reserved for examples, phone numbers end
in 555-01xx, which is set aside for fiction. Cities and ZIP codes exist so that ZIP look-ups find them.
"""

import numpy as np
import pandas as pd
from faker.providers.person.en_US import Provider as Persons

# city, province, code, ZIP, area code: places that exist, near the eastern US where the data were gathered
PLACES = [
    ("Cincinnati", "Ohio", "OH", "45202", "513"),
    ("Cincinnati", "Ohio", "OH", "45208", "513"),
    ("Columbus", "Ohio", "OH", "43215", "614"),
    ("Dayton", "Ohio", "OH", "45402", "937"),
    ("Cleveland", "Ohio", "OH", "44113", "216"),
    ("Akron", "Ohio", "OH", "44303", "330"),
    ("Toledo", "Ohio", "OH", "43604", "419"),
    ("Mason", "Ohio", "OH", "45040", "513"),
    ("Lexington", "Kentucky", "KY", "40507", "859"),
    ("Louisville", "Kentucky", "KY", "40202", "502"),
    ("Covington", "Kentucky", "KY", "41011", "859"),
    ("Indianapolis", "Indiana", "IN", "46204", "317"),
    ("Bloomington", "Indiana", "IN", "47401", "812"),
    ("Fort Wayne", "Indiana", "IN", "46802", "260"),
    ("Pittsburgh", "Pennsylvania", "PA", "15222", "412"),
    ("Philadelphia", "Pennsylvania", "PA", "19103", "215"),
    ("Allentown", "Pennsylvania", "PA", "18102", "610"),
    ("Erie", "Pennsylvania", "PA", "16501", "814"),
    ("New York", "New York", "NY", "10025", "212"),
    ("Brooklyn", "New York", "NY", "11215", "718"),
    ("Buffalo", "New York", "NY", "14201", "716"),
    ("Rochester", "New York", "NY", "14607", "585"),
    ("Albany", "New York", "NY", "12203", "518"),
    ("Syracuse", "New York", "NY", "13202", "315"),
    ("Boston", "Massachusetts", "MA", "02116", "617"),
    ("Worcester", "Massachusetts", "MA", "01609", "508"),
    ("Providence", "Rhode Island", "RI", "02906", "401"),
    ("Hartford", "Connecticut", "CT", "06105", "860"),
    ("Newark", "New Jersey", "NJ", "07102", "973"),
    ("Trenton", "New Jersey", "NJ", "08618", "609"),
    ("Baltimore", "Maryland", "MD", "21230", "410"),
    ("Richmond", "Virginia", "VA", "23220", "804"),
    ("Norfolk", "Virginia", "VA", "23510", "757"),
    ("Raleigh", "North Carolina", "NC", "27601", "919"),
    ("Charlotte", "North Carolina", "NC", "28203", "704"),
    ("Durham", "North Carolina", "NC", "27701", "919"),
    ("Charleston", "South Carolina", "SC", "29401", "843"),
    ("Atlanta", "Georgia", "GA", "30309", "404"),
    ("Savannah", "Georgia", "GA", "31401", "912"),
    ("Nashville", "Tennessee", "TN", "37203", "615"),
    ("Memphis", "Tennessee", "TN", "38104", "901"),
    ("Detroit", "Michigan", "MI", "48226", "313"),
    ("Ann Arbor", "Michigan", "MI", "48103", "734"),
    ("Grand Rapids", "Michigan", "MI", "49503", "616"),
    ("Miami", "Florida", "FL", "33133", "305"),
    ("Orlando", "Florida", "FL", "32801", "407"),
    ("Tampa", "Florida", "FL", "33606", "813"),
    ("Burlington", "Vermont", "VT", "05401", "802"),
    ("Portland", "Maine", "ME", "04101", "207"),
    ("Manchester", "New Hampshire", "NH", "03101", "603"),
]
STREETS = ("Maple", "Oak", "Cedar", "Elm", "Walnut", "Chestnut", "Park", "Lake", "Hill", "Mill", "River", "Church")
WAYS = ("Street", "Avenue", "Road", "Lane", "Drive")
MAILS = ("example.com", "example.net", "example.org")
CONSENT = ("SUBSCRIBED", "NOT_SUBSCRIBED", "UNSUBSCRIBED", "PENDING", "INVALID")
CONSENT_SHARE = (0.62, 0.25, 0.08, 0.03, 0.02)
NOTE = "Invented person: name, contact and consent are made up for this demo."


def _first_names(rng: np.random.Generator, count: int) -> list[str]:
    female = list(Persons.first_names_female.items())
    male = list(Persons.first_names_male.items())
    weights = [np.array([weight for _, weight in names], dtype=float) for names in (female, male)]
    picks = [rng.choice(len(names), count, p=w / w.sum()) for names, w in zip((female, male), weights, strict=True)]
    is_female = rng.random(count) < 0.58  # noqa: PLR2004 - the main shopper of a household, more often a woman
    return [female[f][0] if pick else male[m][0] for f, m, pick in zip(*picks, is_female, strict=True)]


def _phones(rng: np.random.Generator, area: list[str]) -> list[str | None]:
    """About 60% have one; unique within an area code, null once its hundred fictitious numbers are used up."""
    used: dict[str, int] = {}
    phones: list[str | None] = []
    for code, has in zip(area, rng.random(len(area)) < 0.6, strict=True):  # noqa: PLR2004
        number = used.get(code, 0)
        used[code] = number + int(has)
        phones.append(f"+1{code}55501{number:02d}" if has and number < 100 else None)  # noqa: PLR2004
    return phones


def invent_people(households: list[int], seed: int) -> pd.DataFrame:
    """One row per household, in the order given: who they are said to be, where they live, what they consented to."""
    rng = np.random.default_rng(seed)
    count = len(households)
    first = _first_names(rng, count)
    surnames = list(Persons.last_names.items())
    weights = np.array([weight for _, weight in surnames], dtype=float)
    last = [surnames[i][0] for i in rng.choice(len(surnames), count, p=weights / weights.sum())]
    places = [PLACES[i] for i in rng.integers(0, len(PLACES), count)]
    consent = rng.choice(CONSENT, count, p=CONSENT_SHARE)
    phones = _phones(rng, [place[4] for place in places])
    mails = rng.integers(0, len(MAILS), count)
    numbers, streets, ways = (rng.integers(low, high, count) for low, high in ((1, 999), (0, 12), (0, 5)))
    sms = rng.random(count)
    table = pd.DataFrame({"household": households, "first_name": first, "last_name": last})
    table["email"] = [
        f"{f}.{n}.{h}@{MAILS[m]}".lower().replace(" ", "").replace("'", "")
        for f, n, h, m in zip(first, last, households, mails, strict=True)
    ]
    table["phone"] = phones
    table["address1"] = [f"{n} {STREETS[s]} {WAYS[w]}" for n, s, w in zip(numbers, streets, ways, strict=True)]
    table[["city", "province", "province_code", "zip"]] = [place[:4] for place in places]
    table["email_state"] = consent
    table["opt_in"] = np.where(rng.random(count) < 0.3, "CONFIRMED_OPT_IN", "SINGLE_OPT_IN")  # noqa: PLR2004
    table["email_valid"] = (consent != "INVALID").astype(int)
    table["tracking"] = rng.choice(("OPTED_IN", "UNKNOWN", "OPTED_OUT"), count, p=(0.6, 0.32, 0.08))
    table["sms_state"] = np.where(sms < 0.2, "SUBSCRIBED", "NOT_SUBSCRIBED")  # noqa: PLR2004
    table["data_sale_opt_out"] = (rng.random(count) < 0.02).astype(int)  # noqa: PLR2004
    table["note"] = NOTE
    return table


def with_edge_cases(table: pd.DataFrame) -> pd.DataFrame:
    """Every consent state, and customers as real shops have them: nameless, without e-mail, without an order."""
    count = len(table)
    table["email_state"] = [CONSENT[row % len(CONSENT)] for row in range(count)]
    table["email_valid"] = (table["email_state"] != "INVALID").astype(int)
    table.loc[5, ["first_name", "last_name"]] = None
    table.loc[6, ["first_name", "last_name"]] = ["Zoë", "Núñez-O'Hara"]
    table.loc[7, ["email", "phone"]] = None
    extra = table.iloc[[0, 1, 2]].copy()
    extra["household"] = [901, 902, 903]
    extra["email"] = ["never.ordered@example.com", "only.browses@example.net", None]
    extra["phone"] = None
    extra.loc[2, ["first_name", "last_name", "address1", "city", "province", "province_code", "zip"]] = None
    extra.loc[2, "sms_state"] = "REDACTED"
    return pd.concat([table, extra], ignore_index=True)
