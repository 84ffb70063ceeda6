//! User-defined calculators: scripts that rules refer to by name.
//!
//! A folder holds `NAME.rhai` files. A script is read when a rule that names it is published. A later change
//! of the file takes effect with the rule's next publish, so a running rule never changes without one.

use std::{fs, path::PathBuf};

/// The folder of scripts; without a folder there are no scripts.
#[derive(Clone, Debug, Default)]
pub struct Calculators {
    folder: Option<PathBuf>,
}

impl Calculators {
    /// Reads scripts from `folder`.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Calculators { folder }
    }

    /// Reads the script `name`, which has to match `[a-z][a-z0-9_-]{0,63}`, so that no name leads out of the
    /// folder.
    pub fn script(&self, name: &str) -> Option<String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(plain)
            && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let folder = self.folder.as_ref().filter(|_| fits)?;
        fs::read_to_string(folder.join(format!("{name}.rhai"))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_files_of_the_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("mine.rhai"), "fn init(params) { #{} }").unwrap();
        let calculators = Calculators::new(Some(folder.path().join("inner")));
        assert_eq!(calculators.script("../mine"), None);
        let calculators = Calculators::new(Some(folder.path().to_owned()));
        assert_eq!(calculators.script("mine").as_deref(), Some("fn init(params) { #{} }"));
        assert_eq!(calculators.script("other"), None);
        assert_eq!(Calculators::default().script("mine"), None);
    }
}
