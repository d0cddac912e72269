//! Models of one task each.

use std::path::{Path, PathBuf};

use loam_delegates::operators::{Format, Operators};
use serde_json::{Value, json};

use super::types;
use crate::error::Error;

/// Folders within folders.
const MAX_DEPTH: usize = 8;

/// A file.
#[derive(Debug)]
struct Model {
    path: PathBuf,
    format: Format,
    operators: Operators,
}

/// All of them, in the order of their paths.
#[derive(Debug, Default)]
pub struct Models(Vec<Model>);

impl Models {
    /// Reads files, and those in folders.
    ///
    /// # Errors
    /// [`Error::Argument`] for a file of another format and a folder without any; [`Error::Io`]; as [`Format::read`].
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut models = Vec::new();
        for path in paths {
            let mut files = Vec::new();
            if path.is_dir() {
                find(path, MAX_DEPTH, &mut files)?;
                files.sort();
            } else {
                files.extend(Format::of_name(path).map(|format| (path.clone(), format)));
            }
            if files.is_empty() {
                let reason = format!("{} is neither .onnx nor .tflite, and no folder with some", path.display());
                return Err(Error::Argument { name: "--models", reason }.into());
            }
            for (path, format) in files {
                let operators = format.read(&path)?;
                models.push(Model { path, format, operators });
            }
        }
        Ok(Self(models))
    }

    /// The operators of all models of a format, and how many models those are.
    fn of(&self, format: Format) -> (Operators, usize) {
        let mut all = Operators::default();
        let models: Vec<&Model> = self.0.iter().filter(|model| model.format == format).collect();
        models.iter().for_each(|model| all.merge(&model.operators));
        (all, models.len())
    }

    /// A line for each model and one for each format.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.0.iter().map(|model| {
            format!("{}: {} operators of {}", model.path.display(), model.operators.total(), types(&model.operators))
        });
        let all =
            Format::ALL.into_iter().map(|format| (format, self.of(format))).filter(|(_, (_, models))| *models > 0);
        let all = all.map(|(format, (operators, models))| {
            format!("{models} models of {}: {}", format.name(), types(&operators))
        });
        let mut lines: Vec<String> = lines.chain(all).collect();
        if !lines.is_empty() {
            lines.insert(0, String::new());
        }
        lines
    }

    /// The same for programs.
    pub fn report(&self) -> Value {
        let files = self.0.iter().map(|model| {
            json!({
                "path": model.path.display().to_string(),
                "format": model.format.ending(),
                "operators": model.operators,
            })
        });
        let types = Format::ALL.into_iter().map(|format| {
            let (operators, _) = self.of(format);
            (format.ending().to_owned(), json!(operators.names().collect::<Vec<_>>()))
        });
        json!({ "files": files.collect::<Vec<_>>(), "types": Value::Object(types.collect()) })
    }
}

/// Models in a folder. Links to folders are not followed: they may lead in circles.
fn find(dir: &Path, depth: usize, files: &mut Vec<(PathBuf, Format)>) -> Result<(), Error> {
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io(dir))?);
        match Format::of_name(&path) {
            _ if kind.is_dir() && depth > 0 => find(&path, depth - 1, files)?,
            Some(format) if !kind.is_dir() => files.push((path, format)),
            _ => {}
        }
    }
    Ok(())
}
