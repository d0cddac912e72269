"""Texts in their official formats."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from make_fixtures import Writer


def zipped(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def write(to: Writer) -> None:
    to.text("ptb/ptb.test.txt", " no it was n't black monday ", " but while the <unk> fell N points it held ", "")
    questions(to)
    translation(to)
    classes(to)
    summaries(to)
    code(to)


def questions(to: Writer) -> None:
    context = "Der Zug – the train – leaves at noon from platform 4."
    answers = [
        {"text": "at noon", "answer_start": context.index("at noon")},
        {"text": "noon", "answer_start": context.index("noon")},
    ]
    qas: list[dict[str, Any]] = [
        {"id": "q1", "question": "When does it leave?", "answers": answers, "is_impossible": False},
        {
            "id": "q2",
            "question": "Who drives it?",
            "answers": [],
            "is_impossible": True,
            "plausible_answers": [{"text": "the train", "answer_start": 10}],
        },
    ]
    data = {"version": "v2.0", "data": [{"title": "Trains", "paragraphs": [{"context": context, "qas": qas}]}]}
    to.text("squad/dev-v2.0.json", json.dumps(data))
    gold = [{"id": "finnish--1-0", "question": "Milloin?", "answers": answers[:1]}]
    paragraphs = {"title": "Junat", "paragraphs": [{"context": context, "qas": gold}]}
    to.text(
        "tydi-goldp/tydiqa-goldp-v1.1-dev.json",
        json.dumps({"version": "TyDiQA-GoldP-1.1-for-SQuAD-1.1", "data": [paragraphs]}),
    )
    article = "Kyiv lies on the Dnipro. Das Café opened in 1911.\nIt is large."
    raw = article.encode()

    def span(text: str) -> dict[str, int]:
        begin = raw.index(text.encode())
        return {"plaintext_start_byte": begin, "plaintext_end_byte": begin + len(text.encode())}

    nothing = {"plaintext_start_byte": -1, "plaintext_end_byte": -1}

    def row(number: int, question: str, candidate: int, minimal: dict[str, int], yes_no: str) -> str:
        annotation = {
            "annotation_id": number,
            "minimal_answer": minimal,
            "yes_no_answer": yes_no,
            "passage_answer": {"candidate_index": candidate},
        }
        passages = [span("Kyiv lies on the Dnipro. Das Café opened in 1911."), span("It is large.")]
        return json.dumps(
            {
                "annotations": [annotation],
                "document_plaintext": article,
                "document_title": "Kyiv",
                "document_url": "u",
                "example_id": number,
                "language": "english",
                "passage_answer_candidates": passages,
                "question_text": question,
            }
        )

    rows = [
        row(-7, "When did it open?", 0, span("1911"), "NONE"),
        row(8, "Is it large?", 1, nothing, "YES"),
        row(9, "Who built it?", -1, nothing, "NONE"),
    ]
    to.bytes("tydi/tydiqa-v1.0-dev.jsonl.gz", zipped("".join(line + "\n" for line in rows)))


def translation(to: Writer) -> None:
    def segments(*texts: str) -> str:
        return "".join(f'<seg id="{i + 1}">{text}</seg>\n' for i, text in enumerate(texts))

    english = ("Tom &amp; Jerry run.", "It&#39;s late.")
    german = ("Tom &amp; Jerry laufen.", "Es ist spät.")
    documents = [(english, german), (("Good night.",), ("Gute Nacht.",))]
    body = "".join(
        f'<doc origlang="en" id="d{i}"><src lang="en"><p>{segments(*a)}</p></src>'
        f'<ref lang="de" translator="A"><p>{segments(*b)}</p></ref>'
        f'<hyp system="x" language="de"><p>{segments(*b)}</p></hyp></doc>'
        for i, (a, b) in enumerate(documents)
    )
    to.text(
        "wmt-xml/wmttest2022.en-de.all.xml",
        "<?xml version='1.0' encoding='utf-8'?>",
        f'<dataset id="wmttest2022"><collection id="general">{body}</collection></dataset>',
    )

    def sgm(kind: str, side: int, more: str) -> list[str]:
        docs = "".join(
            f'<DOC docid="d{i}" {more}>\n<p>\n{segments(*pair[side])}</p>\n</DOC>\n' for i, pair in enumerate(documents)
        )
        return [f'<{kind} setid="newstest" srclang="any">', docs, f"</{kind}>"]

    to.text("wmt-sgm/newstest-ende-src.en.sgm", *sgm("srcset", 0, 'origlang="en"'))
    to.text("wmt-sgm/newstest-ende-ref.de.sgm", *sgm("refset", 1, 'sysid="ref"'))
    to.text("wmt-lines/wmt22.de", "Guten Tag.", "Danke.")
    to.text("wmt-lines/wmt22.en", "Good day.", "Thanks.")


def classes(to: Writer) -> None:
    to.text(
        "tweeteval/mapping.txt", "0\t\u2764\t_red_heart_\t", "1\t\u2600\t_sun_\t", "2\t\U0001f384\t_Christmas_tree_\t"
    )
    to.text("tweeteval/test_text.txt", "@user what a day", "so tall \U0001f333 ")
    to.text("tweeteval/test_labels.txt", "1", "2")
    to.text("goemotions/emotions.txt", "admiration", "anger", "neutral")
    to.text("goemotions/test.tsv", 'He said "no" and left\t1\tabc1', "Lovely, but late\t0,2\tabc2")
    to.text("agnews/classes.txt", "World", "Sports", "Business", "Sci/Tech")
    to.text(
        "agnews/test.csv",
        '"3","Shares fall","Banks, again, fell; \\"quoted\\" \\nby the close."',
        '"2","Cup ""final"" tonight","It begins at eight."',
    )
    to.text("sst2/dev.tsv", "sentence\tlabel", 'a " fine " film . \t1', "it drags \t0")


def summaries(to: Writer) -> None:
    to.text("jfleg/test/test.src", "For not use car . ", "She go home . ")
    for number, lines in enumerate(
        [("Not for use with a car . ", "She goes home . "), ("Do not use in the car . ", "She went home . ")]
    ):
        to.text(f"jfleg/test/test.ref{number}", *lines)
    addresses = [
        "http://web.archive.org/web/1/http://example.org/a",
        "http://web.archive.org/web/2/http://example.org/b",
    ]
    to.text("cnndm/url_lists/all_test.txt", *addresses)
    for address, folder, text in zip(addresses, ["cnn", "dailymail"], ["First story.", "Second story."], strict=True):
        name = hashlib.sha1(address.encode()).hexdigest()
        to.text(
            f"cnndm/{folder}/stories/{name}.story",
            text,
            "",
            "More of it.",
            "",
            "@highlight",
            "",
            f"{text} In short.",
            "",
            "@highlight",
            "",
            "There is more",
        )
    rows = [{"article": "A long text.", "highlights": "Short.\nText.", "id": "r1"}]
    to.text("cnndm-jsonl/test.jsonl", *(json.dumps(row) for row in rows))


def code(to: Writer) -> None:
    rows = [
        {
            "repo": "o/r",
            "path": "a.py",
            "func_name": "add",
            "original_string": "",
            "language": "python",
            "code": "def add(a, b):\n    return a + b",
            "code_tokens": ["def"],
            "docstring": "Adds two numbers.",
            "docstring_tokens": ["Adds"],
            "sha": "0",
            "url": f"https://example.org/a.py#L{i}",
            "partition": "test",
        }
        for i in range(2)
    ]
    lines = [json.dumps(row) + "\n" for row in rows]
    to.bytes("codesearchnet/python/final/jsonl/test/python_test_0.jsonl.gz", zipped(lines[0]))
    to.bytes("codesearchnet/python/final/jsonl/test/python_test_1.jsonl.gz", zipped(lines[1]))
    to.text("shellcode/assembly-test.in", "clear eax and call the kernel", 'define cmd as the byte string "ls"')
    to.text("shellcode/assembly-test.out", "xor eax, eax \\n int 0x80", 'cmd: db "ls"')
    to.text(
        "shellcode-table/Shellcode_IA32.tsv",
        "SNIPPETS\tINTENTS",
        'cmd: db "ls"\tdefine cmd as "ls"',
        "push eax\tpush eax",
    )
