//! Version numbers, in the order of Semantic Versioning 2.0.0, of any number of parts.

/// A version: `2.10.3`, `v3.0`, `1.0-rc.1`. What `+` leads in is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// The numbers before any `-`, without zeros at the end: `1.0` is `1`.
    numbers: Vec<u64>,
    /// Whether it is no pre-release. These are below the version that they lead to.
    released: bool,
    /// Parts of the name of a pre-release.
    pre_release: Vec<Part>,
}

/// Numbers are below names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Name(Box<str>),
}

impl Version {
    /// The version that a text spells, if it spells one.
    pub(super) fn parse(text: &str) -> Option<Version> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (numbers, pre_release) = match text.split_once('-') {
            Some((numbers, pre_release)) => (numbers, Some(pre_release)),
            None => (text, None),
        };
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok());
        let mut numbers =
            numbers.split('.').map(|part| number(part).flatten()).collect::<Option<Vec<u64>>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        let part = |part: &str| number(part).flatten().map_or_else(|| Part::Name(part.into()), Part::Number);
        let parts = pre_release.into_iter().flat_map(|name| name.split('.')).map(part);
        Some(Version { numbers, released: pre_release.is_none(), pre_release: parts.collect() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_in_order() {
        let ascending = [
            "0",
            "0.9.12",
            "1.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0-beta.2",
            "1.0-beta.11",
            "1.0.0-rc.1+linux",
            "v1",
            "1.0.1",
            "1.9",
            " 1.10 ",
            "2.0.0.1",
            "18446744073709551615.0",
        ];
        for pair in ascending.windows(2) {
            assert!(Version::parse(pair[0]).unwrap() < Version::parse(pair[1]).unwrap(), "{pair:?}");
        }
        assert_eq!(Version::parse("1.0.0"), Version::parse("V1+exp.sha"));
        for text in ["", ".", "1..2", "1.x", "one", "-1", "18446744073709551616", "1,2"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
