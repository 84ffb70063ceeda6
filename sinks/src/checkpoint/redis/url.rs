//! Settings of addresses, and their form without passwords.

use crate::checkpoint::CheckpointError;

pub(super) fn invalid(name: &'static str, value: &str, reason: &str) -> CheckpointError {
    CheckpointError::Invalid { name, value: value.to_owned(), reason: reason.to_owned() }
}

/// The URLs as a list, without passwords.
pub(super) fn shown(urls: &[String]) -> String {
    format!("{:?}", urls.iter().map(|url| without_password(url)).collect::<Vec<_>>())
}

pub(super) fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}..{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}
