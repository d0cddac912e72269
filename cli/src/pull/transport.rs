//! One HTTP GET: certificates, proxy, timeouts, credentials, and the sorting of failures into those worth another try
//! and those that are not.
//!
//! Trust in what arrives comes from digests, not from here; TLS keeps others from reading along and from wasting the
//! user's time. Retrying is the caller's business, with [`Patience`].

use std::fmt;
use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, BodyReader, ResponseExt};
use url::Url;

use crate::error::{Error, Result};

/// Name of the environment variable with the path of a certificate bundle, as OpenSSL has it.
const CERTIFICATES_VARIABLE: &str = "SSL_CERT_FILE";

/// Name resolution and the connection with TLS each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// From the request to the end of the answer's head.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Silence in the middle of a body. There is no limit on the whole: slow lines may take hours.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a timeout is called.
const SILENCE: &str = "the server fell silent";

/// First pause between two tries; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Tries in all, those after progress included: no server can keep this program busy for ever.
const MAX_TRIES: u32 = 1000;

/// A failed GET.
#[derive(Debug)]
pub enum Fault {
    /// Another try may succeed.
    Again(String),
    /// Another try would fail in the same way.
    Final(String),
    /// The server says that there is no such thing.
    Missing,
}

/// What to read, after the head of the answer was found to be in order.
pub struct Reply {
    /// 200 for the whole, 206 for a part, 416 if the part that was asked for does not exist.
    pub status: u16,
    /// Address after redirections.
    pub url: Url,
    /// Lower-case media type without parameters.
    pub media_type: String,
    /// Length of the body if announced.
    pub length: Option<u64>,
    /// First byte and total size that a 206 announces.
    pub range: Option<ContentRange>,
    /// The body.
    pub body: BodyReader<'static>,
}

/// `Content-Range: bytes FIRST-LAST/TOTAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// Offset of the body's first byte.
    pub first: u64,
    /// Size of the whole, if told.
    pub total: Option<u64>,
}

/// The means to make GETs.
#[derive(Debug)]
pub struct Transport {
    agent: Agent,
}

/// How often something may be tried again, and after what pause.
#[derive(Debug, Clone)]
pub struct Patience {
    retries: u32,
    used: u32,
    total: u32,
}

impl Transport {
    /// Reads proxy and certificate settings from the environment.
    ///
    /// # Errors
    /// [`Error::Argument`] if the certificate bundle cannot be used.
    pub fn new() -> Result<Self> {
        let tls = TlsConfig::builder().root_certs(root_certificates()?).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .user_agent(concat!("loam/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .build();
        Ok(Self { agent: config.new_agent() })
    }

    /// Asks for `url` from byte `from` on.
    ///
    /// # Errors
    /// A [`Fault`] for every answer other than 200, 206 and 416.
    pub fn get(&self, url: &Url, accept: &str, from: u64) -> Result<Reply, Fault> {
        let mut bare = url.clone();
        let credentials = take_credentials(&mut bare);
        let mut request = self.agent.get(bare.as_str()).header(header::ACCEPT, accept);
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, credentials);
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        log::info!("GET {} from byte {from}", shown(url));
        let response = request.call().map_err(|e| fault(&e))?;
        Reply::of(response, &bare)
    }
}

impl Reply {
    fn of(response: Response<Body>, asked: &Url) -> Result<Self, Fault> {
        let status = response.status();
        match status.as_u16() {
            200 | 206 | 416 => {}
            404 | 410 => return Err(Fault::Missing),
            408 | 425 | 429 | 500..=599 => return Err(Fault::Again(format!("the server answered {status}"))),
            _ => return Err(Fault::Final(format!("the server answered {status}"))),
        }
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let encoding = text(header::CONTENT_ENCODING);
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return Err(Fault::Final(format!("the server answered with content encoding '{encoding}'")));
        }
        let media_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let length = text(header::CONTENT_LENGTH).parse().ok();
        let range = ContentRange::parse(text(header::CONTENT_RANGE));
        let url = Url::parse(&response.get_uri().to_string()).unwrap_or_else(|_| asked.clone());
        let body = response.into_body().into_reader();
        Ok(Self { status: status.as_u16(), url, media_type, length, range, body })
    }

