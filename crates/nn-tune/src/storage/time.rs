//! Times as Python writes them: ISO 8601.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// Now, to the microsecond: what can be written.
pub(crate) fn now() -> SystemTime {
    let now = SystemTime::now();
    from_micros(micros(now)).unwrap_or(now)
}

/// Microseconds since 1970.
fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_micros() as i64,
        Err(before) => -(before.duration().as_nanos().div_ceil(1000) as i64),
    }
}

fn from_micros(micros: i64) -> Option<SystemTime> {
    let distance = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

/// `2026-11-22T13:10:00.000001+00:00`.
pub(crate) fn format(time: SystemTime) -> String {
    let micros = micros(time);
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let ([year, month, day], second) = (date(seconds.div_euclid(DAY)), seconds.rem_euclid(DAY));
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
}

/// A date and time with any offset from UTC; without one, in UTC.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    let [year, month, day] = fields(date, '-')?;
    let at = rest.find(['+', '-', 'Z']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(at);
    let offset = match offset {
        "" | "Z" => 0,
        _ => {
            let offset = time_of_day(&offset[1..])?;
            if rest.as_bytes()[at] == b'-' { -offset } else { offset }
        }
    };
    let days = days(year, month, day)?;
    from_micros(days.checked_mul(DAY * 1_000_000)? + time_of_day(time)? - offset)
}

fn fields(text: &str, separator: char) -> Option<[i64; 3]> {
    let number =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    let fields = text.split(separator).map(number).collect::<Option<Vec<i64>>>()?;
    fields.try_into().ok()
}

/// Microseconds since midnight: `13:10`, `13:10:00` or `13:10:00.000001`.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let [hour, minute, second] = match clock.len() {
        5 => fields(&format!("{clock}:00"), ':')?,
        _ => fields(clock, ':')?,
    };
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// Days since 1970 of a date of the Gregorian calendar, counted in eras of 400 years that begin in March.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100 + of_year;
    Some(year.div_euclid(400) * 146_097 + of_era - 719_468)
}

/// The year, month and day of a day since 1970.
fn date(days: i64) -> [i64; 3] {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12 + 1;
    [era * 400 + year + i64::from(month <= 2), month, day]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64, micros: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros)
    }

    #[test]
    fn times_of_python() {
        // datetime.fromisoformat(…).timestamp()
        let cases = [
            ("2026-11-22T13:10:00.000001+00:00", at(1_795_353_000, 1)),
            ("2026-11-22T13:10:00+00:00", at(1_795_353_000, 0)),
            ("2026-11-22T13:10:00.25Z", at(1_795_353_000, 250_000)),
            ("2026-11-22T13:10:00.250000", at(1_795_353_000, 250_000)),
            ("2026-11-22 18:40:00.000000+05:30", at(1_795_353_000, 0)),
            ("2026-11-22T05:10:00-08:00", at(1_795_353_000, 0)),
            ("2024-02-29T23:59:59.999999+00:00", at(1_709_251_199, 999_999)),
            ("1969-12-31T23:59:59.500000+00:00", UNIX_EPOCH - Duration::from_millis(500)),
        ];
        for (text, time) in cases {
            assert_eq!(parse(text), Some(time), "{text}");
            assert_eq!(parse(&format(time)), Some(time), "{text}");
        }
        assert_eq!(format(at(1_795_353_000, 1)), cases[0].0);
        let wrong = [
            "",
            "2026",
            "2026-13-01T00:00:00",
            "2025-02-29T00:00:00",
            "2026-11-22T24:00:00",
            "2026-11-22T13:10:00+0x:00",
            "2026-11-22T-1:10:00",
            "2026-11-22Tä",
            "99999999999T00:00:00",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_round_trip(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let time = from_micros(micros).unwrap();
            prop_assert_eq!(parse(&format(time)), Some(time));
        }
    }
}
