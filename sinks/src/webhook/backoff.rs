//! Wait before the next attempt.

use std::time::Duration;

/// Bounds of the wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Backoff {
    /// The wait after the `failures`-th consecutive failure, counted from 1. `fraction` in 0..1 selects the
    /// point in the range (all of it is used, so that senders do not return to a recovered receiver at the
    /// same time); `asked` is the least wait that the receiver asked for.
    pub(super) fn wait(&self, failures: u32, fraction: f64, asked: Option<Duration>) -> Duration {
        let doubled = 2u32.checked_pow(failures.saturating_sub(1)).and_then(|n| self.first.checked_mul(n));
        let range = doubled.unwrap_or(self.longest).min(self.longest);
        let drawn = range.mul_f64(fraction.clamp(0.0, 1.0));
        asked.map_or(drawn, |asked| drawn.max(asked)).min(self.longest)
    }
}

/// Parses a `Retry-After` header: seconds, or a date, relative to `now_ms` (unix milliseconds).
pub(super) fn retry_after(header: &str, now_ms: u64) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(header).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(u64::try_from(date).unwrap_or(0).saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(30) };

    #[test]
    fn ranges_double_up_to_the_longest() {
        let ranges: Vec<u128> = (1..=10).map(|n| BACKOFF.wait(n, 1.0, None).as_millis()).collect();
        assert_eq!(ranges, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(BACKOFF.wait(u32::MAX, 1.0, None), BACKOFF.longest);
    }

    #[test]
    fn the_whole_range_is_drawn_from() {
        assert_eq!(BACKOFF.wait(3, 0.0, None), Duration::ZERO);
        assert_eq!(BACKOFF.wait(3, 0.5, None), Duration::from_millis(400));
    }

    #[test]
    fn the_receivers_wish_counts_up_to_the_longest() {
        let seconds = Duration::from_secs;
        assert_eq!(BACKOFF.wait(1, 0.5, Some(seconds(7))), seconds(7));
        assert_eq!(BACKOFF.wait(6, 1.0, Some(seconds(1))), Duration::from_millis(6400));
        assert_eq!(BACKOFF.wait(1, 0.5, Some(seconds(u64::MAX))), seconds(30));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 1_445_412_470_000;
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:27:00 GMT", now), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
