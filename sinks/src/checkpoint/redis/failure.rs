//! Translation of errors of the `redis` crate to errors with remedies.

use redis::{ErrorKind, ParsingError, RedisError, ServerErrorKind};

use crate::checkpoint::CheckpointError;

pub(super) fn unavailable(place: &str, reason: &str) -> CheckpointError {
    CheckpointError::Unavailable(format!("{place}: {reason}"))
}

pub(super) fn failure(place: &str, error: &RedisError) -> CheckpointError {
    let bad = |reason: String| CheckpointError::BadServer { place: place.to_owned(), reason };
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            bad(format!("{error}; give a user and password that may use all keys of the prefix"))
        }
        ErrorKind::InvalidClientConfig => bad(format!("{error}; correct the URL")),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask,
        )
        | ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::ClusterConnectionNotFound => match untrusted(&error.to_string()) {
            Some(remedy) => bad(format!("{error}; {remedy}")),
            None => unavailable(place, &error.to_string()),
        },
        _ => answered(place, error),
    }
}

/// Remedy if the two sides do not agree on TLS; such an error is not transient.
fn untrusted(text: &str) -> Option<&'static str> {
    if text.contains("invalid peer certificate") {
        let remedy = "name its authority by ca_file, and give the server a certificate that has the host's name as an alternative name";
        return Some(remedy);
    }
    if text.contains("received fatal alert") {
        return Some("if it asks its clients for certificates, write cert_file and key_file");
    }
    text.contains("received corrupt message")
        .then_some("it does not speak TLS there: write its port for TLS, or redis://")
}

/// Errors of a server for which the crate has no kind.
fn answered(place: &str, error: &RedisError) -> CheckpointError {
    let text = error.to_string();
    let bad = |reason: String| CheckpointError::BadServer { place: place.to_owned(), reason };
    match error.code().unwrap_or_default() {
        "OOM" | "MISCONF" | "NOREPLICAS" | "BUSY" => unavailable(place, &text),
        "NOAUTH" | "WRONGPASS" => bad(format!("{text}; give a user and password")),
        _ if text.contains("cluster support disabled") => {
            bad("it is no Redis Cluster: write cluster = false".to_owned())
        }
        // Older servers wrap the error of a script: its code is within the text.
        _ if text.contains("WRONGTYPE") => CheckpointError::Format {
            place: place.to_owned(),
            reason: format!("{text}; another program uses the prefix: choose another one"),
        },
        _ if text.contains("OOM") => unavailable(place, &text),
        _ => bad(format!("it answered: {text}")),
    }
}

/// An answer of an unexpected shape.
pub(super) fn misread(place: &str, error: &ParsingError) -> CheckpointError {
    CheckpointError::Format {
        place: place.to_owned(),
        reason: format!("{error}; another program uses the prefix: choose another one"),
    }
}
