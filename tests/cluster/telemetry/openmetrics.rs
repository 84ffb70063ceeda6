//! A strict parser of OpenMetrics text, written from the specification and independent of the writer.
//!
//! It refuses whatever the specification does: samples outside their family, families in two places, counters
//! without `_total` or below zero, repeated samples, labels with wrong quoting, histograms whose buckets are
//! not cumulative or whose last bucket is not the count, units that are not the name's end, and anything
//! behind `# EOF`.

use std::collections::{BTreeMap, BTreeSet};

/// A sample's labels.
pub(crate) type Labels = BTreeMap<String, String>;

/// All families of a page.
#[derive(Debug, Default)]
pub(crate) struct Families {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, BTreeMap<Labels, f64>>,
}

impl Families {
    /// Sum of all samples of that name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.samples.get(name).map_or(0.0, |samples| samples.values().sum())
    }

    /// The sample of exactly these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(name)?.get(&labels).copied()
    }

    /// Labels of all samples of that name.
    pub(crate) fn samples(&self, name: &str) -> impl Iterator<Item = &Labels> {
        self.samples.get(name).into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether samples may have that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.kinds.iter().any(|(family, kind)| suffixes(kind).iter().any(|s| name == format!("{family}{s}")))
    }

    /// Names by which a person would query: of a histogram its buckets.
    pub(crate) fn sample_names(&self) -> Vec<&str> {
        let names = self.samples.keys().map(String::as_str);
        names.filter(|name| !name.ends_with("_seconds_sum") && !name.ends_with("_seconds_count")).collect()
    }
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    }
}

fn is_name(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Parses a page.
///
/// # Errors
/// The first invalid line, and why.
pub(crate) fn parse(page: &str) -> Result<Families, String> {
    let body = page.strip_suffix("# EOF\n").ok_or("the page does not end with # EOF")?;
    let mut families = Families::default();
    let mut current = Current::default();
    for line in body.lines() {
        take(line, &mut families, &mut current).map_err(|fault| format!("{fault}: {line}"))?;
    }
    for (family, kind) in &families.kinds {
        if kind == "histogram" {
            histogram(family, &families)?;
        }
    }
    Ok(families)
}

/// The family whose lines are being parsed.
#[derive(Default)]
struct Current {
    name: String,
    kind: Option<String>,
    said: BTreeSet<&'static str>,
}

fn take(line: &str, families: &mut Families, current: &mut Current) -> Result<(), String> {
    let Some(comment) = line.strip_prefix("# ") else {
        return sample(line, families, current);
    };
    let mut words = comment.splitn(3, ' ');
    let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
        return Err("a comment is HELP, TYPE or UNIT, a name and a text".into());
    };
    let what = ["HELP", "TYPE", "UNIT"].into_iter().find(|w| *w == what).ok_or("no such comment")?;
    if !is_name(name) || rest.is_empty() {
        return Err("a name or text is missing".into());
    }
    if name != current.name {
        *current = Current { name: name.to_owned(), kind: None, said: BTreeSet::new() };
    }
    if !current.said.insert(what) {
        return Err("it is said twice".into());
    }
    match what {
        "TYPE" => {
            if !["counter", "gauge", "histogram"].contains(&rest) {
                return Err("no such type".into());
            }
            if families.kinds.insert(name.to_owned(), rest.to_owned()).is_some() {
                return Err("the family stands in two places".into());
            }
            current.kind = Some(rest.to_owned());
        }
        "UNIT" if !name.ends_with(&format!("_{rest}")) => {
            return Err("the unit is not the end of the name".into());
        }
        _ => {}
    }
    Ok(())
}

fn sample(line: &str, families: &mut Families, current: &Current) -> Result<(), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    let kind = current.kind.as_deref().ok_or("a sample before its TYPE")?;
    let suffix = name.strip_prefix(&current.name).ok_or("a sample outside of its family")?;
    if !is_name(name) || !suffixes(kind).contains(&suffix) {
        return Err(format!("a {kind} has no {suffix:?}"));
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            text.parse().map_err(|_| "no number")?
        }
        _ => return Err("no number".into()),
    };
    if value.is_nan() || (kind != "gauge" && value < 0.0) {
        return Err("a value that can not be".into());
    }
    let samples = families.samples.entry(name.to_owned()).or_default();
    if samples.insert(labels, value).is_some() {
        return Err("the sample is there twice".into());
    }
    Ok(())
}

/// Labels up to the closing brace, and the rest of the line.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        let (name, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || name.contains(':') {
            return Err(format!("{name:?} is not a label"));
        }
        let (value, behind) = quoted(behind)?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err("a label is there twice".into());
        }
        match behind.split_at_checked(1) {
            Some((",", more)) => rest = more,
            Some(("}", more)) => return Ok((labels, more)),
            _ => return Err("labels that do not end".into()),
        }
    }
}

/// A label's value up to its closing quote, and the rest of the line.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('"' | '\\'))) => c,
                _ => return Err("no such escape".into()),
            }),
            c => value.push(c),
        }
    }
    Err("a value that does not end".into())
}

fn histogram(family: &str, families: &Families) -> Result<(), String> {
    let Some(buckets) = families.samples.get(&format!("{family}_bucket")) else {
        return Err(format!("{family} has no buckets"));
    };
    let mut bounds = Vec::new();
    for (labels, count) in buckets {
        let bound = labels.get("le").ok_or(format!("{family} has a bucket without a bound"))?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| "no bound")? };
        bounds.push((bound, *count));
    }
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let cumulative = bounds.windows(2).all(|pair| pair[0].1 <= pair[1].1);
    let count = families.value(&format!("{family}_count"), &[]);
    let whole = bounds.last().is_some_and(|(bound, all)| bound.is_infinite() && Some(*all) == count);
    if !cumulative || !whole || families.value(&format!("{family}_sum"), &[]).is_none() {
        return Err(format!(
            "the buckets of {family} are not cumulative, or not whole: {bounds:?}, {count:?}"
        ));
    }
    Ok(())
}

#[test]
fn what_the_specification_refuses_is_refused() {
    let good = "# HELP a_seconds It\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds{b=\"x\\n\\\"\"} 1.5\n# EOF\n";
    let read = parse(good).unwrap();
    assert_eq!(read.value("a_seconds", &[("b", "x\n\"")]), Some(1.5));
    for bad in [
        "# TYPE a gauge\na 1\n",
        "a 1\n# EOF\n",
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a counter\na_total -1\n# EOF\n",
        "# TYPE a gauge\na 1\na 2\n# EOF\n",
        "# TYPE a gauge\nb 1\n# EOF\n",
        "# TYPE a gauge\na{b=\"c} 1\n# EOF\n",
        "# TYPE a gauge\na{b=\"c\",b=\"d\"} 1\n# EOF\n",
        "# TYPE a gauge\na{b=\"\\x\"} 1\n# EOF\n",
        "# TYPE a gauge\na{} 1\n# EOF\n",
        "# TYPE a gauge\na one\n# EOF\n",
        "# TYPE a gauge\na 1\n\n# EOF\n",
        "# TYPE a gauge\na 1\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n",
        "# TYPE a_seconds gauge\n# UNIT a_seconds bytes\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"1.0\"} 3\na_bucket{le=\"+Inf\"} 2\na_sum 1\na_count 2\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"1.0\"} 2\na_sum 1\na_count 2\n# EOF\n",
        "# EOF\n# TYPE a gauge\n# EOF\n",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
