"""How texts become what is spoken and what is transcribed."""

from __future__ import annotations

import pytest

from loam_train.speech import text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Mr. Smith paid 1,205 dollars.", "mister Smith paid one thousand two hundred and five dollars."),
        ("In 1842, on the 22nd", "In eighteen forty two, on the twenty second"),
        ("1900 and 1905 and 1776", "nineteen hundred and nineteen oh five and seventeen seventy six"),
        ("the 12th, 20th and 3rd", "the twelfth, twentieth and third"),
        ("a café — “really”", 'a cafe - "really"'),
        ("  two\nlines ", "two lines"),
    ],
)
def test_texts_are_spelled_out(written: str, said: str) -> None:
    assert text.spoken(written) == said


@pytest.mark.parametrize(
    "written", ["NASA said so", "the U.S. army", "3.5 miles", "5%", "a@b", "007", "Δ", "", "12:30"]
)
def test_uncertain_readings_are_refused(written: str) -> None:
    assert text.spoken(written) is None


def test_numbers() -> None:
    assert text.number(0) == "zero"
    assert text.number(40) == "forty"
    assert text.number(999_999) == "nine hundred and ninety nine thousand nine hundred and ninety nine"
    assert text.number(3_007) == "three thousand and seven"
    with pytest.raises(ValueError, match="1000000"):
        text.number(1_000_000)


@pytest.mark.parametrize(
    ("said", "transcript"),
    [
        ("Don't stop - 'please', the dogs' bowl!", "don't stop please the dogs bowl"),
        ("Well-known; ROCK ’n’ roll", "well known rock n roll"),
        ("...", ""),
    ],
)
def test_transcripts_have_letters_apostrophes_and_single_spaces(said: str, transcript: str) -> None:
    assert text.normalise(said) == transcript
    assert text.normalise(transcript) == transcript


def test_tokens_and_back() -> None:
    tokens = text.encode("it's all")
    assert text.decode(tokens) == "it's all"
    assert text.decode([1, *tokens, 0, 1, 1]) == "it's all"
    assert text.frames_needed(tokens) == len(tokens) + 1
    with pytest.raises(ValueError, match="alphabet"):
        text.encode("É")
