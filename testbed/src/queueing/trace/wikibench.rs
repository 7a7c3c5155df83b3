//! A line of WikiBench: counter, time, URL, flag.

use std::str::from_utf8;

use super::columns::{micros, shortened};
use super::url;
use super::Entry;

const EXPECTED: &str = "expected \"counter time url flag\"";
const DAY_S: i64 = 86_400;

/// A line's query; none if it is not the English Wikipedia's. URLs may hold any bytes.
pub fn entry(line: &[u8]) -> Result<Option<Entry>, String> {
    let mut front = line.splitn(3, |&byte| byte == b' ');
    let (counter, time, rest) = (front.next(), front.next(), front.next());
    let (Some(counter), Some(time), Some(rest)) = (counter, time, rest) else {
        let found = line.split(|&byte| byte == b' ').count();
        return Err(format!("{found} columns: {EXPECTED}"));
    };
    // whatever lies between time and flag is the URL
    let mut back = rest.rsplitn(2, |&byte| byte == b' ');
    let (flag, Some(url)) = (back.next().unwrap_or_default(), back.next()) else {
        return Err(format!("3 columns: {EXPECTED}"));
    };
    if counter.is_empty() || !counter.iter().all(u8::is_ascii_digit) {
        return Err(wrong("the counter", counter, "digits"));
    }
    if flag != b"-" && flag != b"save" {
        return Err(wrong("the flag", flag, "- or save"));
    }
    let at_us = at_us(time)?;
    Ok(url::is_english(url).then(|| Entry {
        at_us,
        class: url::class_of(url),
        service_us: None,
    }))
}

fn wrong(what: &str, got: &[u8], expected: &str) -> String {
    let got = String::from_utf8_lossy(got);
    format!("{what} is \"{}\": expected {expected}", shortened(&got))
}

/// Seconds since 1970, or a date and a time of the day (UTC).
fn at_us(text: &[u8]) -> Result<u64, String> {
    let no_time = || {
        wrong(
            "the time",
            text,
            "seconds since 1970 or 2007-09-18T20:10:43.324",
        )
    };
    let text = from_utf8(text).map_err(|_| no_time())?;
    let seconds = match text.split_once('T') {
        None => text.to_owned(),
        Some((date, time)) => {
            let midnight = days_since_1970(date).ok_or_else(no_time)? * DAY_S;
            let (minute, second) = time.rsplit_once(':').ok_or_else(no_time)?;
            let minutes = minutes(minute).ok_or_else(no_time)?;
            let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
            let whole: i64 = number(whole, 0, 60).ok_or_else(no_time)?;
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(no_time());
            }
            format!("{}.{fraction}", midnight + 60 * minutes + whole)
        }
    };
    micros("the time", &seconds, 1e10, 1e6).map_err(|_| no_time())
}

fn number(text: &str, from: i64, to: i64) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain)?;
    (from..=to).contains(&number).then_some(number)
}

fn minutes(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    Some(60 * number(hour, 0, 23)? + number(minute, 0, 59)?)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_1970(date: &str) -> Option<i64> {
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let year: i64 = number(year, 1970, 2286)?;
    let (month, day) = (number(month, 1, 12)?, number(day, 1, 31)?);
    let leaps = |before: i64| before / 4 - before / 100 + before / 400;
    let is_leap = leaps(year) > leaps(year - 1);
    let months = [
        31,
        28 + i64::from(is_leap),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let earlier: i64 = months[..month as usize - 1].iter().sum();
    let is_in_month = day <= months[month as usize - 1];
    let years = 365 * (year - 1970) + leaps(year - 1) - leaps(1969);
    is_in_month.then_some(years + earlier + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // date -u -d DATE +%s, by 86,400
        for (date, days) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(11_016)),
            ("2000-03-01", Some(11_017)),
            ("2007-09-18", Some(13_774)),
            ("2010-05-27", Some(14_756)),
            ("2100-03-01", Some(47_541)),
            ("2100-02-29", None),
            ("2007-13-01", None),
            ("2007-09", None),
            ("2007-09-+1", None),
        ] {
            assert_eq!(days_since_1970(date), days, "{date}");
        }
    }

    #[test]
    fn both_ways_to_write_a_time() {
        let of = |text: &str| at_us(text.as_bytes());
        assert_eq!(of("1190146243.324"), Ok(1_190_146_243_324_000));
        assert_eq!(of("2007-09-18T20:10:43.324"), Ok(1_190_146_243_324_000));
        assert_eq!(of("2007-09-18T20:10:43"), Ok(1_190_146_243_000_000));
        let wrongs = [
            "",
            "x",
            "-1",
            "NaN",
            "2007-09-18",
            "2007-09-18T24:00:00",
            "2007-09-18T20:10:4 ",
            "2007-09-18T20:10:43.3e4",
        ];
        for wrong in wrongs {
            let error = of(wrong).unwrap_err();
            assert!(
                error.starts_with(&format!("the time is \"{wrong}\"")),
                "{error}"
            );
        }
    }
}
