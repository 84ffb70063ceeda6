//! The decision at a start: whether what is found in the store may be continued, by the marks there are.

use std::fmt::{self, Display};

use operators::model::ids::CheckpointNumber;
use serde::{Deserialize, Serialize};

use super::FoundMark;

/// Id of the state since it last began from nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::checkpoint) struct Lineage(String);

impl Lineage {
    /// A new one.
    pub(super) fn random() -> Self {
        Lineage(format!("{:016x}", rand::random::<u64>()))
    }
}

#[cfg(test)]
impl From<&str> for Lineage {
    fn from(text: &str) -> Self {
        Lineage(text.to_owned())
    }
}

impl Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last commit in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct Stored {
    pub(in crate::checkpoint) number: CheckpointNumber,
    /// `None` in state of former releases.
    pub(in crate::checkpoint) lineage: Option<Lineage>,
}

/// State that may be continued, or begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct Admitted {
    pub(in crate::checkpoint) lineage: Lineage,
    /// Checkpoints are to be numbered above this one.
    pub(in crate::checkpoint) above: CheckpointNumber,
    /// Token of the command by which the state begins although there is a mark.
    pub(in crate::checkpoint) fresh: Option<String>,
    /// What people have to know.
    pub(in crate::checkpoint) notice: Option<String>,
}

/// The store is empty, and there is a mark of its state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store holds no state, but {place} says that it held checkpoint {number}: it was emptied (FLUSHALL, a deleted file), or is a Redis that was restarted without persistence. Without its state all limits count anew, and what may be fired once in a life is fired again. Restore the store from a backup and start again; or give --fresh-state to begin without state"
)]
pub(in crate::checkpoint) struct StateGone {
    place: String,
    number: CheckpointNumber,
}

/// Decides about a store by its marks; `fresh` is the token of a command that was given `--fresh-state`.
pub(in crate::checkpoint) fn admit(
    stored: Option<Stored>,
    marks: &[FoundMark],
    fresh: Option<&str>,
) -> Result<Admitted, StateGone> {
    let latest = marks.iter().max_by_key(|found| found.mark.number);
    let above = latest.map(|found| found.mark.number).unwrap_or_default();
    let Some(Stored { number, lineage }) = stored else {
        // A mark with this token was written after the command had begun without state.
        let gone = marks.iter().find(|found| fresh.is_none() || found.mark.fresh.as_deref() == fresh);
        if let Some(FoundMark { mark, place }) = gone {
            return Err(StateGone { place: place.clone(), number: mark.number });
        }
        let (lineage, fresh) = (Lineage::random(), fresh.map(str::to_owned));
        return Ok(Admitted { lineage, above, fresh, notice: None });
    };
    let same = marks.iter().find(|found| lineage.as_ref().is_none_or(|of| *of == found.mark.lineage));
    let notice = match (latest, same) {
        (Some(FoundMark { mark, place }), None) => Some(format!(
            "the store holds another state than the one that {place} knows (checkpoint {} of lineage {}): it was replaced, or begun anew by another engine",
            mark.number, mark.lineage
        )),
        (_, Some(FoundMark { mark, place })) if mark.number > number => Some(format!(
            "the store is older than the state that {place} knows: its last checkpoint is {number}, and {} was committed; it was restored from a backup, or has lost writes. The events since are read again, and their triggers sent again with the same ids",
            mark.number
        )),
        _ => None,
    };
    let fresh = same.and_then(|found| found.mark.fresh.clone());
    let lineage = lineage.or_else(|| same.map(|found| found.mark.lineage.clone()));
    let above = same.map(|found| found.mark.number).unwrap_or_default().max(number);
    Ok(Admitted { lineage: lineage.unwrap_or_else(Lineage::random), above, fresh, notice })
}

#[cfg(test)]
mod tests {
    use super::{super::Mark, *};

    fn mark(lineage: &str, number: u64, fresh: Option<&str>) -> FoundMark {
        let fresh = fresh.map(str::to_owned);
        let mark = Mark { lineage: lineage.into(), number: CheckpointNumber(number), at: 0, fresh };
        FoundMark { mark, place: "the file".to_owned() }
    }

    fn stored(lineage: Option<&str>, number: u64) -> Option<Stored> {
        Some(Stored { number: CheckpointNumber(number), lineage: lineage.map(Lineage::from) })
    }

    #[test]
    fn an_empty_store_with_a_mark_is_refused_unless_the_command_accepts_that_and_then_once() {
        assert!(admit(None, &[], None).is_ok());
        let error = admit(None, &[mark("a", 7, None)], None).unwrap_err().to_string();
        for part in ["the file says that it held checkpoint 7", "it was emptied", "--fresh-state"] {
            assert!(error.contains(part), "{error}");
        }
        let begun = admit(None, &[mark("a", 7, Some("earlier"))], Some("now")).unwrap();
        assert_eq!((begun.fresh.as_deref(), begun.above), (Some("now"), CheckpointNumber(7)));
        assert_ne!(begun.lineage, "a".into());
        assert!(admit(None, &[mark("b", 8, Some("now"))], Some("now")).is_err(), "emptied again");
        // The mark in one place was written, in the other it was not.
        let two = [mark("a", 7, None), mark("b", 8, Some("now"))];
        assert!(admit(None, &two, Some("now")).is_err());
        assert!(admit(None, &two, Some("next")).is_ok());
    }

    #[test]
    fn a_store_that_is_not_behind_its_mark_goes_on_under_its_lineage() {
        for (found, marks) in [
            (stored(Some("a"), 7), vec![mark("a", 7, Some("now"))]),
            (stored(Some("a"), 7), vec![mark("a", 5, Some("now"))]),
            (stored(None, 7), vec![mark("a", 5, Some("now"))]),
        ] {
            let admitted = admit(found, &marks, None).unwrap();
            let token = Some("now".to_owned());
            let expected =
                Admitted { lineage: "a".into(), above: CheckpointNumber(7), fresh: token, notice: None };
            assert_eq!(admitted, expected);
        }
        let unmarked = admit(stored(Some("a"), 7), &[], None).unwrap();
        assert_eq!((unmarked.lineage, unmarked.notice), ("a".into(), None));
        assert_eq!(admit(stored(None, 7), &[], None).unwrap().notice, None);
    }

    #[test]
    fn an_older_store_and_another_one_are_told() {
        let older = admit(stored(Some("a"), 7), &[mark("a", 9, None)], None).unwrap();
        assert_eq!((older.lineage, older.above), ("a".into(), CheckpointNumber(9)));
        let notice = older.notice.unwrap();
        assert!(notice.contains("its last checkpoint is 7, and 9 was committed"), "{notice}");
        let other = admit(stored(Some("b"), 7), &[mark("a", 9, None)], None).unwrap();
        assert_eq!((other.lineage, other.above), ("b".into(), CheckpointNumber(7)));
        assert!(other.notice.unwrap().contains("another state than the one that the file knows"));
    }
}
