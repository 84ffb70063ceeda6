//! The manifest of a checkpoint: the list of its content.
//!
//! It is JSON, so that people can read it.

use std::fmt::Display;

use operators::model::ids::{CheckpointNumber, Clocks, Positions};
use serde::{Deserialize, Serialize};
use sinks::checkpoint::CheckpointError;

use super::{committed::malformed, mark::Lineage};
use crate::protocol::report::BlobRef;

/// Version of the format that this release writes.
const FORMAT: u32 = 1;

/// Content of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// Time of the commit, unix ms by the wall clock; for people.
    pub(super) at: i64,
    /// Lineage of the state; former releases wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lineage: Option<Lineage>,
    /// Version of the time zones whose days state is of; former releases wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) zones: Option<String>,
    /// First offset that the checkpoint does not include, by partition.
    pub(super) positions: Positions,
    /// The ingest clocks, by partition.
    pub(super) clocks: Clocks,
    /// Position of the last correction by people that the checkpoint includes.
    pub(super) corrections: Option<String>,
    /// The blob of the rules in force.
    pub(super) rules: BlobRef,
    /// Blobs of changes that may not be compacted, in their order.
    pub(super) blobs: Vec<Listed>,
    /// State to be dropped, if it has not been yet.
    pub(super) dropped: Vec<Dropped>,
}

/// A blob, and the checkpoint that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "n")]
    pub(super) number: CheckpointNumber,
    pub(super) blob: BlobRef,
}

/// Names of state that no rule has after a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dropped {
    #[serde(rename = "n")]
    pub(super) number: CheckpointNumber,
    pub(super) names: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<M> {
    format: u32,
    #[serde(flatten)]
    manifest: M,
}

impl Manifest {
    pub(super) fn to_json(&self) -> Vec<u8> {
        // Texts and numbers always serialize.
        serde_json::to_vec(&Versioned { format: FORMAT, manifest: self }).unwrap_or_default()
    }

    /// Reads the JSON of a commit.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] if it is no manifest, or of another format.
    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
        if head.format != FORMAT {
            return Err(unreadable(format!(
                "has format {}, this release knows {FORMAT}; resume it with the release that wrote it, or choose another prefix or file to start without state",
                head.format
            )));
        }
        let all: Versioned<serde_json::Value> = serde_json::from_slice(bytes).map_err(unreadable)?;
        serde_json::from_value(all.manifest).map_err(unreadable)
    }
}

fn unreadable(reason: impl Display) -> CheckpointError {
    malformed("the manifest", reason.to_string())
}

#[cfg(test)]
mod tests {
    use operators::model::ids::{IngestTime, Offset, PartitionId};

    use super::*;

    #[test]
    fn a_manifest_reads_back_and_another_format_is_refused() {
        let blob = BlobRef::of("ckpt:1:rules:1".into(), b"x", false);
        let manifest = Manifest {
            at: 5,
            lineage: Some("a".into()),
            zones: Some("2026e".into()),
            positions: [(PartitionId(0), Offset(7))].into(),
            clocks: [(PartitionId(0), IngestTime::MIN)].into(),
            corrections: Some("1-0".into()),
            rules: blob.clone(),
            blobs: vec![Listed { number: CheckpointNumber(3), blob }],
            dropped: vec![Dropped { number: CheckpointNumber(3), names: vec!["r:c:1".into()] }],
        };
        let json = manifest.to_json();
        assert_eq!(Manifest::from_json(&json).unwrap(), manifest);
        let json = String::from_utf8(json).unwrap();
        let former = json.replace("\"lineage\":\"a\",\"zones\":\"2026e\",", "");
        let former = Manifest::from_json(former.as_bytes()).unwrap();
        assert_eq!((former.lineage, former.zones), (None, None));
        let later = json.replace("\"format\":1", "\"format\":2");
        assert!(Manifest::from_json(later.as_bytes()).unwrap_err().to_string().contains("has format 2"));
    }
}
