//! A model that reads pictures and text: vision tower, connector, backbone, tokenizer and chat template of one
//! checkpoint (Idefics3, `SmolVLM`).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::language::LanguageModel;
use super::prompt::Prompt;
use super::request::{GenerateOptions, Request};
use super::trace::{Part, Step};
use crate::adapter::{Adapter, Base};
use crate::error::{Error, Result};
use crate::input::{
    ChatOptions, Image, Message, Placeholders, Position, Special, TileProcessor, Tiles, Tokenizer, encode_chat_with,
};
use crate::model::CacheType;
use crate::model::LinearTable;
use crate::model::encoder::{Features, Fields, Idefics3Vision, Item};
use crate::model::projector::{Projector, ProjectorConfig, States};
use crate::quant::Deltas;
use crate::weights::{Checkpoint, MAX_CONFIG, read_json};

/// Pictures of one prompt.
const MAX_IMAGES: usize = 64;
/// Where the checkpoint keeps its connector, and its text model.
const CONNECTOR: &str = "model.connector.";
const TEXT: &str = "model.text_model.";
/// What the processors write around the places of a picture.
const AROUND: &str = "<fake_token_around_image>";
const GLOBAL: &str = "<global-img>";

/// A loaded vision-language model. Immutable and shared.
#[derive(Debug)]
pub struct VisionLanguageModel {
    language: Arc<LanguageModel>,
    vision: Idefics3Vision,
    connector: Projector,
    /// Layers of all three parts, as adapters trained on the whole model name them.
    table: LinearTable,
    processor: Option<TileProcessor>,
    image_token: u32,
    /// Soft tokens of a tile.
    tile_tokens: usize,
}

/// A prompt with pictures, and what it took to make it.
#[derive(Clone, Debug)]
pub struct VisionPrompt {
    /// Tokens, and the soft tokens of the pictures.
    pub prompt: Prompt,
    /// Ids with the model's image token at each soft token, as transformers' processor gives them.
    pub ids: Vec<u32>,
    /// The run of vision tower and connector; none for a prompt without pictures.
    pub steps: Vec<Step>,
}

impl VisionPrompt {
    /// A request for an answer to the prompt. `adapter` must be the one whose deltas the prompt was made with.
    #[must_use]
    pub fn request(self, adapter: Option<Arc<Adapter>>, options: GenerateOptions) -> Request {
        let mut request = Request::new(self.prompt, adapter, options);
        request.position = Position::Start;
        request.steps = self.steps;
        request
    }
}

impl VisionLanguageModel {
    /// Whether a `config.json` describes such a model.
    #[must_use]
    pub fn reads(config: &Value) -> bool {
        matches!(config.get("model_type").and_then(Value::as_str), Some("idefics3" | "smolvlm"))
    }

    /// Opens a Hugging Face directory. Without `preprocessor_config.json` it takes prepared tiles only, without
    /// `tokenizer.json` ids only.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another model type or a tensor that would go unused; [`Error::Malformed`],
    /// [`Error::MissingTensor`] or [`Error::Shape`] for a damaged one.
    pub fn open(part: Part, dir: &Path) -> Result<Self> {
        Self::open_as(part, dir, None)
    }

    /// As [`VisionLanguageModel::open`], with keys and values kept as [`super::EngineOptions::cache`] says.
    ///
    /// # Errors
    /// As [`VisionLanguageModel::open`].
    pub fn open_as(part: Part, dir: &Path, cache: Option<CacheType>) -> Result<Self> {
        let config = read_json(&dir.join("config.json"), MAX_CONFIG)?;
        if !Self::reads(&config) {
            let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or("missing");
            let reason = "idefics3 and smolvlm read pictures";
            return Err(Error::unsupported(format!("model_type '{model_type}'"), reason));
        }
        let fields = Fields::new(&config, "config.json");
        let checkpoint = Checkpoint::open(dir)?;
        refuse_strangers(&checkpoint)?;
        let language = LanguageModel::from_checkpoint(part, dir, &checkpoint, cache)?;
        let text = language.backbone();

        let mut table = LinearTable::default();
        table.absorb(text.linears(), |name| {
            name.strip_prefix("model.").map_or(name.into(), |own| format!("{TEXT}{own}"))
        });
        let vision = Idefics3Vision::load(&checkpoint, &fields, &table)?;
        table.absorb(vision.linears(), |name| format!("{}{name}", Idefics3Vision::PREFIX));
        let connector = ProjectorConfig::connector(&fields, vision.state_width(), text.config().hidden_size)?;
        let tile_tokens = connector
            .tokens([vision.side(); 2])
            .map_err(|_| fields.wrong("scale_factor", &format!("a divisor of {} patches", vision.side())))?;
        let connector = Projector::load(&checkpoint, CONNECTOR.into(), connector, &table)?;
        table.absorb(connector.linears(), |name| format!("{CONNECTOR}{name}"));

        // The default of transformers' configuration class.
        let image_token = fields.size_or("image_token_id", 128_257, text.config().vocab_size - 1)?;
        let image_token = u32::try_from(image_token).expect("invariant: vocabularies are bounded");
        let processor = dir.join("preprocessor_config.json");
        let processor =
            if processor.is_file() { Some(TileProcessor::parse(&read_json(&processor, MAX_CONFIG)?)?) } else { None };
        let edge = vision.side() * vision.patch();
        if let Some(tile) = processor.as_ref().map(TileProcessor::tile).filter(|tile| *tile != edge) {
            let reason = format!("max_image_size gives tiles of {tile} pixels, the vision tower reads {edge}");
            return Err(Error::malformed(dir.display(), "preprocessor_config.json", reason));
        }
        Ok(Self { language: Arc::new(language), vision, connector, table, processor, image_token, tile_tokens })
    }

