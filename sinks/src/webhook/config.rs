//! Configuration of a webhook.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};

use super::error::WebhookError;

/// Replacement for a hidden value.
const HIDDEN: &str = "***";
/// Headers that are set by the sink or by HTTP itself.
const OWN_HEADERS: [&str; 5] =
    ["x-strateye-trigger", "x-strateye-signature", "content-length", "transfer-encoding", "host"];

/// HTTP method of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`, the default.
    #[default]
    Post,
    /// `PUT`, for receivers that store the trigger under the address.
    Put,
}

/// Configuration of a webhook sink. `Debug` hides secrets; serialization does not, so display
/// [`WebhookConfig::redacted`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The address, `https://..` or `http://..`; `USER:PASSWORD@` before the host becomes basic
    /// authentication.
    pub url: String,
    /// HTTP method, `POST` or `PUT`; `POST` by default.
    #[serde(default)]
    pub method: Method,
    /// Headers sent with every request, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Timeout of a request, connecting included, in milliseconds; 5000 by default.
    #[serde(default = "defaults::timeout_ms")]
    pub timeout_ms: u64,
    /// Secret shared with the receiver; with it every request is signed. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Number of attempts before a trigger becomes a dead letter; 8 by default.
    #[serde(default = "defaults::attempts")]
    pub attempts: u32,
    /// Upper bound of the wait before the second attempt, in milliseconds; it doubles with every attempt, and
    /// the wait itself is drawn uniformly between 0 and the bound. 200 by default.
    #[serde(default = "defaults::first_backoff_ms")]
    pub first_backoff_ms: u64,
    /// Longest wait before any attempt, in milliseconds, even if the receiver asks for more; 30000 by
    /// default.
    #[serde(default = "defaults::longest_backoff_ms")]
    pub longest_backoff_ms: u64,
    /// Upper bound of concurrent requests, 1 to 256; 4 by default.
    #[serde(default = "defaults::concurrency")]
    pub concurrency: usize,
    /// Upper bound of queued triggers, those under way included; 10000 by default.
    #[serde(default = "defaults::queue")]
    pub queue: usize,
    /// Upper bound of the bytes of queued triggers, those under way included; 64 MiB by default. A single
    /// larger trigger is accepted when the queue is empty.
    #[serde(default = "defaults::queue_bytes")]
    pub queue_bytes: usize,
    /// File for triggers that could not be delivered, one JSON document per line.
    pub dead_letters: PathBuf,
}

/// Default values of fields.
mod defaults {
    pub(super) fn timeout_ms() -> u64 {
        5_000
    }
    pub(super) fn attempts() -> u32 {
        8
    }
    pub(super) fn first_backoff_ms() -> u64 {
        200
    }
    pub(super) fn longest_backoff_ms() -> u64 {
        30_000
    }
    pub(super) fn concurrency() -> usize {
        4
    }
    pub(super) fn queue() -> usize {
        10_000
    }
    pub(super) fn queue_bytes() -> usize {
        64 << 20
    }
}

impl WebhookConfig {
    /// A configuration with the defaults.
    #[must_use]
    pub fn new(url: impl Into<String>, dead_letters: impl Into<PathBuf>) -> Self {
        WebhookConfig {
            url: url.into(),
            method: Method::default(),
            headers: BTreeMap::new(),
            timeout_ms: defaults::timeout_ms(),
            secret: None,
            attempts: defaults::attempts(),
            first_backoff_ms: defaults::first_backoff_ms(),
            longest_backoff_ms: defaults::longest_backoff_ms(),
            concurrency: defaults::concurrency(),
            queue: defaults::queue(),
            queue_bytes: defaults::queue_bytes(),
            dead_letters: dead_letters.into(),
        }
    }

    /// Checks every field without network or disk access.
    ///
    /// # Errors
    /// Names the first invalid field and what to write instead.
    pub fn validate(&self) -> Result<(), WebhookError> {
        self.parsed_url()?;
        self.parsed_headers()?;
        if self.timeout_ms == 0 {
            return Err(WebhookError::config(
                "timeout_ms",
                "is 0, so nothing could be answered in time; write 5000",
            ));
        }
        if self.secret.as_deref() == Some("") {
            return Err(WebhookError::config(
                "secret",
                "is empty; write at least 16 random characters, or leave it out",
            ));
        }
        if self.attempts == 0 {
            return Err(WebhookError::config("attempts", "is 0, so nothing would be sent; write 1 or more"));
        }
        if self.first_backoff_ms == 0 || self.first_backoff_ms > self.longest_backoff_ms {
            let reason = format!("has to lie between 1 and longest_backoff_ms ({})", self.longest_backoff_ms);
            return Err(WebhookError::config("first_backoff_ms", reason));
        }
        if !(1..=256).contains(&self.concurrency) {
            return Err(WebhookError::config("concurrency", "has to lie between 1 and 256"));
        }
        if self.queue == 0 {
            return Err(WebhookError::config("queue", "is 0, so nothing would be taken; write 10000"));
        }
        if self.queue_bytes == 0 {
            return Err(WebhookError::config(
                "queue_bytes",
                "is 0, so nothing would be taken; write 67108864",
            ));
        }
        if self.dead_letters.file_name().is_none() {
            return Err(WebhookError::config(
                "dead_letters",
                "names no file; write a path such as dead-letters.jsonl",
            ));
        }
        Ok(())
    }

