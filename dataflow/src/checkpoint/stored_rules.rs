//! Stored rules: the blobs of the rules in force and of their crowds, written again only when they change.

use std::{collections::BTreeMap, sync::Arc};

use operators::{
    model::ids::{CheckpointNumber, OwnerGeneration},
    rule::{crowd::Crowd, remembered::Remembered},
};
use sinks::checkpoint::{CheckpointError, CheckpointStore};

use super::{
    fail_point::reach,
    pieces,
    retry::retry_until_done,
    rules,
    takeover::{Crowds, crowd_name},
};
use crate::protocol::report::BlobRef;

/// The rules last written, and the crowds in the store.
pub(super) struct StoredRules {
    generation: OwnerGeneration,
    written: Option<(Arc<Vec<Remembered>>, BlobRef)>,
    crowds: Crowds,
}

impl StoredRules {
    /// State before the first write by the owner of `generation`; `crowds` are in the store.
    pub(super) fn new(generation: OwnerGeneration, crowds: Crowds) -> Self {
        StoredRules { generation, written: None, crowds }
    }

    /// Whether a blob is, or is a piece of, a crowd that the rules written last have. Blobs of other kinds have
    /// names that are used once.
    pub(super) fn uses(&self, name: &str) -> bool {
        let is_piece = |(crowd, bytes): (&String, &u64)| {
            name.starts_with(crowd.as_str()) && pieces::names(crowd, *bytes).any(|piece| piece == name)
        };
        self.crowds.iter().any(is_piece)
    }

    /// Writes the rules and their crowds for checkpoint `number`, unless they equal those of the last call.
    /// Blocks while the store is away. Returns their blob, and the names of blobs that are unused once the
    /// checkpoint is committed.
    ///
    /// # Errors
    /// If the store can't be used.
    pub(super) fn write(
        &mut self,
        store: &mut dyn CheckpointStore,
        rules: Arc<Vec<Remembered>>,
        number: CheckpointNumber,
    ) -> Result<(BlobRef, Vec<String>), CheckpointError> {
        if let Some((written, blob)) = &self.written
            && Arc::ptr_eq(written, &rules)
        {
            return Ok((blob.clone(), Vec::new()));
        }
        let (json, crowds) = rules::to_json(&rules);
        let needed: BTreeMap<String, Crowd> =
            crowds.into_iter().map(|crowd| (crowd_name(&crowd.digest()), crowd)).collect();
        let mut crowds = Crowds::new();
        for (name, crowd) in needed {
            let bytes = match self.crowds.remove(&name) {
                Some(bytes) => bytes,
                None => {
                    let bytes = crowd.to_bytes();
                    retry_until_done("a crowd", || pieces::put(store, &name, &bytes))?;
                    bytes.len() as u64
                }
            };
            crowds.insert(name, bytes);
        }
        let name = format!("ckpt:{}:{number}:rules:0", self.generation);
        reach("rules:before");
        retry_until_done("the rules", || pieces::put(store, &name, json.as_bytes()))?;
        reach("rules:after");
        let blob = BlobRef::of(name, json.as_bytes(), false);
        let former = self.written.replace((rules, blob.clone()));
        let rest = std::mem::replace(&mut self.crowds, crowds);
        let crowds = rest.iter().flat_map(|(name, bytes)| pieces::names(name, *bytes));
        let unused = former.iter().flat_map(|(_, blob)| pieces::of(blob)).chain(crowds).collect();
        Ok((blob, unused))
    }
}
