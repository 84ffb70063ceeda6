//! Profiles in a file: one JSON object a line, `{"guid": 1, "TAG": value, ..}`.
//!
//! The file is read anew for every call, in one pass for all queries. A guid that stands on several lines is
//! selected if any of its lines answers the query.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use operators::{
    document::spec,
    filter::profile::Query,
    model::{guid::Guid, ids::Offset, raw::RawBatch},
    rule::crowd::{Crowd, CrowdBuilder},
};
use serde_json::{Map, Value};

use super::ProfileStore;
use crate::{
    SourceError,
    events::{EventSource, FileSource, LineConfig, Next},
};

/// A file of profiles.
#[derive(Clone, Debug)]
pub struct LineProfiles {
    path: PathBuf,
}

impl LineProfiles {
    /// Names the file; it is opened by [`select`](ProfileStore::select).
    pub fn new(path: impl Into<PathBuf>) -> Self {
        LineProfiles { path: path.into() }
    }
}

impl ProfileStore for LineProfiles {
    /// # Errors
    /// If the file cannot be read, or a line is not a profile; the error names the line.
    fn select(&mut self, queries: &[spec::Query]) -> Result<Vec<Crowd>, SourceError> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let mut selections: Vec<Selection> = queries.iter().map(Selection::new).collect();
        let mut source = FileSource::open(&self.path, LineConfig::default())?;
        loop {
            match source.next(Duration::MAX)? {
                Next::Batch(batch) => select_batch(&self.path, &batch, &mut selections)?,
                Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
                Next::End => {
                    return Ok(selections.into_iter().map(|selection| selection.users.build()).collect());
                }
            }
        }
    }
}

/// A query and the users it has selected so far.
struct Selection {
    /// `None` for a query that does not compile: it selects nobody.
    query: Option<Query>,
    users: CrowdBuilder,
}

impl Selection {
    fn new(query: &spec::Query) -> Self {
        Selection { query: Query::compile(query).ok(), users: CrowdBuilder::default() }
    }

    fn offer(&mut self, guid: Guid<'_>, profile: &Map<String, Value>) {
        if self.query.as_ref().is_some_and(|query| query.holds(profile)) {
            self.users.add(guid);
        }
    }
}

/// Offers the profiles of a batch to every selection; records and refused lines are checked in the order of
/// the file.
fn select_batch(path: &Path, batch: &RawBatch, selections: &mut [Selection]) -> Result<(), SourceError> {
    let broken = |offset: Offset, reason: String| SourceError::Profile {
        path: path.to_owned(),
        line: offset.next().0,
        reason,
    };
    let mut refused = batch.refused.iter().peekable();
    for record in &batch.records {
        if let Some(refusal) = refused.next_if(|refusal| refusal.offset < record.offset) {
            return Err(broken(refusal.offset, refusal.reason.clone()));
        }
        let profile = parse(batch.record(record))
            .map_err(|error| broken(record.offset, ProfileFault::from(error).to_string()))?;
        let guid = guid(&profile).map_err(|fault| broken(record.offset, fault.to_string()))?;
        selections.iter_mut().for_each(|selection| selection.offer(guid, &profile));
    }
    match refused.next() {
        None => Ok(()),
        Some(refusal) => Err(broken(refusal.offset, refusal.reason.clone())),
    }
}

/// The reason why a line is no profile.
#[derive(Debug, thiserror::Error)]
enum ProfileFault {
    #[error("{0}; write one JSON object a line, {{\"guid\": 1, \"TAG\": value}}")]
    Json(#[from] serde_json::Error),
    #[error("`guid` is missing, or neither an unsigned integer nor a text; write {{\"guid\": 1, ..}}")]
    Guid,
}

/// Parses a line into all its tags.
fn parse(line: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    // A file saved on Windows may begin so.
    serde_json::from_slice(line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line))
}

/// The user of a profile.
fn guid(profile: &Map<String, Value>) -> Result<Guid<'_>, ProfileFault> {
    profile.get("guid").and_then(Guid::of_json).ok_or(ProfileFault::Guid)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use serde_json::json;

    use super::*;
    use crate::events::generator::write_profiles;

    fn query(json: Value) -> spec::Query {
        serde_json::from_value(json).unwrap()
    }

    fn level(least: u64) -> spec::Query {
        query(json!({"tag": "consume_level", "op": ">=", "value": least}))
    }

    #[test]
    fn one_pass_answers_many_queries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.jsonl");
        let mut file = fs::File::create(&path).unwrap();
        write_profiles(5_000, &mut file).unwrap();
        for guid in ["18446744073709551615", "\"u-1\"", "\"7000.0\""] {
            writeln!(file, "\n{{\"guid\": {guid}, \"consume_level\": 9}}").unwrap();
        }
        let crowds = LineProfiles::new(&path).select(&[level(1), level(5), level(9), level(10)]).unwrap();
        assert_eq!(crowds[0].len(), 5_003);
        assert!((800..1_200).contains(&crowds[1].len()));
        assert!((1..=5_000).all(|guid| crowds[0].contains(guid)));
        assert_eq!(crowds[2].len(), 3);
        assert!(
            crowds[2].contains(u64::MAX)
                && crowds[2].contains(7_000)
                && crowds[2].contains(Guid::Text("u-1"))
        );
        assert!(crowds[3].is_empty());
    }

    #[test]
    fn a_query_that_cannot_be_meant_selects_nobody_and_the_others_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.jsonl");
        fs::write(&path, "{\"guid\":1,\"consume_level\":3}\n{\"guid\":1,\"consume_level\":1}\n").unwrap();
        let broken = query(json!({"tag": "city", "op": "regex", "value": "("}));
        let crowds = LineProfiles::new(&path).select(&[broken, level(3)]).unwrap();
        assert_eq!(crowds.iter().map(Crowd::len).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn without_queries_nothing_is_read() {
        assert!(LineProfiles::new("/nowhere/profiles.jsonl").select(&[]).unwrap().is_empty());
        assert!(LineProfiles::new("/nowhere/profiles.jsonl").select(&[level(1)]).is_err());
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.jsonl");
        let long = format!("{{\"guid\":2,\"tag\":\"{}\"}}", "x".repeat(2 << 20));
        for (line, what) in [
            ("[1]", "write one JSON object a line"),
            ("{\"guid\":", "write one JSON object a line"),
            ("{\"tag\":1}", "`guid` is missing"),
            ("{\"guid\":-1}", "`guid` is missing, or neither an unsigned integer nor a text"),
            ("{\"guid\":\"\"}", "`guid` is missing"),
            (&long, "max_record_bytes"),
        ] {
            fs::write(&path, format!("{{\"guid\":1}}\n\n{line}\n{{\"guid\":4}}\n")).unwrap();
            let error = LineProfiles::new(&path).select(&[level(1)]).unwrap_err().to_string();
            assert!(error.contains("profiles.jsonl line 3: ") && error.contains(what), "{error}");
        }
    }
}
