//! HTTP dates (RFC 9110, section 5.6.7): written in the one form that may be written
//! (`Sun, 06 Nov 1994 08:49:37 GMT`), read in all three and in what deployed servers make of them.

use domain::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// The first day of the Unix epoch was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Writes a moment, cut to the second.
#[must_use]
pub fn write(moment: Timestamp) -> String {
    let day = usize::try_from(moment.unix_s().div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let text = moment.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("");
    let month = part(5, 7).parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    format!(
        "{}, {} {} {} {} GMT",
        DAYS.get(day).unwrap_or(&"Thu"),
        part(8, 10),
        month.and_then(|at| MONTHS.get(at)).unwrap_or(&"Jan"),
        part(0, 4),
        part(11, 19),
    )
}

/// Reads a date; `None` for anything else, the two obsolete forms included (a validator may be ignored).
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once(", ")?;
    let mut fields = rest.split(' ');
    let (day, month, year) = (fields.next()?, fields.next()?, fields.next()?);
    let (time, zone) = (fields.next()?, fields.next()?);
    if zone != "GMT" || fields.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)?.checked_add(1)?;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// Longest text that is looked at as a date: 64 bytes; the longest form of the RFC has 33.
const TEXT_BYTES_MAX: usize = 64;

/// Reads a date in any of the three forms of RFC 9110, section 5.6.7, and forgives what leaves no doubt.
///
/// Forgiven are the case of names, more or less white space, a missing comma after the day's name, dashes between the
/// parts of the date, periods between those of the time, single digits, and a year of two digits; the day's name is
/// not compared with the date. A zone other than `GMT` is not a date (RFC 9111, section 4.2). A year of two digits is
/// the last one with these digits that lies at most 50 years after `now`.
#[must_use]
pub fn read_lenient(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut tokens = text.split([' ', '\t', ',', '-']).filter(|token| !token.is_empty());
    is_day_name(tokens.next()?).then_some(())?;
    let second = tokens.next()?;
    let (day, month, year, time) = if second.starts_with(|c: char| c.is_ascii_digit()) {
        let (month, year, time) = (tokens.next()?, tokens.next()?, tokens.next()?);
        tokens.next()?.eq_ignore_ascii_case("GMT").then_some(())?;
        (second, month, year, time)
    } else {
        let (day, time, year) = (tokens.next()?, tokens.next()?, tokens.next()?);
        (day, second, year, time)
    };
    if tokens.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?.checked_add(1)?;
    let day = digits(day, 2)?;
    let (hour, minute, second) = clock(time)?;
    let at = |year: u32| {
        Timestamp::parse(&format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        ))
    };
    match year.len() {
        4 => at(digits(year, 4)?),
        2 => year_of_two_digits(digits(year, 2)?, now, at),
        _ => None,
    }
}

/// RFC 9110, section 5.6.7: what seems to lie more than 50 years ahead is of the past.
fn year_of_two_digits(
    digits: u32,
    now: Timestamp,
    at: impl Fn(u32) -> Option<Timestamp>,
) -> Option<Timestamp> {
    let this_year: u32 = now.to_string().get(0..4)?.parse().ok()?;
    let century = this_year.saturating_sub(this_year.rem_euclid(100));
    // 50 years of 365.25 days.
    let last = now.after(core::time::Duration::from_secs(1_577_880_000));
    [century.saturating_add(100), century, century.saturating_sub(100)]
        .into_iter()
        .filter_map(|century| at(century.saturating_add(digits)))
        .find(|moment| *moment <= last)
}

fn is_day_name(text: &str) -> bool {
    const LONG: [&str; 7] =
        ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    DAYS.iter().chain(&LONG).any(|name| name.eq_ignore_ascii_case(text))
}

fn digits(text: &str, most: usize) -> Option<u32> {
    let is_number = text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Hour, minute and second of `8:49:37`; a leap second is the one before it.
fn clock(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split([':', '.']).map(|part| digits(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let second = if second == 60 { 59 } else { second };
    parts.next().is_none().then_some((hour, minute, second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_and_reads_the_example_of_the_rfc() {
        let moment = Timestamp::from_unix_ms(784_111_777_000);
        assert_eq!(write(moment), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(moment));
        for bad in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 31 Feb 2026 00:00:00 GMT",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    fn check_lenient(text: &str, expected: Option<&str>) {
        let now = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        let expected = expected.map(|text| Timestamp::parse(text).unwrap());
        assert_eq!(read_lenient(text, now), expected, "{text}");
    }

    #[test]
    fn rfc9110_5_6_7_reads_all_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            check_lenient(text, Some("1994-11-06T08:49:37Z"));
        }
    }

    #[test]
    fn rfc9110_5_6_7_puts_a_year_of_two_digits_at_most_fifty_years_ahead() {
        for (year, expected) in [("50", "2050"), ("75", "2075"), ("77", "1977"), ("26", "2026")] {
            let expected = format!("{expected}-08-18T02:01:18Z");
            check_lenient(&format!("Thursday, 18-Aug-{year} 02:01:18 GMT"), Some(&expected));
        }
    }

    #[test]
    fn forgives_what_leaves_no_doubt() {
        for text in [
            "THU, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 AUG 2050 02:01:18 gMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050  02:01:18  GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu Aug 18 2:01:18 2050",
        ] {
            check_lenient(text, Some("2050-08-18T02:01:18Z"));
        }
        check_lenient("Sat, 31 Dec 2016 23:59:60 GMT", Some("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn rfc9111_4_2_takes_no_other_zone_and_no_other_text_for_a_date() {
        for text in [
            "",
            "0",
            "-1",
            "now",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 2050 02:01:18 +0000",
            "Thu, 18 Aug 2050 02:01:18",
            "Thu, 18 Aug 2050 02:01:18 GMT GMT",
            "18 Aug 2050 02:01:18 GMT",
            "Thu, 31 Feb 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02:01 GMT",
            "Thu, 18 Aug 2050 24:01:18 GMT",
            "Thu, 18 Aug 20500 02:01:18 GMT",
            "Thu, 18 Aug +050 02:01:18 GMT",
        ] {
            check_lenient(text, None);
        }
    }

    proptest! {
        #[test]
        fn lenient_reading_never_panics(text in ".{0,70}", now in any::<i64>()) {
            let _ = read_lenient(&text, Timestamp::from_unix_ms(now));
        }

        #[test]
        fn lenient_reading_agrees_with_strict(seconds in 0_i64..253_402_300_800, now in 0_i64..4_102_444_800_000) {
            let moment = Timestamp::from_unix_ms(seconds.saturating_mul(1_000));
            prop_assert_eq!(read_lenient(&write(moment), Timestamp::from_unix_ms(now)), Some(moment));
        }

        #[test]
        fn comes_back_to_the_second(seconds in 0_i64..253_402_300_800) {
            let moment = Timestamp::from_unix_ms(seconds.saturating_mul(1_000));
            prop_assert_eq!(read(&write(moment)), Some(moment));
        }
    }
}
