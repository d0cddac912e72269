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


def emoji(folder: Path, split: str) -> Iterator[Row]:
    """Messages and the one emoji that was taken out of them; the publisher lists it with its names."""
    names = {label: told[0] for label, told in meta(folder)["labels"].items()}
    for row in rows(folder, split):
        if row["text"].strip():
            yield {"text": row["text"], "label": names[str(row["label"])]}


def passages(folder: Path, split: str) -> Iterator[Row]:
    """Questions about passages, as `loam bench` asks them; XQuAD's rows to learn from come along."""
    for row in rows(folder, split) + (rows(folder.parent / "xquad_en", split) if split == "train" else []):
        yield {
            "text": f"{row['context']}\n\nQuestion: {row['question']}",
            "outputs": list(dict.fromkeys(row["answers"])),
        }


def snips(folder: Path, split: str) -> Iterator[Row]:
    """Words joined by spaces, as they were spoken."""
    for row in rows(folder, split):
        yield {"text": " ".join(row["tokens"]), "label": row["intent"]}


def snips_slots(folder: Path, split: str) -> Iterator[Row]:
    """Words with the slots that they fill, and the intent."""
    for row in rows(folder, split):
        yield {"tokens": row["tokens"], "tags": row["tags"], "label": row["intent"]}


def named(folder: Path, split: str) -> Iterator[Row]:
    """Words with the names that they are part of; what is no word at all is left out."""
    for row in rows(folder, split):
        pairs = [
            (token, tag) for token, tag in zip(row["tokens"], row["tags"], strict=True) if token.split() == [token]
        ]
        if pairs:
            yield {"tokens": [token for token, _ in pairs], "tags": [tag for _, tag in pairs]}


def frames(folder: Path, split: str) -> Iterator[Row]:
    """Words with the entities that they are part of, found in their order; the label is scenario and action."""
    for row in rows(folder, split):
        words = row["text"].split()
        tags, after = ["O"] * len(words), 0
        for entity in row["entities"]:
            wanted = entity["text"].lower().split()
            lower = [word.lower() for word in words]
            places = [*range(after, len(words)), *range(after)]
            free = (
                at for at in places
                if wanted and lower[at : at + len(wanted)] == wanted and set(tags[at : at + len(wanted)]) == {"O"}
            )  # fmt: skip
            if (at := next(free, None)) is not None:
                inner = ["I-" + entity["type"]] * (len(wanted) - 1)
                tags[at : at + len(wanted)] = ["B-" + entity["type"], *inner]
                after = at + len(wanted)
        yield {"tokens": words, "tags": tags, "label": f"{row['scenario']}_{row['action']}"}


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


def pairs(text: str, output: str) -> Rows:
    """What one field says in the words of another."""

    def made(folder: Path, split: str) -> Iterator[Row]:
        for row in rows(folder, split):
            if row[text].strip() and row[output].strip():
                yield {"text": row[text].strip(), "output": row[output].strip()}

    return made


def summaries(folder: Path, split: str) -> Iterator[Row]:
    """Conversations and their summaries, of which test rows have three."""
    for row in rows(folder, split):
        yield {
            "text": row["text"],
            "outputs": [row[key] for key in ("summary", "summary2", "summary3") if row.get(key)],
        }


_TWEETS = "no restriction by TweetEval; the terms of X/Twitter apply"
_TWEETEVAL = "cardiffnlp/tweeteval"
_CAPTIONS = "no licence text; captions of Flickr30k; cite Elliott et al. 2016"

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
    "tweeteval_emoji": Published("nlp/tweeteval_emoji", "classify", _TWEETS, _TWEETEVAL, emoji),
    "tweeteval_irony": Published("nlp/tweeteval_irony", "classify", _TWEETS, _TWEETEVAL, labelled()),
    "tweeteval_hate": Published("nlp/tweeteval_hate", "classify", _TWEETS, _TWEETEVAL, labelled()),
    "tweeteval_offensive": Published("nlp/tweeteval_offensive", "classify", _TWEETS, _TWEETEVAL, labelled()),
    "slurp_topic": Published(
        "nlp/slurp_text", "classify", "CC BY 4.0 (text)", "SLURP", labelled("scenario"),
        label_texts={"iot": "smart home", "qa": "a question", "datetime": "date and time", "general": "small talk"},
    ),
    "banking77": Published("nlp/banking77", "classify", "CC BY 4.0", "PolyAI banking77", labelled()),
    "snips": Published("nlp/snips", "classify", "CC0", "Snips NLU benchmark", snips),
    "snips_slots": Published("nlp/snips", "tag", "CC0", "Snips NLU benchmark", snips_slots),
    "wnut17": Published("nlp/wnut17", "tag", "CC BY 4.0", "WNUT 2017, emerging entities", named),
    "slurp_frames": Published("nlp/slurp_text", "tag", "CC BY 4.0 (text)", "SLURP", frames),
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
        instructions="Correct the mistakes in the sentence. Write only the corrected sentence.",
    ),
    "multi30k_de": Published(
        "nlp/multi30k", "generate", _CAPTIONS, "Multi30k", pairs("en", "de"),
        instructions="Translate the sentence into German.",
    ),
    "multi30k_en": Published(
        "nlp/multi30k", "generate", _CAPTIONS, "Multi30k", pairs("de", "en"),
        instructions="Translate the sentence into English.",
    ),
    "squad": Published(
        "nlp/squad_small", "generate", "CC BY-SA 4.0", "5,000 questions of SQuAD; XQuAD, English", passages,
        instructions="Answer the question from the text in a few words.",
    ),
    "dialogsum": Published(
        "nlp/dialogsum", "generate", "NC: CC BY-NC-SA 4.0", "DialogSum", summaries,
        instructions="Summarise the conversation in one or two sentences.",
    ),
    "conala": Published(
        "nlp/conala", "generate", "MIT; text of Stack Overflow: CC BY-SA", "CoNaLa", pairs("intent", "code"),
        instructions="Answer with one line of Python.",
    ),
    "conala_doc": Published(
        "nlp/conala", "generate", "MIT; text of Stack Overflow: CC BY-SA", "CoNaLa", pairs("code", "intent"),
        instructions="Say in one sentence what the code does.",
    ),
}  # fmt: skip
