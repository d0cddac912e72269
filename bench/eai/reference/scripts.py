"""Cases of JFLEG, SLURP and VQA, by the scripts of their authors."""

from __future__ import annotations

import copy
import importlib
import random
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import sentences
import texts

Case = dict[str, Any]
KINDS = ["date", "time", "place", "person"]


def cases(official: Path) -> dict[str, list[Case]]:
    script = as_python3(official / "jfleg" / "gleu.py")
    sys.path.insert(0, str(official / "slurp"))
    metric = importlib.import_module("metrics.metrics").ErrorMetric
    sys.path.insert(0, str(official / "vqa"))
    evaluation = importlib.import_module("vqa_eval").VQAEval
    return {
        "gleu": [gleu(script, seed) for seed in range(4)],
        "slu": [slu(metric, seed) for seed in range(4)],
        "vqa": [vqa(evaluation, seed) for seed in range(5)],
    }


def as_python3(path: Path) -> types.ModuleType:
    """The script of JFLEG is for Python 2: three words differ, and how integers are drawn."""
    text = path.read_text().split("if __name__")[0]
    text = text.replace("xrange", "range").replace("filter(lambda x: x == 0, stats)", "[x for x in stats if x == 0]")
    text = text.replace("random.randint(0, self.num_refs - 1)", "int(random.random() * self.num_refs)")
    module = types.ModuleType("gleu")
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def gleu(script: types.ModuleType, seed: int) -> Case:
    draw = random.Random(seed)
    right = [[texts.changed(draw, text, 0.2) or "so" for _ in range(1 + seed)] for text in sentences.PLAIN]
    sources = [texts.changed(draw, row[0], 0.4) or "so" for row in right]
    found = [
        draw.choice([source, row[0], texts.changed(draw, row[-1], 0.1)])
        for source, row in zip(sources, right, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:

        def write(name: str, lines: list[str]) -> str:
            path = Path(folder) / name
            path.write_text("\n".join(lines) + "\n")
            return str(path)

        run = script.GLEU(4)
        run.load_sources(write("source", sources))
        run.load_references([write(f"ref{i}", [row[i] for row in right]) for i in range(1 + seed)])
        mean, deviation, _ = next(run.run_iterations(hypothesis=write("found", found), per_sent=False))
    # The script prints six digits.
    return {"found": found, "sources": sources, "right": right, "expected": [float(mean), float(deviation)]}


def slu(metric: Any, seed: int) -> Case:
    draw = random.Random(seed)

    def frame() -> Case:
        entities = [
            {"type": draw.choice(KINDS), "filler": draw.choice(sentences.ANSWERS).lower()}
            for _ in range(draw.randrange(0, 4))
        ]
        return {
            "scenario": draw.choice(["alarm", "music"]),
            "action": draw.choice(["set", "stop"]),
            "entities": entities,
        }

    right = [frame() for _ in range(25)]
    found = []
    for row in right:
        made = copy.deepcopy(row) if draw.random() < 0.8 else frame()
        for entity in made["entities"]:
            if draw.random() < 0.4:
                entity["filler"] = texts.changed(draw, entity["filler"], 0.6)
        draw.shuffle(made["entities"])
        found.append(made)
    counters = {name: metric.get_instance(metric="f1") for name in ["scenario", "action", "intent"]}
    counters["entities"] = metric.get_instance(metric="span_f1")
    near = {name: metric.get_instance(metric="span_distance_f1", distance=name) for name in ["word", "char"]}
    for a, b in zip(found, right, strict=True):
        counters["scenario"](b["scenario"], a["scenario"])
        counters["action"](b["action"], a["action"])
        counters["intent"](f"{b['scenario']}_{b['action']}", f"{a['scenario']}_{a['action']}")
        counters["entities"](b["entities"], a["entities"])
        for counter in near.values():
            counter(b["entities"], a["entities"])
    both = metric.get_instance(metric="slu_f1")
    for counter in near.values():
        both(counter.get_metric())
    all_counters = [*counters.values(), *near.values(), both]
    expected = [list(counter.get_metric()["overall"][:3]) for counter in all_counters]
    return {"found": found, "right": right, "expected": expected}


def vqa(evaluation: Any, seed: int) -> Case:
    draw = random.Random(seed)
    answers = [
        "yes",
        "Yes.",
        "no",
        "two",
        "2",
        "the red car",
        "red, car",
        "dont know",
        "don't know",
        "1,000",
        "none",
        "a cat",
        "it's",
        "3.5",
        "half/half",
        "nothing!",
        "traffic light",
        "“STOP”",
        "isnt",
    ]
    found: dict[int, Case] = {}
    right: dict[int, Case] = {}
    for question in range(12):
        some = draw.sample(answers, draw.randrange(1, 4))
        people = [draw.choice(some) for _ in range(10)]
        said = draw.choice([*some, draw.choice(answers)])
        found[question] = {"answer": said}
        right[question] = {
            "question_type": "what",
            "answer_type": "other",
            "answers": [{"answer": text, "answer_id": i} for i, text in enumerate(people)],
        }
    plain = [[one["answer"] for one in row["answers"]] for row in right.values()]
    given = [row["answer"] for row in found.values()]
    truth = types.SimpleNamespace(qa=right, getQuesIds=lambda: list(right))
    results = types.SimpleNamespace(qa=found, getQuesIds=lambda: list(found))
    run = evaluation(truth, results, n=12)
    run.evaluate()
    normal = [run.processDigitArticle(run.processPunctuation(text)) for text in answers]
    return {
        "found": given,
        "right": plain,
        "expected": run.accuracy["overall"] / 100,
        "answers": answers,
        "normal": normal,
    }
