//! What ran when, for a picture of it.
//!
//! The format is Chrome's trace events (the Trace Event Format's complete events), which Perfetto and `chrome://tracing` show.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Something that lasted.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) name: &'static str,
    pub(super) lane: Lane,
    pub(super) start: Instant,
    pub(super) length: Duration,
    /// Numbers that belong to it.
    pub(super) details: Vec<(&'static str, u64)>,
}

/// Where in the picture it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Passes.
    Steps,
    /// Encoder runs.
    Encoders,
    /// Requests of an app.
    App(Option<Arc<str>>),
}

/// The latest spans, if they are recorded.
#[derive(Debug)]
pub(super) struct Timeline {
    begin: Instant,
    /// Spans that are kept.
    capacity: usize,
    spans: VecDeque<Span>,
}

/// An event as Chrome reads it; times in microseconds.
#[derive(Serialize)]
struct TraceEvent<'a> {
    name: &'a str,
    ph: &'static str,
    pid: u32,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    args: serde_json::Map<String, serde_json::Value>,
}

impl Timeline {
    /// One that records nothing yet.
    pub(super) fn new() -> Self {
        Self { begin: Instant::now(), capacity: 0, spans: VecDeque::new() }
    }

    /// Keeps the latest `capacity` spans from now on; none, if that is 0.
    pub(super) fn record(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.spans.drain(..self.spans.len().saturating_sub(capacity));
    }

    pub(super) fn is_recording(&self) -> bool {
        self.capacity > 0
    }

    pub(super) fn push(&mut self, span: Span) {
        if self.capacity == 0 {
            return;
        }
        if self.spans.len() == self.capacity {
            self.spans.pop_front();
        }
        self.spans.push_back(span);
    }

    /// All spans as a JSON document.
    pub(super) fn to_json(&self) -> String {
        let mut lanes: Vec<&Lane> = Vec::new();
        for span in &self.spans {
            if !lanes.contains(&&span.lane) {
                lanes.push(&span.lane);
            }
        }
        let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
        let names = lanes.iter().enumerate().map(|(tid, lane)| {
            let name = match lane {
                Lane::Steps => "passes",
                Lane::Encoders => "encoders",
                Lane::App(app) => app.as_deref().unwrap_or("the engine's owner"),
            };
            let args = serde_json::Map::from_iter([("name".to_owned(), name.into())]);
            TraceEvent { name: "thread_name", ph: "M", pid: 1, tid, ts: None, dur: None, args }
        });
        let spans = self.spans.iter().map(|span| TraceEvent {
            name: span.name,
            ph: "X",
            pid: 1,
            tid: lanes.iter().position(|lane| **lane == span.lane).unwrap_or_default(),
            ts: Some(microseconds(span.start.saturating_duration_since(self.begin))),
            dur: Some(microseconds(span.length)),
            args: span.details.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
        });
        let events: Vec<TraceEvent<'_>> = names.chain(spans).collect();
        serde_json::json!({ "traceEvents": events, "displayTimeUnit": "ms" }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(lane: Lane, at: Instant, ms: u64) -> Span {
        Span { name: "pass", lane, start: at, length: Duration::from_millis(ms), details: vec![("rows", ms)] }
    }

    #[test]
    fn the_latest_spans_are_kept_in_lanes() {
        let mut timeline = Timeline::new();
        let at = timeline.begin + Duration::from_millis(5);
        timeline.push(span(Lane::Steps, at, 1));
        assert!(!timeline.is_recording() && timeline.spans.is_empty(), "nothing before it is asked for");
        timeline.record(3);
        let lanes = [Lane::Steps, Lane::App(Some("mail".into())), Lane::Encoders, Lane::Steps];
        lanes.into_iter().zip(1..).for_each(|(lane, ms)| timeline.push(span(lane, at, ms)));
        let json: serde_json::Value = serde_json::from_str(&timeline.to_json()).expect("JSON");
        let events = json["traceEvents"].as_array().expect("events");
        let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
        let names: Vec<_> = of("M").iter().map(|event| event["args"]["name"].clone()).collect();
        assert_eq!(names, ["mail", "encoders", "passes"]);
        let spans = of("X");
        assert_eq!(spans.len(), 3, "the first one has gone");
        assert_eq!((&spans[0]["ts"], &spans[0]["dur"], &spans[0]["tid"]), (&5000.0.into(), &2000.0.into(), &0.into()));
        assert_eq!((&spans[2]["tid"], &spans[2]["args"]["rows"]), (&2.into(), &4.into()));
        timeline.record(1);
        assert_eq!(timeline.spans.front().map(|span| span.length), Some(Duration::from_millis(4)), "the latest");
    }
}
