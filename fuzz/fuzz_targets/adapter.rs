//! Adapter packages: opened, bound to a small Llama, and run.
//!
//! The first byte says whether the rest is a whole package, or a description from which one is built with tensors of
//! the base's own names, so that most inputs reach the binding.

#![no_main]

use std::fmt::Write;
use std::path::Path;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use loam::adapter::{AdapterPackage, Base, bind};
use loam::model::backbone::{Backbone, Entry, Row, Want};

mod panics;
mod scratch;

const MODULES: [&str; 10] = [
    "model.layers.0.self_attn.q_proj",
    "model.layers.0.self_attn.k_proj",
    "model.layers.1.self_attn.v_proj",
    "model.layers.1.mlp.down_proj",
    "model.layers.0.mlp.gate_proj",
    "model.embed_tokens",
    "lm_head",
    "lm_head.base_layer",
    "score",
    "model.layers.7.mlp.up_proj",
];
const ENDINGS: [&str; 6] =
    [".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B", ".weight", ".bias"];
const TYPES: [(&str, usize); 5] = [("F32", 4), ("F16", 2), ("BF16", 2), ("I64", 8), ("F64", 8)];
const SIZES: [usize; 8] = [0, 1, 2, 4, 16, 32, 64, 96];

#[derive(Arbitrary, Debug)]
struct Tensor {
    module: u8,
    ending: u8,
    kind: u8,
    shape: [u8; 2],
    flat: bool,
}

#[derive(Arbitrary, Debug)]
struct Config<'a> {
    rank: i16,
    alpha: f64,
    task_type: u8,
    saved: Option<u8>,
    pattern: Option<(u8, i16)>,
    rslora: bool,
    /// More fields, as they would stand in the JSON.
    extra: Option<&'a str>,
    task: Option<&'a str>,
}

#[derive(Arbitrary, Debug)]
struct Package<'a> {
    config: Config<'a>,
    fill: u8,
    tensors: Vec<Tensor>,
}

fn at<'a, T: ?Sized>(list: &[&'a T], index: u8) -> &'a T {
    list[usize::from(index) % list.len()]
}

/// A JSON string literal.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("a string"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Config<'_> {
    fn json(&self) -> String {
        let Self { rank, alpha, task_type, saved, pattern, rslora, extra, .. } = self;
        let task_type = at(&["\"CAUSAL_LM\"", "\"SEQ_CLS\"", "null"], *task_type);
        let saved = saved.map_or("null".to_owned(), |m| format!("[{}]", quoted(at(&MODULES, m))));
        let pattern = pattern.map_or("{}".to_owned(), |(m, rank)| format!("{{{}: {rank}}}", quoted(at(&MODULES, m))));
        let extra = extra.map_or(String::new(), |extra| format!(", {extra}"));
        let alpha = if alpha.is_finite() { *alpha } else { 8.0 };
        format!(
            "{{\"peft_type\": \"LORA\", \"r\": {rank}, \"lora_alpha\": {alpha}, \"bias\": \"none\", \
             \"target_modules\": [\"q_proj\"], \"task_type\": {task_type}, \"modules_to_save\": {saved}, \
             \"rank_pattern\": {pattern}, \"alpha_pattern\": {pattern}, \"use_rslora\": {rslora}{extra}}}"
        )
    }
}

impl Package<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut metadata = format!("\"loam.adapter_config\": {}", quoted(&self.config.json()));
        if let Some(task) = self.config.task {
            write!(metadata, ", \"loam.task\": {}", quoted(task)).expect("a string");
        }
        let mut json = format!("{{\"__metadata__\": {{{metadata}}}");
        let mut end = 0;
        for tensor in self.tensors.iter().take(8) {
            let (kind, size) = TYPES[usize::from(tensor.kind) % TYPES.len()];
            let [rows, columns] = tensor.shape.map(|side| SIZES[usize::from(side) % SIZES.len()]);
            let (shape, count) = if tensor.flat {
                (format!("[{rows}]"), rows)
            } else {
                (format!("[{rows}, {columns}]"), rows * columns)
            };
            let name = format!("base_model.model.{}{}", at(&MODULES, tensor.module), at(&ENDINGS, tensor.ending));
            let start = end;
            end += count * size;
            write!(
                json,
                ", \"{name}\": {{\"dtype\": \"{kind}\", \"shape\": {shape}, \"data_offsets\": [{start}, {end}]}}"
            )
            .expect("a string");
        }
        json.push('}');
        let mut out = (json.len() as u64).to_le_bytes().to_vec();
        out.extend_from_slice(json.as_bytes());
        out.resize(out.len() + end, self.fill);
        out
    }
}

fn backbone() -> &'static Backbone {
    static BACKBONE: OnceLock<Backbone> = OnceLock::new();
    BACKBONE.get_or_init(|| {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/models/llama2");
        Backbone::open(fixture).expect("the committed fixture")
    })
}

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    let package = if mode % 2 == 0 {
        scratch::scratch("fuzz.safetensors", rest)
    } else {
        let Ok(description) = Package::arbitrary_take_rest(Unstructured::new(rest)) else { return };
        scratch::scratch("fuzz.safetensors", &description.bytes())
    };
    let Ok(package) = AdapterPackage::open(package) else { return };
    let backbone = backbone();
    let base = Base { linears: backbone.linears(), fingerprint: Some("00"), tied: false };
    let Ok(bound) = bind(&package, &base) else { return };
    let mut cache = backbone.new_cache();
    let want = if bound.head.is_some() { Want::Hidden } else { Want::Logits };
    let row = Row { entry: Entry::Token(3), sequence: 0, position: 0, deltas: Some(&bound.deltas), want };
    let out = backbone.forward(&[row], &mut [&mut cache]).expect("a bound adapter runs");
    if let Some(head) = &bound.head {
        assert_eq!(head.logits(&out).len(), head.outputs());
    }
});
