//! Values into Core ML's arrays and back.

use std::cell::RefCell;
use std::ptr::NonNull;

use block2::StackBlock;
use loam::dispatch::Reason;
use objc2::AnyThread;
use objc2::rc::Retained;
use objc2_core_ml::{MLMultiArray, MLMultiArrayDataType};
use objc2_foundation::{NSArray, NSInteger, NSNumber};

use super::strided::gather;
use crate::quantize::Port;

/// An array of a port's extents.
///
/// # Errors
/// [`Reason::Failed`] for values of another number, or in Core ML's words.
pub(super) fn array(port: &Port, values: &[f32]) -> Result<Retained<MLMultiArray>, Reason> {
    let expected: usize = port.shape.iter().product();
    if values.len() != expected {
        return Err(Reason::Failed(format!("{} values for '{}', which has {expected}", values.len(), port.name)));
    }
    let shape: Vec<Retained<NSNumber>> = port.shape.iter().map(|&extent| NSNumber::new_usize(extent)).collect();
    let shape = NSArray::from_retained_slice(&shape);
    // SAFETY: the extents are those of the port, none of which is negative; an error is returned as one.
    let made = unsafe {
        MLMultiArray::initWithShape_dataType_error(MLMultiArray::alloc(), &shape, MLMultiArrayDataType::Float32)
    };
    let made = made.map_err(|e| Reason::Failed(e.to_string()))?;
    let written = RefCell::new(false);
    let write = |bytes: NonNull<std::ffi::c_void>, size: NSInteger, _: NonNull<NSArray<NSNumber>>| {
        if usize::try_from(size).is_ok_and(|size| size >= size_of_val(values)) {
            // SAFETY: Core ML gives `size` bytes for the time of the block, and no fewer than there are values; they are another
            // memory than ours. An array that was made by its extents alone is contiguous, outermost axis first.
            unsafe { values.as_ptr().copy_to_nonoverlapping(bytes.as_ptr().cast(), values.len()) };
            written.replace(true);
        }
    };
    // SAFETY: the block is called before this returns, and has the parameters that the method names.
    unsafe { made.getMutableBytesWithHandler(&StackBlock::new(write)) };
    match written.into_inner() {
        true => Ok(made),
        false => Err(Reason::Failed(format!("no room for '{}'", port.name))),
    }
}

fn sizes(numbers: &NSArray<NSNumber>) -> Vec<usize> {
    numbers.iter().map(|number| number.as_usize()).collect()
}

/// The values of an array, which must have a port's extents.
///
/// # Errors
/// [`Reason::Failed`] naming the port.
pub(super) fn values(port: &Port, array: &MLMultiArray) -> Result<Vec<f32>, Reason> {
    // SAFETY: plain properties of an array that is alive.
    let (kind, shape, strides) = unsafe { (array.dataType(), sizes(&array.shape()), sizes(&array.strides())) };
    if kind != MLMultiArrayDataType::Float32 || shape != port.shape {
        return Err(Reason::Failed(format!("output '{}' of {kind:?} {shape:?} for {:?}", port.name, port.shape)));
    }
    let found = RefCell::new(None);
    let read = |bytes: NonNull<std::ffi::c_void>, size: NSInteger| {
        let count = usize::try_from(size).unwrap_or_default() / size_of::<f32>();
        // SAFETY: Core ML gives `size` bytes of single precision, aligned for it, which nobody writes during the block.
        let values = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<f32>(), count) };
        found.replace(gather(values, &shape, &strides));
    };
    // SAFETY: the block is called before this returns, and has the parameters that the method names.
    unsafe { array.getBytesWithHandler(&StackBlock::new(read)) };
    found.into_inner().ok_or_else(|| Reason::Failed(format!("output '{}' lies outside of its memory", port.name)))
}
