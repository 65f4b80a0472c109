"""What forms, letters and shops write: amounts, dates, numbers, names, addresses, goods.

Pure functions of a random generator.
"""

from __future__ import annotations

import numpy as np

from .draws import pick, recase, whole
from .words import FAMILY_NAMES, GIVEN_NAMES, PLACES, SHOP_WORDS, STREETS

__all__ = [
    "CURRENCIES",
    "LABELS",
    "address",
    "amount",
    "clock",
    "closing",
    "code",
    "company",
    "date",
    "digits",
    "item",
    "label",
    "person",
    "phone",
    "web",
]

CURRENCIES = ("$", "$", "€", "€", "£", "RM", "USD ", "EUR ", "CHF ", "kr ", "Rp", "S$", "¥")

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_CODE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

_DOMAINS = ("com", "org", "net", "co.uk", "de", "fr", "eu", "com.my", "io")

LABELS = (
    "Total",
    "TOTAL",
    "Sub Total",
    "SUBTOTAL",
    "Sub-Total",
    "Cash",
    "CASH",
    "Change",
    "CHANGE",
    "Amount",
    "Amt",
    "Tax",
    "GST 6%",
    "VAT",
    "VAT 20%",
    "Round Adj",
    "Rounding",
    "Discount",
    "Disc",
    "Item",
    "Items",
    "Qty",
    "QTY",
    "Price",
    "U.Price",
    "Description",
    "Date",
    "Time",
    "Cashier",
    "Table",
    "Invoice No",
    "INVOICE",
    "TAX INVOICE",
    "Receipt",
    "RECEIPT",
    "Bill No.",
    "Order",
    "POS",
    "Terminal",
    "Member",
    "Points",
    "Balance",
    "Payment",
    "VISA",
    "Net Total",
    "Nett",
    "Total Due",
    "Amount Due",
    "Tendered",
    "Server",
    "Guest",
    "Operator",
    "Ref",
    "GST ID",
    "Reg No",
    "Summary",
    "Total Qty",
    "Service Charge",
    "Tip",
    "Montant",
    "Summe",
    "MwSt",
    "Importe",
    "Totale",
    "Betrag",
)
_CLOSINGS = (
    "Thank you",
    "THANK YOU",
    "Thank You! Please Come Again",
    "PLEASE COME AGAIN",
    "Have a nice day",
    "Goods sold are not returnable",
    "GOODS SOLD ARE NOT REFUNDABLE",
    "No cash refund",
    "Exchange within 7 days with receipt",
    "Please keep this receipt",
    "*** Customer Copy ***",
    "Powered by",
    "See you soon!",
    "Thank you for shopping with us",
    "STRICTLY NO CASH REFUND",
    "Prices include VAT",
    "Merci de votre visite",
    "À bientôt",
    "Vielen Dank für Ihren Einkauf",
    "Gracias por su compra",
    "Grazie e arrivederci",
    "Served by",
    "E. & O. E.",
    "Tax Invoice",
)


def amount(rng: np.random.Generator, most: float = 3.2) -> str:
    """``12.50``, ``1,299.00``, ``3,95``."""
    cents = int(10 ** (rng.random() * most + 1.2))
    drawn = rng.random()
    if drawn < 0.8:
        return f"{cents / 100:,.2f}"
    if drawn < 0.9:
        return f"{cents // 100},{cents % 100:02d}"
    return f"{cents / 100:.2f}"


def date(rng: np.random.Generator) -> str:
    """Of the years 1900 to 2039, in the customs of several countries."""
    day, month = whole(rng, 1, 28), whole(rng, 1, 12)
    year = whole(rng, 1995, 2039) if rng.random() < 0.8 else whole(rng, 1900, 1994)
    name = _MONTHS[month - 1]
    forms = (
        f"{day:02d}/{month:02d}/{year}",
        f"{day:02d}-{month:02d}-{year}",
        f"{day:02d}.{month:02d}.{year}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day}/{month}/{year % 100:02d}",
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{day:02d}-{name[:3]}-{year}",
        f"{day:02d}{name[:3].upper()}{year % 100:02d}",
        f"{pick(rng, _DAYS)[:3]} {day} {name[:3]}",
    )
    return forms[int(rng.random() * len(forms))]


def clock(rng: np.random.Generator) -> str:
    """A time of day."""
    hour, minute, second = whole(rng, 0, 23), whole(rng, 0, 59), whole(rng, 0, 59)
    forms = (
        f"{hour:02d}:{minute:02d}",
        f"{hour:02d}:{minute:02d}:{second:02d}",
        f"{(hour - 1) % 12 + 1}:{minute:02d} {'AM' if hour < 12 else 'PM'}",
        f"{(hour - 1) % 12 + 1:02d}:{minute:02d}:{second:02d}{'am' if hour < 12 else 'pm'}",
        f"{hour}h{minute:02d}",
        f"{hour}.{minute:02d}",
    )
    return forms[int(rng.random() * len(forms))]


def digits(rng: np.random.Generator, count: int) -> str:
    """A string of digits."""
    return "".join(str(int(r * 10)) for r in rng.random(count).tolist())


def phone(rng: np.random.Generator) -> str:
    """A telephone number."""
    forms = (
        f"+{whole(rng, 1, 99)} {digits(rng, 2)} {digits(rng, 3)} {digits(rng, 4)}",
        f"0{digits(rng, 1)}-{digits(rng, 8)}",
        f"({digits(rng, 3)}) {digits(rng, 3)}-{digits(rng, 4)}",
        f"0{digits(rng, 2)}/{digits(rng, 6)}",
        f"0{digits(rng, 3)} {digits(rng, 6)}",
        f"+{digits(rng, 3)}-{digits(rng, 8)}",
    )
    return forms[int(rng.random() * len(forms))]


