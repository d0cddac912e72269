#!/usr/bin/env python3
"""Computes the expected values of the input tests with the reference libraries.

vocabularies.json   three tiny vocabularies and what llama.cpp makes of some texts
chats.json          conversations, and what transformers' Jinja makes of templates/

Run it in the parity environment (parity/setup.sh) after changing a case:

    ~/.cache/loam/parity-venv/bin/python core/tests/input/make_fixtures.py
"""

import datetime
import json
import tempfile
from pathlib import Path

import gguf
import llama_cpp
from transformers.utils import chat_template_utils

HERE = Path(__file__).parent
SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6

TEXTS = [
    "",
    " ",
    "  ",
    "hello world",
    " hello  world ",
    "Hello, World!\n\nthe the",
    "the <|im_end|> end",
    "<s>hello</s> the",
    "[CLS] hello [SEP]",
    "<think>the hello</think>",
    "café naïve 🦙 日本",
    "helloworld hellothe unhello 33 3333",
    "\ttabs\r\nlines\n",
    "he'll they're 'THE",
]


def byte_characters():
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in own}
    others = [byte for byte in range(256) if byte not in own]
    table.update({byte: chr(0x100 + index) for index, byte in enumerate(others)})
    return table


def bpe():
    table = byte_characters()
    tokens = [(table[byte], NORMAL) for byte in range(256)]
    merges = ["h e", "l l", "Ġ t", "Ġt he", "he ll", "hell o", "o r", "or l", "orl d", "Ġ w", "Ġw orld", "t he"]
    merges += ["Ġ Ġ", "Ċ Ċ", "3 3", "Ã ©"]
    tokens += [(merge.replace(" ", ""), NORMAL) for merge in merges]
    tokens += [("<|im_start|>", CONTROL), ("<|im_end|>", CONTROL), ("<think>", USER_DEFINED), ("</think>", USER_DEFINED)]
    names = [text for text, _ in tokens]
    return {
        "model": "gpt2",
        "pre": "smollm",
        "tokens": names,
        "types": [kind for _, kind in tokens],
        "merges": merges,
        "bos": names.index("<|im_start|>"),
        "eos": names.index("<|im_end|>"),
        "add_bos_token": True,
        "add_eos_token": True,
    }


def spm():
    tokens = [("<unk>", UNKNOWN, 0.0), ("<s>", CONTROL, 0.0), ("</s>", CONTROL, 0.0)]
    tokens += [(f"<0x{byte:02X}>", BYTE, 0.0) for byte in range(256)]
    # "he" and "el" tie, so do "ll" and "lo"; "hell" cannot be reached from characters alone in every order.
    pieces = [("he", -1), ("el", -1), ("ll", -2), ("lo", -2), ("hel", -3), ("hello", -4), (SPACE + "the", -5)]
    pieces += [(SPACE + "t", -6), (SPACE + "hello", -7), (SPACE + "w", -8), ("or", -9), ("ld", -9), ("orld", -10)]
    pieces += [(SPACE + "world", -11), (SPACE + SPACE, -12), ("33", -13), ("aï", -14), ("<s", -15), ("/s", -15)]
    # "ï" is no token of its own: only llama.cpp's rule can merge it into "aï".
    pieces += [(c, -100) for c in "abcdefhilnorstuvwyTHEWL<>/|_3'," + SPACE]
    tokens += [(text, NORMAL, float(score)) for text, score in pieces]
    tokens += [("<|im_end|>", CONTROL, 0.0), ("<think>", USER_DEFINED, 0.0), ("</think>", USER_DEFINED, 0.0)]
    return {
        "model": "llama",
        "tokens": [token[0] for token in tokens],
        "types": [token[1] for token in tokens],
        "scores": [token[2] for token in tokens],
        "bos": 1,
        "eos": 2,
        "add_bos_token": True,
        "add_eos_token": False,
    }


