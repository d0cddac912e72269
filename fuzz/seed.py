"""Seeds of the fuzz targets, made from the test fixtures with the standard library only."""

import io
import json
import struct
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "core" / "tests"
LIMIT = 4096

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5


def put(target: str, name: str, data: bytes) -> None:
    """Writes one seed unless it is too long."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    if len(data) <= LIMIT:
        (folder / f"seed-{name}").write_bytes(data)


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(item) -> bytes:
    """A metadata value with its type."""
    if isinstance(item, bool):
        return struct.pack("<IB", BOOL, item)
    if isinstance(item, int):
        return struct.pack("<II", U32, item)
    if isinstance(item, float):
        return struct.pack("<If", F32, item)
    if isinstance(item, str):
        return struct.pack("<I", STRING) + text(item)
    kind, code = {str: (STRING, None), int: (I32, "<i"), float: (F32, "<f")}[type(item[0])]
    items = b"".join(text(x) if code is None else struct.pack(code, x) for x in item)
    return struct.pack("<IIQ", ARRAY, kind, len(item)) + items


def gguf(metadata: dict, tensors: dict, version: int = 3) -> bytes:
    """A file with float tensors of zeros, given by their GGUF shapes."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, item in metadata.items():
        out += text(key) + value(item)
    end = 0
    for name, shape in tensors.items():
        size = 4
        out += text(name) + struct.pack("<I", len(shape))
        for side in shape:
            size *= side
            out += struct.pack("<Q", side)
        out += struct.pack("<IQ", 0, end)
        end += (size + 31) // 32 * 32
    return out + bytes(-len(out) % 32) + bytes(end)


def llama() -> bytes:
    """The smallest Llama that loads: one layer, width 4."""
    metadata = {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.context_length": 8,
        "llama.embedding_length": 4,
        "llama.feed_forward_length": 4,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10000.0,
        "llama.rope.dimension_count": 2,
        "llama.vocab_size": 3,
    }
    block = {
        "attn_norm": [4],
        "attn_q": [4, 4],
        "attn_k": [4, 2],
        "attn_v": [4, 2],
        "attn_output": [4, 4],
        "ffn_norm": [4],
        "ffn_gate": [4, 4],
        "ffn_up": [4, 4],
        "ffn_down": [4, 4],
    }
    tensors = {f"blk.0.{name}.weight": shape for name, shape in block.items()}
    tensors |= {"token_embd.weight": [4, 3], "output_norm.weight": [4], "output.weight": [4, 3]}
    return gguf(metadata, tensors)


def vocabulary(fixture: dict, limit: int) -> dict:
    """Metadata of a test vocabulary, cut to `limit` tokens."""
    names = {"types": "token_type"}
    roles = ("bos", "eos", "cls", "seperator", "unknown", "padding")
    metadata = {}
    for name, item in fixture.items():
        if name == "cases":
            continue
        if isinstance(item, list):
            item = item[:limit]
            if name == "merges":
                kept = set(fixture["tokens"][:limit])
                item = [line for line in fixture["merges"] if set(line.split(" ")) <= kept][:8]
            if not item:
                item = ["a b"]
        if name in roles:
            metadata[f"tokenizer.ggml.{name}_token_id"] = min(item, limit - 1)
        else:
            metadata[f"tokenizer.ggml.{names.get(name, name)}"] = item
    return metadata


def safetensors(header: dict, size: int) -> bytes:
    data = json.dumps(header).encode()
    return struct.pack("<Q", len(data)) + data + bytes(size)


def adapter(folder: Path) -> bytes:
    """A PEFT directory as one package, its tensors included."""
    raw = (folder / "adapter_model.safetensors").read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    config = json.loads((folder / "adapter_config.json").read_text())
    kept = ("peft_type", "r", "lora_alpha", "bias", "target_modules", "task_type", "modules_to_save", "use_rslora",
            "rank_pattern", "alpha_pattern", "use_dora", "fan_in_fan_out")
    config = {key: config[key] for key in kept if key in config}
    header["__metadata__"] = {"loam.adapter_config": json.dumps(config)}
    data = json.dumps(header).encode()
    return struct.pack("<Q", len(data)) + data + raw[8 + length :]


