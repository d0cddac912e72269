//! Against ONNX Runtime's processor: in single precision the graphs are the engine's networks, and graphs of integers are close.

use loam::dispatch::{Backend, Delegate, Segment, Subject, Support};
use loam::graph::Evaluator;
use loam_delegates::quantize::Calibration;
use loam_delegates::{Compiler, OnnxBackend, Target};

use crate::fixture::{cosine, libraries, max_difference, runtime};
use crate::networks::{Network, RANK, all};

/// Sums of products in another order.
const FLOAT_TOLERANCE: f32 = 2e-4;
/// Of graphs of integers; tiny random networks amplify steps more than trained ones do.
const INTEGER_COSINE: f64 = 0.98;

pub fn subject(network: &Network) -> Subject<'static> {
    Subject { component: network.name, fingerprint: "fingerprint", segment: Segment::Whole }
}

/// Compiles both graphs of a network, and opens the ones for `target`.
pub fn compiled(network: &Network, target: Target, root: &std::path::Path) -> [Box<dyn Delegate>; 2] {
    let runtime = runtime().expect("the caller has asked");
    let provider = target.provider(&libraries()).expect("provider");
    let mut calibration = Calibration::default();
    let evaluator = Evaluator::new(&network.graph);
    for sample in &network.samples {
        let inputs = network.inputs(sample, &network.zeros());
        calibration.observe("whole", (&network.graph, &evaluator), &inputs).expect("ran");
    }
    assert_eq!(calibration.runs(), network.samples.len());
    let compiler = Compiler { runtime: &runtime, provider: &*provider, target, root };
    let (calibrated, backend) = (calibration.finish(0.0), OnnxBackend::new(target, libraries(), root));
    [(Segment::Whole, &network.graph), (Segment::Text { tokens: 0 }, &network.plain)].map(|(segment, graph)| {
        let subject = Subject { segment, ..subject(network) };
        assert_eq!(target.supports(graph), Support::Full, "{}", network.name);
        compiler.compile(&subject, graph, &calibrated).expect(network.name);
        backend.open(&subject).expect(network.name)
    })
}

/// Runs a delegate on a sample.
pub fn run(delegate: &dyn Delegate, sample: &[Vec<f32>], factors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let factors = delegate.adapt(factors).expect("in range");
    let data: Vec<&[f32]> = sample.iter().map(|values| &values[..]).collect();
    delegate.run(&data, &factors).expect("ran")
}

/// Every output, with zero and random adapters in turn, without a rebuild.
fn compare(network: &Network, target: Target, close: impl Fn(&[f32], &[f32]) -> Result<(), String>) {
    let root = tempfile::tempdir().expect("folder");
    let [delegate, plain] = compiled(network, target, root.path());
    let evaluator = Evaluator::new(&network.graph);
    let zeros = network.zeros();
    for (at, sample) in network.samples.iter().enumerate().rev().take(4) {
        let bare = run(&*plain, sample, &[]);
        assert_eq!(bare, run(&*delegate, sample, &zeros), "{}: zeros change nothing, bit for bit", network.name);
        for (turn, factors) in [&zeros, &network.adapters[0], &network.adapters[1], &zeros].into_iter().enumerate() {
            let expected = evaluator.run(&network.inputs(sample, factors), |_, _| {}).expect("ran");
            let given = run(&*delegate, sample, factors);
            for (output, (ours, theirs)) in given.iter().zip(&expected).enumerate() {
                close(ours, theirs)
                    .unwrap_or_else(|e| panic!("{}, sample {at}, turn {turn}, output {output}: {e}", network.name));
            }
        }
    }
}

#[test]
fn in_single_precision_graphs_are_the_networks() {
    if runtime().is_none() {
        return;
    }
    for network in all() {
        compare(&network, Target::OnnxFloat, |ours, theirs| {
            let worst = max_difference(ours, theirs);
            if worst <= FLOAT_TOLERANCE { Ok(()) } else { Err(format!("{worst} apart")) }
        });
    }
}

#[test]
fn graphs_of_integers_are_close_to_the_networks() {
    if runtime().is_none() {
        return;
    }
    for network in all() {
        compare(&network, Target::OnnxInteger, |ours, theirs| {
            let cosine = cosine(ours, theirs);
            if cosine >= INTEGER_COSINE { Ok(()) } else { Err(format!("cosine {cosine}")) }
        });
    }
}

#[test]
fn the_rank_of_a_graph_is_that_of_its_inputs() {
    for network in all() {
        let signature = network.graph.signature();
        assert!(signature.inputs.iter().filter(|input| input.is_factor()).all(|input| input.shape.contains(&RANK)));
        assert!(network.plain.signature().inputs.iter().all(|input| !input.is_factor()));
    }
}
