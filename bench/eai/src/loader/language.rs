//! Texts with texts: Penn Treebank, WMT, JFLEG, CNN/DailyMail, CodeSearchNet, Shellcode_IA32.

use std::path::Path;

use serde::Deserialize;
use sha1::{Digest, Sha1};

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, Text};
use super::lines::{Lines, pairs};
use super::table::{Header, Quotes};
use crate::error::{Error, Result};

/// A story of CNN or the DailyMail; the longest have 15 kB.
const MAX_STORY: u64 = 1 << 22;
/// References of a sentence.
const MAX_REFERENCES: usize = 64;

fn usual(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Valid => "valid",
        Split::Test => "test",
    }
}

/// `ptb.test.txt`, a sentence a line, `<unk>` and `N` in place of rare words and numbers.
pub(super) fn penn_treebank(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Penn Treebank text")?;
    let name = usual(split);
    let file = folder.first(&[&format!("ptb.{name}.txt"), &format!("{name}.txt")])?;
    let rows = file.lines()?.filter(|line| !matches!(line, Ok((_, text)) if text.trim().is_empty())).map(|line| {
        let (place, text) = line?;
        Ok(Example { id: place, input: Input::Text(text.trim().to_owned()), target: Target::Unknown })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// `test/test.src` beside `test/test.ref0` and on; `dev` for validation.
pub(super) fn jfleg(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "JFLEG";
    let name = match split {
        Split::Valid => "dev",
        Split::Test => "test",
        Split::Train => return Err(Error::Split { format: FORMAT, split: split.name(), known: "valid and test" }),
    };
    let folder = Folder::new(path, FORMAT)?.first_folder(&[name])?;
    let sources = folder.first(&[&format!("{name}.src")])?;
    let mut references: Vec<Lines> = Vec::new();
    while references.len() < MAX_REFERENCES {
        let Ok(file) = folder.first(&[&format!("{name}.ref{}", references.len())]) else { break };
        references.push(file.lines()?);
    }
    if references.is_empty() {
        return Err(folder.first(&[&format!("{name}.ref0")]).err().unwrap_or_else(|| sources.wrong("file", "it came")));
    }
    let file = sources.clone();
    let rows = sources.lines()?.map(move |line| {
        let (place, text) = line?;
        let mut right = Vec::with_capacity(references.len());
        for (number, lines) in references.iter_mut().enumerate() {
            let short = || file.wrong(&*place, format!("reference {number} has no such line"));
            right.push(lines.next().ok_or_else(short)??.1);
        }
        Ok(Example { id: place, input: Input::Text(text), target: Target::Texts(right) })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// Stories as their authors publish them: folders `cnn/stories` and `dailymail/stories`, or `stories`, and the addresses of
/// the split in `url_lists/all_test.txt`; a story's file is named by the SHA-1 of its address. Or `test.jsonl` with `article`
/// and `highlights`.
pub(super) fn cnn_dailymail(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "CNN/DailyMail")?;
    let name = match split {
        Split::Valid => "val",
        other => usual(other),
    };
    #[derive(Deserialize)]
    struct Row {
        article: String,
        highlights: String,
        #[serde(default)]
        id: Option<String>,
    }
    if let Ok(file) = folder.first(&[&format!("{name}.jsonl")]) {
        let rows = file.json_lines::<Row>()?.map(|row| {
            let (place, row) = row?;
            let target = Target::Texts(vec![row.highlights]);
            Ok(Example { id: row.id.unwrap_or(place), input: Input::Text(row.article), target })
        });
        return Ok(Examples::new(Vec::new(), rows));
    }
    let list = folder.first(&[&format!("url_lists/all_{name}.txt"), &format!("all_{name}.txt")])?;
    let rows = list.lines()?.map(move |line| {
        let (place, address) = line?;
        let digest: String = Sha1::digest(address.trim().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let names = ["cnn/stories", "dailymail/stories", "stories"].map(|part| format!("{part}/{digest}.story"));
        let file = folder.first(&names.each_ref().map(String::as_str))?;
        let (article, highlights) = story(&file, &place)?;
        Ok(Example { id: digest, input: Input::Text(article), target: Target::Texts(vec![highlights]) })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// The text, and what stands after each `@highlight`, a line each.
fn story(file: &Text, place: &str) -> Result<(String, String)> {
    let text = file.text(MAX_STORY)?;
    let mut parts = text.split("@highlight").map(str::trim);
    let article = parts.next().unwrap_or_default().to_owned();
    let highlights: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if highlights.is_empty() {
        return Err(file.wrong("end", format!("no @highlight; {place} of the list names it")));
    }
    Ok((article, highlights.join("\n")))
}

/// `LANGUAGE_test_0.jsonl.gz` and on, or the same unpacked, in the folder, in `final/jsonl/test` or in
/// `LANGUAGE/final/jsonl/test`.
pub(super) fn code_search_net(path: &Path, split: Split) -> Result<Examples> {
    #[derive(Deserialize)]
    struct Row {
        code: String,
        docstring: String,
        #[serde(default)]
        url: Option<String>,
    }
    let root = Folder::new(path, "CodeSearchNet")?;
    let name = usual(split);
    let nested = format!("final/jsonl/{name}");
    // One language, or all of them side by side.
    let mut folders = vec![root.clone(), root.within(&nested)];
    folders.extend(root.list(Path::is_dir)?.iter().map(|language| root.within(&format!("{language}/{nested}"))));
    let mark = format!("_{name}_");
    let mut files = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.path().is_dir()) {
        for file in folder.files(&["gz", "jsonl"])?.into_iter().filter(|file| file.contains(&mark)) {
            files.push((folder.first(&[&file])?, file));
        }
    }
    if files.is_empty() {
        return Err(root.wrong("entries", format!("no LANGUAGE_{name}_0.jsonl.gz")));
    }
    let rows = files.into_iter().flat_map(|(file, name)| {
        let rows: Box<dyn Iterator<Item = Result<Example>> + Send> = match file.json_lines::<Row>() {
            Err(error) => Box::new(std::iter::once(Err(error))),
            Ok(rows) => Box::new(rows.map(move |row| {
                let (place, row) = row?;
                let id = row.url.unwrap_or_else(|| format!("{name} {place}"));
                Ok(Example { id, input: Input::Text(row.code), target: Target::Texts(vec![row.docstring]) })
            })),
        };
        rows
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// `assembly-test.in` with what is wanted beside `assembly-test.out` with the assembly, a line each.
pub(super) fn shellcode(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "Shellcode_IA32")?;
    let name = match split {
        Split::Valid => "dev",
        other => usual(other),
    };
    let wanted = folder.first(&[&format!("assembly-{name}.in"), &format!("{name}.in")])?;
    let code = folder.first(&[&format!("assembly-{name}.out"), &format!("{name}.out")])?;
    let rows = pairs(&wanted, &code)?.map(|row| {
        let (place, wanted, code) = row?;
        // One instruction a line, with a backslash and n between those of a block.
        let code = code.replace(" \\n ", "\n").replace("\\n", "\n");
        Ok(Example { id: place, input: Input::Text(wanted), target: Target::Texts(vec![code]) })
    });
    Ok(Examples::new(Vec::new(), rows))
}

/// `Shellcode_IA32.tsv` as it is published, with columns `SNIPPETS` and `INTENTS`: all of it, for it has no splits.
pub(super) fn shellcode_table(path: &Path) -> Result<Examples> {
    let folder = Folder::new(path, "Shellcode_IA32")?;
    let file = folder.first(&["Shellcode_IA32.tsv"])?;
    let table = file.table(b'\t', Header::Names, Quotes::Plain)?.with(&["SNIPPETS", "INTENTS"])?;
    let rows = table.rows().map(|row| {
        let row = row?;
        let code = row.at("SNIPPETS")?.replace(" \\n ", "\n").replace("\\n", "\n");
        let input = Input::Text(row.at("INTENTS")?.to_owned());
        Ok(Example { id: row.place, input, target: Target::Texts(vec![code]) })
    });
    Ok(Examples::new(Vec::new(), rows))
}
