"""The sets of text: from the forms that they are published in to rows with `text` and `label` or `output`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from .published import Published, Row, Rows, meta, rows
from .shell import commands

SEED = 7
REPLIES_PER_DIALOGUE = 5
"""A dialogue's turns resemble each other."""
LONGEST_REPLY = 100
"""Characters; a suggestion has to fit on a button."""
LONGEST_ANSWER = 240
"""Characters: two sentences or three."""
BRIEF_SOURCES = ("llms_from_scratch", "alpaca_libre", "self_instruct_seed", "self_instruct_user")
"""Of the instructions: general questions, of no source marked as non-commercial."""


def labelled(label: str = "label", text: str = "text", text2: str = "") -> Rows:
    """Rows of a classification; labels that are numbers become the names in `meta.json`."""

    def made(folder: Path, split: str) -> Iterator[Row]:
        names = meta(folder).get("labels", [])
        for row in rows(folder, split):
            value = row[label]
            known = value if isinstance(value, str) else names[str(value) if isinstance(names, dict) else value]
            pair = {"text2": row[text2]} if text2 else {}
            if row[text].strip():
                yield {"text": row[text], **pair, "label": known}

    return made


def snips(folder: Path, split: str) -> Iterator[Row]:
    """Words joined by spaces, as they were spoken."""
    for row in rows(folder, split):
        yield {"text": " ".join(row["tokens"]), "label": row["intent"]}


def corrections(folder: Path, split: str) -> Iterator[Row]:
    """A learner's sentence and its corrections; one to learn from, all of them to be scored with."""
    for row in rows(folder, split):
        references = [reference.strip() for reference in row["refs"] if reference.strip()]
        if split == "train":
            yield from ({"text": row["text"].strip(), "output": reference} for reference in dict.fromkeys(references))
        else:
            yield {"text": row["text"].strip(), "outputs": references}


def _replies(turns: list[str], dice: random.Random) -> Iterator[Row]:
    """Some turns as the answer to the one or two before them."""
    places = range(1, len(turns))
    for place in sorted(dice.sample(places, min(REPLIES_PER_DIALOGUE, len(places)))):
        before = turns[max(0, place - 2) : place]
        if len(turns[place]) <= LONGEST_REPLY and all(before) and turns[place]:
            yield {"text": "\n".join(before), "output": turns[place]}


def dialogues(folder: Path, split: str) -> Iterator[Row]:
    """Replies in conversations about bookings, cafés and small talk; those of `lm/chat` come along."""
    dice = random.Random(f"{SEED}:{split}")
    for row in rows(folder, split):
        yield from _replies([turn["text"].strip() for turn in row["turns"]], dice)
    for row in rows(folder.parent.parent / "lm" / "chat", split):
        turns = [turn.removeprefix("user: ").removeprefix("assistant: ").strip() for turn in row["turns"]]
        yield from _replies(turns, dice)


def brief(folder: Path, split: str) -> Iterator[Row]:
    """Instructions that were answered in a few words. The published set has no test part: `valid` is cut in two."""
    found = [row for row in rows(folder, "train" if split == "train" else "valid") if row["source"] in BRIEF_SOURCES]
    for number, row in enumerate(found):
        question = "\n".join(part for part in (row["instruction"].strip(), row["input"].strip()) if part)
        answer = row["output"].replace("<|endoftext|>", "").strip()
        mine = split == "train" or (number % 2 == 0) == (split == "valid")
        if mine and question and 0 < len(answer) <= LONGEST_ANSWER and len(question) <= 2 * LONGEST_ANSWER:
            yield {"text": question, "output": answer}


def translation(language: str) -> Rows:
    """From English."""

    def made(folder: Path, split: str) -> Iterator[Row]:
        for row in rows(folder, split):
            yield {"text": row["en"], "output": row[language]}

    return made


_TWEETS = "no restriction by TweetEval; the terms of X/Twitter apply"
_TWEETEVAL = "cardiffnlp/tweeteval"

