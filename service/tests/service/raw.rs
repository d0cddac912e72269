//! A client that says whatever it likes.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use loam_service::Error;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Inline(ByteBuf),
    Attached(u64),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    Hello { protocol: u32, app: Option<String>, version: String },
    Call { id: u64, body: Body },
    Took { id: u64, verdict: &'static str },
    Stop { id: u64 },
}

/// What is there and is not looked at.
type Anything = serde::de::IgnoredAny;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hears {
    Welcome(Anything),
    Refused(Error),
    Event(Anything),
    Reply { id: u64, body: Body },
}

pub struct Raw(pub UnixStream);

pub fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("packed")
}

pub fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short");
    [&length.to_le_bytes(), body].concat()
}

pub fn hello(app: &str) -> Says {
    Says::Hello { protocol: 1, app: Some(app.to_owned()), version: "test".to_owned() }
}

/// A call as `{"classify": {..}}`.
pub fn call(id: u64, call: &Value) -> Says {
    Says::Call { id, body: Body::Inline(ByteBuf::from(pack(call))) }
}

impl Raw {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        Self(stream)
    }

    /// One that was welcome.
    pub fn greeted(socket: &Path, app: &str) -> Self {
        let mut raw = Self::connect(socket);
        raw.say(&hello(app));
        assert!(matches!(raw.hear(), Some(Hears::Welcome(_))));
        raw
    }

    /// Whether all of it could be written.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    pub fn say(&mut self, message: &Says) -> bool {
        self.write(&framed(&pack(message)))
    }

    pub fn say_with(&mut self, message: &Says, files: &[OwnedFd]) {
        let bytes = framed(&pack(message));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        let sent = sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL).expect("sent");
        assert_eq!(sent, bytes.len());
    }

    /// What comes next; `None` at the end.
    pub fn hear(&mut self) -> Option<Hears> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut body).ok()?;
        Some(rmp_serde::from_slice(&body).expect("a message"))
    }

    /// The error that call `id` ends with; `None` where it succeeds.
    pub fn outcome(&mut self, id: u64) -> Option<Error> {
        match self.hear() {
            Some(Hears::Reply { id: found, body: Body::Inline(body) }) if found == id => {
                #[derive(Deserialize)]
                enum Outcome {
                    Ok(Anything),
                    Err(Error),
                }
                match rmp_serde::from_slice(&body).expect("an outcome") {
                    Outcome::Ok(_) => None,
                    Outcome::Err(error) => Some(error),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// The refusal, if there is one, that the connection ends with.
    pub fn end(&mut self) -> Option<Error> {
        let mut refusal = None;
        while let Some(heard) = self.hear() {
            if let Hears::Refused(error) = heard {
                refusal = Some(error);
            }
        }
        // The end, and not the time: a connection that goes on blocks here.
        match self.0.read(&mut [0]) {
            Ok(0) => refusal,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => refusal,
            other => panic!("not ended: {other:?}"),
        }
    }
}

pub fn embed(text: &str) -> Value {
    json!({ "embed": { "input": { "text": text }, "modality": null, "adapter": null } })
}

pub fn generate(tokens: u32) -> Value {
    let sampling = serde_json::to_value(loam::engine::Sampling::default()).expect("serialized");
    json!({ "generate": { "prompt": "The cat", "adapter": null, "options": {
        "max_tokens": tokens, "sampling": sampling, "stop": [], "priority": "normal", "patience_ms": null } } })
}
