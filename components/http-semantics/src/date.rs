//! HTTP dates (RFC 9110, section 5.6.7) in the one form that may be written: `Sun, 06 Nov 1994 08:49:37 GMT`.

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

    proptest! {
        #[test]
        fn comes_back_to_the_second(seconds in 0_i64..253_402_300_800) {
            let moment = Timestamp::from_unix_ms(seconds.saturating_mul(1_000));
            prop_assert_eq!(read(&write(moment)), Some(moment));
        }
    }
}