def wordpiece():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    types = [CONTROL] * 5
    words = ["hello", "world", "the", "un", "cafe", "naive", "end", "33", "they", "he", "[", "]", "<", ">", "|", ",", "!"]
    words += ["'", "/", "日", "s", "cls", "sep", "think", "im", "_"]
    suffixes = ["world", "the", "hello", "##ll", "33", "s", "re"]
    tokens += [SPACE + word for word in words] + suffixes
    types += [NORMAL] * (len(words) + len(suffixes))
    return {
        "model": "bert",
        "tokens": tokens,
        "types": types,
        "bos": 2,
        "eos": 3,
        "cls": 2,
        "seperator": 3,
        "unknown": 1,
        "padding": 0,
    }


def write_gguf(path, vocabulary):
    writer = gguf.GGUFWriter(path, "bert" if vocabulary["model"] == "bert" else "llama")
    writer.add_tokenizer_model(vocabulary["model"])
    if "pre" in vocabulary:
        writer.add_tokenizer_pre(vocabulary["pre"])
    writer.add_token_list(vocabulary["tokens"])
    writer.add_token_types(vocabulary["types"])
    if "merges" in vocabulary:
        writer.add_token_merges(vocabulary["merges"])
    if "scores" in vocabulary:
        writer.add_token_scores(vocabulary["scores"])
    for name in ["bos", "eos", "cls", "seperator", "unknown", "padding"]:
        if name in vocabulary:
            writer.add_uint32(f"tokenizer.ggml.{name}_token_id", vocabulary[name])
    for name in ["add_bos_token", "add_eos_token"]:
        if name in vocabulary:
            writer.add_bool(f"tokenizer.ggml.{name}", vocabulary[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def tokenize(vocabulary):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/vocabulary.gguf"
        write_gguf(path, vocabulary)
        model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
        cases = []
        for text in TEXTS:
            data = text.encode()
            cases.append({
                "text": text,
                "plain": model.tokenize(data, add_bos=False, special=False),
                "parsed": model.tokenize(data, add_bos=False, special=True),
                "affixed": model.tokenize(data, add_bos=True, special=False),
            })
        return cases


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather <now> & \"soon\" in a café",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": ["Zürich", "Oslo"]}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
]

CONVERSATIONS = {
    "single": [{"role": "user", "content": "Hello there!"}],
    "padded": [{"role": "user", "content": "  spaces around \n"}],
    "system": [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "What's 2 + 2?\nAnswer <b>now</b>."},
    ],
    "turns": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "<think>\nA greeting.\n</think>\n\nHello! 🦙"},
        {"role": "user", "content": "日本語?"},
        {"role": "assistant", "content": "はい"},
        {"role": "user", "content": ""},
    ],
    "tool": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Looking it up."},
        {"role": "tool", "content": "{\"sun\": true}"},
        {"role": "tool", "content": "12 °C"},
    ],
    "wrong": [{"role": "assistant", "content": "I begin"}, {"role": "assistant", "content": "twice"}],
}

NOW = datetime.datetime(2024, 7, 26, 9, 5, 3, tzinfo=datetime.timezone.utc)


def render(source, **variables):
    compiled = chat_template_utils._compile_jinja_template(source)
    compiled.environment.globals["strftime_now"] = NOW.strftime
    try:
        return {"text": compiled.render(**variables)}
    except Exception as error:
        return {"error": str(error)}


def chats():
    cases = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text()
        for name, messages in CONVERSATIONS.items():
            for tools in [None, TOOLS]:
                for add in [True, False]:
                    result = render(
                        source,
                        messages=messages,
                        tools=tools,
                        documents=None,
                        add_generation_prompt=add,
                        bos_token="<s>",
                        eos_token="</s>",
                    )
                    cases.append({"template": path.name, "messages": name, "tools": bool(tools), "add": add, **result})
    return {"now": int(NOW.timestamp()), "tools": TOOLS, "conversations": CONVERSATIONS, "cases": cases}


def write(name, value):
    text = json.dumps(value, ensure_ascii=False)
    text = text.replace(", {\"text\"", ",\n {\"text\"").replace(", {\"template\"", ",\n {\"template\"")
    (HERE / name).write_text(text + "\n")


if __name__ == "__main__":
    vocabularies = [vocabulary | {"cases": tokenize(vocabulary)} for vocabulary in [bpe(), spm(), wordpiece()]]
    write("vocabularies.json", vocabularies)
    write("chats.json", chats())
