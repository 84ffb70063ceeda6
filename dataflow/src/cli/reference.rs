//! Texts that stand elsewhere, so that no password needs to stand in a command line or in a file of settings:
//! `env:NAME` is the value of an environment variable, `file:PATH` the only line of a file.
//!
//! Every text of a file of settings may be such a reference, and so may `--rules` and `--state`.

use std::{borrow::Cow, env, fs, io, path::PathBuf};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Upper bound of the bytes of such a file.
const LONGEST: u64 = 64 << 10;

/// The reason why a reference leads to no text. No message contains what it leads to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReferenceError {
    #[error(
        "env:{0} names an environment variable that is not set, or is no text; set it, or write the text itself"
    )]
    Variable(String),
    #[error(
        "file:{0} can't be read: {1}; name a file that this user may read, or write ./file:.. for a path that begins so"
    )]
    File(String, io::Error),
    #[error("file:{0} has to have one line, and no more than 64 KiB")]
    Line(String),
}

/// The text that a reference leads to; any other text unchanged.
pub(super) fn resolve(text: &str) -> Result<Cow<'_, str>, ReferenceError> {
    if let Some(name) = text.strip_prefix("env:") {
        return env::var(name).map(Cow::Owned).map_err(|_| ReferenceError::Variable(name.to_owned()));
    }
    let Some(path) = text.strip_prefix("file:") else { return Ok(Cow::Borrowed(text)) };
    let failed = |error| ReferenceError::File(path.to_owned(), error);
    let is_long = fs::metadata(path).map_err(failed)?.len() > LONGEST;
    let line = || ReferenceError::Line(path.to_owned());
    let content = if is_long { return Err(line()) } else { fs::read_to_string(path).map_err(failed)? };
    let found = content.trim_end_matches(['\n', '\r']);
    match found.is_empty() || found.contains(['\n', '\r']) {
        true => Err(line()),
        false => Ok(Cow::Owned(found.to_owned())),
    }
}

/// Parser of an option that is a text.
pub(super) fn text(value: &str) -> Result<String, ReferenceError> {
    resolve(value).map(Cow::into_owned)
}

/// Parser of an option that is a path or an address.
pub(super) fn path(value: &str) -> Result<PathBuf, ReferenceError> {
    resolve(value).map(|text| PathBuf::from(&*text))
}

/// What settings say of passwords.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The first password that stands in the settings themselves: the name of its setting.
    pub(super) password: Option<String>,
    /// The first reference that leads to no text, and the byte at which it begins.
    pub(super) fault: Option<(usize, ReferenceError)>,
}

/// Puts the texts of all references into settings.
pub(super) fn resolve_all(settings: &mut DeTable<'_>) -> Found {
    let mut found = Found::default();
    resolve_table(settings, "", &mut found);
    found
}

fn resolve_table(table: &mut DeTable<'_>, above: &str, found: &mut Found) {
    for (name, value) in table.iter_mut() {
        let is_secret = is_secret(above, name.get_ref());
        resolve_value(value, name.get_ref(), is_secret, found);
    }
}

fn resolve_value(value: &mut Spanned<DeValue<'_>>, name: &str, is_secret: bool, found: &mut Found) {
    let start = value.span().start;
    match value.get_mut() {
        DeValue::Table(table) => resolve_table(table, name, found),
        DeValue::Array(values) => {
            values.iter_mut().for_each(|value| resolve_value(value, name, is_secret, found));
        }
        DeValue::String(text) => {
            let resolved = match resolve(text) {
                Ok(Cow::Owned(resolved)) => Some(resolved),
                Ok(Cow::Borrowed(plain)) => {
                    if is_secret || has_password(plain) {
                        found.password.get_or_insert_with(|| name.to_owned());
                    }
                    None
                }
                Err(error) => {
                    found.fault.get_or_insert((start, error));
                    None
                }
            };
            if let Some(resolved) = resolved {
                *text = Cow::Owned(resolved);
            }
        }
        _ => {}
    }
}

/// Whether a setting of this name is a secret, whatever its text.
fn is_secret(above: &str, name: &str) -> bool {
    above == "headers" || name == "secret" || (above == "options" && name.contains("password"))
}

/// Whether a text is an address with a password.
fn has_password(text: &str) -> bool {
    let user = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leads_to_a_line_and_faults_name_the_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        let reference = format!("file:{}", path.display());
        for (content, expected) in [
            ("redis://:pass-1@a/\n", Some("redis://:pass-1@a/")),
            ("redis://:pass-1@a/", Some("redis://:pass-1@a/")),
            ("\n", None),
            ("pass-1\npass-2\n", None),
        ] {
            fs::write(&path, content).unwrap();
            let resolved = resolve(&reference);
            assert_eq!(resolved.as_deref().ok(), expected);
            assert!(resolved.is_ok() || !resolved.unwrap_err().to_string().contains("pass-"));
        }
        assert_eq!(resolve("env:PATH").unwrap(), env::var("PATH").unwrap());
        assert!(resolve("env:STRATEYE_NO_SUCH").unwrap_err().to_string().contains("env:STRATEYE_NO_SUCH"));
        assert!(resolve("file:/no/such").unwrap_err().to_string().contains("file:/no/such can't be read"));
        assert_eq!(resolve("rules").unwrap(), "rules");
    }

    #[test]
    fn a_password_in_settings_is_found_and_one_elsewhere_is_none() {
        let password = |text: &str| resolve_all(DeTable::parse(text).unwrap().get_mut()).password;
        for (text, name) in [
            ("state = 'redis://:p@a/'", Some("state")),
            ("[redis]\nurls = ['redis://a/', 'redis://u:p@b/']", Some("urls")),
            ("[kafka.options]\n'sasl.password' = 'p'", Some("sasl.password")),
            ("[[sinks]]\nwebhook = { headers = { Cookie = 'p' } }", Some("Cookie")),
            ("[[sinks]]\nwebhook = { secret = 'p' }", Some("secret")),
            ("state = 'redis://a/'\nrules = 'mysql://root@db/x'\nsecret = 'env:PATH'", None),
        ] {
            assert_eq!(password(text).as_deref(), name, "{text}");
        }
    }
}