    /// Backbone, tokenizer and template: what runs the requests.
    #[must_use]
    pub fn language(&self) -> &Arc<LanguageModel> {
        &self.language
    }

    /// The vision tower.
    #[must_use]
    pub fn vision(&self) -> &Idefics3Vision {
        &self.vision
    }

    /// From patches to soft tokens.
    #[must_use]
    pub fn connector(&self) -> &Projector {
        &self.connector
    }

    /// What adapters are bound to: the layers of text model, vision tower and connector under the names of the whole
    /// model, such as `model.vision_model.encoder.layers.0.self_attn.q_proj`. One set of deltas serves all three.
    #[must_use]
    pub fn base(&self) -> Base<'_> {
        let tied = self.language.backbone().config().tie_word_embeddings;
        Base { linears: &self.table, fingerprint: None, tied }
    }

    /// Cuts and normalises a picture as the checkpoint says.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model without `preprocessor_config.json`; as [`TileProcessor::process`] otherwise.
    pub fn prepare(&self, image: &Image) -> Result<Tiles> {
        let missing = || Error::unsupported("raw images", "the model has no preprocessor_config.json; give tiles");
        self.processor.as_ref().ok_or_else(missing)?.process(image)
    }

    /// The prompt for an answer to `messages`, which show `images` in their order.
    ///
    /// # Errors
    /// As [`VisionLanguageModel::prepare`] and [`VisionLanguageModel::encode_tiles`].
    pub fn encode_prompt(
        &self,
        images: &[Image],
        messages: &[Message],
        deltas: Option<&Deltas>,
    ) -> Result<VisionPrompt> {
        check_count(images.len())?;
        let tiles = images.iter().map(|image| self.prepare(image)).collect::<Result<Vec<_>>>()?;
        self.encode_tiles(&tiles, messages, deltas)
    }

    /// As [`VisionLanguageModel::encode_prompt`], with pictures that are prepared already.
    ///
    /// # Errors
    /// [`Error::Argument`] when pictures and messages do not fit together; [`Error::ContextFull`] before the vision
    /// tower runs; [`Error::Unsupported`] for a model without a chat template.
    pub fn encode_tiles(
        &self,
        images: &[Tiles],
        messages: &[Message],
        deltas: Option<&Deltas>,
    ) -> Result<VisionPrompt> {
        let ids = self.prompt_ids(images, messages)?;
        self.fill(ids, images, deltas)
    }

    /// Ids of a conversation with [`VisionLanguageModel::image_token`] in place of each soft token, ready for an answer.
    ///
    /// # Errors
    /// As [`VisionLanguageModel::encode_tiles`].
    pub fn prompt_ids(&self, images: &[Tiles], messages: &[Message]) -> Result<Vec<u32>> {
        let tokenizer = self.language.tokenizer()?;
        let missing = || Error::unsupported("chat", "this model has no chat template");
        let template = self.language.template().ok_or_else(missing)?;
        let text = tokenizer.token(self.image_token).ok_or_else(|| {
            let reason = format!("the image token {} is not in the vocabulary", self.image_token);
            Error::Text { what: "tokenizer", reason }
        })?;
        let expansions = images.iter().map(|image| self.expansion(&text, image)).collect::<Result<Vec<_>>>()?;
        let placeholders = Placeholders { text: &text, expansions: &expansions };
        encode_chat_with(tokenizer, template, messages, &ChatOptions::default(), &placeholders)
    }

    /// As [`VisionLanguageModel::encode_tiles`] for plain text in which the image token stands for each picture.
    ///
    /// # Errors
    /// As [`VisionLanguageModel::encode_tiles`].
    pub fn encode_text(&self, images: &[Tiles], text: &str, deltas: Option<&Deltas>) -> Result<VisionPrompt> {
        let tokenizer: &Tokenizer = self.language.tokenizer()?;
        let token = tokenizer.token(self.image_token).unwrap_or_default();
        let expansions = images.iter().map(|image| self.expansion(&token, image)).collect::<Result<Vec<_>>>()?;
        let text = Placeholders { text: &token, expansions: &expansions }.expand(text)?;
        self.fill(tokenizer.encode(&text, Special::Parse, crate::input::Affixes::Add)?, images, deltas)
    }

    /// The id that stands for soft tokens.
    #[must_use]
    pub fn image_token(&self) -> u32 {
        self.image_token
    }

    /// The text that stands for one picture: a line per row of tiles, then the whole picture.
    fn expansion(&self, image_token: &str, image: &Tiles) -> Result<String> {
        let count = image.rows * image.columns + 1;
        if count != image.pixels.len() || (image.rows == 0) != (image.columns == 0) {
            let reason = format!("{} tiles for {} rows of {}", image.pixels.len(), image.rows, image.columns);
            return Err(Error::argument("tiles", reason));
        }
        let limit = self.language.backbone().config().max_position_embeddings;
        let tokens = count * self.tile_tokens;
        if tokens >= limit {
            return Err(Error::ContextFull { tokens, limit });
        }
        let places = image_token.repeat(self.tile_tokens);
        let mut text = String::new();
        for row in 1..=image.rows {
            for column in 1..=image.columns {
                text.push_str(&format!("{AROUND}<row_{row}_col_{column}>{places}"));
            }
            text.push('\n');
        }
        if image.rows > 0 {
            text.push('\n');
        }
        text.push_str(&format!("{AROUND}{GLOBAL}{places}{AROUND}"));
        Ok(text)
    }

    /// Runs the tower and the connector, and puts their soft tokens at the image tokens of `ids`.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there are as many image tokens as the pictures have soft tokens;
    /// [`Error::ContextFull`].
    pub fn fill(&self, ids: Vec<u32>, images: &[Tiles], deltas: Option<&Deltas>) -> Result<VisionPrompt> {
        check_count(images.len())?;
        let limit = self.language.backbone().config().max_position_embeddings;
        if ids.len() >= limit {
            return Err(Error::ContextFull { tokens: ids.len() + 1, limit });
        }
        let tiles: usize = images.iter().map(|image| image.pixels.len()).sum();
        let places = ids.iter().filter(|id| **id == self.image_token).count();
        if places != tiles * self.tile_tokens {
            let reason = format!("{places} image tokens for {tiles} tiles of {} soft tokens", self.tile_tokens);
            return Err(Error::argument("prompt", reason));
        }
        let start = Instant::now();
        let soft = self.soft_tokens(images, deltas)?;
        let part = self.language.part();
        let step = (tiles > 0).then(|| part.within("vision").step(start));
        let width = self.language.backbone().config().hidden_size;
        let mut rest = soft.iter();
        let mut prompt = Prompt::new();
        for run in ids.chunk_by(|a, b| (*a == self.image_token) == (*b == self.image_token)) {
            if run[0] != self.image_token {
                run.iter().for_each(|id| prompt.push_token(*id));
                continue;
            }
            // A run of image tokens may hold several tiles, never a part of one: tiles are enclosed in other tokens.
            if !run.len().is_multiple_of(self.tile_tokens) {
                let reason = format!("{} image tokens in a row, a tile has {}", run.len(), self.tile_tokens);
                return Err(Error::argument("prompt", reason));
            }
            for tile in rest.by_ref().take(run.len() / self.tile_tokens) {
                prompt.push_soft(tile.as_slice(), width)?;
            }
        }
        Ok(VisionPrompt { prompt, ids, steps: step.into_iter().collect() })
    }

    /// Soft tokens `[tile_tokens, hidden_size]` of each tile of each picture, in order.
    ///
    /// # Errors
    /// [`Error::Argument`] for a tile of another size than the tower's.
    pub fn soft_tokens(&self, images: &[Tiles], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>> {
        let side = self.vision.side();
        let edge = side * self.vision.patch();
        let features = images
            .iter()
            .flat_map(|image| &image.pixels)
            .map(|pixels| {
                let features = Features::new(pixels.values.clone(), vec![3, pixels.height, pixels.width])?;
                features.expect_shape(&[3, edge, edge])?;
                Ok(features)
            })
            .collect::<Result<Vec<_>>>()?;
        let items: Vec<Item<'_>> = features.iter().map(|features| Item { features, deltas }).collect();
        let states = self.vision.encode(&items)?;
        states.iter().map(|values| self.connector.project(&States { values, grid: [side; 2] }, deltas)).collect()
    }
}

fn check_count(images: usize) -> Result<()> {
    if images > MAX_IMAGES {
        return Err(Error::argument("images", format!("{images}, expected at most {MAX_IMAGES}")));
    }
    Ok(())
}

/// Refuses tensors that belong to no part, which the loaders of the parts do not see.
fn refuse_strangers(checkpoint: &Checkpoint) -> Result<()> {
    let known = [TEXT, CONNECTOR, Idefics3Vision::PREFIX];
    let stranger = |name: &String| name != "lm_head.weight" && !known.iter().any(|prefix| name.starts_with(prefix));
    match checkpoint.names().into_iter().find(stranger) {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!("tensor '{name}'"), "a vision-language model has no such weight")),
    }
}