    /// Parses the address; messages do not contain it, as it may hold a password.
    pub(super) fn parsed_url(&self) -> Result<Url, WebhookError> {
        let url = Url::parse(&self.url).map_err(|e| {
            WebhookError::config("url", format!("is not an address ({e}); write https://HOST/PATH"))
        })?;
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(url),
            scheme => {
                let reason = format!("has the scheme {scheme:?}; write https://HOST/PATH");
                Err(WebhookError::config("url", reason))
            }
        }
    }

    /// Parses the configured headers; messages contain no value.
    pub(super) fn parsed_headers(&self) -> Result<HeaderMap, WebhookError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let faulty = |reason: &str| WebhookError::config("headers", format!("{name:?} {reason}"));
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| faulty("is not the name of a header; write letters, digits and hyphens"))?;
            if OWN_HEADERS.contains(&parsed.as_str()) {
                return Err(faulty("is set by the sink itself; leave it out"));
            }
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| faulty("has a value with control or non-ASCII characters; leave them out"))?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        Ok(headers)
    }

    /// The same configuration for display: secret, header values, and the address's user, password and query
    /// are hidden.
    #[must_use]
    pub fn redacted(&self) -> Self {
        WebhookConfig {
            url: self.shown_url(),
            headers: self.headers.keys().map(|name| (name.clone(), HIDDEN.to_owned())).collect(),
            secret: self.secret.as_ref().map(|_| HIDDEN.to_owned()),
            ..self.clone()
        }
    }

    /// The address without its potentially secret parts: user, password and query.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let Ok(url) = self.parsed_url() else { return HIDDEN.to_owned() };
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", url.scheme(), url.path())
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.redacted();
        f.debug_struct("WebhookConfig")
            .field("url", &shown.url)
            .field("method", &shown.method)
            .field("headers", &shown.headers)
            .field("timeout_ms", &shown.timeout_ms)
            .field("secret", &shown.secret)
            .field("attempts", &shown.attempts)
            .field("first_backoff_ms", &shown.first_backoff_ms)
            .field("longest_backoff_ms", &shown.longest_backoff_ms)
            .field("concurrency", &shown.concurrency)
            .field("queue", &shown.queue)
            .field("queue_bytes", &shown.queue_bytes)
            .field("dead_letters", &shown.dead_letters)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: serde_json::Value) -> Result<WebhookConfig, String> {
        let config: WebhookConfig = serde_json::from_value(document).map_err(|e| e.to_string())?;
        config.validate().map_err(|e| e.to_string())?;
        Ok(config)
    }

    fn with(field: &str, value: serde_json::Value) -> Result<WebhookConfig, String> {
        let mut document = json!({"url": "https://shop.example/hook", "dead_letters": "dead.jsonl"});
        document[field] = value;
        read(document)
    }

    #[test]
    fn what_is_left_out_has_the_documented_defaults() {
        let config = with("attempts", json!(8)).unwrap();
        assert_eq!(config, WebhookConfig::new("https://shop.example/hook", "dead.jsonl"));
        assert_eq!(
            (config.timeout_ms, config.first_backoff_ms, config.longest_backoff_ms),
            (5000, 200, 30000)
        );
        assert_eq!((config.concurrency, config.queue, config.queue_bytes), (4, 10_000, 64 << 20));
    }

    #[test]
    fn faults_name_the_field_and_the_remedy() {
        for (field, value, expected) in [
            ("url", json!("shop.example"), "write https://HOST/PATH"),
            ("url", json!("ftp://shop.example"), "\"ftp\""),
            ("method", json!("GET"), "unknown variant `GET`, expected `POST` or `PUT`"),
            ("headers", json!({"a b": "c"}), "\"a b\" is not the name of a header"),
            ("headers", json!({"a": "c\nd"}), "control"),
            ("headers", json!({"X-Strateye-Trigger": "1"}), "set by the sink itself"),
            ("timeout_ms", json!(0), "write 5000"),
            ("secret", json!(""), "leave it out"),
            ("attempts", json!(0), "write 1 or more"),
            ("first_backoff_ms", json!(30001), "between 1 and longest_backoff_ms (30000)"),
            ("concurrency", json!(0), "between 1 and 256"),
            ("queue", json!(0), "write 10000"),
            ("queue_bytes", json!(0), "write 67108864"),
            ("dead_letters", json!(".."), "names no file"),
            ("retries", json!(3), "unknown field `retries`"),
        ] {
            let error = with(field, value).unwrap_err();
            // The error for a value outside a fixed list does not name the field; the caller that reads the
            // document adds it.
            let named = field == "method" || error.contains(field);
            assert!(error.contains(expected) && named, "{field}: {error}");
        }
        assert!(read(json!({"url": "http://a"})).unwrap_err().contains("dead_letters"));
    }

    #[test]
    fn no_text_about_it_holds_a_secret() {
        let mut config =
            WebhookConfig::new("https://user:pass-1@shop.example:8443/hook?token=pass-2", "dead.jsonl");
        config.secret = Some("pass-3".to_owned());
        config.headers.insert("Authorization".to_owned(), "Bearer pass-4".to_owned());
        let shown = format!("{config:?} {}", serde_json::to_string(&config.redacted()).unwrap());
        assert!(
            shown.contains("https://shop.example:8443/hook") && shown.contains("Authorization"),
            "{shown}"
        );
        assert!(!shown.contains("pass-") && !shown.contains("user"), "{shown}");
        config.headers.insert("Cookie".to_owned(), "pass-5\n".to_owned());
        assert!(!config.validate().unwrap_err().to_string().contains("pass-"));
        config.url = "https:://user:pass-6@shop.example".to_owned();
        assert!(!config.validate().unwrap_err().to_string().contains("pass-"));
    }
}
