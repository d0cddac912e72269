//! What goes over the socket: frames, messages, attached memory.
//!
//! A frame is a `u32` length, little-endian, and as many bytes of MessagePack with named fields. Bodies up to 64 KiB lie in
//! their frame; larger ones, such as those with pictures and sound, lie in sealed memory whose descriptor is attached to
//! the frame's first byte, and are never copied through the socket.

mod frame;
mod memory;
mod message;

pub(crate) use frame::{Channel, Received, Waiting};
pub(crate) use memory::{MAX_BODY, check_file};
pub(crate) use message::{Body, ClientMessage, Hello, PROTOCOL, ServerMessage, Verdict, Welcome};
