"""One llama.cpp process that chats: loads a model and a LoRA, waits for `go`, and generates until its time is over.

    chatter.py MODEL LORA THREADS SECONDS PROMPT TOKENS

It prints `ready` when all is loaded, and then a JSON line: tokens generated, and bytes of its interpreter before the model.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from llama import Context, Model, Row
from machine import proportional


def main() -> None:
    path, lora = sys.argv[1:3]
    threads, seconds, prompt, tokens = map(int, sys.argv[3:])
    before = proportional()
    model = Model(path)
    context = Context(model, threads, prompt + tokens)
    context.use(model.adapter(lora) if lora else None)
    chance = np.random.default_rng(1)

    def chat(until: float) -> int:
        context.keep(0)
        ids = chance.integers(20, model.tokens, prompt)
        context.run([Row(int(token), at, 0, at + 1 == prompt) for at, token in enumerate(ids)])
        made = 0
        while made < tokens and time.perf_counter() < until:
            token = int(np.argmax(context.logits(1)[0]))
            made += 1
            context.run([Row(token, prompt + made - 1, 0, True)])
        return made

    chat(float("inf"))
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    made = 0
    while time.perf_counter() < begin + seconds:
        made += chat(begin + seconds)
    print(json.dumps({"tokens": made, "seconds": time.perf_counter() - begin, "interpreter": before}), flush=True)
    # Whoever asks looks at this process's memory until then.
    sys.stdin.readline()


if __name__ == "__main__":
    main()
