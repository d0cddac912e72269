"""Writes what transformers' CLIPTokenizer makes of some texts with the published vocabulary of CLIP.

The vocabulary itself is read from ../shared/weights/clip-tokenizer and is not part of the fixture; the tests read it
there too. Without it nothing is written.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from transformers import CLIPTokenizer

import paths

SHARED = paths.ROOT.parent / "shared" / "weights" / "clip-tokenizer"
# The published list goes on; CLIP was trained with the first 48,894 merges.
MERGES = 49152 - 256 - 2
TEXTS = [
    "",
    " ",
    "a photo of a cat",
    "A Photo OF a CAT.",
    "  two   spaces\tand\nlines \r\n",
    "it's, they're, we've, I'm, he'll, she'd, don't 'S 'RE",
    "rock'n'roll 'twas o'clock",
    "’curly’ quotes don’t match",
    "12345 3.14 1,000,000 ½ Ⅷ ٣",
    "user@example.com https://example.com/a?b=c#d",
    "snake_case CamelCase kebab-case",
    "!!! ??? ... --- *** ###",
    "price: $9.99 (€8,49) £7 ¥600",
    "naïve café déjà vu Ångström",
    "e\u0301 combining a\u030a",
    "İstanbul ẞ ǅ ﬁne",
    "ΑΒΓ αβγς Привет, мир!",
    "日本語のテキスト、漢字とかな。",
    "한국어 문장입니다",
    "中文没有空格",
    "مرحبا بالعالم",
    "שלום עולם",
    "हिन्दी में वाक्य",
    "ภาษาไทย",
    "🐈 cat 🐕‍🦺 👩‍👩‍👧 🇯🇵 👍🏽 ❤️",
    "emoji😀inside😀words",
    "zero\u200bwidth \u00a0nbsp \u3000ideographic",
    "control \u0007 bell \u0000 nul",
    "math: ∑∫√π ≠ ∞ → x² y₁",
    "<|startoftext|>a<|endoftext|>",
    "< | endoftext | > <|unknown|>",
    "a photo of a supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "x" * 300,
    "an extremely long caption " * 20,
    "0123456789" * 12,
    "🙂" * 60,
    "\ufffd replacement \ufeff bom",
    "tab\tseparated\tvalues",
    "'s 't 're",
    "end</w> of</w>word",
    "𝒜𝓃𝒸𝒾𝑒𝓃𝓉 𝕄𝕒𝕥𝕙 Ⓒⓘⓡⓒⓛⓔ",
]


def main() -> None:
    if not SHARED.is_dir():
        print("shared/weights/clip-tokenizer is not beside this checkout; core/tests/input/clip.json is left as it is")
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        shutil.copy(SHARED / "clip-vocab.json", target / "vocab.json")
        lines = (SHARED / "clip-merges.txt").read_text().split("\n")
        (target / "merges.txt").write_text("\n".join(lines[: MERGES + 1]) + "\n")
        tokenizer = CLIPTokenizer.from_pretrained(target)
    cases = [
        {
            "text": text,
            "ids": tokenizer(text)["input_ids"],
            "cut": tokenizer(text, truncation=True, max_length=77)["input_ids"],
        }
        for text in TEXTS
    ]
    target = paths.ROOT / "core" / "tests" / "input" / "clip.json"
    target.write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    print(f"{len(cases)} texts, {sum(len(case['ids']) for case in cases)} tokens")


if __name__ == "__main__":
    main()
