//! Crowds: the members of the crowds that documents describe.
//!
//! A list of users takes four times the memory of its bitmap or more. So each list becomes a bitmap as soon as
//! its document is parsed ([`Described`]), and only queries wait for the profiles.

use std::vec;

use operators::{
    document::{
        fault::Faults,
        spec::{self, Query},
    },
    filter::profile,
    rule::crowd::{Crowd, CrowdBuilder},
};
use sources::profiles::ProfileStore;

/// A crowd as a document describes it.
pub(super) enum Described {
    /// The members, if the document has them; or the fault of its bitmap.
    Members(Result<Crowd, Faults>),
    /// A query that the profile store answers.
    Query(Query),
}

impl From<spec::Crowd> for Described {
    fn from(crowd: spec::Crowd) -> Self {
        match crowd {
            spec::Crowd::Guids(guids) => Described::Members(Ok(Crowd::listed(guids))),
            spec::Crowd::Bitmap(text) => Described::Members(
                Crowd::from_base64(&text).map_err(|e| Faults::one("crowd.bitmap", e.to_string())),
            ),
            spec::Crowd::Profile(query) => Described::Query(query),
        }
    }
}

/// The crowd of each document, in their order; `None` for a rule that is for everybody and for a document
/// that is refused. All profile queries are answered from one reading of the store, which blocks until that
/// is complete.
///
/// Errors are those of one document each: a list or query that cannot be used. Without a store, or if it
/// cannot be read, every document with a query is refused.
pub(super) fn select(
    described: Vec<Option<Described>>,
    profiles: Option<&mut (dyn ProfileStore + 'static)>,
) -> Vec<Result<Option<Crowd>, Faults>> {
    let mut selected = Selected::new(&described, profiles);
    described.into_iter().map(|crowd| crowd.map(|crowd| members(crowd, &mut selected)).transpose()).collect()
}

/// Answers of the profile store, in the order of the queries; or the fault of every query.
struct Selected(Result<vec::IntoIter<Crowd>, Faults>);

impl Selected {
    fn new(described: &[Option<Described>], profiles: Option<&mut (dyn ProfileStore + 'static)>) -> Self {
        let query = |crowd: &Option<Described>| match crowd {
            Some(Described::Query(query)) => Some(query.clone()),
            _ => None,
        };
        let queries: Vec<_> = described.iter().filter_map(query).collect();
        let answers = match profiles {
            _ if queries.is_empty() => Ok(Vec::new()),
            None => Err("a crowd query needs profiles: pass --profiles FILE.jsonl".to_owned()),
            Some(profiles) => profiles.select(&queries).map_err(|error| error.to_string()),
        };
        Selected(answers.map(Vec::into_iter).map_err(|message| Faults::one("crowd.profile", message)))
    }

    /// The answer to the next query.
    fn next(&mut self) -> Result<Crowd, Faults> {
        match &mut self.0 {
            Ok(answers) => Ok(answers.next().unwrap_or_else(|| CrowdBuilder::default().build())),
            Err(faults) => Err(faults.clone()),
        }
    }
}

fn members(crowd: Described, selected: &mut Selected) -> Result<Crowd, Faults> {
    match crowd {
        Described::Members(members) => members,
        Described::Query(query) => {
            let answer = selected.next();
            profile::check(&query).map_err(|fault| {
                let path = if fault.path.is_empty() { String::new() } else { format!(".{}", fault.path) };
                Faults::one(format!("crowd.profile{path}"), fault.message)
            })?;
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value as Json, json};
    use sources::profiles::LineProfiles;

    use super::*;

    fn described(crowd: &Json) -> Option<Described> {
        serde_json::from_value::<Option<spec::Crowd>>(crowd.clone()).unwrap().map(Described::from)
    }

    fn query(least: i64) -> Json {
        json!({"profile": {"tag": "level", "op": ">=", "value": least}})
    }

    #[test]
    fn each_document_has_the_answer_to_its_own_query() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.jsonl");
        fs::write(&path, "{\"guid\": 1, \"level\": 3}\n{\"guid\": 2, \"level\": 5}\n").unwrap();
        let mut profiles = LineProfiles::new(path);
        let unordered = json!({"profile": {"tag": "level", "op": ">=", "value": true}});
        let described = || {
            vec![
                described(&query(4)),
                described(&json!({"guids": [8, 7, 8]})),
                described(&unordered),
                described(&Json::Null),
                described(&query(3)),
                described(&json!({"bitmap": "no bitmap"})),
            ]
        };
        let crowds = select(described(), Some(&mut profiles));
        let sizes: Vec<_> =
            crowds.iter().map(|c| c.as_ref().ok().map(|c| c.as_ref().map(Crowd::len))).collect();
        let some = |size| Some(Some(size));
        assert_eq!(sizes, [some(1), some(2), None, Some(None), some(2), None]);
        let fault = |i: usize| crowds[i].as_ref().unwrap_err().0[0].path.clone();
        assert!(fault(2).starts_with("crowd.profile") && fault(5) == "crowd.bitmap");
        let without = select(described(), None);
        assert!(without[0].as_ref().unwrap_err().to_string().contains("pass --profiles"));
        assert!(without[1].is_ok());
    }
}
