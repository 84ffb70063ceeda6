use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 9] = [
    "UTC",
    "Asia/Shanghai",
    "+05:45",
    "America/New_York",
    // Clocks are set at midnight, both ways.
    "America/Havana",
    "America/Sao_Paulo",
    // By half an hour.
    "Australia/Lord_Howe",
    // Left out a day in 2011.
    "Pacific/Apia",
    "Pacific/Kiritimati",
];

fn calendar(text: &str) -> Calendar {
    Calendar::parse(text).unwrap()
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

proptest! {
    #[test]
    fn instants_of_a_period_have_one_date_and_others_have_not(
        zone in prop::sample::select(&ZONES[..]), time in 0i64..4_102_444_800_000,
    ) {
        let zoned = |time: i64| {
            let zone = Zone::try_from(Cow::Borrowed(zone)).unwrap();
            Timestamp::from_millisecond(time).unwrap().to_zoned(zone.time_zone().clone()).date()
        };
        let monday = |time: i64| zoned(time).checked_sub(Span::new().days(zoned(time).weekday().to_monday_zero_offset())).unwrap();
        let periods: [(Unit, &dyn Fn(i64) -> Date); 3] =
            [(Unit::Day, &zoned), (Unit::Week, &monday), (Unit::Month, &|time| zoned(time).first_of_month())];
        for (unit, period) in periods {
            let calendar = calendar(&format!("{} {zone}", unit.name()));
            let (start, next) = (calendar.start(time), calendar.next(time));
            prop_assert!(start <= time && time < next);
            for inside in [start, next - 1] {
                prop_assert_eq!(period(inside), period(time));
                prop_assert_eq!((calendar.start(inside), calendar.next(inside)), (start, next));
            }
            prop_assert!(period(start - 1) < period(time) && period(next) > period(time));
        }
    }
}

#[test]
fn days_on_which_clocks_are_set_are_shorter_or_longer() {
    let day = calendar("day America/New_York");
    let hours = |text: &str| (day.next(at(text)) - day.start(at(text))) / 3_600_000;
    assert_eq!(hours("2026-03-07T12:00:00Z"), 24);
    assert_eq!(hours("2026-03-08T12:00:00Z"), 23);
    assert_eq!(hours("2026-11-01T12:00:00Z"), 25);
    // At midnight: the day begins at one o'clock.
    assert_eq!(
        calendar("day America/Sao_Paulo").start(at("2018-11-04T12:00:00Z")),
        at("2018-11-04T03:00:00Z")
    );
}

#[test]
fn weeks_begin_on_monday_or_as_is_said() {
    let now = at("2026-12-01T12:00:00+08:00");
    assert_eq!(calendar("week Asia/Shanghai").start(now), at("2026-11-30T00:00:00+08:00"));
    assert_eq!(calendar("week Asia/Shanghai sunday").start(now), at("2026-11-29T00:00:00+08:00"));
    assert_eq!(calendar("month Asia/Shanghai").next(now), at("2027-01-01T00:00:00+08:00"));
}

#[test]
fn a_text_names_one_calendar() {
    assert_eq!(calendar("week UTC monday"), calendar("week UTC"));
    assert_eq!(calendar("day asia/shanghai"), calendar("day Asia/Shanghai"));
    assert_ne!(calendar("week UTC"), calendar("day UTC"));
    for wrong in ["", "day", "year UTC", "day Peking", "week UTC mon", "week UTC sunday x"] {
        assert!(Calendar::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_lies_beyond_is_one_period() {
    let day = calendar("day UTC");
    assert_eq!((day.start(i64::MIN), day.next(i64::MAX)), (i64::MIN, i64::MAX));
    assert_eq!(day.start(i64::MAX), at("2100-12-31T00:00:00Z"));
}
