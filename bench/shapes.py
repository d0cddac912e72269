"""Shapes of the benchmark's models, and what the same weight is called on each side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A llama architecture with tied embeddings."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    def linears(self) -> dict[str, tuple[int, int]]:
        """GGUF name of each linear in a block, with its outputs and inputs."""
        keys = self.kv_heads * self.head_size
        return {
            "attn_q": (self.hidden, self.hidden),
            "attn_k": (keys, self.hidden),
            "attn_v": (keys, self.hidden),
            "attn_output": (self.hidden, self.hidden),
            "ffn_gate": (self.ffn, self.hidden),
            "ffn_up": (self.ffn, self.hidden),
            "ffn_down": (self.hidden, self.ffn),
        }

    def rotated_heads(self, linear: str) -> int | None:
        """Heads of a linear whose rows GGUF stores in another order; none for the rest."""
        return {"attn_q": self.heads, "attn_k": self.kv_heads}.get(linear)


#: What transformers and PEFT call the linears of GGUF.
HUGGING_FACE = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}

SMALL = Shape("smollm2-135m", hidden=576, layers=30, heads=9, kv_heads=3, ffn=1536, vocabulary=49152)
LARGE = Shape("random-1b", hidden=2048, layers=16, heads=32, kv_heads=8, ffn=8192, vocabulary=49152)
SHAPES = {shape.name: shape for shape in (SMALL, LARGE)}


def shape_of(model: str) -> Shape:
    """The shape of a model named `SHAPE-TYPE`."""
    return SHAPES[model.rsplit("-", 1)[0]]
