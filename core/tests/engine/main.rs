//! Integration tests of the engine against references that others computed.

mod adapters;
mod backbone;
mod classifiers;
mod encoder;
mod fixture;
mod formats;
mod imagebind;
mod kernels;
mod layers;
mod minilm;
mod pairs;
mod regression;
mod smollm2;
mod towers;
mod vision;
