//! Tasks over the places of a picture, by dense heads of adapters: what is where, and how many.

mod count;
mod detect;
mod locate;
mod segment;

use std::time::Instant;

pub use count::Count;
pub use detect::{DetectOptions, Detection, Detections};
pub use locate::{Located, Point};
pub use segment::Segmentation;

use crate::adapter::dense::Planes;
use crate::adapter::{Adapter, DataPath, DenseGives, DenseHead};
use crate::engine::{Engine, Trace};
use crate::error::{Error, Result};
use crate::input::Input;

/// What a dense head makes of a picture.
struct Mapped<'a> {
    planes: Planes,
    labels: &'a [String],
    trace: Trace,
}

impl Engine {
    /// Runs the image encoder and the dense head of `adapter`, which must give one of `wanted`.
    ///
    /// # Errors
    /// [`Error::Adapter`] for an adapter with another head or none; as [`Engine::embed`] otherwise; [`Error::Malformed`] for weights
    /// that make values which are not finite.
    fn map_picture<'a>(&self, input: &Input, adapter: &'a Adapter, wanted: &[DenseGives]) -> Result<Mapped<'a>> {
        let head = dense_head(adapter, wanted)?;
        let (modality, _) = self.reader(input, None, Some(adapter))?;
        let model = self.encoder(modality)?;
        let start = Instant::now();
        let (states, ran) = model.map_adapted(input, &adapter.bound)?;
        let planes = head.apply(&states);
        let step = model.part().step(start).on(ran);
        if let Some(at) = planes.values.iter().position(|value| !value.is_finite()) {
            let reason = format!("they give the value {} at {at}", planes.values[at]);
            return Err(Error::malformed("dense head", "weights", reason));
        }
        let labels = &adapter.package.task().labels;
        Ok(Mapped { planes, labels, trace: Trace::new(DataPath::Encoder, vec![step]) })
    }
}

fn dense_head<'a>(adapter: &'a Adapter, wanted: &[DenseGives]) -> Result<&'a DenseHead> {
    let refuse = |reason: String| Err(Error::adapter(&adapter.alias, reason));
    match (&adapter.bound.dense, &adapter.bound.head) {
        (Some(head), _) if wanted.contains(&head.spec().gives) => Ok(head),
        (Some(head), _) => refuse(format!("its dense head gives {:?}, expected one of {wanted:?}", head.spec().gives)),
        (None, Some(head)) => refuse(format!("its {} head gives nothing by place", head.spec().kind())),
        (None, None) => refuse("it brings no dense head".into()),
    }
}

/// Height and width of a picture.
///
/// # Errors
/// [`Error::Argument`] for another kind of input.
fn size(input: &Input) -> Result<[usize; 2]> {
    match input {
        Input::Image(image) => Ok([image.height(), image.width()]),
        other => Err(Error::argument("input", format!("{}, expected a picture", other.kind()))),
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
