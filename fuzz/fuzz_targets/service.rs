//! The service: any bytes from a client that has greeted, or has not.
//!
//! The first byte says how often the rest is cut into frames whose length is right, so that most inputs reach the messages.

#![no_main]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use loam_service::{Identity, Limits, Server};

mod panics;

/// `{"hello": {"protocol": 1, "app": "fuzz", "version": ""}}` in MessagePack.
const HELLO: &[u8] = b"\x81\xa5hello\x83\xa8protocol\x01\xa3app\xa4fuzz\xa7version\xa0";

fn server() -> &'static Arc<Server> {
    static SERVER: OnceLock<Arc<Server>> = OnceLock::new();
    SERVER.get_or_init(|| {
        panics::only_own();
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/fixtures/models/llama2/model.gguf");
        let engine = Arc::new(loam::Engine::open(model).expect("the fixture"));
        let state = std::env::temp_dir().join(format!("loam-fuzz-service-{}", std::process::id()));
        let limits = Limits { frame: Duration::from_secs(1), ..Limits::default() };
        Server::open(engine, state, limits).expect("a folder")
    })
}

fn frame(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(u32::try_from(bytes.len()).expect("short").to_le_bytes());
    out.extend(bytes);
}

fuzz_target!(|data: &[u8]| {
    let server = server();
    let Some((&mode, rest)) = data.split_first() else { return };
    let mut bytes = Vec::new();
    if mode & 1 == 1 {
        frame(HELLO, &mut bytes);
    }
    match mode >> 1 {
        0 => bytes.extend(rest),
        length => rest.chunks(usize::from(length)).for_each(|piece| frame(piece, &mut bytes)),
    }
    let (mut near, far) = UnixStream::pair().expect("a pair");
    // It fits into the socket's buffer, for inputs are short.
    if near.write_all(&bytes).is_ok() && near.shutdown(std::net::Shutdown::Write).is_ok() {
        // What it is refused with is its own matter.
        let _ = server.serve_stream(far, Identity::User(1));
    }
});
