//! Days, weeks and months of a time zone, by the date that its calendars show.

use jiff::civil::{Date, Weekday};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value as Json;

/// The unit and time zone of a period.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    this: String,
    zone: TimeZone,
    week_starts: Weekday,
}

impl Calendar {
    pub(crate) fn parse(json: &Json) -> Self {
        let zone = json["zone"].as_str().expect("a time zone");
        let zone = DateTimeParser::new().parse_time_zone(zone).expect("a time zone");
        let week_starts = match json.get("week_starts").and_then(Json::as_str) {
            None | Some("monday") => Weekday::Monday,
            Some("tuesday") => Weekday::Tuesday,
            Some("wednesday") => Weekday::Wednesday,
            Some("thursday") => Weekday::Thursday,
            Some("friday") => Weekday::Friday,
            Some("saturday") => Weekday::Saturday,
            Some("sunday") => Weekday::Sunday,
            Some(other) => panic!("no day of the week: {other}"),
        };
        Self { this: json["this"].as_str().expect("a unit").to_owned(), zone, week_starts }
    }

    /// First date of the period in which an instant lies.
    pub(crate) fn period(&self, time: i64) -> Date {
        let time = Timestamp::from_millisecond(time).expect("a time");
        let date = time.to_zoned(self.zone.clone()).date();
        match self.this.as_str() {
            "day" => date,
            "week" => {
                let since = i64::from(date.weekday().since(self.week_starts));
                date.checked_sub(Span::new().days(since)).expect("a date")
            }
            "month" => date.first_of_month(),
            other => panic!("no period: {other}"),
        }
    }
}