def code(rng: np.random.Generator) -> str:
    """A part number, an invoice number, a plate."""
    drawn = whole(rng, 0, 5)
    if drawn == 0:
        return digits(rng, whole(rng, 6, 13))
    if drawn == 1:
        return f"{_capitals(rng, whole(rng, 1, 4))}{pick(rng, ('-', '', '/', ' '))}{digits(rng, 5)}"
    if drawn == 2:
        return f"{digits(rng, 2)}-{digits(rng, 4)}-{_capitals(rng, 1)}"
    if drawn == 3:
        return f"({digits(rng, 6)}-{_capitals(rng, 1)})"
    if drawn == 4:
        return f"#{digits(rng, whole(rng, 2, 6))}"
    count = whole(rng, 4, 10)
    return "".join(_CODE_CHARACTERS[int(r * 36)] for r in rng.random(count).tolist())


def _capitals(rng: np.random.Generator, count: int) -> str:
    return "".join(_CODE_CHARACTERS[int(r * 26)] for r in rng.random(count).tolist())


def person(rng: np.random.Generator) -> str:
    """A name."""
    given = pick(rng, GIVEN_NAMES)
    if rng.random() < 0.25:
        given = f"{given[0]}."
    return f"{given} {pick(rng, FAMILY_NAMES)}"


def address(rng: np.random.Generator) -> str:
    """A line of an address."""
    place, street = pick(rng, PLACES), f"{pick(rng, FAMILY_NAMES)} {pick(rng, STREETS)}"
    forms = (
        f"{whole(rng, 1, 399)} {street}",
        f"{whole(rng, 1, 399)}, {street}, {place}",
        f"No. {whole(rng, 1, 99)}-{whole(rng, 1, 9)}, {street},",
        f"Lot {whole(rng, 1, 99)}{pick(rng, 'ABCD')}, {pick(rng, ('Jalan', 'Rue', 'Via'))} {place}",
        f"{digits(rng, 5)} {place}",
        f"{place}, {_capitals(rng, 2)}{whole(rng, 1, 9)} {whole(rng, 1, 9)}{_capitals(rng, 2)}",
        f"{pick(rng, FAMILY_NAMES)}straße {whole(rng, 1, 99)}, {digits(rng, 5)} {place}",
    )
    return forms[int(rng.random() * len(forms))]


def web(rng: np.random.Generator) -> str:
    """An e-mail or web address."""
    site = f"{pick(rng, SHOP_WORDS)}{pick(rng, ('', '-', ''))}{pick(rng, SHOP_WORDS)}"
    domain = pick(rng, _DOMAINS)
    forms = (
        f"www.{site}.{domain}",
        f"{pick(rng, GIVEN_NAMES).lower()}@{site}.{domain}",
        f"https://{site}.{domain}/{pick(rng, SHOP_WORDS)}",
        f"Email: info@{site}.{domain}",
    )
    return forms[int(rng.random() * len(forms))]


def item(rng: np.random.Generator) -> str:
    """Something that is sold: ``CHOC MUFFIN 6PK``."""
    name = " ".join(pick(rng, SHOP_WORDS) for _ in range(whole(rng, 1, 3)))
    drawn = rng.random()
    if drawn < 0.25:
        amount_ = f"{whole(rng, 1, 60) * pick(rng, (1, 5, 10, 25))}"
        name += f" {amount_}{pick(rng, ('G', 'ML', 'g', 'KG', 'ml', 'L', 'PK', 'PCS', 'CM', ''))}"
    elif drawn < 0.35:
        name += f" {whole(rng, 1, 90)}{pick(rng, ('X', 'x', '*', '/'))}{whole(rng, 1, 90)}"
    elif drawn < 0.42:
        name = f"{digits(rng, whole(rng, 3, 6))} {name}"
    elif drawn < 0.48:
        name += f" ({pick(rng, ('S', 'M', 'L', 'R', 'HOT', 'Cold', 'Large'))})"
    elif drawn < 0.53:
        name += f" {whole(rng, 1, 99)}%"
    return recase(name, rng, upper=0.6, title=0.3)


def label(rng: np.random.Generator) -> str:
    """The name of a field of a receipt or invoice."""
    text = pick(rng, LABELS)
    drawn = rng.random()
    if drawn < 0.25:
        return f"{text}:"
    if drawn < 0.4:
        return f"{text} :"
    if drawn < 0.48:
        return f"{text} ({pick(rng, ('RM', '$', '€', '%', 'EUR', 'incl.'))})"
    return text


def closing(rng: np.random.Generator) -> str:
    """What stands at the foot of a receipt."""
    return pick(rng, _CLOSINGS)


def company(rng: np.random.Generator) -> str:
    """A shop's name."""
    first = pick(rng, FAMILY_NAMES) if rng.random() < 0.5 else pick(rng, SHOP_WORDS).capitalize()
    second = pick(
        rng,
        (
            "Market",
            "Café",
            "Stores",
            "Hardware",
            "Books",
            "Restaurant",
            "Trading",
            "Bakery",
            "Pharmacy",
            "& Sons",
            "Foods",
            "Electrical",
            "Mart",
            "House",
        ),
    )
    last = pick(rng, ("", "", "", " Ltd", " Ltd.", " GmbH", " S.A.", " Inc.", " Sdn Bhd", " & Co."))
    return recase(f"{first} {second}{last}", rng, upper=0.55, title=0.0)
