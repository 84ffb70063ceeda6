//! Changes of hashes, split into script calls that are pipelined.

use hashbrown::HashMap;
use operators::model::ids::OwnerGeneration;

use super::{
    RedisCheckpoints,
    call::{Call, OnBreak},
    keys::{Keys, escape},
    scripts::FOLD,
};
use crate::checkpoint::{CheckpointError, CheckpointSpan, FieldChange};

/// Most fields of a call, which the server works on for a millisecond or two without interruption. (Lua's
/// stack holds some thousands.)
const MAX_FIELDS: usize = 1000;
/// Most bytes of a call, for long texts.
const MAX_BYTES: usize = 1 << 20;
/// Most calls in one pipeline.
const MAX_CALLS: usize = 32;

impl RedisCheckpoints {
    pub(super) fn apply_all(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        folds: &[(&str, &[FieldChange<'_>])],
    ) -> Result<(), CheckpointError> {
        let mut calls = Vec::new();
        for &(hash, changes) in folds {
            for (key, portion) in portions(&self.keys, hash, changes) {
                calls.push(call(&key, generation, span, &portion));
                if calls.len() == MAX_CALLS {
                    self.send(generation, &std::mem::take(&mut calls))?;
                }
            }
        }
        self.send(generation, &calls)
    }

    fn send(&mut self, generation: OwnerGeneration, calls: &[Call]) -> Result<(), CheckpointError> {
        if calls.is_empty() {
            return Ok(());
        }
        let answers = self.link.run(calls, OnBreak::Resend)?;
        answers.values.into_iter().try_for_each(|answer| self.accept("a fold", generation, answer).map(drop))
    }
}

/// Changes of one call.
type Portion<'c> = Vec<FieldChange<'c>>;

/// Splits changes into portions of one key each. Only the last change of a field is kept, so their order does
/// not matter.
fn portions<'c>(keys: &Keys, hash: &str, changes: &[FieldChange<'c>]) -> Vec<(String, Portion<'c>)> {
    let mut last: HashMap<&str, Option<&str>> = HashMap::with_capacity(changes.len());
    last.extend(changes.iter().copied());
    let mut open: HashMap<u16, (usize, Portion<'c>)> = HashMap::new();
    let mut full = Vec::new();
    for (field, text) in last {
        let bucket = keys.bucket(field);
        let (bytes, portion) = open.entry(bucket).or_default();
        *bytes += field.len() + text.map_or(0, str::len);
        portion.push((field, text));
        if portion.len() == MAX_FIELDS || *bytes >= MAX_BYTES {
            full.push((keys.hash(hash, bucket), std::mem::take(portion)));
            *bytes = 0;
        }
    }
    let rest = open.into_iter().filter(|(_, (_, portion))| !portion.is_empty());
    full.extend(rest.map(|(bucket, (_, portion))| (keys.hash(hash, bucket), portion)));
    full
}

fn call(key: &str, generation: OwnerGeneration, span: CheckpointSpan, portion: &[FieldChange<'_>]) -> Call {
    let sets = portion.iter().filter(|(_, text)| text.is_some()).count();
    let mut call = Call::script(&FOLD, key).arg(generation.0).arg(span.first.0).arg(span.last.0).arg(sets);
    for (field, text) in portion {
        if let Some(text) = text {
            call = call.arg(&*escape(field)).arg(*text);
        }
    }
    for (field, text) in portion {
        if text.is_none() {
            call = call.arg(&*escape(field));
        }
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_change_of_each_field_is_sent() {
        let names: Vec<String> = (0..2500).map(|i| i.to_string()).collect();
        let mut changes: Vec<FieldChange<'_>> = names.iter().map(|name| (name.as_str(), Some("1"))).collect();
        changes.extend(names.iter().take(500).map(|name| (name.as_str(), None)));
        let cut = portions(&Keys::new("p", 1), "h", &changes);
        assert_eq!(cut.iter().map(|(_, portion)| portion.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
        let deleted = cut.iter().flat_map(|(_, portion)| portion).filter(|(_, text)| text.is_none()).count();
        assert_eq!(deleted, 500);
    }

    #[test]
    fn long_texts_make_short_portions_and_buckets_are_separate() {
        let long = "x".repeat(MAX_BYTES / 4);
        let names: Vec<String> = (0..40).map(|i| i.to_string()).collect();
        let changes: Vec<FieldChange<'_>> =
            names.iter().map(|name| (name.as_str(), Some(long.as_str()))).collect();
        let keys = Keys::new("p", 4);
        let cut = portions(&keys, "h", &changes);
        assert!(cut.iter().all(|(_, portion)| portion.len() <= 4));
        assert_eq!(cut.iter().map(|(_, portion)| portion.len()).sum::<usize>(), 40);
        for (key, portion) in &cut {
            assert!(portion.iter().all(|(field, _)| keys.hash("h", keys.bucket(field)) == *key));
        }
        assert!(portions(&keys, "h", &[]).is_empty());
    }
}
