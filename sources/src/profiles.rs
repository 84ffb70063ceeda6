//! Profiles: whom a crowd query selects.
//!
//! A profile file has one JSON object a line, `{"guid": 1, "TAG": value, ..}`. One pass answers any number of queries;
//! what a query means is the caller's business. One document per guid: where a guid stands twice, either document can
//! select it.

use std::{path::Path, time::Duration};

use operators::model::raw::RawBatch;
use roaring::RoaringTreemap;
use serde_json::{Map, Value};

use crate::{
    SourceError,
    events::{EventSource, FileSource, LineConfig, Next},
};

/// A profile's tags, `guid` among them.
pub type Profile = Map<String, Value>;

/// The guids each query selects, in the order of the queries.
///
/// # Errors
/// If the file cannot be read, or a line is no profile; the line is named. Nothing is selected then: a crowd of half
/// the people is worse than none.
pub fn select(
    path: &Path,
    queries: &[&dyn Fn(&Profile) -> bool],
) -> Result<Vec<RoaringTreemap>, SourceError> {
    let mut crowds = vec![RoaringTreemap::new(); queries.len()];
    let mut source = FileSource::open(path, LineConfig::default())?;
    loop {
        match source.next(Duration::MAX)? {
            Next::Batch(batch) => select_batch(path, &batch, queries, &mut crowds)?,
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
            Next::End => return Ok(crowds),
        }
    }
}

fn select_batch(
    path: &Path,
    batch: &RawBatch,
    queries: &[&dyn Fn(&Profile) -> bool],
    crowds: &mut [RoaringTreemap],
) -> Result<(), SourceError> {
    let broken = |offset: u64, reason: String| SourceError::Profile {
        path: path.to_owned(),
        line: offset + 1,
        reason,
    };
    let mut refused = batch.refused.iter().peekable();
    for record in &batch.records {
        if let Some(refusal) = refused.next_if(|refusal| refusal.offset < record.offset) {
            return Err(broken(refusal.offset, refusal.reason.clone()));
        }
        let profile: Profile = serde_json::from_slice(batch.record(record)).map_err(|error| {
            broken(
                record.offset,
                format!("{error}; write one JSON object a line, {{\"guid\": 1, \"TAG\": value}}"),
            )
        })?;
        let guid = profile.get("guid").and_then(Value::as_u64).ok_or_else(|| {
            broken(
                record.offset,
                "`guid` is missing or no unsigned integer; write {\"guid\": 1, ..}".to_owned(),
            )
        })?;
        for (query, crowd) in queries.iter().zip(crowds.iter_mut()) {
            if query(&profile) {
                crowd.insert(guid);
            }
        }
    }
    match refused.next() {
        None => Ok(()),
        Some(refusal) => Err(broken(refusal.offset, refusal.reason.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;
    use crate::events::generator::write_profiles;

    #[test]
    fn one_pass_answers_many_queries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.jsonl");
        let mut file = fs::File::create(&path).unwrap();
        write_profiles(5_000, &mut file).unwrap();
        writeln!(file, "\n{{\"guid\": 18446744073709551615, \"consume_level\": 9}}").unwrap();
        let level = |least: i64| move |p: &Profile| p["consume_level"].as_i64() >= Some(least);
        let crowds = select(&path, &[&level(1), &level(5), &level(9), &|_| false]).unwrap();
        assert_eq!(crowds[0].len(), 5_001);
        assert!((800..1_200).contains(&crowds[1].len()));
        assert_eq!(crowds[2].iter().collect::<Vec<_>>(), [u64::MAX]);
        assert!(crowds[3].is_empty());
        assert!(crowds[1].is_subset(&crowds[0]));
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
            ("{\"guid\":-1}", "`guid` is missing or no unsigned integer"),
            (&long, "max_record_bytes"),
        ] {
            fs::write(&path, format!("{{\"guid\":1}}\n\n{line}\n{{\"guid\":4}}\n")).unwrap();
            let error = select(&path, &[&|_| true]).unwrap_err().to_string();
            assert!(error.contains("profiles.jsonl line 3: ") && error.contains(what), "{error}");
        }
    }
}
