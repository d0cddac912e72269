//! Writes the graph of every network among the engine's test files as ONNX files: `graphs DIR`. Tests of converters read them.

use std::path::{Path, PathBuf};

use loam::dispatch::Reason;
use loam::foundation::{Component, ComponentKind, Foundation};
use loam::graph::Graph;
use loam::model::Modality;
use loam::model::backbone::{Backbone, ChunkShape};
use loam::model::encoder::{open, open_text};
use loam::model::recognizer::ctc::{CtcNetwork, TowerCtc};
use loam_delegates::onnx::save;

/// Rank of the adapters that graphs take.
const RANK: usize = 4;
/// Tokens of texts, at most.
const TOKENS: usize = 16;

fn lower(component: &Component) -> Result<Graph, Reason> {
    let unreadable = |error: loam::Error| Reason::Failed(error.to_string());
    let missing = |what: &dyn ToString| Reason::NoGraph(what.to_string());
    match component.kind() {
        ComponentKind::Encoder(Modality::TEXT) => {
            let encoder = open_text(component.entry()).map_err(unreadable)?;
            encoder.lower(encoder.max_tokens().min(TOKENS), RANK).map_err(|e| missing(&e))
        }
        ComponentKind::Encoder(modality) => {
            let encoder = open(component.entry(), modality).map_err(unreadable)?;
            encoder.lower(RANK).ok_or_else(|| missing(&"the encoder does not lower itself"))
        }
        ComponentKind::Backbone => {
            let backbone = Backbone::open(component.entry()).map_err(unreadable)?;
            let blocks = backbone.config().num_hidden_layers;
            backbone.lower(ChunkShape { rows: 4, past: 12, blocks, rank: RANK }).map_err(|e| missing(&e))
        }
        _ => Err(missing(&"not an encoder or a backbone")),
    }
}

/// The graph of a recogniser of ours for all that it hears at once; `None` for a component that is none.
fn recogniser(component: &Component) -> Option<Graph> {
    let tower = TowerCtc::open(component.entry()).ok()?;
    let graph = tower.graph()?;
    graph.lower(graph.columns(tower.longest()), RANK)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: graphs DIR")?);
    std::fs::create_dir_all(&out)?;
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/models");
    for model in std::fs::read_dir(models)? {
        let foundation = Foundation::open(model?.path())?;
        for component in foundation.components() {
            let name = format!("{}.{}", foundation.id(), component.name());
            if let Some(graph) = recogniser(component) {
                let name = format!("{name}.sound");
                save(&graph, &name, &out.join(format!("{name}.onnx")))?;
            }
            match lower(component) {
                Ok(graph) => save(&graph, &name, &out.join(format!("{name}.onnx")))?,
                Err(reason) => println!("{name}: {reason}"),
            }
        }
    }
    Ok(())
}
