//! Calculators of the user's own: scripts that rules name.
//!
//! A folder holds `NAME.rhai` files. A script is read when a rule that names it is published; a later change of the file
//! reaches a rule with its next publish, so that a running rule never changes by itself.

use std::{fs, path::PathBuf};

/// A folder of scripts, or none.
#[derive(Clone, Debug, Default)]
pub struct Calculators {
    folder: Option<PathBuf>,
}

impl Calculators {
    /// Looks into `folder`.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Calculators { folder }
    }

    /// The script of that name: `[a-z][a-z0-9_-]{0,63}`, so that no name leads out of the folder.
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
