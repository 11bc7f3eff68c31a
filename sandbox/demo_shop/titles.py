"""Readable product titles and makers from a grocer's abbreviated codes."""

import random
import re

from faker.providers.person.en_US import Provider as Persons

WORDS = {
    "acc": "accessories",
    "asst": "assorted",
    "bev": "beverages",
    "brd": "breaded",
    "brkfst": "breakfast",
    "btl": "bottle",
    "btr": "butter",
    "can": "canned",
    "car": "",
    "carb": "",
    "chix": "chicken",
    "choc": "chocolate",
    "chocoate": "chocolate",
    "chocococate": "chocolate",
    "chococate": "chocolate",
    "chp": "chopped",
    "cnd": "canned",
    "cntrl": "control",
    "coff": "coffee",
    "conc": "concentrate",
    "decafe": "decaf",
    "decors": "decorations",
    "dete": "detergent",
    "dl": "deli",
    "dnrs": "dinners",
    "drnk": "drinks",
    "exc": "",
    "fd": "food",
    "fem": "feminine",
    "flav": "flavoured",
    "flvr": "flavoured",
    "flvrd": "flavoured",
    "fre": "free",
    "frz": "frozen",
    "frzn": "frozen",
    "gds": "goods",
    "grnd": "ground",
    "hygn": "hygiene",
    "incl": "",
    "including": "",
    "jce": "juice",
    "jhook": "display",
    "juic": "juice",
    "ldry": "laundry",
    "liq": "liquid",
    "liqs": "liquids",
    "lndry": "laundry",
    "marin": "marinated",
    "misc": "assorted",
    "miscellaneous": "assorted",
    "mlk": "milk",
    "nat": "natural",
    "pc": "piece",
    "pk": "pack",
    "pkg": "packaged",
    "plstc": "plastic",
    "pnt": "peanut",
    "portn": "portion",
    "preportnd": "portioned",
    "prem": "premium",
    "prep": "prepared",
    "prpck": "pre-packed",
    "prslc": "sliced",
    "pwdrs": "powders",
    "rts": "ready-to-serve",
    "rw": "",
    "sft": "soft",
    "shldr": "shoulder",
    "slc": "sliced",
    "sngl": "single",
    "spec": "speciality",
    "ss": "single-serve",
    "stk": "sticks",
    "sup": "super",
    "supp": "supplements",
    "supplemen": "supplements",
    "suppl": "supplements",
    "sw": "sweet",
    "swe": "sweetened",
    "swt": "sweet",
    "thn": "thin",
    "veg": "vegetable",
    "vit": "vitamin",
    "w": "with",
    "wht": "white",
    "wtr": "water",
    "econom": "economy",
    "vac": "vacuum",
    "beerale": "beer and ale",
    "beeralemalt": "beer, ale, malt",
    "fruitbreakfast": "fruit breakfast",
    "ipk": "pack",
    "g": "",
    "n": "",
    "s": "",
    "c": "",
    "t": "",
    "u": "",
    "ap": "",
    "et": "",
    "exct": "",
    "crb": "",
    "all": "",
    "under": "under",
    "dogfd": "dog food",
    "catfd": "cat food",
    "sprm": "supreme",
    "sup/prem": "premium",
    "gr": "",
}
KEEP_UPPER = {"BBQ", "DVD", "IQF", "OTC", "TV", "OJ", "FM", "CD", "USDA", "PB"}
SMALL = {"and", "with", "of", "in", "on", "to", "for", "or", "the", "a", "not"}
MAKERS = ("Farms", "Foods", "& Co", "Kitchen", "Brothers", "Mills", "Goods", "Market", "& Daughters", "Trading")
UNITS = {"OZ": "oz", "LB": "lb", "LBS": "lb", "CT": "ct", "ML": "ml", "LTR": "l", "PK": "pack", "GAL": "gal"}


def nice_type(code: str) -> str:
    """A grocer's product type in words: "FRZN SS PREMIUM ENTREES/DNRS/N" -> "Frozen Single-Serve Premium ..."."""
    code = code.split("(", maxsplit=1)[0] if "(" in code[4:] else code
    words = re.findall(r"[A-Za-z0-9%.'-]+|&", code.replace("-", " ").replace(":", " "))
    nice: list[str] = []
    for word in words:
        bare = word.strip(".'").lower()
        text = "and" if bare == "&" else WORDS.get(bare, bare)
        if not text or (nice and text == nice[-1].lower()):
            continue
        if word in KEEP_UPPER or any(character.isdigit() for character in text):
            nice.append(word)
        elif text in SMALL and nice:
            nice.append(text)
        else:
            nice.append("-".join(part[:1].upper() + part[1:] for part in text.split("-")))
    while nice and nice[-1] in SMALL:
        nice.pop()
    return " ".join(nice) or code.title()


def nice_size(size: str) -> str:
    """A package size as a shelf label has it: "12 OZ" -> "12 oz"."""
    return " ".join(UNITS.get(word, word.lower()) for word in size.split())


def maker_names(manufacturers: list[int], seed: int = 20170101) -> dict[int, str]:
    """An invented, unique maker for each manufacturer number (the data publish numbers only)."""
    surnames = sorted(set(Persons.last_names))
    picker = random.Random(seed)
    names = [f"{surname} {suffix}" for suffix in MAKERS for surname in surnames]
    picker.shuffle(names)
    return dict(zip(sorted(manufacturers), names, strict=False))


def unique_titles(rows: list[tuple[str, str, str]]) -> list[str]:
    """Titles for (maker, brand, product type) rows, unique; store brands carry no maker unless they must."""
    taken: set[str] = set()
    titles = []
    for maker, brand, kind in rows:
        label = "Store Brand" if brand == "Private" else maker
        title = f"{label} {kind}"
        if title in taken:
            title = f"{maker} {kind}" if brand == "Private" else title
        number = 2
        while title in taken:
            title = f"{label} {kind} No. {number}"
            number += 1
        taken.add(title)
        titles.append(title)
    return titles


def handle(title: str) -> str:
    """A URL handle as Shopify derives it: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
