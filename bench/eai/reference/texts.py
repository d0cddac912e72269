"""Cases of texts, by sacrebleu, rouge-score, NLTK, jiwer, pycocoevalcap and the SQuAD evaluation of transformers."""

from __future__ import annotations

import contextlib
import io
import random
from typing import Any

import jiwer
import sacrebleu
from nltk.stem import porter
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from rouge_score import rouge_scorer, scoring
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from transformers.data.metrics import squad_metrics

import sentences

Case = dict[str, Any]


def cases() -> dict[str, list[Case]]:
    return {
        "bleu": [bleu(seed) for seed in range(6)],
        "sentence_bleu": [sentence_bleu(seed) for seed in range(20)],
        "mteval": [{"text": text, "expected": Tokenizer13a()(text).split()} for text in sentences.ODD],
        "rouge": [rouge(seed) for seed in range(12)],
        "porter": [{"word": word, "expected": porter.PorterStemmer().stem(word)} for word in sentences.WORDS],
        "words": [words(seed) for seed in range(6)],
        "cider": [cider(seed) for seed in range(4)],
        "ptb": ptb(),
        "squad": [squad(seed) for seed in range(5)],
    }


def changed(draw: random.Random, text: str, share: float = 0.25) -> str:
    """The text with words left out, put in, replaced and swapped."""
    found: list[str] = []
    for word in text.split():
        chance = draw.random()
        if chance < share / 3:
            continue
        found.append(draw.choice(sentences.FILLERS) if chance < 2 * share / 3 else word)
        if chance > 1 - share / 4:
            found.append(draw.choice(sentences.FILLERS))
    if len(found) > 3 and draw.random() < 0.3:
        i = draw.randrange(len(found) - 1)
        found[i], found[i + 1] = found[i + 1], found[i]
    return " ".join(found)


def corpus(seed: int, rows: int, references: int) -> tuple[list[str], list[list[str]]]:
    draw = random.Random(seed)
    right = [draw.choice(sentences.PLAIN + sentences.ODD) for _ in range(rows)]
    found = [changed(draw, text, draw.choice([0.0, 0.2, 0.5, 0.9])) for text in right]
    return found, [[text, *(changed(draw, text, 0.4) for _ in range(references - 1))] for text in right]


def bleu(seed: int) -> Case:
    found, right = corpus(seed, 12, 1 + seed % 3)
    streams = [list(stream) for stream in zip(*right, strict=True)]
    expected = {}
    for name, value in [("exp", None), ("none", None), ("add-k", 1)]:
        result = sacrebleu.corpus_bleu(found, streams, smooth_method=name, smooth_value=value)
        expected[name] = [result.score, *result.precisions, result.bp, result.sys_len, result.ref_len]
    return {"found": found, "right": right, "expected": expected}


def sentence_bleu(seed: int) -> Case:
    found, right = corpus(seed + 100, 1, 1 + seed % 2)
    if seed == 0:
        found = [""]
    if seed == 1:
        found = ["The"]
    expected = {}
    for name, value in [("exp", None), ("none", None), ("add-k", 1)]:
        metric = sacrebleu.BLEU(smooth_method=name, smooth_value=value, effective_order=True)
        expected[name] = metric.sentence_score(found[0], right[0]).score
    return {"found": found[0], "right": right[0], "expected": expected}


def rouge(seed: int) -> Case:
    draw = random.Random(seed)
    right = "\n".join(draw.choice(sentences.PLAIN) for _ in range(draw.randrange(1, 4)))
    found = "\n".join(changed(draw, line, 0.5) for line in right.split("\n"))
    if draw.random() < 0.4:
        found += "\n" + draw.choice(sentences.PLAIN)
    if seed == 0:
        found = ""
    names = ["rouge1", "rouge2", "rouge4", "rougeL", "rougeLsum"]
    expected = {}
    for key, stems in [("plain", False), ("stems", True)]:
        scores: dict[str, scoring.Score] = rouge_scorer.RougeScorer(names, use_stemmer=stems).score(right, found)
        expected[key] = {name: list(scores[name]) for name in names}
    return {"found": found, "right": right, "expected": expected}


def words(seed: int) -> Case:
    found, right = corpus(seed + 200, 8, 1)
    said = [row[0] for row in right]
    if seed == 0:
        found[0], said[1] = "", ""
    if seed == 1:
        found, said = ["", "so it is"], ["", ""]
    return {"found": found, "right": said, "expected": {"wer": jiwer.wer(said, found), "cer": jiwer.cer(said, found)}}


def cider(seed: int) -> Case:
    draw = random.Random(seed + 300)
    found, right = [], []
    for text in draw.sample(sentences.PLAIN, 8):
        plain = " ".join(word.strip(".,!?").lower() for word in text.split())
        right.append([changed(draw, plain, 0.3) for _ in range(1 + draw.randrange(5))])
        found.append(changed(draw, plain, 0.4))
    scorer = CiderScorer(n=4, sigma=6.0)
    for text, references in zip(found, right, strict=True):
        scorer += (text, references)
    score, each = scorer.compute_score()
    return {"found": found, "right": right, "expected": {"score": float(score), "each": [float(s) for s in each]}}


def ptb() -> list[Case]:
    texts = sentences.PLAIN + sentences.CAPTIONS
    with contextlib.redirect_stdout(io.StringIO()):
        made = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)})
    return [{"text": text, "expected": made[i][0]} for i, text in enumerate(texts)]


def squad(seed: int) -> Case:
    draw = random.Random(seed + 400)
    right, found = [], []
    for _ in range(10):
        answers = draw.sample(sentences.ANSWERS, draw.randrange(0, 4))
        right.append(answers)
        found.append(draw.choice([*answers, "", draw.choice(sentences.ANSWERS), changed(draw, " ".join(answers), 0.5)]))
    exact, f1 = [], []
    for text, answers in zip(found, right, strict=True):
        gold = [answer for answer in answers if squad_metrics.normalize_answer(answer)] or [""]
        exact.append(max(squad_metrics.compute_exact(answer, text) for answer in gold))
        f1.append(max(squad_metrics.compute_f1(answer, text) for answer in gold))
    return {"found": found, "right": right, "expected": [sum(exact) / len(exact), sum(f1) / len(f1)]}
