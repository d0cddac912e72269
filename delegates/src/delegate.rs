//! A compiled graph that the runtime runs.

use loam::dispatch::{Reason, Support};

use crate::adapt::adapt;
use crate::artefact::Artefact;
use crate::opened::Runner;
use crate::quantize::{Code, Port};
use crate::runtime::{Codes, Session};

/// One of so many values may lie outside of what the graph was calibrated for: sound and pictures have peaks.
const CLIPPED: usize = 100;

/// Codes of an input's values.
fn encode(port: &Port, values: &[f32]) -> Result<Codes, Reason> {
    let expected: usize = port.shape.iter().product();
    if values.len() != expected {
        return Err(Reason::Failed(format!("{} values for '{}', which has {expected}", values.len(), port.name)));
    }
    let Some(scheme) = port.scheme else { return Ok(Codes::F32(values.to_vec())) };
    let range = scheme.range();
    let (low, high) = (range.low - scheme.scale, range.high + scheme.scale);
    // Also values that are no numbers.
    let clipped = values.iter().filter(|value| !(low..=high).contains(value)).count();
    if clipped * CLIPPED > values.len() {
        return Err(Reason::InputRange { tensor: port.name.clone(), clipped, values: values.len() });
    }
    let codes = values.iter().map(|&value| scheme.encode(value));
    Ok(match scheme.code {
        Code::U8 | Code::U16 => Codes::U16(codes.map(|code| code as u16).collect()),
        Code::S8 | Code::S16 => Codes::S16(codes.map(|code| code as i16).collect()),
    })
}

fn decode(port: &Port, codes: &Codes) -> Vec<f32> {
    let decode = |code: i32| port.scheme.map_or(f32::NAN, |scheme| scheme.decode(code));
    match codes {
        Codes::U16(codes) => codes.iter().map(|&code| decode(i32::from(code))).collect(),
        Codes::S16(codes) => codes.iter().map(|&code| decode(i32::from(code))).collect(),
        Codes::F32(values) => values.clone(),
    }
}

impl Runner for Session {
    /// Pairs of an input's index and its codes.
    type Given = Vec<(usize, Codes)>;

    fn adapt(&self, artefact: &Artefact, factors: &[Vec<f32>]) -> Result<Self::Given, Reason> {
        let record = &artefact.record;
        adapt(&record.signature, &record.inputs, &record.adapted, &artefact.probes, factors)
    }

    fn support(&self) -> Support {
        self.support.clone()
    }

    fn run(&self, artefact: &Artefact, data: &[&[f32]], factors: &Self::Given) -> Result<Vec<Vec<f32>>, Reason> {
        let record = &artefact.record;
        let inputs = record.signature.inputs.iter().zip(&record.inputs);
        let own: Vec<&Port> = inputs.filter(|(input, _)| !input.is_factor()).map(|(_, port)| port).collect();
        if own.len() != data.len() {
            return Err(Reason::Failed(format!("{} inputs, the graph has {}", data.len(), own.len())));
        }
        let codes = own.iter().zip(data).map(|(port, values)| encode(port, values)).collect::<Result<Vec<_>, _>>()?;
        let mut given: Vec<(&Port, &Codes)> = own.into_iter().zip(&codes).collect();
        given.extend(factors.iter().map(|(at, codes)| (&record.inputs[*at], codes)));
        let outputs = Session::run(self, &given, &record.outputs)?;
        Ok(record.outputs.iter().zip(&outputs).map(|(port, codes)| decode(port, codes)).collect())
    }
}
