//! Profiles of users: which users a crowd query selects.
//!
//! - [`LineProfiles`]: a file of JSON objects, one a line
//!
//! A rule names its crowd by a [`Query`] over tags of profiles. When the rule is published, the rules feed
//! hands the query to a [`ProfileStore`], which returns the selected guids as a bitmap; profiles play no part
//! while events flow.
//!
//! **Invariant**: queries reach a store as data, not as closures, so that a store can run them where the
//! profiles lie. [`operators::filter::profile`] defines what a query means; a store that translates queries
//! has to agree with it.

mod lines;

pub use lines::LineProfiles;

use operators::{document::spec::Query, rule::crowd::Crowd};

use crate::SourceError;

/// A store of profiles that answers crowd queries.
///
/// - `select` returns one crowd per query, in the order of the queries; without queries it reads nothing.
/// - All queries of a call are answered from one reading, as far as the store can: rules that are published
///   together see the same profiles.
/// - A query that [`operators::filter::profile::check`] refuses selects nobody and does not affect the other
///   queries; the rule that contains it is refused when it is compiled.
///
/// A store is owned by one thread.
///
/// ```
/// use operators::{document::spec::Query, rule::crowd::Crowd};
/// use strateye_sources::profiles::{LineProfiles, ProfileStore as _};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("profiles.jsonl");
/// std::fs::write(&path, "{\"guid\": 1, \"level\": 3}\n{\"guid\": 2, \"level\": 5}\n")?;
///
/// let query: Query = serde_json::from_str(r#"{"tag": "level", "op": ">=", "value": 4}"#)?;
/// let crowds = LineProfiles::new(path).select(&[query])?;
/// assert_eq!(crowds[0], Crowd::new([2].into_iter().collect()));
/// # Ok(())
/// # }
/// ```
pub trait ProfileStore: Send {
    /// Selects the guids whose profiles answer each query.
    ///
    /// Blocks until all answers are complete, which can take minutes with a large store.
    ///
    /// # Errors
    /// If the store cannot be read to its end, or holds a profile that cannot be used. No query is answered
    /// then: a crowd that lacks some of its members would look like a complete one.
    fn select(&mut self, queries: &[Query]) -> Result<Vec<Crowd>, SourceError>;
}
