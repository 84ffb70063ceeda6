//! Names of keys and fields. With `P` for the prefix:
//!
//! | key | content |
//! | --- | --- |
//! | `P:committed` | hash: owner, lease, generation, the last commit |
//! | `P:ckpt:..`, `P:crowd:..` | blobs |
//! | `P:s:NAME`, or `P:s:NAME:BUCKET` where there are several buckets | hashes |
//! | `P:edits` | stream |
//!
//! A field that is empty or begins with `@` is stored with an additional `@` in front: fields that begin with
//! a single `@` belong to the store: `@generation`, `@n`.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

/// The keys of one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    buckets: u16,
}

impl Keys {
    pub(super) fn new(prefix: &str, buckets: u16) -> Self {
        Keys { prefix: prefix.to_owned(), buckets }
    }

    pub(super) fn committed(&self) -> String {
        format!("{}:committed", self.prefix)
    }

    pub(super) fn edits(&self) -> String {
        format!("{}:edits", self.prefix)
    }

    pub(super) fn blob(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// Name of a blob, from its key.
    pub(super) fn blob_name<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(':')
    }

    pub(super) fn buckets(&self) -> u16 {
        self.buckets
    }

    /// Bucket of a field. Part of the stored format: it must never change.
    pub(super) fn bucket(&self, field: &str) -> u16 {
        if self.buckets == 1 {
            return 0;
        }
        u16::try_from(xxh3_64(field.as_bytes()) % u64::from(self.buckets)).unwrap_or_default()
    }

    pub(super) fn hash(&self, name: &str, bucket: u16) -> String {
        if self.buckets == 1 {
            format!("{}:s:{name}", self.prefix)
        } else {
            format!("{}:s:{name}:{bucket}", self.prefix)
        }
    }

    /// Name of a hash, from the key of one of its buckets.
    pub(super) fn hash_name<'k>(&self, key: &'k str) -> Option<&'k str> {
        let name = key.strip_prefix(&self.prefix)?.strip_prefix(":s:")?;
        if self.buckets == 1 {
            return Some(name);
        }
        let (name, bucket) = name.rsplit_once(':')?;
        bucket.parse::<u16>().ok().filter(|&bucket| bucket < self.buckets).map(|_| name)
    }

    /// Pattern for `SCAN` of the keys that begin with the prefix and `begin`.
    pub(super) fn pattern(&self, begin: &str) -> String {
        let mut pattern = String::new();
        for c in self.prefix.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern + ":" + begin + "*"
    }
}

/// Stored form of a field.
pub(super) fn escape(field: &str) -> Cow<'_, str> {
    if field.is_empty() || field.starts_with('@') {
        Cow::Owned(format!("@{field}"))
    } else {
        Cow::Borrowed(field)
    }
}

/// Field from its stored form; `None` for the store's own fields.
pub(super) fn unescape(stored: &str) -> Option<&str> {
    match stored.strip_prefix('@') {
        None => Some(stored),
        Some(field) if field.is_empty() || field.starts_with('@') => Some(field),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field in which the scripts keep the generation that changed a hash last.
    const GENERATION: &str = "@generation";

    #[test]
    fn every_field_round_trips_and_none_is_the_stores_own() {
        for field in ["", "@", "@@", "@generation", "@@generation", "generation", "a@b", "重庆", "\0", "@\0"]
        {
            let stored = escape(field);
            assert_eq!(unescape(&stored), Some(field));
            assert_ne!(stored, GENERATION);
        }
        assert_eq!(unescape(GENERATION), None);
    }

    #[test]
    fn buckets_are_hidden() {
        let one = Keys::new("p", 1);
        assert_eq!(one.hash("r:c:1", 0), "p:s:r:c:1");
        assert_eq!(one.hash_name("p:s:r:c:1"), Some("r:c:1"));
        let many = Keys::new("p", 16);
        assert_eq!(many.hash("r:c:1", 7), "p:s:r:c:1:7");
        assert_eq!(many.hash_name("p:s:r:c:1:7"), Some("r:c:1"));
        assert_eq!(many.hash_name("p:s:r:c:1:16"), None);
        assert_eq!(many.hash_name("q:s:r:c:1:7"), None);
    }

    #[test]
    fn a_field_stays_in_its_bucket() {
        let keys = Keys::new("p", 16);
        let found: Vec<u16> = ["", "1001", "重庆", "10.0.0.7"].map(|field| keys.bucket(field)).to_vec();
        assert_eq!(found, [2, 8, 10, 10]);
    }

    #[test]
    fn a_prefix_is_escaped_in_patterns() {
        assert_eq!(Keys::new("a*[b]", 1).pattern("s:"), r"a\*\[b\]:s:*");
    }
}
