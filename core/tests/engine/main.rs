//! Integration tests of the engine against references that others computed.

mod adapters;
mod ast;
mod backbone;
mod classifiers;
mod classify;
mod ctc;
mod encoder;
mod fixture;
mod formats;
mod heads;
mod imagebind;
mod kernels;
mod layers;
mod minilm;
mod modality;
mod pairs;
mod projector;
mod pytorch;
mod quantized;
mod regression;
mod smollm2;
mod smolvlm;
mod towers;
mod vision;
mod vits;
