//! Pictures of numbers: bars with marks, and curves. Colours are variables of the page, so that it may be light or dark.

use std::fmt::Write;

/// Characters that mean something in markup, as text.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A line of a chart of bars: a share between 0 and 1 for each way that was measured.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// The longest bar, and its class in style sheets.
    pub bar: Option<(f64, &'static str)>,
    /// Points, with their classes and what they say.
    pub points: Vec<(f64, &'static str, String)>,
    /// A model of its own: an upright line.
    pub mark: Option<f64>,
}

const WIDTH: f64 = 880.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 56.0;
const ROW: f64 = 24.0;
const TOP: f64 = 26.0;

/// Bars from 0 to 100 per cent.
#[must_use]
pub fn bars(rows: &[Bar], label: &str) -> String {
    let height = TOP + ROW * rows.len() as f64 + 8.0;
    let mut out = opened(WIDTH, height, label);
    let x = |share: f64| LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let at = x(share);
        let per_cent = share * 100.0;
        put(&mut out, format_args!(r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{height:.1}"/>"#));
        put(
            &mut out,
            format_args!(r#"<text class="tick" x="{at:.1}" y="16" text-anchor="middle">{per_cent:.0} %</text>"#),
        );
    }
    for (at, row) in rows.iter().enumerate() {
        let top = TOP + ROW * at as f64;
        let middle = top + ROW / 2.0;
        let name = escaped(&row.name);
        let (names, base) = (LEFT - 10.0, middle + 4.0);
        put(&mut out, format_args!(r#"<text class="name" x="{names}" y="{base:.1}" text-anchor="end">{name}</text>"#));
        if let Some((share, class)) = row.bar {
            let (from, width, y) = (x(0.0), x(share) - x(0.0), top + 5.0);
            let (tall, value) = (ROW - 10.0, share * 100.0);
            put(
                &mut out,
                format_args!(
                    r#"<rect class="{class}" x="{from:.1}" y="{y:.1}" width="{width:.1}" height="{tall:.1}" rx="2"/>"#
                ),
            );
            let end = WIDTH - RIGHT + 12.0;
            put(&mut out, format_args!(r#"<text class="value" x="{end}" y="{base:.1}">{value:.1}</text>"#));
        }
        for (share, class, said) in &row.points {
            let (cx, said) = (x(*share), escaped(said));
            put(
                &mut out,
                format_args!(
                    r#"<circle class="{class}" cx="{cx:.1}" cy="{middle:.1}" r="4.5"><title>{said}</title></circle>"#
                ),
            );
        }
        if let Some(share) = row.mark {
            let (cx, from, to) = (x(share), top + 1.0, top + ROW - 1.0);
            put(
                &mut out,
                format_args!(r#"<line class="mark" x1="{cx:.1}" x2="{cx:.1}" y1="{from:.1}" y2="{to:.1}"/>"#),
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// A curve: values at 0, 1, 2 and so on, or at places of its own.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// Its class in style sheets.
    pub class: &'static str,
    /// Places and values.
    pub points: Vec<(f64, f64)>,
}

/// What the axes say.
#[derive(Clone, Debug)]
pub struct Axes<'a> {
    /// Below.
    pub x: &'a str,
    /// Values of x that are written.
    pub ticks: Vec<(f64, String)>,
    /// Largest value.
    pub top: f64,
    /// As text, from a value.
    pub shown: fn(f64) -> String,
    /// A place that is marked, with what is said there.
    pub mark: Option<(f64, String)>,
    /// A value that is marked, with what is said there.
    pub level: Option<(f64, String)>,
    /// Where names of curves stand: behind their ends, or nowhere.
    pub names: Names,
}

/// Whether curves are named where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// They are.
    Beside,
    /// A legend says it.
    Elsewhere,
}

/// Curves over one pair of axes.
#[must_use]
pub fn curves(all: &[Curve], axes: &Axes<'_>, label: &str) -> String {
    let (width, height) = (560.0, 300.0);
    let right = if axes.names == Names::Beside { 120.0 } else { 20.0 };
    let (left, top, bottom) = (64.0, 18.0, 44.0);
    let (from, to) = match (axes.ticks.first(), axes.ticks.last()) {
        (Some(first), Some(last)) if last.0 > first.0 => (first.0, last.0),
        _ => (0.0, 1.0),
    };
    let x = |at: f64| left + (at - from) / (to - from) * (width - left - right);
    let y = |value: f64| height - bottom - (value / axes.top).clamp(0.0, 1.0) * (height - top - bottom);
    let mut out = opened(width, height, label);
    let end = width - right;
    for step in 0..=4 {
        let value = axes.top * f64::from(step) / 4.0;
        let (at, said) = (y(value), (axes.shown)(value));
        let (before, base) = (left - 8.0, at + 4.0);
        put(&mut out, format_args!(r#"<line class="grid" x1="{left}" x2="{end}" y1="{at:.1}" y2="{at:.1}"/>"#));
        put(&mut out, format_args!(r#"<text class="tick" x="{before}" y="{base:.1}" text-anchor="end">{said}</text>"#));
    }
    let below = height - bottom + 16.0;
    for (at, said) in &axes.ticks {
        let at = x(*at);
        put(&mut out, format_args!(r#"<text class="tick" x="{at:.1}" y="{below}" text-anchor="middle">{said}</text>"#));
    }
    let (middle, foot) = (f64::midpoint(left, end), height - 8.0);
    let title = escaped(axes.x);
    put(&mut out, format_args!(r#"<text class="tick" x="{middle:.1}" y="{foot}" text-anchor="middle">{title}</text>"#));
    if let Some((value, said)) = &axes.level {
        let (at, said) = (y(*value), escaped(said));
        let (start, base) = (left + 6.0, at - 5.0);
        put(&mut out, format_args!(r#"<line class="level" x1="{left}" x2="{end}" y1="{at:.1}" y2="{at:.1}"/>"#));
        put(&mut out, format_args!(r#"<text class="tick" x="{start}" y="{base:.1}">{said}</text>"#));
    }
    if let Some((place, said)) = &axes.mark {
        let (at, foot, said) = (x(*place), height - bottom, escaped(said));
        let (after, base) = (at + 6.0, top + 12.0);
        put(&mut out, format_args!(r#"<line class="level" x1="{at:.1}" x2="{at:.1}" y1="{top}" y2="{foot}"/>"#));
        put(&mut out, format_args!(r#"<text class="name" x="{after:.1}" y="{base:.1}">{said}</text>"#));
    }
    for curve in all {
        let points: Vec<String> =
            curve.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
        let (class, points, name) = (curve.class, points.join(" "), escaped(&curve.name));
        put(
            &mut out,
            format_args!(r#"<polyline class="curve {class}" points="{points}"><title>{name}</title></polyline>"#),
        );
        if let Some((at, value)) = curve.points.last().filter(|_| axes.names == Names::Beside) {
            let (at, base) = (x(*at) + 6.0, y(*value) + 4.0);
            put(&mut out, format_args!(r#"<text class="name" x="{at:.1}" y="{base:.1}">{name}</text>"#));
        }
    }
    out.push_str("</svg>");
    out
}

fn opened(width: f64, height: f64, label: &str) -> String {
    let label = escaped(label);
    format!(
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg">"#
    )
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("invariant: texts take all that is written");
}
