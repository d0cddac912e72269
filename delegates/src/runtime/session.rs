//! A graph of integers that a provider has taken.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use loam::dispatch::{Reason, Support};
use ort::session::SessionInputValue;
use ort::session::builder::SessionBuilder;
use ort::value::{DynValue, Tensor};

use crate::quantize::{Code, Port};

/// Runs one at a time, as most processors do.
pub(crate) struct Session {
    session: Mutex<ort::session::Session>,
    /// How much of the graph the provider runs.
    pub(crate) support: Support,
}

/// The values of an input or an output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Codes {
    U16(Vec<u16>),
    S16(Vec<i16>),
    F32(Vec<f32>),
}

impl Codes {
    fn tensor(&self, shape: &[usize]) -> ort::Result<DynValue> {
        let shape: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        Ok(match self {
            Self::U16(codes) => Tensor::from_array((shape, codes.clone()))?.into_dyn(),
            Self::S16(codes) => Tensor::from_array((shape, codes.clone()))?.into_dyn(),
            Self::F32(values) => Tensor::from_array((shape, values.clone()))?.into_dyn(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::U16(codes) => codes.len(),
            Self::S16(codes) => codes.len(),
            Self::F32(values) => values.len(),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a file of which the provider runs all: another one refuses, or has no processor to leave something to.
    ///
    /// # Errors
    /// [`Reason::Refused`] with the runtime's words.
    pub(crate) fn open(mut builder: SessionBuilder, path: &Path) -> Result<Self, Reason> {
        let session = builder.commit_from_file(path).map_err(|e| Reason::Refused(e.to_string()))?;
        Ok(Self { session: Mutex::new(session), support: Support::Full })
    }

    /// Opens a file of which the provider may leave parts to the runtime's own kernels: first without these, then with them, for
    /// the reason that the runtime gives.
    ///
    /// # Errors
    /// As [`Session::open`] and `builder`.
    pub(crate) fn open_divided(
        builder: impl Fn() -> Result<SessionBuilder, Reason>,
        path: &Path,
    ) -> Result<Self, Reason> {
        let alone = builder()?.with_disable_cpu_fallback().map_err(|e| Reason::Refused(e.to_string()))?;
        Self::open(alone, path).or_else(|reason| {
            let Self { session, .. } = Self::open(builder()?, path)?;
            Ok(Self { session, support: Support::Partial(reason) })
        })
    }

    /// Runs it on codes for each input; those of each output.
    ///
    /// # Errors
    /// [`Reason::Failed`] with the runtime's words, or naming an output of other extents than it should have.
    pub(crate) fn run(&self, inputs: &[(&Port, &Codes)], outputs: &[Port]) -> Result<Vec<Codes>, Reason> {
        let failed = |e: ort::Error| Reason::Failed(e.to_string());
        let mut values: Vec<(String, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (port, codes) in inputs {
            values.push((port.name.clone(), codes.tensor(&port.shape).map_err(failed)?.into()));
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let given = session.run(values).map_err(failed)?;
        let read = |port: &Port| {
            let value = given.get(&port.name).ok_or_else(|| Reason::Failed(format!("no output '{}'", port.name)))?;
            let codes = match port.scheme.map(|scheme| scheme.code) {
                Some(Code::U16 | Code::U8) => Codes::U16(value.try_extract_tensor().map_err(failed)?.1.to_vec()),
                Some(Code::S16 | Code::S8) => Codes::S16(value.try_extract_tensor().map_err(failed)?.1.to_vec()),
                None => Codes::F32(value.try_extract_tensor().map_err(failed)?.1.to_vec()),
            };
            let expected: usize = port.shape.iter().product();
            match codes.len() == expected {
                true => Ok(codes),
                false => {
                    Err(Reason::Failed(format!("output '{}' of {} values for {expected}", port.name, codes.len())))
                }
            }
        };
        outputs.iter().map(read).collect()
    }
}
