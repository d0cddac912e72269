"""The reference engines as functions from token ids to logits.

llama.cpp is driven through its C interface, because its Python class does not
expose what a reference needs: an fp32 cache, no flash attention, and no
processor-specific repacking of the weights. What then remains of a difference
comes from the block format, and is the same on every x86 machine with AVX2. The
repacking must also stay off on virtual machines that announce AMX and then
refuse its instructions.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

import llama_cpp
import numpy as np
import torch
from transformers import AutoModelForCausalLM

# llama.cpp reports every cache it allocates; only its errors matter here.
logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
FLASH_ATTENTION_OFF = 0


class LlamaCpp:
    """One GGUF file open in llama.cpp, for sequences of up to `context` tokens."""

    def __init__(self, path: Path, context: int = 1024) -> None:
        loading = llama_cpp.llama_model_default_params()
        loading.use_extra_bufts = False
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), loading)
        if not self.model:
            raise ValueError(f"llama.cpp cannot load {path}")
        running = llama_cpp.llama_context_default_params()
        running.n_ctx = running.n_batch = running.n_ubatch = context
        running.type_k = running.type_v = llama_cpp.GGML_TYPE_F32
        running.flash_attn_type = FLASH_ATTENTION_OFF
        running.n_threads = running.n_threads_batch = torch.get_num_threads()
        self.context = llama_cpp.llama_init_from_model(self.model, running)
        if not self.context:
            raise ValueError(f"llama.cpp cannot run {path}")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)

    def __del__(self) -> None:
        if getattr(self, "context", None):
            llama_cpp.llama_free(self.context)
        if getattr(self, "model", None):
            llama_cpp.llama_model_free(self.model)

    def logits(self, tokens: list[int]) -> np.ndarray:
        """`[tokens, vocab]` f32, teacher-forced from an empty cache."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for position, token in enumerate(tokens):
            batch.token[position] = token
            batch.pos[position] = position
            batch.n_seq_id[position] = 1
            batch.seq_id[position][0] = 0
            batch.logits[position] = True
        status = llama_cpp.llama_decode(self.context, batch)
        llama_cpp.llama_batch_free(batch)
        if status != 0:
            raise RuntimeError(f"llama.cpp failed to decode {len(tokens)} tokens: status {status}")
        shape = (len(tokens), llama_cpp.llama_vocab_n_tokens(self.vocab))
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits(self.context), shape).copy()

    def tokenize(self, text: str) -> list[int]:
        """With BOS only if the file asks for it; control tokens in `text` count as such."""
        data = text.encode()
        ids = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), ids, len(ids), True, True)
        if count < 0:
            raise ValueError(f"llama.cpp cannot tokenize {text[:40]!r}")
        return list(ids[:count])

    def detokenize(self, tokens: list[int]) -> str:
        """The text of `tokens`, control tokens included."""
        ids = (llama_cpp.llama_token * len(tokens))(*tokens)
        text = ctypes.create_string_buffer(64 * len(tokens))
        size = llama_cpp.llama_detokenize(self.vocab, ids, len(tokens), text, len(text), False, True)
        return text.raw[:size].decode()


class GgufInTransformers:
    """A quantized GGUF run in transformers: every block decoded, then fp32 throughout.

    This is the exact meaning of the file, free of the rounding that engines
    accept for speed.
    """

    def __init__(self, path: Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
        ).eval()

    @torch.no_grad()
    def logits(self, tokens: list[int]) -> np.ndarray:
        """`[tokens, vocab]` f32, teacher-forced in one pass."""
        output = self.model(input_ids=torch.tensor([tokens]), use_cache=False)
        return output.logits[0].float().numpy()