SETS: dict[str, Published] = {
    "sst2": Published(
        "nlp/sst2", "classify", "no licence text; cite Socher et al. 2013", "SST-2 of GLUE", labelled(),
        label_texts={"negative": "negative", "positive": "positive"},
    ),
    "ag_news": Published("nlp/ag_news", "classify", "NC: AG corpus, non-commercial", "AG News", labelled()),
    "trec_qc": Published(
        "nlp/trec_qc", "classify", "no licence text; cite Li & Roth 2002", "TREC question classification", labelled(),
        label_texts={
            "ABBR": "an abbreviation", "DESC": "a description", "ENTY": "a thing", "HUM": "a person", "LOC": "a place",
            "NUM": "a number",
        },
    ),
    "clinc150": Published(
        "nlp/clinc150", "classify", "CC BY 3.0", "clinc/oos-eval", labelled(), label_texts={"oos": "something else"}
    ),
    "sms_spam": Published(
        "nlp/sms_spam", "classify", "CC BY 4.0 (UCI)", "SMS Spam Collection", labelled(),
        label_texts={"ham": "a personal message", "spam": "an advertisement"},
    ),
    "tweeteval_emotion": Published("nlp/tweeteval_emotion", "classify", _TWEETS, _TWEETEVAL, labelled()),
    "tweeteval_irony": Published("nlp/tweeteval_irony", "classify", _TWEETS, _TWEETEVAL, labelled()),
    "tweeteval_hate": Published("nlp/tweeteval_hate", "classify", _TWEETS, _TWEETEVAL, labelled()),
    "tweeteval_offensive": Published("nlp/tweeteval_offensive", "classify", _TWEETS, _TWEETEVAL, labelled()),
    "slurp_topic": Published(
        "nlp/slurp_text", "classify", "CC BY 4.0 (text)", "SLURP", labelled("scenario"),
        label_texts={"iot": "smart home", "qa": "a question", "datetime": "date and time", "general": "small talk"},
    ),
    "banking77": Published("nlp/banking77", "classify", "CC BY 4.0", "PolyAI banking77", labelled()),
    "snips": Published("nlp/snips", "classify", "CC0", "Snips NLU benchmark", snips),
    "imdb": Published("nlp/imdb", "classify", "no licence text; cite Maas et al. 2011", "IMDB reviews", labelled()),
    "cola": Published("nlp/cola", "classify", "no licence text; cite Warstadt et al. 2018", "CoLA of GLUE", labelled()),
    "mrpc": Published("nlp/mrpc", "classify", "Microsoft Research data terms: research", "MRPC", labelled(text2="text2")),
    "rte": Published("nlp/rte", "classify", "no licence text", "RTE of GLUE", labelled(text2="text2")),
    "snli": Published("nlp/snli", "classify", "CC BY-SA 4.0", "SNLI", labelled(text2="text2")),
    "boolq": Published("nlp/boolq_closed", "classify", "CC BY-SA 3.0", "BoolQ, questions only", labelled(text="question")),
    "replies": Published(
        "nlp/sgd_dialog", "generate", "CC BY-SA 4.0; CC BY 4.0; BSD-3-Clause",
        "Schema-Guided Dialogue, Taskmaster-4, chatterbot-corpus", dialogues,
        instructions="Suggest one short reply to the last message.",
    ),
    "brief": Published(
        "lm/instruct", "generate", "MIT, Apache-2.0; much of it was written by OpenAI models",
        "LLMs from scratch, alpaca-libre, self-instruct", brief,
        instructions="Answer briefly, in one or two sentences.",
    ),
    "shell": Published(
        "lm/tldr_commands",
        "generate",
        "CC BY 4.0",
        "tldr-pages",
        commands,
        instructions="Answer with one shell command.",
    ),
    "jfleg": Published(
        "nlp/jfleg", "generate", "NC: CC BY-NC-SA 4.0", "JFLEG", corrections,
        instructions="Correct the sentence.",
    ),
    "multi30k_de": Published(
        "nlp/multi30k", "generate", "no licence text; cite Elliott et al. 2016", "Multi30k", translation("de"),
        instructions="Translate into German.",
    ),
}  # fmt: skip
