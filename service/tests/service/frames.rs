//! Whatever bytes arrive: the connection ends, and nothing else does.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

use loam_service::{Identity, Limits};
use proptest::prelude::*;

use crate::raw::{Says, call, embed, framed, generate, hello, pack};
use crate::support::Served;

fn served() -> &'static Served {
    static SERVED: OnceLock<Served> = OnceLock::new();
    SERVED.get_or_init(|| Served::new(Limits { frame: Duration::from_millis(500), ..Limits::default() }))
}

/// Messages, whole, changed and cut, and plain noise.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        Just(pack(&hello("fuzz"))),
        (0u64..4).prop_map(|id| pack(&call(id, &embed("a text")))),
        (0u64..4).prop_map(|id| pack(&call(id, &generate(3)))),
        (0u64..4).prop_map(|id| pack(&Says::Took { id, verdict: "go_on" })),
        (0u64..4).prop_map(|id| pack(&Says::Stop { id })),
    ];
    let changed = (message.clone(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)).prop_map(
        |(mut bytes, changes)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    );
    prop_oneof![
        3 => message.prop_map(|bytes| framed(&bytes)),
        3 => changed.prop_map(|bytes| framed(&bytes)),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => any::<u32>().prop_map(|length| length.to_le_bytes().to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_end_a_connection_and_nothing_else(pieces in prop::collection::vec(pieces(), 0..8), greets: bool) {
        let (server, (mut near, far)) = (served().server.clone(), UnixStream::pair().expect("pair"));
        let serving = std::thread::spawn(move || server.serve_stream(far, Identity::User(9)));
        if greets {
            let _ = near.write_all(&framed(&pack(&hello("fuzz"))));
        }
        for piece in pieces {
            if near.write_all(&piece).is_err() {
                break;
            }
        }
        drop(near);
        prop_assert!(serving.join().is_ok(), "a panic");
    }
}
