//! What of an adapter depends on how its component is run: the layers that it acts on, the width that its head reads, and its
//! own preprocessing.

use super::Engine;
use super::recognizer::family;
use crate::adapter::{AdapterPackage, Base, BoundAdapter, HeadSpec, HeadWidths};
use crate::error::{Error, Result};
use crate::foundation::{Component, ComponentKind};
use crate::model::Modality;
use crate::model::encoder::{Encoder, Preprocessor, TimeAxis, is_read_as};

impl Engine {
    /// What adapters of `component` act on, which is loaded; its identity is for the caller to say.
    pub(super) fn with_base<T>(&self, component: &Component, act: impl FnOnce(Base<'_>) -> Result<T>) -> Result<T> {
        let plain = |linears| Base { linears, fingerprint: None, tied: false };
        match component.kind() {
            ComponentKind::Backbone => {
                let model = self.language()?;
                let tied = model.backbone().config().tie_word_embeddings;
                act(Base { tied, ..plain(model.backbone().linears()) })
            }
            ComponentKind::Encoder(Modality::TEXT) => act(plain(self.text()?.encoder().linears())),
            // The encoder is a part of it and has the same identities, so an adapter acts on either.
            ComponentKind::Encoder(Modality::SPEECH) if family(component.entry())?.is_some() => {
                act(plain(self.recognizer()?.linears()))
            }
            ComponentKind::Encoder(modality) => act(plain(self.encoder(modality)?.encoder().linears())),
            ComponentKind::Projector(modality) => act(plain(self.projector(modality)?.projector().linears())),
            ComponentKind::VisionLanguage => act(self.vision_language()?.base()),
            ComponentKind::SpeechGenerator => act(plain(self.speech_generator()?.model().linears())),
            ComponentKind::SuperResolution => act(plain(self.upscaler()?.model().linears())),
        }
    }

    /// Checks the head of `bound` against `component`, and reads the preprocessing of `package` into it.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the tensor or the field.
    pub(super) fn fit(
        &self,
        alias: &str,
        package: &AdapterPackage,
        component: &Component,
        bound: &mut BoundAdapter,
    ) -> Result<()> {
        let settings = package.task().preprocessing.as_ref();
        if bound.dense.is_some() {
            return self.fit_dense(alias, package, component, bound);
        }
        if settings.is_none() && bound.head.is_none() {
            return Ok(());
        }
        let kind = component.kind();
        if let Some(layers) = bound.head.as_ref().and_then(|head| head.spec().layers()) {
            self.check_layers(alias, component, layers)?;
        }
        let heard = bound.head.as_ref().is_some_and(|head| matches!(head.spec(), HeadSpec::Ctc { .. }));
        let widths = match kind {
            ComponentKind::Backbone => {
                let config = self.language()?;
                let width = config.backbone().config().hidden_size;
                HeadWidths { embedding: width, states: Some(width), tokens: None }
            }
            ComponentKind::Encoder(Modality::TEXT) => {
                let text = self.text()?;
                let encoder = text.encoder();
                HeadWidths { embedding: encoder.dim(), states: None, tokens: encoder.state_width() }
            }
            // A recogniser need not have an embedding, so its component may be no encoder.
            ComponentKind::Encoder(Modality::SPEECH)
                if heard && settings.is_none() && family(component.entry())?.is_some() =>
            {
                HeadWidths { embedding: 0, states: self.recognizer()?.state_width(), tokens: None }
            }
            ComponentKind::Encoder(modality) => {
                let model = self.encoder(modality)?;
                let encoder = model.encoder();
                if heard && encoder.time_axis() == TimeAxis::Absent {
                    let reason = format!(
                        "its ctc head reads states in the order of time, which '{}' does not give",
                        component.name()
                    );
                    return Err(Error::adapter(alias, reason));
                }
                if let Some(settings) = settings {
                    bound.preprocessor = Some(own_preprocessing(alias, settings, encoder)?);
                }
                HeadWidths { embedding: encoder.dim(), states: Some(encoder.state_width()), tokens: None }
            }
            ComponentKind::Projector(_)
            | ComponentKind::VisionLanguage
            | ComponentKind::SpeechGenerator
            | ComponentKind::SuperResolution => {
                let what = if settings.is_some() { "preprocessing" } else { "a head" };
                return Err(Error::adapter(alias, format!("it brings {what}, which a {kind} component does not read")));
            }
        };
        if settings.is_some() && bound.preprocessor.is_none() {
            let reason = format!("task.json: preprocessing is given, a {kind} component reads text as it is");
            return Err(Error::adapter(alias, reason));
        }
        bound.head.as_ref().map_or(Ok(()), |head| head.check_widths(alias, &widths))
    }

    /// Checks that the states of a picture lie as the dense head of `bound` reads them.
    fn fit_dense(
        &self,
        alias: &str,
        package: &AdapterPackage,
        component: &Component,
        bound: &mut BoundAdapter,
    ) -> Result<()> {
        let refuse = |reason: String| Err(Error::adapter(alias, reason));
        let ComponentKind::Encoder(modality @ Modality::IMAGE) = component.kind() else {
            return refuse(format!("it brings a dense head, which a {} component has no grid for", component.kind()));
        };
        let Some(settings) = package.task().preprocessing.as_ref() else {
            return refuse("task.json: preprocessing is missing, its dense head needs pictures of one size".into());
        };
        let own = Preprocessor::parse(settings)
            .map_err(|error| Error::adapter(alias, format!("task.json: preprocessing: {error}")))?;
        let (Some(makes), Some(_)) = (own.output(), own.stretched()) else {
            return refuse("task.json: preprocessing: it cuts pictures, its dense head reads them whole".into());
        };
        let model = self.encoder(modality)?;
        let (encoder, dense) = (model.encoder(), bound.dense.as_ref().expect("invariant: the caller looked"));
        let found = encoder.grid(&makes).map(|[rows, columns]| [encoder.state_width(), rows, columns]);
        if found != Some(dense.spec().states) {
            let found = found.map_or_else(|| "on no grid".to_owned(), |found| format!("{found:?}"));
            let reads = dense.spec().states;
            return refuse(format!("its dense head reads states {reads:?}, those of features {makes:?} are {found}"));
        }
        bound.preprocessor = Some(own);
        Ok(())
    }

    /// Succeeds when `component` can stop after `layers` of its blocks.
    fn check_layers(&self, alias: &str, component: &Component, layers: usize) -> Result<()> {
        if component.kind() != ComponentKind::Backbone {
            let reason =
                format!("its head reads after {layers} layers, which a {} component runs as one", component.kind());
            return Err(Error::adapter(alias, reason));
        }
        let blocks = self.language()?.backbone().config().num_hidden_layers;
        if layers <= blocks {
            return Ok(());
        }
        Err(Error::adapter(alias, format!("its head reads after {layers} layers, '{}' has {blocks}", component.name())))
    }
}

/// The adapter's own preprocessing, which must make what the encoder reads, or clips of it.
fn own_preprocessing(alias: &str, settings: &serde_json::Value, encoder: &dyn Encoder) -> Result<Preprocessor> {
    let refuse = |reason: String| Error::adapter(alias, format!("task.json: preprocessing: {reason}"));
    let own = Preprocessor::parse(settings).map_err(|error| refuse(error.to_string()))?;
    let (Some(makes), Some(reads)) = (own.output(), encoder.reads()) else { return Ok(own) };
    // ImageBind's vision tower takes a still picture for a clip of two frames.
    let still = reads.len() == 4 && makes.len() == 3 && makes[0] == reads[0] && makes[1..] == reads[2..];
    if is_read_as(&makes, &reads) || makes.len() == reads.len() + 1 && makes[1..] == reads || still {
        return Ok(own);
    }
    Err(refuse(format!("it makes features of shape {makes:?}, the component reads {reads:?}")))
}