def tensors_pickle() -> bytes:
    """A state dict of two views of one storage of 24 singles."""
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x18tQ"
    out = b"\x80\x02}("
    for name, view in ((b"a", b"K\0K\x04K\x06\x86K\x06K\x01\x86"), (b"b", b"K\x02K\x05K\x04\x86K\x01K\x06\x86")):
        out += b"X\x01\0\0\0" + name + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"\x89}tR"
    return out + b"u."


def message(item) -> bytes:
    """MessagePack of short values."""
    if item is None:
        return b"\xc0"
    if isinstance(item, int):
        return struct.pack(">B", item)
    if isinstance(item, bytes):
        return b"\xc5" + struct.pack(">H", len(item)) + item
    if isinstance(item, str):
        data = item.encode()
        return struct.pack(">B", 0xA0 | len(data)) + data
    if isinstance(item, list):
        return struct.pack(">B", 0x90 | len(item)) + b"".join(map(message, item))
    return struct.pack(">B", 0x80 | len(item)) + b"".join(message(k) + message(v) for k, v in item.items())


def service() -> None:
    """What a client says after its greeting."""
    said = {"text": "a"}
    picture = {"image": {"width": 1, "height": 1, "pixels": b"abc"}}
    labels = {"labels": ["a", "b"], "template": None, "modality": "text"}
    calls = {
        "generate": {"generate": {"prompt": "a", "options": {"max_tokens": 2, "stop": []}, "adapter": None}},
        "embed": {"embed": {"input": said, "modality": None, "adapter": None}},
        "classify": {"classify": {"input": said, "options": labels, "adapter": {"alias": "x", "generation": 1}}},
        "caption": {"caption": {"input": picture, "options": {}, "adapter": None}},
        "chat": {"chat": {"instructions": "a", "adapter": None}},
        "respond": {"respond": {"session": 1, "text": "a", "options": {}}},
        "install": {"install": {"alias": "x", "policy": "create", "files": ["package"]}},
        "motion": {"push_motion": {"sensor": 1, "samples": b"abcd", "times": None}},
        "adapters": "adapters",
    }
    messages = {name: {"call": {"id": 1, "body": {"inline": message(call)}}} for name, call in calls.items()}
    messages["stop"] = {"stop": {"id": 1}}
    messages["took"] = {"took": {"id": 1, "verdict": "go_on"}}
    messages["release"] = {"release": {"session": 1}}
    messages["attached"] = {"call": {"id": 1, "body": {"attached": 9}}}
    for name, one in messages.items():
        data = message(one)
        put("service", name, b"\1" + struct.pack("<I", len(data)) + data)


def onnx() -> bytes:
    """A branch with a node of its own, and a call of a function that the file defines."""

    def field(tag: int, data: bytes) -> bytes:
        return bytes([tag << 3 | 2, len(data)]) + data

    def node(operator: bytes, domain: bytes = b"", *attributes: bytes) -> bytes:
        return field(4, operator) + b"".join(field(5, one) for one in attributes) + field(7, domain)

    branch = field(6, field(1, node(b"Add")))
    graph = field(1, node(b"If", b"", branch)) + field(1, node(b"Swish", b"own"))
    function = field(1, b"Swish") + field(7, node(b"Sigmoid")) + field(10, b"own")
    # The tag of a function, 25, takes two bytes.
    return b"\x08\x0a" + field(7, graph) + b"\xca\x01" + bytes([len(function)]) + function


def tflite() -> bytes:
    """A subgraph with one operator, which has a name of its own."""
    # Where each part lies: the model at 20, its codes at 32, its subgraphs at 80.
    out = struct.pack("<I4sHHHHHxx", 20, b"TFL3", 10, 12, 0, 4, 8) + struct.pack("<iII", 12, 8, 52)
    out += struct.pack("<IIHHHHHHxxxx", 1, 20, 12, 12, 4, 8, 0, 0) + struct.pack("<iBxxxI", 16, 32, 4)
    out += struct.pack("<I8s", 5, b"Twice")
    out += struct.pack("<IIHHHHHH", 1, 16, 12, 8, 0, 0, 0, 4) + struct.pack("<iI", 12, 4)
    return out + struct.pack("<IIHHHxx", 1, 12, 6, 8, 4) + struct.pack("<iI", 8, 0)


