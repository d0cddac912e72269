//! What is counted in graphs is what their files have, and codes add two operators.

use loam::graph::{Evaluator, Graph};
use loam_delegates::onnx::export;
use loam_delegates::operators::{Format, Operators};
use loam_delegates::quantize::{Calibration, quantize};
use prost::Message;
use std::io::Write as _;

use crate::networks::all;

fn of_file(model: &loam_delegates::onnx::proto::Model) -> Operators {
    Format::Onnx.operators(&model.encode_to_vec()).expect("sound")
}

/// Types of a file that the graph does not have.
fn beside<'f>(file: &'f Operators, graph: &Graph) -> Vec<&'f str> {
    let own = Operators::of_graph(graph);
    assert!(own.names().all(|name| file.count(name) > 0), "{own:?} {file:?}");
    file.names().filter(|name| own.count(name) == 0).collect()
}

#[test]
fn files_have_the_operators_of_their_graphs() {
    for network in all() {
        let graph = &network.graph;
        let floats = of_file(&export(graph, network.name));
        assert_eq!(beside(&floats, graph), ["Identity"], "{}", network.name);
        let mut calibration = Calibration::default();
        let inputs = network.inputs(&network.samples[0], &network.zeros());
        calibration.observe("whole", (graph, &Evaluator::new(graph)), &inputs).expect("ran");
        let integers = quantize(graph, &calibration.finish(0.0), network.name).expect("calibrated");
        let integers = of_file(&integers.model);
        assert_eq!(beside(&integers, graph), ["DequantizeLinear", "QuantizeLinear"], "{}", network.name);
    }
}

/// The published models of one task each, which this repository does not hold.
#[test]
fn published_models_are_read() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/weights/task-models");
    for (file, total, types) in [
        ("kwt-1/non_stream.tflite", 612, 18),
        ("mobilenet-v2/tf2_mobilenet_v2_1.0_224_ptq.tflite", 68, 7),
        ("yamnet/yamnet.tflite", 44, 12),
    ] {
        let path = models.join(file);
        if !path.exists() {
            let _ = writeln!(std::io::stderr(), "skipped: there is no {}", path.display());
            continue;
        }
        let found = Format::Tflite.read(&path).expect(file);
        assert_eq!((found.total(), found.types()), (total, types), "{file}");
        let bytes = std::fs::read(&path).expect("read");
        for length in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
            // Weights lie at the end in some files.
            let _ = Format::Tflite.operators(&bytes[..length]);
        }
    }
}
