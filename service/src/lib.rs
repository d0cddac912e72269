//! Loam in a process of its own, and one API for engines in this process and in others.
//!
//! [`Engine::open`] opens a foundation here; [`Engine::connect`] uses that of a service (`loamd`), which holds it once for
//! all apps of a device. Whatever is asked of an [`App`] is the same from then on: each request is one entry of a table of
//! calls, which either is performed here or goes over a Unix socket and is performed there.
//!
//! ```no_run
//! use loam_service::{ClassifyOptions, Engine};
//!
//! # fn main() -> loam_service::Result<()> {
//! let engine = Engine::connect("/run/loam.sock")?;
//! let app = engine.attach("com.example.mail")?;
//! let options = ClassifyOptions { labels: vec!["sports".into(), "weather".into()], ..ClassifyOptions::default() };
//! println!("{}", app.classify("Rain until Friday", options, None)?.label);
//! # Ok(())
//! # }
//! ```
//!
//! A host that has its own way to accept clients, such as an Android service, opens a [`Server`] and hands it streams.

#![forbid(unsafe_code)]
// Where there is no service, what only a service and its clients use lies idle.
#![cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code, unused_imports))]

mod adapter;
mod app;
mod app_streams;
mod call;
mod engine;
mod error;
mod event;
mod handle;
mod local;
mod media;
mod options;
mod performer;
mod sensor;
mod session;
mod source;
mod store;
mod transcriber;
mod workers;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod client;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod server;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod wire;

pub use adapter::Adapter;
pub use app::App;
pub use call::{AdapterInfo, ComponentInfo, FoundationInfo};
pub use engine::Engine;
pub use error::{Error, Result};
pub use event::{Event, EventSink};
pub use handle::TaskHandle;
pub use options::{ClassifyOptions, GenerateOptions, InstallPolicy, SpeakOptions};
pub use sensor::Sensor;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use server::{Host, Identity, Limits, Listener, Server};
pub use session::Session;
pub use transcriber::{Transcriber, TranscriptEnd};
