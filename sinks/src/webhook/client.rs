//! One attempt at a delivery: the request, its signature, and the meaning of the answer.

use std::{
    error::Error,
    io::Read,
    net::IpAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, Mac};
use reqwest::{
    StatusCode, Url,
    blocking::{Client, Response},
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use sha2::Sha256;

use super::{
    backoff::retry_after,
    config::{Method, WebhookConfig},
    error::WebhookError,
};
use crate::trigger::Trigger;

/// Upper bound of bytes read of an answer's body: enough to reuse the connection after any reasonable answer.
const READ_LIMIT: u64 = 64 << 10;
/// Answers of whoever stands before a receiver that is not there.
const GATEWAY: [StatusCode; 3] =
    [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
/// Bytes of an answer's body that are kept in the reason of a dead letter.
const QUOTED: usize = 200;

/// Outcome of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The receiver has accepted the trigger.
    Delivered,
    /// The receiver will never take the trigger.
    Refused(Failure),
    /// Another attempt may succeed.
    Failed {
        failure: Failure,
        /// The least wait that the receiver asked for.
        after: Option<Duration>,
        /// Whether it is the receiver that is not there, rather than this trigger that it can't take.
        is_away: bool,
    },
}

/// Reason why an attempt failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The reason, without secrets, for logs.
    pub(super) reason: String,
    /// Beginning of the answer's body; only for the dead-letter file, as receivers may quote requests.
    pub(super) answer: String,
}

/// Posts triggers. Clones share their connections.
#[derive(Clone)]
pub(super) struct WebhookClient {
    http: Client,
    url: Url,
    method: reqwest::Method,
    headers: HeaderMap,
    signer: Option<Hmac<Sha256>>,
    timeout: Duration,
}

pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

impl WebhookClient {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let url = config.parsed_url()?;
        let timeout = Duration::from_millis(config.timeout_ms);
        let mut http = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .pool_max_idle_per_host(config.concurrency)
            // A redirect would turn a POST into a GET, and send the signature to an address that is not
            // configured.
            .redirect(Policy::none())
            .user_agent(concat!("strateye/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&url) {
            http = http.no_proxy();
        }
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        headers.extend(config.parsed_headers()?);
        let signer = config.secret.as_ref().map(|secret| Hmac::<Sha256>::new_from_slice(secret.as_bytes()));
        Ok(WebhookClient {
            http: http.build().map_err(|e| WebhookError::Client(plain(e)))?,
            url,
            method: match config.method {
                Method::Post => reqwest::Method::POST,
                Method::Put => reqwest::Method::PUT,
            },
            headers,
            signer: signer.transpose().map_err(|e| WebhookError::config("secret", e.to_string()))?,
            timeout,
        })
    }

    /// Makes one attempt; blocks for at most twice the timeout.
    pub(super) fn attempt(&self, trigger: &Trigger) -> Attempt {
        let Ok(id) = HeaderValue::from_bytes(trigger.id.as_bytes()) else {
            return Attempt::Refused(failure("the trigger's id can't be sent as a header"));
        };
        let mut request = self
            .http
            .request(self.method.clone(), self.url.clone())
            .headers(self.headers.clone())
            .header("X-Strateye-Trigger", id)
            .body(trigger.line.clone());
        if let Some(signer) = &self.signer {
            request = request.header("X-Strateye-Signature", signature(signer, now_ms(), &trigger.line));
        }
        match request.send() {
            Ok(response) => self.assess(response),
            Err(error) => Attempt::Failed { failure: failure(plain(error)), after: None, is_away: true },
        }
    }

    fn assess(&self, mut response: Response) -> Attempt {
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        let after = after.and_then(|text| retry_after(text, now_ms()));
        let answer = self.drain(&mut response);
        if status.is_success() {
            return Attempt::Delivered;
        }
        let hint = if status.is_redirection() {
            "; redirects are not followed, configure the new address"
        } else {
            ""
        };
        let failure = Failure { reason: format!("the receiver answered {status}{hint}"), answer };
        let temporary = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS]
            .contains(&status);
        if status.is_client_error() && !temporary {
            Attempt::Refused(failure)
        } else {
            let is_away = temporary || GATEWAY.contains(&status);
            Attempt::Failed { failure, after, is_away }
        }
    }

    /// Reads the body within bounds of size and time, so that the connection can be reused; returns its
    /// beginning.
    fn drain(&self, response: &mut Response) -> String {
        let started = Instant::now();
        let (mut buffer, mut quoted, mut read) = ([0; 4096], Vec::new(), 0);
        while read < READ_LIMIT && started.elapsed() < self.timeout {
            // Only the status counts; an incomplete body changes nothing.
            let Ok(length @ 1..) = response.read(&mut buffer) else { break };
            read += length as u64;
            let room = QUOTED.saturating_sub(quoted.len()).min(length);
            quoted.extend_from_slice(&buffer[..room]);
        }
        String::from_utf8_lossy(&quoted).trim().to_owned()
    }
}

/// Whether the receiver is on this machine; it is then reached directly, regardless of proxies in the
/// environment.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

fn failure(reason: impl Into<String>) -> Failure {
    Failure { reason: reason.into(), answer: String::new() }
}

/// The error and its causes, without the address, which may hold a password.
fn plain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn signature(signer: &Hmac<Sha256>, at_ms: u64, body: &str) -> String {
    let mut signer = signer.clone();
    signer.update(format!("{at_ms}.").as_bytes());
    signer.update(body.as_bytes());
    let mac = signer.finalize().into_bytes();
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at_ms},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_other_tools_compute() {
        // printf '%s' '1766000000123.{"a":"重庆"}' | openssl dgst -sha256 -hmac 'a secret'
        let signer = Hmac::<Sha256>::new_from_slice(b"a secret").unwrap();
        assert_eq!(
            signature(&signer, 1_766_000_000_123, "{\"a\":\"重庆\"}"),
            "t=1766000000123,v1=7d009fb65b5859aa42298fa8770c339fb0caf738388789de90f41d00678925f0"
        );
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:80/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:9/", true),
            ("http://localhost/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
