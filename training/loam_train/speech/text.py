"""Texts as they are spoken, and the alphabet that a transcript is written in.

A transcript has `a` to `z`, the apostrophe and single spaces. `spoken` spells out what a voice would read differently from
how it is written, and refuses what it cannot be sure of; `normalise` takes the rest to the alphabet.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

BLANK: int = 0
VOCABULARY: list[str] = ["<blank>", "|", "'", *"abcdefghijklmnopqrstuvwxyz"]
"""As the engine lists it: `|` parts words."""

_INDEX = {character: index for index, character in enumerate(VOCABULARY)} | {" ": 1}
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "messrs": "messieurs"}
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."})
_TITLE = re.compile(r"\b(" + "|".join(_TITLES) + r")\.(?=\s)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.,:])(\d{1,3}(?:,\d{3})+|\d+)(st|nd|rd|th)?(?!\w|[.,:]\d)")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b|\b(?:[A-Za-z]\.){2,}")
_SPEAKABLE = re.compile(r"[A-Za-z ,.;:?!'\"()-]+")
_LARGEST = 999_999


def number(value: int) -> str:
    """In words, British style without the hyphen: `twenty one`, `one hundred and five`.

    Raises:
        ValueError: outside of 0 to 999,999.
    """
    if not 0 <= value <= _LARGEST:
        raise ValueError(f"{value}, accepted are 0 to {_LARGEST}")
    if value >= 1000:
        thousands, rest = divmod(value, 1000)
        joint = " and " if 0 < rest < 100 else " "
        return number(thousands) + " thousand" + (joint + number(rest) if rest else "")
    if value >= 100:
        hundreds, rest = divmod(value, 100)
        return _ONES[hundreds] + " hundred" + (" and " + number(rest) if rest else "")
    if value >= 20:
        tens, rest = divmod(value, 10)
        return _TENS[tens - 2] + (" " + _ONES[rest] if rest else "")
    return _ONES[value]


def year(value: int) -> str:
    """As years from 1100 to 1999 are read: `eighteen forty two`, `nineteen hundred`, `seventeen oh one`."""
    century, rest = divmod(value, 100)
    if rest == 0:
        return number(century) + " hundred"
    return number(century) + (" oh " if rest < 10 else " ") + number(rest)


def ordinal(value: int) -> str:
    """`first`, `twenty second`, `hundredth`."""
    head, _, last = number(value).rpartition(" ")
    regular = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return f"{head} {_ORDINALS.get(last, regular)}".strip()


def spoken(text: str) -> str | None:
    """The text with numbers and titles in words and plain punctuation, or `None` where its reading is uncertain: for
    acronyms, symbols, decimals and letters that do not fold to ASCII."""
    text = unicodedata.normalize("NFKD", text.translate(_QUOTES))
    text = "".join(character for character in text if not unicodedata.combining(character))
    if _ACRONYM.search(text):
        return None

    def words(match: re.Match[str]) -> str:
        digits, suffix = match[1], match[2]
        value = int(digits.replace(",", "")) if len(digits) < 9 else -1
        if not 0 <= value <= _LARGEST or (len(digits) > 1 and digits[0] == "0"):
            return match[0]
        if suffix:
            return ordinal(value)
        return year(value) if 1100 <= value <= 1999 and "," not in digits else number(value)

    text = _TITLE.sub(lambda match: _TITLES[match[1].lower()], _NUMBER.sub(words, text))
    text = re.sub(r"\s+", " ", text).strip()
    return text if _SPEAKABLE.fullmatch(text) else None


def normalise(text: str) -> str:
    """What a transcript holds of a spoken text: lower case, hyphens part words, apostrophes stay within words."""
    text = re.sub(r"[^a-z']+", " ", text.translate(_QUOTES).lower())
    text = re.sub(r"(?<![a-z])'+|'+(?![a-z])", " ", text)
    return " ".join(text.split())


def encode(transcript: str) -> list[int]:
    """Indexes into `VOCABULARY`.

    Raises:
        ValueError: for a character outside of the alphabet.
    """
    try:
        return [_INDEX[character] for character in transcript]
    except KeyError as error:
        raise ValueError(f"{error} is not of the alphabet of transcripts") from error


def decode(indexes: Sequence[int]) -> str:
    """Text of tokens without blanks and repeats; spaces as the engine joins them, single."""
    pieces = "".join(" " if index == 1 else VOCABULARY[index] for index in indexes if index != BLANK)
    return " ".join(pieces.split())


def frames_needed(indexes: Sequence[int]) -> int:
    """Fewest frames that an alignment has: one per token, and a blank between equal neighbours."""
    return len(indexes) + sum(a == b for a, b in pairwise(indexes))
