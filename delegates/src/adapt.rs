//! An adapter as codes: brought to norms that the codes are made for, and tried on rows of sample data, before any result comes
//! from it.

use loam::dispatch::Reason;
use loam::graph::Signature;

use crate::quantize::{Adapted, Port, Probes};
use crate::runtime::Codes;
use crate::tensors::Rows;

/// What an adapter may add beyond what it adds to the rows it is tried on.
const MARGIN: f32 = 1.1;

/// `A` and `B` of one linear as the graph has them: `[in, rank]` and `[rank, out]`.
struct Pair {
    down: Vec<f32>,
    up: Vec<f32>,
    rank: usize,
}

impl Pair {
    /// Columns of `A` get a norm of one, and rows of `B` what is left of them.
    fn normalised(down: &[f32], up: &[f32], rank: usize) -> Self {
        let (mut down, mut up) = (down.to_vec(), up.to_vec());
        let outputs = up.len() / rank;
        for component in 0..rank {
            let column = || down.iter().skip(component).step_by(rank);
            let norm = column().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt() as f32;
            if norm > 0.0 {
                down.iter_mut().skip(component).step_by(rank).for_each(|value| *value /= norm);
                up[component * outputs..][..outputs].iter_mut().for_each(|value| *value *= norm);
            }
        }
        Self { down, up, rank }
    }

    /// The largest magnitude that it adds to a row of `probe`.
    fn reach(&self, probe: &Rows) -> f32 {
        let outputs = self.up.len() / self.rank;
        let mut most = 0.0f32;
        for row in probe.values.chunks_exact(probe.width) {
            let mut low = vec![0.0; self.rank];
            for (x, down) in row.iter().zip(self.down.chunks_exact(self.rank)) {
                low.iter_mut().zip(down).for_each(|(sum, down)| *sum += x * down);
            }
            let mut delta = vec![0.0; outputs];
            for (low, up) in low.iter().zip(self.up.chunks_exact(outputs)) {
                delta.iter_mut().zip(up).for_each(|(sum, up)| *sum += low * up);
            }
            delta.push(most);
            most = magnitude(&delta);
        }
        most
    }
}

/// The largest magnitude; NaN where one value is.
fn magnitude(values: &[f32]) -> f32 {
    let larger = |most: f32, value: &f32| if value.is_nan() || value.abs() > most { value.abs() } else { most };
    values.iter().fold(0.0, larger)
}

fn out_of_range(tensor: &str, value: f32, limit: f32) -> Reason {
    Reason::AdapterRange { tensor: tensor.to_owned(), value, limit }
}

fn codes(port: &Port, values: &[f32]) -> Codes {
    match port.scheme {
        None => Codes::F32(values.to_vec()),
        // Codes of factors have a sign, and their limits fit into sixteen bits.
        Some(scheme) => Codes::S16(values.iter().map(|&value| scheme.encode(value) as i16).collect()),
    }
}

/// Codes of `factors`, which are in the order of the signature's inputs that an adapter fills: pairs of an input's index and what
/// it gets.
///
/// # Errors
/// [`Reason::AdapterRange`] naming the factor or the linear.
pub(crate) fn adapt(
    signature: &Signature,
    ports: &[Port],
    adapted: &[Adapted],
    probes: &Probes,
    factors: &[Vec<f32>],
) -> Result<Vec<(usize, Codes)>, Reason> {
    let places = signature.inputs.iter().enumerate().filter(|(_, input)| input.is_factor()).map(|(at, _)| at);
    let places: Vec<usize> = places.collect();
    let values = |input: usize| {
        let at = places.iter().position(|&place| place == input);
        let values = at.and_then(|at| factors.get(at)).filter(|values| values.len() == signature.inputs[input].count());
        values.ok_or_else(|| Reason::Failed(format!("no values for '{}'", ports[input].name)))
    };
    let mut given = Vec::with_capacity(places.len());
    // Floats hold any adapter, and are given as they are.
    for &place in places.iter().filter(|&&place| ports[place].scheme.is_none()) {
        given.push((place, codes(&ports[place], values(place)?)));
    }
    for linear in adapted {
        let (down, up) = (values(linear.down)?, values(linear.up)?);
        let pair = Pair::normalised(down, up, signature.inputs[linear.down].shape[1]);
        let (down, up) = (&ports[linear.down], &ports[linear.up]);
        let (most, limit) = (magnitude(&pair.up), up.limit());
        if most.is_nan() || most > limit {
            return Err(out_of_range(&up.name, most, limit));
        }
        if let Some(probe) = probes.0.get(&linear.reads) {
            let (reach, limit) = (pair.reach(probe) * MARGIN, linear.limit);
            if reach.is_nan() || reach > limit {
                return Err(out_of_range(&linear.reads, reach, limit));
            }
        }
        given.push((linear.down, codes(down, &pair.down)));
        given.push((linear.up, codes(up, &pair.up)));
    }
    Ok(given)
}
