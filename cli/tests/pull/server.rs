//! A package index on 127.0.0.1 with settable faults, and a record of what it was asked.
//!
//! One thread per connection, one request per connection, small files: enough for a client under test, no more.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that a connection is held open.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a hub has the files of a model's revision.
const REVISION: &str = "/org/model/resolve/main";

/// How the server treats requests for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// By the book.
    Proper,
    /// It always sends the whole file.
    NoRange,
    /// It answers a range with another range.
    WrongRange,
    /// It closes the connection after so many bytes of a body, so many times, then behaves.
    Cut { after: usize, times: usize },
    /// It sends so many bytes and then nothing until the gate is opened.
    Stall { after: usize },
    /// It answers 503 so many times, then behaves.
    Busy { times: usize },
}

/// Form of the index's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    Json,
    Html,
}

/// One request for a file: its path, and where its range begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub from: Option<usize>,
    pub authorization: Option<String>,
}

struct State {
    manner: Mutex<Manner>,
    pages: Pages,
    files: BTreeMap<String, Vec<u8>>,
    asked: Mutex<Vec<Asked>>,
    gate: AtomicBool,
    closed: AtomicBool,
}

/// A running server; dropping it ends it.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `files` (package, file name, content).
    pub fn start(files: &[(&str, &str, &[u8])], pages: Pages, manner: Manner) -> Self {
        let mut paths = BTreeMap::new();
        for (package, file, content) in files {
            paths.insert(format!("/files/{file}"), content.to_vec());
            paths.insert(format!("/simple/{package}/"), page(pages, file).into_bytes());
        }
        Self::of_paths(paths, pages, manner)
    }

    /// Serves these files as a hub of models does, below `/org/model/resolve/main/`.
    pub fn hub(files: &[(&str, Vec<u8>)], manner: Manner) -> Self {
        let paths = files.iter().map(|(path, content)| (format!("{REVISION}/{path}"), content.clone()));
        Self::of_paths(paths.collect(), Pages::Json, manner)
    }

    /// The address that files of the hub are below.
    pub fn revision(&self) -> String {
        format!("http://{}{REVISION}", self.address)
    }

    fn of_paths(paths: BTreeMap<String, Vec<u8>>, pages: Pages, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            manner: Mutex::new(manner),
            pages,
            files: paths,
            asked: Mutex::default(),
            gate: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = answer(&stream, &shared);
                });
            }
        });
        Self { address, state, acceptor: Some(acceptor) }
    }

    pub fn index(&self) -> String {
        format!("http://{}/simple/", self.address)
    }

    pub fn index_with_credentials(&self, credentials: &str) -> String {
        format!("http://{credentials}@{}/simple/", self.address)
    }

    pub fn behave(&self, manner: Manner) {
        *lock(&self.state.manner) = manner;
    }

    /// Lets stalled answers go on.
    pub fn open_gate(&self) {
        self.state.gate.store(true, Ordering::SeqCst);
    }

    /// The requests for files so far.
    pub fn asked(&self) -> Vec<Asked> {
        let is_file = |asked: &&Asked| asked.path.starts_with("/files/") || asked.path.starts_with(REVISION);
        lock(&self.state.asked).iter().filter(is_file).cloned().collect()
    }

    pub fn asked_for_pages(&self) -> Vec<Asked> {
        lock(&self.state.asked).iter().filter(|asked| asked.path.starts_with("/simple/")).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        self.open_gate();
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panicked")
}

/// The JSON page lies about the digest: only the recipe's counts.
fn page(pages: Pages, file: &str) -> String {
    match pages {
        Pages::Json => format!(
            r#"{{"meta":{{"api-version":"1.1"}},"name":"x","files":[
            {{"filename":"other-{file}","url":"/files/none","hashes":{{}}}},
            {{"filename":"{file}","url":"../../files/{file}","hashes":{{"sha256":"00"}}}}]}}"#
        ),
        Pages::Html => format!(
            "<!DOCTYPE html><html><body><a href=\"/files/none\">other-{file}</a><br/>\n\
             <a href=\"../../files/{file}#sha256=00\" data-requires-python=\"&gt;=3.8\">{file}</a></body></html>"
        ),
    }
}

fn answer(mut stream: &TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut from, mut authorization) = (None, None);
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "range" => from = value.trim().strip_prefix("bytes=").and_then(|v| v.trim_end_matches('-').parse().ok()),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    lock(&state.asked).push(Asked { path: path.clone(), from, authorization });
    let Some(content) = state.files.get(&path) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    if path.starts_with("/simple/") {
        let kind = match state.pages {
            Pages::Json => "application/vnd.pypi.simple.v1+json",
            Pages::Html => "text/html; charset=utf-8",
        };
        return send(stream, "200 OK", &format!("Content-Type: {kind}\r\n"), content);
    }
    let manner = *lock(&state.manner);
    match manner {
        Manner::Busy { times } if times > 0 => {
            state_after(state, Manner::Busy { times: times - 1 });
            return send(stream, "503 Service Unavailable", "", b"later");
        }
        Manner::Cut { after, times } if times > 0 => {
            state_after(state, Manner::Cut { after, times: times - 1 });
            return send_part(stream, content, from, after);
        }
        Manner::Stall { after } => {
            send_part(stream, content, from, after)?;
            let begun = Instant::now();
            while !state.gate.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(10));
            }
            return stream.write_all(&content[from.unwrap_or(0).saturating_add(after).min(content.len())..]);
        }
        _ => {}
    }
    match (manner, from) {
        (Manner::NoRange, _) | (_, None) => send(stream, "200 OK", "", content),
        (Manner::WrongRange, Some(from)) => {
            let head = format!("Content-Range: bytes {}-{}/{}\r\n", from + 1, content.len() - 1, content.len());
            send(stream, "206 Partial Content", &head, &content[from + 1..])
        }
        (_, Some(from)) if from >= content.len() => {
            let head = format!("Content-Range: bytes */{}\r\n", content.len());
            send(stream, "416 Range Not Satisfiable", &head, b"")
        }
        (_, Some(from)) => send(stream, "206 Partial Content", &range(from, content), &content[from..]),
    }
}

fn state_after(state: &State, manner: Manner) {
    *lock(&state.manner) = manner;
}

fn range(from: usize, content: &[u8]) -> String {
    format!("Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len())
}

fn send(mut stream: &TcpStream, status: &str, head: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(body)
}

/// Announces all of the body but sends only its beginning.
fn send_part(mut stream: &TcpStream, content: &[u8], from: Option<usize>, after: usize) -> std::io::Result<()> {
    let begin = from.unwrap_or(0).min(content.len());
    let body = &content[begin..];
    match from {
        Some(_) => write!(stream, "HTTP/1.1 206 Partial Content\r\n{}", range(begin, content))?,
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body[..after.min(body.len())])?;
    stream.flush()
}