def main() -> None:
    put("operators", "onnx", onnx())
    put("operators", "tflite", tflite())
    put("gguf", "llama", llama())
    put("gguf", "v2", gguf({"general.alignment": 64, "a": [1.0, 2.0], "b": [1], "c": ["x"]}, {"w": [32, 2]}, 2))
    put("gguf", "empty", gguf({}, {}))

    for path in sorted((TESTS / "fixtures").rglob("*.safetensors")):
        raw = path.read_bytes()
        header = raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]]
        name = f"{path.parent.name}-{path.stem}"
        if path.parent.name in ("llama2", "llama2-bf16", "llama2-layer-1", "gguf", "minilm", "llama2-embed"):
            put("safetensors", f"{name}-whole", b"\0" + raw)
            put("safetensors", f"{name}-header", b"\1" + header)
    shard = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}}
    put("safetensors", "small", b"\0" + safetensors(shard, 16))

    for path in sorted((TESTS / "fixtures" / "pytorch").glob("*.pth")):
        raw = path.read_bytes()
        put("pytorch", f"{path.stem}-whole", b"\0" + raw)
        if zipfile.is_zipfile(io.BytesIO(raw)):
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                pickle = next(name for name in archive.namelist() if name.endswith("data.pkl"))
                put("pytorch", f"{path.stem}-pickle", b"\1" + archive.read(pickle))
    put("pytorch", "small", b"\1" + tensors_pickle())

    for folder in sorted((TESTS / "fixtures" / "peft").iterdir()):
        if folder.is_dir():
            put("adapter", folder.name, b"\0" + adapter(folder))

    for fixture in json.loads((TESTS / "input" / "vocabularies.json").read_text()):
        data = gguf(vocabulary(fixture, 60), {})
        put("gguf_tokenizer", fixture["model"], b"\0" + data)

    for index, path in enumerate(sorted((TESTS / "fixtures" / "pictures" / "files").iterdir())):
        put("image", path.name.replace(".", "-"), bytes([index % 4, 10]) + path.read_bytes())
    own = json.loads((TESTS / "fixtures" / "audio" / "own.json").read_text())
    imu = {"rate": 50.0, "steps": 16, "layout": "accelerometer", "acceleration": "g", "rotation": "rad/s",
           "gravity": "removed", "mean": [0.0] * 3, "std": [1.0] * 3, "short": "zeros", "long": "keep_first"}
    kinds = [{"feature_extractor_type": f"{kind}FeatureExtractor"} for kind in ("Whisper", "AST", "Wav2Vec2")]
    for index, config in enumerate([own, imu, *kinds]):
        samples = b"".join(struct.pack("<f", (i % 17 - 8) / 10) for i in range(600))
        # Format, channels, rates, IMU rate / 2, gap, hop, window.
        put("audio", str(index), json.dumps(config).encode() + bytes([0, 4, 1, 0, 1, 25, 20, 8, 65]) + samples)

    conversation = "\0".join(["", "Be brief.", "Hi <|im_end|> there", "Hello.", "<s>42</s>"])
    for path in sorted((TESTS / "input" / "templates").glob("*.jinja")):
        put("chat_template", path.stem, (path.read_text() + conversation).encode())
    for index, source in enumerate([
        "{% set ns = namespace(x='a') %}{% for m in messages %}{% set ns.x = ns.x ~ m.content %}{% endfor %}{{ ns.x }}",
        "{% macro f(a, b=1) %}{{ a|upper }}{{ b }}{% endmacro %}{{ f(messages[0].content, b=[1, 2.5, none]) }}",
        "{{ messages|map(attribute='content')|join(', ')|replace('a', 'b')|indent(2) }}",
        "{% for k, v in {'a': 1, 'b': (2, 3)}.items() if v %}{{ loop.index ~ k ~ v|tojson }}{% else %}x{% endfor %}",
        "{% for m in messages recursive %}{{ loop(m.x) if m.x }}{{ m.content[1:-1:2][::-1] }}{% endfor %}",
        "{% filter trim %}{% call(x) f() %}{{ x }}{% endcall %}{% endfilter %}{% macro f() %}{{ caller(1) }}{% endmacro %}",
        "{{ '%5.2f|%s'|format(1.5, 'x') }}{{ '{:>8}'.format('y') }}{{ strftime_now('%d %b %Y') }}",
        "{% with a = 1 %}{% if a is divisibleby 2 %}{{ a }}{% elif not a %}b{% endif %}{% endwith %}{% do messages %}",
    ]):
        put("chat_template", f"language-{index}", (source + conversation).encode())
    service()


if __name__ == "__main__":
    main()
