//! How the components of a foundation belong together: whose space a tower shares, what a projector connects.

use serde::{Deserialize, Serialize};

use super::manifest::{ComponentKind, ComponentRecord};

/// A component's connections to others, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wiring {
    /// The encoder whose space this tower's embeddings are in: the anchor that they can be compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// The encoder whose output a projector reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The backbone that a projector's soft tokens go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Finds what is wrong with the connections of `component` to `all`.
///
/// # Errors
/// The field and its value.
pub(super) fn check(component: &ComponentRecord, all: &[ComponentRecord]) -> Result<(), String> {
    let Some(wiring) = &component.wiring else { return Ok(()) };
    let find = |field: &str, name: &str| {
        let found = all.iter().find(|other| other.name == *name);
        found.ok_or_else(|| format!("{field} of '{}' is '{name}', and no component has that name", component.name))
    };
    let is_encoder = |kind: ComponentKind| matches!(kind, ComponentKind::Encoder(_));
    if let Some(name) = &wiring.space {
        let anchor = find("space", name)?;
        if !is_encoder(anchor.kind) || !is_encoder(component.kind) {
            return Err(format!("space of '{}' is '{name}'; both must be encoders", component.name));
        }
        if let (Some(own), Some(theirs)) = (component.dim, anchor.dim)
            && own != theirs
        {
            return Err(format!("'{}' has dim {own}, '{name}', whose space it shares, has {theirs}", component.name));
        }
    }
    match (&wiring.from, &wiring.to) {
        (None, None) => Ok(()),
        (Some(from), Some(to)) => {
            let (source, target) = (find("from", from)?, find("to", to)?);
            if is_encoder(component.kind) || component.kind == ComponentKind::Backbone {
                return Err(format!("'{}' is no projector, yet leads from '{from}' to '{to}'", component.name));
            }
            if !is_encoder(source.kind) || target.kind != ComponentKind::Backbone {
                return Err(format!("'{}' must lead from an encoder to a backbone", component.name));
            }
            Ok(())
        }
        _ => Err(format!("'{}' has only one of from and to", component.name)),
    }
}
