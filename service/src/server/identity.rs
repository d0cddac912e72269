//! Who a client is.

use std::os::unix::net::UnixStream;

use rustix::net::sockopt::socket_peercred;

use crate::error::{Error, Result};

/// What a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// What an app may.
    App,
    /// It runs the service, or may do anything: it may look at all apps.
    Owner,
}

/// Who is at the other end of a connection, by what the system or the host says; never by what the client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A user of the system. Apps are told apart by the names that they give themselves, within this user.
    User(u32),
    /// An app that the host has identified itself, such as the caller of an Android service. The name that it gives itself
    /// is not looked at.
    App(String),
}

impl Identity {
    /// The user at the other end of a socket, as the kernel recorded it when it was connected.
    ///
    /// # Errors
    /// [`Error::Io`] where the system does not say.
    pub fn of_peer(stream: &UnixStream) -> Result<Self> {
        let peer = socket_peercred(stream).map_err(|error| Error::io("the peer's credentials", error))?;
        Ok(Self::User(peer.uid.as_raw()))
    }

    /// What it may ask for.
    pub(super) fn rank(&self) -> Rank {
        match self {
            Self::User(uid) if *uid == 0 || *uid == rustix::process::geteuid().as_raw() => Rank::Owner,
            Self::User(_) | Self::App(_) => Rank::App,
        }
    }

    /// Whose limits it counts against.
    pub(super) fn owner(&self) -> String {
        match self {
            Self::User(uid) => format!("u{uid}"),
            Self::App(name) => name.clone(),
        }
    }

    /// Whether the app of this name in the engine and on disk is one of its own.
    pub(super) fn owns(&self, app: &str) -> bool {
        match self {
            // Digits and a dot: no user's names begin with those of another.
            Self::User(uid) => app.strip_prefix(&format!("u{uid}.")).is_some(),
            Self::App(known) => app == known,
        }
    }

    /// What an app is called that calls itself `name`, whoever's it is.
    pub(super) fn known<'a>(&'a self, name: &'a str) -> &'a str {
        match self {
            Self::User(_) => name,
            Self::App(known) => known,
        }
    }

    /// The app's name in the engine and on disk, from the one that it gives itself. The engine checks its characters.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that is empty or begins with a dot.
    pub(super) fn app(&self, name: &str) -> Result<String> {
        match self {
            Self::User(_) if name.is_empty() => Err(Error::argument("app", "its name is empty")),
            Self::User(uid) => Ok(format!("u{uid}.{name}")),
            // It becomes the name of a folder.
            Self::App(known) if known.starts_with('.') => Err(Error::argument("app", "its name begins with a dot")),
            Self::App(known) => Ok(known.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;

    #[test]
    fn apps_belong_to_one_owner_alone() {
        let user = Identity::User(10);
        assert!(user.owns("u10.mail") && user.owns("u10.a.b"));
        assert!(!user.owns("u100.mail") && !user.owns("u1.mail") && !user.owns("u10"));
        let app = Identity::App("com.example".to_owned());
        assert!(app.owns("com.example") && !app.owns("com.example.mail") && !app.owns("com"));
    }
}
