//! Texts with classes: TweetEval, GoEmotions, AG News, SST-2.

use std::path::Path;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::Folder;
use super::labels::MAX_LABELS;
use super::lines::pairs;
use super::table::{Header, Quotes};
use crate::error::{Error, Result};

/// `mapping.txt`, and `test_text.txt` beside `test_labels.txt`, of one of the tasks.
pub(super) fn tweet_eval(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "TweetEval")?;
    let mapping = folder.first(&["mapping.txt"])?;
    let mut labels = Vec::new();
    for line in mapping.lines()? {
        let (place, line) = line?;
        if line.trim().is_empty() {
            continue;
        }
        // After the number stands the class, and of emojis their name.
        let mut fields = line.split('\t');
        let (Some(number), Some(name)) = (fields.next(), fields.next()) else {
            return Err(mapping.wrong(place, "no tab between number and name"));
        };
        if mapping.number::<usize>(&place, "number", number)? != labels.len() || labels.len() == MAX_LABELS {
            return Err(mapping.wrong(place, format!("number {number}, expected {}", labels.len())));
        }
        labels.push(name.trim().to_owned());
    }
    let name = match split {
        Split::Train => "train",
        Split::Valid => "val",
        Split::Test => "test",
    };
    let texts = folder.first(&[&format!("{name}_text.txt")])?;
    let classes = folder.first(&[&format!("{name}_labels.txt")])?;
    let count = labels.len();
    let rows = pairs(&texts, &classes)?.map(move |row| {
        let (place, text, class) = row?;
        let class = classes.class(&place, count, &class)?;
        Ok(Example { id: place, input: Input::Text(text), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}

/// `emotions.txt`, and `test.tsv` with text, numbers of classes and a name.
pub(super) fn go_emotions(path: &Path, split: Split) -> Result<Examples> {
    let folder = Folder::new(path, "GoEmotions")?;
    let labels = names(&folder, &["emotions.txt"])?;
    let name = match split {
        Split::Train => "train.tsv",
        Split::Valid => "dev.tsv",
        Split::Test => "test.tsv",
    };
    let file = folder.first(&[name])?;
    let count = labels.len();
    let rows = file.table(b'\t', Header::None, Quotes::Plain)?.rows().map(move |row| {
        let row = row?;
        let classes: Result<Vec<usize>> =
            row.column(1)?.split(',').map(|class| file.class(&row.place, count, class)).collect();
        let id = row.column(2)?.to_owned();
        Ok(Example { id, input: Input::Text(row.column(0)?.to_owned()), target: Target::LabelSet(classes?) })
    });
    Ok(Examples::new(labels, rows))
}

/// `classes.txt`, and `test.csv` with class from 1 on, title and description.
pub(super) fn ag_news(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "AG News";
    let folder = Folder::new(path, FORMAT)?;
    let labels = names(&folder, &["classes.txt"])?;
    let name = match split {
        Split::Train => "train.csv",
        Split::Test => "test.csv",
        Split::Valid => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" }),
    };
    let file = folder.first(&[name])?;
    let count = labels.len();
    let rows = file.table(b',', Header::None, Quotes::Csv)?.rows().map(move |row| {
        let row = row?;
        let number: usize = file.number(&row.place, "class", row.column(0)?)?;
        let class = number.checked_sub(1).filter(|class| *class < count);
        let class = class.ok_or_else(|| file.wrong(&*row.place, format!("class {number}, expected 1 to {count}")))?;
        // A backslash before n stands for a line break in these files.
        let text = format!("{}\n{}", row.column(1)?, row.column(2)?).replace("\\n", "\n").replace('\\', " ");
        Ok(Example { id: row.place, input: Input::Text(text), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}

/// `dev.tsv` with columns `sentence` and `label`, as GLUE gives it. The classes of `test.tsv` are secret.
pub(super) fn sst2(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "SST-2 of GLUE";
    let folder = Folder::new(path, FORMAT)?;
    let name = match split {
        Split::Train => "train.tsv",
        Split::Valid => "dev.tsv",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    let file = folder.first(&[name])?;
    let table = file.table(b'\t', Header::Names, Quotes::Plain)?.with(&["sentence", "label"])?;
    let rows = table.rows().map(move |row| {
        let row = row?;
        let class = file.class(&row.place, 2, row.at("label")?)?;
        let text = row.at("sentence")?.trim().to_owned();
        Ok(Example { id: row.place, input: Input::Text(text), target: Target::Label(class) })
    });
    Ok(Examples::new(vec!["negative".to_owned(), "positive".to_owned()], rows))
}

/// Names of classes, one a line.
pub(super) fn names(folder: &Folder, files: &[&str]) -> Result<Vec<String>> {
    let file = folder.first(files)?;
    let mut labels = Vec::new();
    for line in file.lines()? {
        let (place, line) = line?;
        if labels.len() == MAX_LABELS {
            return Err(file.wrong(place, format!("more than {MAX_LABELS} classes")));
        }
        if !line.trim().is_empty() {
            labels.push(line.trim().to_owned());
        }
    }
    if labels.is_empty() {
        return Err(file.wrong("line 1", "no classes"));
    }
    Ok(labels)
}
