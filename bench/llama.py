"""llama.cpp through its C interface, as fast as its options make it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp as ll
import numpy as np

#: Most rows of one compute step; llama.cpp's own default.
UBATCH = 512
FLASH = {
    "auto": ll.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": ll.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": ll.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _silent(_level: int, _text: bytes, _data: object) -> None:
    """Keeps the log off the standard error stream; what fails is told by the callers."""


def quantize(source: Path, kind: str, path: Path, threads: int) -> None:
    """Writes `source` again in llama.cpp's own mixture of types for `kind`."""
    ll.llama_log_set(_silent, ctypes.c_void_p())
    parameters = ll.llama_model_quantize_default_params()
    parameters.ftype = getattr(ll, f"LLAMA_FTYPE_{'ALL' if kind == 'F32' else 'MOSTLY'}_{kind}")
    parameters.nthread = threads
    parameters.allow_requantize = True
    if ll.llama_model_quantize(str(source).encode(), str(path).encode(), ctypes.byref(parameters)) != 0:
        sys.exit(f"llama.cpp cannot quantize {source} to {kind}")


@dataclass(frozen=True)
class Row:
    """One token of a batch."""

    token: int
    position: int
    sequence: int
    logits: bool


def announces_amx() -> bool:
    """Whether the processor says that it has AMX. Some virtual machines say so and trap it."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "amx_tile" in cpuinfo.read_text()


class Model:
    """Loaded weights, repacked for this processor where llama.cpp can."""

    def __init__(self, path: str) -> None:
        ll.llama_log_set(_silent, ctypes.c_void_p())
        ll.llama_backend_init()
        parameters = ll.llama_model_default_params()
        # AMX has no switch of its own: it goes with all buffers of repacked weights.
        parameters.use_extra_bufts = not announces_amx()
        self.handle = ll.llama_model_load_from_file(path.encode(), parameters)
        if not self.handle:
            sys.exit(f"llama.cpp cannot load {path}")
        self.vocabulary = ll.llama_model_get_vocab(self.handle)
        self.tokens = ll.llama_vocab_n_tokens(self.vocabulary)

    def adapter(self, path: str) -> ctypes.c_void_p:
        """Loads a GGUF LoRA."""
        handle = ll.llama_adapter_lora_init(self.handle, path.encode())
        if not handle:
            sys.exit(f"llama.cpp cannot load {path}")
        return handle

    def tokenize(self, text: str) -> list[int]:
        """Ids of a plain text, with what the tokenizer adds on its own."""
        data = text.encode()
        room = (ll.llama_token * (len(data) + 8))()
        count = ll.llama_tokenize(self.vocabulary, data, len(data), room, len(room), True, False)
        if count < 0:
            sys.exit(f"llama.cpp: {-count} tokens of a text do not fit")
        return list(room[:count])


class Context:
    """A cache for `sequences` sequences of `length` tokens."""

    def __init__(self, model: Model, threads: int, length: int, sequences: int = 1, flash: str = "auto") -> None:
        options = ll.llama_context_default_params()
        # The cache is split evenly, in steps of 256.
        options.n_ctx = -(-length // 256) * 256 * sequences
        options.n_batch = options.n_ubatch = UBATCH
        options.n_threads = options.n_threads_batch = threads
        options.n_seq_max = sequences
        options.flash_attn_type = FLASH[flash]
        self.model = model
        self.handle = ll.llama_init_from_model(model.handle, options)
        if not self.handle:
            sys.exit(f"llama.cpp: no context of {length} tokens for {sequences} sequences, flash attention {flash}")
        self.memory = ll.llama_get_memory(self.handle)
        self.batch = ll.llama_batch_init(UBATCH, 0, 1)
        #: Tokens that every sequence held when `keep` was last called.
        self.depth = 0

    def keep(self, length: int) -> None:
        """Forgets what lies after the first `length` tokens of every sequence."""
        self.depth = length
        ll.llama_memory_seq_rm(self.memory, -1, length, -1)

    def use(self, adapter: ctypes.c_void_p | None) -> None:
        """Makes `adapter` the only one; llama.cpp has one set for the whole context."""
        if adapter is None:
            failed = ll.llama_set_adapters_lora(self.handle, None, 0, None)
        else:
            handles = (ll.llama_adapter_lora_p_ctypes * 1)(adapter)
            failed = ll.llama_set_adapters_lora(self.handle, handles, 1, (ctypes.c_float * 1)(1.0))
        if failed:
            sys.exit("llama.cpp: the adapter cannot be set")

    def run(self, rows: Sequence[Row]) -> None:
        """One pass over at most `UBATCH` rows, to its end."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, row in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = row.token, row.position, row.logits
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = row.sequence
        if ll.llama_decode(self.handle, batch) != 0:
            sys.exit("llama.cpp: decode failed")
        ll.llama_synchronize(self.handle)

    def logits(self, rows: int) -> np.ndarray:
        """Logits of the last pass, whose `rows` rows all asked for them."""
        pointer = ll.llama_get_logits(self.handle)
        return np.ctypeslib.as_array(pointer, shape=(rows, self.model.tokens))
