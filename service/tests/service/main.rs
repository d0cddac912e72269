//! The service, its clients and what becomes of them: all on one foundation of tiny random models.

mod adapters;
mod conditions;
mod contexts;
mod death;
mod delegates;
mod equal;
mod frames;
mod handed;
mod hostile;
mod layers;
#[path = "../../../bindings/tests/scenarios/prepare.rs"]
mod prepare;
mod quotas;
mod raw;
mod signatures;
mod streams;
mod support;
