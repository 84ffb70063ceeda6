//! Stored form of the rules of a checkpoint: JSON, with the crowds separate.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use operators::{
    document::text::DocumentDigest,
    rule::{
        change::Published,
        crowd::{Crowd, Departed},
        lineage::Lineage,
        remembered::Remembered,
    },
};
use serde::{Deserialize, Serialize};
use sinks::checkpoint::CheckpointError;

use super::committed::malformed;

/// The stored form: crowds are referred to by their digests.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    rule_id: String,
    version: u64,
    publish: i64,
    /// Digest of the document; `None` once the rule is retired.
    #[serde(default)]
    digest: Option<DocumentDigest>,
    /// Text of the document, empty once the rule is retired: written by former releases.
    #[serde(default, skip_serializing)]
    document: String,
    published: Arc<str>,
    in_force: bool,
    quarantined: Option<String>,
    broken: Option<String>,
    pause: Option<u64>,
    pauses: u64,
    skipped: BTreeSet<u64>,
    lineage: Lineage,
    crowd: Option<String>,
    departed: Vec<(i64, String)>,
    scripts: BTreeMap<String, String>,
}

/// Writes rules as JSON, and returns the crowds that belong to it.
pub fn to_json(rules: &[Remembered]) -> (String, Vec<Crowd>) {
    let mut crowds = BTreeMap::new();
    let mut apart = |crowd: &Crowd| {
        crowds.insert(crowd.digest(), crowd.clone());
        crowd.digest()
    };
    let mut stored = |rule: &Remembered| {
        let p = rule.published.clone();
        Stored {
            rule_id: p.rule_id,
            version: p.version,
            publish: p.publish,
            digest: rule.document,
            document: String::new(),
            published: p.document,
            in_force: rule.in_force,
            quarantined: rule.quarantined.clone(),
            broken: rule.broken.clone(),
            pause: p.pause,
            pauses: rule.pauses,
            skipped: p.skipped,
            lineage: p.lineage,
            crowd: p.crowd.as_ref().map(&mut apart),
            departed: p.departed.iter().map(|d| (d.at, apart(&d.guids))).collect(),
            scripts: p.scripts,
        }
    };
    let all: Vec<Stored> = rules.iter().map(&mut stored).collect();
    // Texts, numbers and maps with text keys always serialize.
    (serde_json::to_string(&all).unwrap_or_default(), crowds.into_values().collect())
}

/// Reads the JSON of [`to_json`], which is stored under `name`; `crowd` finds a crowd by its digest.
///
/// # Errors
/// [`CheckpointError::Format`] if the text is something else, and errors of `crowd`.
pub fn from_json(
    name: &str,
    text: &str,
    crowd: &mut dyn FnMut(&str) -> Result<Crowd, CheckpointError>,
) -> Result<Vec<Remembered>, CheckpointError> {
    let all: Vec<Stored> = serde_json::from_str(text).map_err(|error| malformed(name, error.to_string()))?;
    let mut rule = |s: Stored| {
        let departed = s.departed.into_iter().map(|(at, d)| Ok(Departed { at, guids: crowd(&d)? }));
        let departed = departed.collect::<Result<Vec<_>, CheckpointError>>()?;
        Ok(Remembered {
            published: Published {
                rule_id: s.rule_id,
                version: s.version,
                document: s.published,
                crowd: s.crowd.map(|d| crowd(&d)).transpose()?,
                publish: s.publish,
                pause: s.pause,
                skipped: s.skipped,
                lineage: s.lineage,
                departed,
                scripts: s.scripts,
            },
            document: s.digest.or_else(|| digest(&s.document)),
            in_force: s.in_force,
            quarantined: s.quarantined,
            broken: s.broken,
            pauses: s.pauses,
        })
    };
    all.into_iter().map(&mut rule).collect()
}

/// Digest of a document whose text is stored.
fn digest(document: &str) -> Option<DocumentDigest> {
    (!document.is_empty()).then(|| DocumentDigest::of(document.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_with_their_crowds() {
        let crowd = |guids: &[u64]| Crowd::new(guids.iter().copied().collect());
        let first = Published::first(
            r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}}"#,
            3,
            1_766_000_000_000,
            BTreeMap::new(),
        )
        .unwrap();
        let rule = Remembered {
            published: Published {
                crowd: Some(crowd(&[1, 2])),
                departed: vec![Departed { at: 5, guids: crowd(&[9]) }],
                pause: Some(2),
                skipped: [1].into(),
                ..first
            },
            document: digest("{}"),
            in_force: true,
            quarantined: None,
            broken: Some("too much".into()),
            pauses: 2,
        };
        let (text, crowds) = to_json(std::slice::from_ref(&rule));
        assert_eq!(crowds.len(), 2);
        let mut find = |digest: &str| {
            crowds.iter().find(|c| c.digest() == digest).cloned().ok_or_else(|| malformed(digest, "gone"))
        };
        assert_eq!(from_json("rules", &text, &mut find).unwrap(), std::slice::from_ref(&rule));
        assert!(from_json("rules", &text, &mut |digest| Err(malformed(digest, "gone"))).is_err());
        // Former releases stored the text of a document, or an empty one.
        let mut former: serde_json::Value = serde_json::from_str(&text).unwrap();
        let stored = former[0].as_object_mut().unwrap();
        assert!(stored.remove("digest").is_some() && !stored.contains_key("document"));
        for (document, digest) in [("{}", rule.document), ("", None)] {
            former[0]["document"] = document.into();
            let read = from_json("rules", &former.to_string(), &mut find).unwrap();
            assert_eq!(read, [Remembered { document: digest, ..rule.clone() }]);
        }
    }
}