    /// Reads a whole body of at most `limit` bytes.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn read_to_string(self, limit: u64) -> Result<String, Fault> {
        let mut text = Vec::new();
        self.body.take(limit + 1).read_to_end(&mut text).map_err(|e| io_fault(&e))?;
        if text.len() as u64 > limit {
            return Err(Fault::Final(format!("the answer is longer than {limit} bytes")));
        }
        String::from_utf8(text).map_err(|_| Fault::Final("the answer is not UTF-8".to_owned()))
    }
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, _last) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { first: first.parse().ok()?, total })
    }
}

impl Patience {
    /// Allows so many tries after the first, in a row.
    #[must_use]
    pub fn new(retries: u32) -> Self {
        Self { retries, used: 0, total: 0 }
    }

    /// Starts counting anew, after progress was made.
    pub fn reset(&mut self) {
        self.used = 0;
    }

    /// The pause before the next try, or none if patience has run out.
    pub fn next_pause(&mut self) -> Option<Duration> {
        if self.used >= self.retries || self.total >= MAX_TRIES {
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.used.min(10)).min(LONGEST_PAUSE);
        self.used += 1;
        self.total += 1;
        Some(pause)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again(reason) | Self::Final(reason) => f.write_str(reason),
            Self::Missing => f.write_str("the server has no such file"),
        }
    }
}

/// The address without credentials, fit for screens and logs.
#[must_use]
pub fn shown(url: &Url) -> String {
    let mut bare = url.clone();
    take_credentials(&mut bare);
    bare.to_string()
}

/// Sorts a failure to read a body.
#[must_use]
pub fn io_fault(error: &std::io::Error) -> Fault {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return fault(inner);
    }
    match error.kind() {
        // This is how TLS reports a certificate or protocol that it will not accept.
        std::io::ErrorKind::InvalidData => Fault::Final(error.to_string()),
        _ => Fault::Again(error.to_string()),
    }
}

fn fault(error: &ureq::Error) -> Fault {
    match error {
        ureq::Error::Io(e) => io_fault(e),
        ureq::Error::Timeout(_) => Fault::Again(SILENCE.to_owned()),
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_)
        | ureq::Error::ConnectProxyFailed(_) => Fault::Again(error.to_string()),
        _ => Fault::Final(error.to_string()),
    }
}

/// Takes user and password out of an address, as the value of an authorization header.
fn take_credentials(url: &mut Url) -> Option<String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decoded(url.username());
    let password = url.password().map(decoded).unwrap_or_default();
    if user.is_empty() && password.is_empty() {
        return None;
    }
    url.set_username("").and_then(|()| url.set_password(None)).expect("invariant: what had a user can do without");
    Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// The bundle that the user names, else the platform's own store.
fn root_certificates() -> Result<RootCerts> {
    let Some(path) = std::env::var_os(CERTIFICATES_VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok(RootCerts::PlatformVerifier);
    };
    let invalid = |reason: String| Error::Argument {
        name: CERTIFICATES_VARIABLE,
        reason: format!("{}: {reason}", path.to_string_lossy()),
    };
    let text = std::fs::read(&path).map_err(|e| invalid(e.to_string()))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| invalid(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(invalid("there is no certificate in it".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(ContentRange::parse("bytes 5-9/10"), Some(ContentRange { first: 5, total: Some(10) }));
        assert_eq!(ContentRange::parse("bytes 5-9/*"), Some(ContentRange { first: 5, total: None }));
        for bad in ["", "bytes */10", "bytes 5/10", "items 5-9/10", "bytes x-9/10", "bytes 5-9/x"] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn credentials_become_a_header_and_are_not_shown() {
        let mut url = Url::parse("https://us%40er:p%3Aw@example.org/simple/").expect("address");
        assert_eq!(shown(&url), "https://example.org/simple/");
        let header = format!("Basic {}", STANDARD.encode("us@er:p:w"));
        assert_eq!(take_credentials(&mut url), Some(header));
        assert_eq!(take_credentials(&mut url), None);
    }

    #[test]
    fn patience_runs_out_and_comes_back() {
        let mut patience = Patience::new(2);
        assert_eq!(patience.next_pause(), Some(FIRST_PAUSE));
        assert_eq!(patience.next_pause(), Some(FIRST_PAUSE * 2));
        assert_eq!(patience.next_pause(), None);
        patience.reset();
        assert_eq!(patience.next_pause(), Some(FIRST_PAUSE));
    }
}
