//! `strftime_now` of chat templates: the current date in Python's format codes.
//!
//! Time is UTC, because the engine knows no time zone database; an app that wants local dates passes its own time.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;
/// 9999-12-31, the last day that Python formats.
const MAX_DAYS: u64 = 2_932_896;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A point in time, in UTC.
struct Date {
    year: u64,
    /// 0 to 11.
    month: usize,
    /// 1 to 31.
    day: u64,
    /// 1 to 366.
    day_of_year: u64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
}

/// `now` in `format`. Codes that are not known stay as they are.
pub(super) fn strftime(now: SystemTime, format: &str) -> String {
    let date = Date::of(now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            // "%-d" is the C library's way to leave out the padding.
            Some('-') => {
                let mut padded = String::new();
                date.write(&mut padded, chars.next().unwrap_or('-'));
                let bare = padded.trim_start_matches(['0', ' ']);
                out.push_str(if bare.is_empty() { "0" } else { bare });
            }
            Some(code) => date.write(&mut out, code),
            None => out.push('%'),
        }
    }
    out
}

impl Date {
    fn of(seconds: u64) -> Self {
        let days = (seconds / SECONDS_PER_DAY).min(MAX_DAYS);
        let rest = seconds % SECONDS_PER_DAY;
        let mut year = 1970;
        let mut left = days;
        while left >= days_in(year) {
            left -= days_in(year);
            year += 1;
        }
        let day_of_year = left + 1;
        let february = if days_in(year) == 366 { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while left >= lengths[month] {
            left -= lengths[month];
            month += 1;
        }
        // 1970-01-01 was a Thursday.
        let weekday = usize::try_from((days + 4) % 7).unwrap_or(0);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        Self { year, month, day: left + 1, day_of_year, weekday, hour, minute, second }
    }

    fn write(&self, out: &mut String, code: char) {
        let hour12 = (self.hour + 11) % 12 + 1;
        let written = match code {
            'Y' => write!(out, "{}", self.year),
            'y' => write!(out, "{:02}", self.year % 100),
            'm' => write!(out, "{:02}", self.month + 1),
            'B' => write!(out, "{}", MONTHS[self.month]),
            'b' | 'h' => write!(out, "{}", &MONTHS[self.month][..3]),
            'd' => write!(out, "{:02}", self.day),
            'e' => write!(out, "{:2}", self.day),
            'j' => write!(out, "{:03}", self.day_of_year),
            'A' => write!(out, "{}", WEEKDAYS[self.weekday]),
            'a' => write!(out, "{}", &WEEKDAYS[self.weekday][..3]),
            'w' => write!(out, "{}", self.weekday),
            'H' => write!(out, "{:02}", self.hour),
            'I' => write!(out, "{hour12:02}"),
            'M' => write!(out, "{:02}", self.minute),
            'S' => write!(out, "{:02}", self.second),
            'p' => write!(out, "{}", if self.hour < 12 { "AM" } else { "PM" }),
            'F' => write!(out, "{}-{:02}-{:02}", self.year, self.month + 1, self.day),
            'T' => write!(out, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second),
            'Z' => write!(out, "UTC"),
            'z' => write!(out, "+0000"),
            '%' => write!(out, "%"),
            other => write!(out, "%{other}"),
        };
        written.expect("invariant: writing to a string cannot fail");
    }
}

fn days_in(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}
