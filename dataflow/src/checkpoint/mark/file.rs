//! The mark in a file, which names the store that it belongs to.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use sources::{SourceError, rules::MarkPlace};

/// A file with the mark of a store.
pub(super) struct FileMark {
    path: PathBuf,
    /// Name of the store.
    store: String,
}

/// Content of the file.
#[derive(Serialize, Deserialize)]
struct Content {
    store: String,
    mark: String,
}

impl FileMark {
    pub(super) fn new(path: PathBuf, store: String) -> Self {
        FileMark { path, store }
    }

    /// Replaces the file: after a crash it has the content from before or the new one.
    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(new, &self.path)
    }
}

impl MarkPlace for FileMark {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&mut self) -> Result<Option<String>, SourceError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SourceError::Open { path: self.path.clone(), source }),
        };
        let content: Content = serde_json::from_slice(&bytes)
            .map_err(|error| SourceError::Open { path: self.path.clone(), source: error.into() })?;
        Ok((content.store == self.store).then_some(content.mark))
    }

    fn write(&mut self, text: &str) -> Result<(), SourceError> {
        let content = Content { store: self.store.clone(), mark: text.to_owned() };
        // Texts always serialize.
        let content = serde_json::to_vec(&content).unwrap_or_default();
        self.replace(&content).map_err(|source| SourceError::Write {
            what: "write",
            path: self.path.clone(),
            source,
        })
    }
}
