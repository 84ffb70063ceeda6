//! The text of a document, and the digest by which texts are compared.
//!
//! A document may list the users of its crowd, and be of many megabytes. So its text lives only until it has
//! been parsed; what remembers a document keeps the digest.

use std::{
    fmt,
    ops::{Deref, Range},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// Text of a document, exactly as it was published. Texts are compared by their digests; a clone copies a
/// pointer.
///
/// ```
/// use strateye_operators::document::text::{DocumentDigest, DocumentText};
///
/// let text = DocumentText::from(r#"{"rule_id": "r"}"#);
/// assert!(text.starts_with('{'));
/// assert_eq!(text.digest(), DocumentDigest::of(text.as_bytes()));
/// ```
#[derive(Clone, Debug)]
pub struct DocumentText {
    memory: Arc<String>,
    range: Range<usize>,
    digest: DocumentDigest,
}

/// Copies of texts in one piece of memory, which lives as long as one of them.
///
/// Thousands of texts allocated one by one leave gaps between what was allocated meanwhile, which an allocator
/// does not give back to the system. A piece of many megabytes goes back as a whole.
#[derive(Debug, Default)]
pub struct Texts {
    memory: String,
    texts: Vec<(Range<usize>, DocumentDigest)>,
}

/// Digest of the text of a document: 128 bits of XXH3, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentDigest(u128);

impl DocumentText {
    /// Digest of the text.
    pub fn digest(&self) -> DocumentDigest {
        self.digest
    }
}

impl From<String> for DocumentText {
    fn from(text: String) -> Self {
        let digest = DocumentDigest::of(text.as_bytes());
        DocumentText { range: 0..text.len(), memory: Arc::new(text), digest }
    }
}

impl From<&str> for DocumentText {
    fn from(text: &str) -> Self {
        DocumentText::from(text.to_owned())
    }
}

impl Deref for DocumentText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.memory[self.range.clone()]
    }
}

impl PartialEq for DocumentText {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for DocumentText {}

impl Texts {
    /// Copies a text.
    pub fn push(&mut self, text: &DocumentText) {
        let start = self.memory.len();
        self.memory.push_str(text);
        self.texts.push((start..self.memory.len(), text.digest));
    }
}

impl From<Texts> for Vec<DocumentText> {
    /// The copies, in the order in which they were made.
    fn from(texts: Texts) -> Self {
        let memory = Arc::new(texts.memory);
        let text = |(range, digest)| DocumentText { memory: Arc::clone(&memory), range, digest };
        texts.texts.into_iter().map(text).collect()
    }
}

impl DocumentDigest {
    /// Digest of the bytes of a document, which need not be text.
    pub fn of(bytes: &[u8]) -> Self {
        DocumentDigest(xxh3_128(bytes))
    }

    /// The digest as bytes, the lowest first.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

impl fmt::Display for DocumentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<DocumentDigest> for String {
    fn from(digest: DocumentDigest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for DocumentDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = Some(&text).filter(|text| text.len() == 32);
        let digest = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        digest
            .map(DocumentDigest)
            .ok_or_else(|| format!("{text:?} is no digest: write 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_by_their_digests() {
        let [one, same, other] = ["{}", "{}", "{ }"].map(DocumentText::from);
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!((&*other, other.digest()), ("{ }", DocumentDigest::of(b"{ }")));
    }

    #[test]
    fn copies_are_equal_texts_in_one_piece_of_memory() {
        let originals = ["{}", "", "{\"规则\": 1}"].map(DocumentText::from);
        let mut texts = Texts::default();
        originals.iter().for_each(|text| texts.push(text));
        let copies: Vec<DocumentText> = texts.into();
        assert_eq!(copies, originals);
        assert!(copies.iter().zip(&originals).all(|(copy, original)| **copy == **original));
        assert!(copies.iter().all(|copy| Arc::ptr_eq(&copy.memory, &copies[0].memory)));
    }

    #[test]
    fn a_digest_is_stored_as_32_digits() {
        for digest in [DocumentDigest(0), DocumentDigest(0xa5), DocumentDigest::of(b"{}")] {
            let json = serde_json::to_string(&digest).unwrap();
            assert_eq!(json.len(), 34);
            assert_eq!(serde_json::from_str::<DocumentDigest>(&json).unwrap(), digest);
        }
        for wrong in ["", "5", &"g".repeat(32), &"0".repeat(33)] {
            let read = serde_json::from_value::<DocumentDigest>(wrong.into());
            assert!(read.unwrap_err().to_string().contains("write 32 hexadecimal digits"), "{wrong}");
        }
    }
}
