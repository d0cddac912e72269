//! A package that Core ML has loaded.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use loam::dispatch::{Reason, Support};
use objc2::AnyThread;
use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::{AnyObject, ProtocolObject};
use objc2_core_ml::{
    MLComputeUnits, MLDictionaryFeatureProvider, MLFeatureProvider, MLFeatureValue, MLModel, MLModelConfiguration,
};
use objc2_foundation::{NSDictionary, NSError, NSString, NSURL};

use super::array::{array, values};
use crate::artefact::Artefact;
use crate::opened::Runner;
use crate::quantize::Port;

/// Runs one at a time.
#[derive(Debug)]
pub(super) struct Loaded(Mutex<Model>);

/// The model, and the folder that Core ML compiled it into, which is ours to remove.
#[derive(Debug)]
struct Model {
    model: Retained<MLModel>,
    folder: PathBuf,
}

// SAFETY: Apple asks that a model is used on one thread at a time, not on the one that loaded it; it lies in a lock.
unsafe impl Send for Model {}

impl Drop for Model {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            log::warn!("{}: {error}", self.folder.display());
        }
    }
}

fn refused(error: Retained<NSError>) -> Reason {
    Reason::Refused(error.to_string())
}

impl Model {
    /// Compiles a package for this device and loads it. What Core ML compiles lies in a folder of the system's choice, outside of
    /// the artefact whose digests were compared, so that it is made again each time: seconds for large graphs.
    fn load(package: &Path) -> Result<Self, Reason> {
        let unreadable = || Reason::Failed(format!("{}: no file's address", package.display()));
        let url = NSURL::from_directory_path(package).ok_or_else(unreadable)?;
        #[expect(deprecated, reason = "the other one calls back, and the caller waits in either case")]
        // SAFETY: an address of a file; an error is returned as one.
        let compiled = unsafe { MLModel::compileModelAtURL_error(&url) }.map_err(refused)?;
        let folder = compiled.to_file_path().ok_or_else(unreadable)?;
        // SAFETY: a configuration that nobody else has, and an address of a file; an error is returned as one.
        let model = unsafe {
            let configuration = MLModelConfiguration::new();
            configuration.setComputeUnits(MLComputeUnits::All);
            MLModel::modelWithContentsOfURL_configuration_error(&compiled, &configuration)
        };
        match model {
            Ok(model) => Ok(Self { model, folder }),
            Err(error) => {
                // It is of no use, and the error is the one to tell.
                let _ = std::fs::remove_dir_all(&folder);
                Err(refused(error))
            }
        }
    }

    fn run(&self, given: &[(&Port, &[f32])], outputs: &[Port]) -> Result<Vec<Vec<f32>>, Reason> {
        let failed = |e: Retained<NSError>| Reason::Failed(e.to_string());
        let mut names = Vec::with_capacity(given.len());
        let mut features = Vec::with_capacity(given.len());
        for (port, values) in given {
            names.push(NSString::from_str(&port.name));
            // SAFETY: the value keeps the array alive.
            features.push(unsafe { MLFeatureValue::featureValueWithMultiArray(&*array(port, values)?) });
        }
        let names: Vec<&NSString> = names.iter().map(|name| &**name).collect();
        let features: Vec<&AnyObject> = features.iter().map(|value| -> &AnyObject { value }).collect();
        let dictionary = NSDictionary::from_slices(&names, &features);
        // SAFETY: all values of the dictionary are feature values.
        let given = unsafe {
            MLDictionaryFeatureProvider::initWithDictionary_error(MLDictionaryFeatureProvider::alloc(), &dictionary)
        };
        let given = given.map_err(failed)?;
        // SAFETY: inputs have the names and extents that the package was compared with when it was made.
        let made = unsafe { self.model.predictionFromFeatures_error(ProtocolObject::from_ref(&*given)) };
        let made = made.map_err(failed)?;
        let read = |port: &Port| {
            // SAFETY: asks for a value by its name, and for its array; either may be missing.
            let array = unsafe {
                made.featureValueForName(&NSString::from_str(&port.name)).and_then(|value| value.multiArrayValue())
            };
            let array = array.ok_or_else(|| Reason::Failed(format!("no output '{}'", port.name)))?;
            values(port, &array)
        };
        outputs.iter().map(read).collect()
    }
}

impl Loaded {
    pub(super) fn load(package: &Path) -> Result<Self, Reason> {
        autoreleasepool(|_| Model::load(package)).map(|model| Self(Mutex::new(model)))
    }
}

impl Runner for Loaded {
    type Given = Vec<Vec<f32>>;

    fn adapt(&self, artefact: &Artefact, factors: &[Vec<f32>]) -> Result<Self::Given, Reason> {
        let expected = artefact.record.signature.inputs.iter().filter(|input| input.is_factor()).count();
        match factors.len() == expected {
            true => Ok(factors.to_vec()),
            false => Err(Reason::Failed(format!("{} factors, the graph has {expected}", factors.len()))),
        }
    }

    /// Core ML runs all of a package, on which of the device's processors it does not say.
    fn support(&self) -> Support {
        Support::Full
    }

    fn run(&self, artefact: &Artefact, data: &[&[f32]], factors: &Self::Given) -> Result<Vec<Vec<f32>>, Reason> {
        let (mut data, mut factors) = (data.iter().copied(), factors.iter().map(Vec::as_slice));
        let record = &artefact.record;
        let inputs = record.signature.inputs.iter().zip(&record.inputs).map(|(input, port)| {
            let values = if input.is_factor() { factors.next() } else { data.next() };
            values.map(|values| (port, values)).ok_or_else(|| Reason::Failed(format!("no values for '{}'", port.name)))
        });
        let inputs = inputs.collect::<Result<Vec<_>, Reason>>()?;
        let model = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        autoreleasepool(|_| model.run(&inputs, &record.outputs))
    }
}
