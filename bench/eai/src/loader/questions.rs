//! Questions about texts: SQuAD 1.1 and 2.0, and the primary task of TyDi QA.

use std::path::Path;

use serde::Deserialize;

use super::example::{Example, Examples, Input, Split, Target};
use super::folder::{Folder, Text};
use crate::error::{Error, Result};

#[derive(Deserialize)]
struct Squad {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    question: String,
    answers: Vec<Answer>,
    #[serde(default)]
    is_impossible: bool,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    /// In characters.
    answer_start: usize,
}

/// `dev-v2.0.json` or that of 1.1; the answers to the test are secret.
pub(super) fn squad(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "SQuAD";
    let folder = Folder::new(path, FORMAT)?;
    let file = match split {
        Split::Train => folder.first(&["train-v2.0.json", "train-v1.1.json"])?,
        Split::Valid => folder.first(&["dev-v2.0.json", "dev-v1.1.json"])?,
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    of_squad(file)
}

fn of_squad(file: Text) -> Result<Examples> {
    let squad: Squad = file.json()?;
    let paragraphs = squad.data.into_iter().flat_map(|article| article.paragraphs);
    let rows = paragraphs.flat_map(move |paragraph| {
        let file = file.clone();
        let Paragraph { context, qas } = paragraph;
        qas.into_iter().map(move |question| {
            let place = format!("question {}", question.id);
            for answer in &question.answers {
                let found: String =
                    context.chars().skip(answer.answer_start).take(answer.text.chars().count()).collect();
                if found != answer.text {
                    let reason = format!("{:?} is not at character {}", answer.text, answer.answer_start);
                    return Err(file.wrong(place, reason));
                }
            }
            if question.answers.is_empty() && !question.is_impossible {
                return Err(file.wrong(place, "no answer, and it is not marked as impossible"));
            }
            let answers = question.answers.into_iter().map(|answer| answer.text).collect();
            let input = Input::Question { context: context.clone(), question: question.question };
            Ok(Example { id: question.id, input, target: Target::Texts(answers) })
        })
    });
    Ok(Examples::new(Vec::new(), rows))
}

#[derive(Deserialize)]
struct TydiRow {
    annotations: Vec<Annotation>,
    document_plaintext: String,
    example_id: serde_json::Number,
    question_text: String,
    #[serde(default)]
    passage_answer_candidates: Vec<Range>,
}

#[derive(Deserialize)]
struct Annotation {
    minimal_answer: Range,
    passage_answer: Passage,
    yes_no_answer: String,
}

#[derive(Deserialize)]
struct Passage {
    candidate_index: i64,
}

#[derive(Clone, Copy, Deserialize)]
struct Range {
    plaintext_start_byte: i64,
    plaintext_end_byte: i64,
}

/// `tydiqa-v1.0-dev.jsonl`, plain or `.gz`. The context is the passage that an annotator chose, else the whole article;
/// right are the minimal answers, `yes` and `no` among them. Or the secondary task, `tydiqa-goldp-v1.1-dev.json`, in the form of
/// SQuAD.
pub(super) fn tydi(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "TyDi QA";
    let folder = Folder::new(path, FORMAT)?;
    let name = match split {
        Split::Train => "train",
        Split::Valid => "dev",
        Split::Test => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and valid" }),
    };
    if let Ok(file) = folder.first(&[&format!("tydiqa-goldp-v1.1-{name}.json")]) {
        return of_squad(file);
    }
    let file = folder.first(&[&format!("tydiqa-v1.0-{name}.jsonl.gz"), &format!("tydiqa-v1.0-{name}.jsonl")])?;
    let rows = file.json_lines::<TydiRow>()?.map(move |row| {
        let (place, row) = row?;
        let text = &row.document_plaintext;
        let cut = |what: &str, range: Range| -> Result<Option<String>> {
            if range.plaintext_start_byte < 0 {
                return Ok(None);
            }
            let ends =
                usize::try_from(range.plaintext_start_byte).ok().zip(usize::try_from(range.plaintext_end_byte).ok());
            let part = ends.and_then(|(begin, end)| text.get(begin..end));
            let part = part.ok_or_else(|| {
                let (begin, end) = (range.plaintext_start_byte, range.plaintext_end_byte);
                file.wrong(&*place, format!("{what} from byte {begin} to {end} of {}", text.len()))
            })?;
            Ok(Some(part.to_owned()))
        };
        let mut answers = Vec::new();
        let mut context = None;
        for annotation in &row.annotations {
            answers.extend(cut("minimal answer", annotation.minimal_answer)?);
            answers.extend(match annotation.yes_no_answer.as_str() {
                "YES" => Some("yes".to_owned()),
                "NO" => Some("no".to_owned()),
                _ => None,
            });
            let Ok(index) = usize::try_from(annotation.passage_answer.candidate_index) else { continue };
            let passage = row.passage_answer_candidates.get(index).ok_or_else(|| {
                let reason = format!("passage {index} of {}", row.passage_answer_candidates.len());
                file.wrong(&*place, reason)
            })?;
            if context.is_none() {
                context = cut("passage", *passage)?;
            }
        }
        answers.dedup();
        let context = context.unwrap_or_else(|| text.clone());
        let input = Input::Question { context, question: row.question_text };
        Ok(Example { id: row.example_id.to_string(), input, target: Target::Texts(answers) })
    });
    Ok(Examples::new(Vec::new(), rows))
}
