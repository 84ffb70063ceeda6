//! Settings in a form fit for people to see.

use sources::events::KafkaConfig;

use super::{RedisConfig, Settings, SinkSettings};

impl Settings {
    /// Copy fit to be shown: passwords, tokens and the values of clients' options are hidden.
    pub(in crate::cli) fn redacted(&self) -> Self {
        Settings {
            rules: self.rules.as_ref().map(|rules| hide_password(&rules.to_string_lossy()).into()),
            events: self.events.as_deref().map(hide_password),
            kafka: self.kafka.as_ref().map(KafkaConfig::redacted),
            triggers: self.triggers.as_deref().map(hide_password),
            sinks: self.sinks.iter().map(SinkSettings::redacted).collect(),
            state: self.state.as_deref().map(hide_password),
            redis: self.redis.as_ref().map(RedisConfig::redacted),
            ..self.clone()
        }
    }
}

/// An address without user and password; any other text stays as it is.
pub(in crate::cli) fn hide_password(text: &str) -> String {
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, place)) => format!("{scheme}://***@{place}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECRETS: &str = r#"
        rules = "mysql://root:pass-1@db:3306/shop"
        state = "redis://:pass-2@cache/"
        [kafka]
        brokers = "a:9092"
        topic = "events"
        options = { "sasl.password" = "pass-3" }
        [[sinks]]
        kafka = { brokers = "a:9092", topic = "t", options = { "sasl.password" = "pass-4" } }
        [[sinks]]
        [sinks.webhook]
        url = "https://user:pass-5@shop.example/hook?token=pass-6"
        secret = "pass-7"
        headers = { Authorization = "Bearer pass-8" }
        dead_letters = "dead.jsonl"
    "#;

    #[test]
    fn what_is_shown_has_no_secret_and_can_be_read_again() {
        let settings: Settings = toml::from_str(SECRETS).unwrap();
        let shown = toml::to_string_pretty(&settings.redacted()).unwrap();
        assert!(!shown.contains("pass-") && !shown.contains("root") && !shown.contains("user:"), "{shown}");
        for kept in
            ["@db:3306/shop", "@cache/", "sasl.password", "https://shop.example/hook", "Authorization"]
        {
            assert!(shown.contains(kept), "{kept} is not in {shown}");
        }
        let again: Settings = toml::from_str(&shown).unwrap();
        assert_eq!(toml::to_string_pretty(&again).unwrap(), shown);
        let redis = "[redis]\nurls = [\"redis://me:pass-9@a/\"]";
        let shown = toml::to_string_pretty(&toml::from_str::<Settings>(redis).unwrap().redacted()).unwrap();
        assert!(!shown.contains("pass-9") && shown.contains("@a/"), "{shown}");
    }

    #[test]
    fn what_is_no_address_stays() {
        assert_eq!(hide_password("rules/a@b"), "rules/a@b");
        assert_eq!(hide_password("kafka://a:1,b:2/t"), "kafka://a:1,b:2/t");
        assert_eq!(hide_password("mysql://u:p@q@h/d"), "mysql://***@h/d");
    }
}
