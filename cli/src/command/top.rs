//! `loam top`: what a service is doing.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use loam::dispatch::Background;
use loam::engine::{AppStatus, EngineStatus};
use loam_service::Engine;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Gauge, Paragraph, Row, Table};

use crate::console::{Console, Format};

const EXAMPLES: &str = "\
Examples:
  loam top --socket /run/user/1000/loam.sock      live; q ends it
  loam top --once                                 one look, also without a terminal
  loam top --json | jq .apps                      all numbers
  loam top --timeline trace.json --seconds 5      what ran, for Perfetto or chrome://tracing

A service shows it to the user that runs it, and to root. LOAM_SOCKET names the socket where --socket does not.";

/// Spans of a timeline: minutes of passes.
const SPANS: u32 = 1 << 16;
/// Between two looks.
const PERIOD: Duration = Duration::from_millis(500);

/// `loam top` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    /// Socket of the service
    #[arg(short, long, value_name = "PATH", env = "LOAM_SOCKET")]
    socket: PathBuf,
    /// Look once
    #[arg(long)]
    once: bool,
    /// Record what runs for a while, and write it as trace events
    #[arg(long, value_name = "FILE", conflicts_with = "once")]
    timeline: Option<PathBuf>,
    /// Seconds that are recorded
    #[arg(long, value_name = "S", default_value_t = 5, requires = "timeline", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

/// A look at the service, and what was done since the one before.
struct Look {
    status: EngineStatus,
    at: Instant,
    before: Option<(EngineStatus, Instant)>,
}

/// Shows what the service is doing.
///
/// # Errors
/// Those of the connection, of the terminal and of the console.
pub fn run(args: &TopArgs, console: &Console) -> anyhow::Result<()> {
    let engine = Engine::connect(&args.socket)?;
    if let Some(path) = &args.timeline {
        engine.record(SPANS)?;
        std::thread::sleep(Duration::from_secs(args.seconds));
        let json = engine.timeline()?;
        engine.record(0)?;
        std::fs::write(path, json).map_err(|source| crate::error::Error::Io { path: path.clone(), source })?;
        console.line(format!("{}: {} s", path.display(), args.seconds))?;
        return Ok(());
    }
    if console.format() == Format::Json {
        return Ok(console.json(&engine.status()?)?);
    }
    if args.once || !std::io::stdout().is_terminal() {
        let first = Look { status: engine.status()?, at: Instant::now(), before: None };
        std::thread::sleep(PERIOD);
        let look = first.next(engine.status()?);
        return look.lines().into_iter().try_for_each(|line| Ok(console.line(line)?));
    }
    let mut terminal = ratatui::try_init()?;
    let outcome = live(&engine, &mut terminal);
    ratatui::try_restore()?;
    outcome
}

fn live(engine: &Engine, terminal: &mut ratatui::DefaultTerminal) -> anyhow::Result<()> {
    let mut look = Look { status: engine.status()?, at: Instant::now(), before: None };
    loop {
        terminal.draw(|frame| look.draw(frame))?;
        if event::poll(PERIOD)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            let interrupts = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
            if interrupts || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(());
            }
        }
        if look.at.elapsed() >= PERIOD {
            look = look.next(engine.status()?);
        }
    }
}

const HEADINGS: [&str; 9] = ["app", "running", "waiting", "tok/s", "tokens", "cached", "encoders", "memory", "refused"];

impl Look {
    fn next(self, status: EngineStatus) -> Self {
        Self { status, at: Instant::now(), before: Some((self.status, self.at)) }
    }

    /// How much `of` grew in a second.
    fn rate(&self, of: impl Fn(&EngineStatus) -> f64) -> f64 {
        let Some((before, at)) = &self.before else { return 0.0 };
        let seconds = (self.at - *at).as_secs_f64();
        if seconds > 0.0 { (of(&self.status) - of(before)).max(0.0) / seconds } else { 0.0 }
    }

    /// Tokens of an app that were computed, or generated, in a second.
    fn tokens_per_second(&self, app: &Option<String>) -> f64 {
        self.rate(|status| {
            let found = status.apps.iter().find(|other| other.app == *app);
            found.map_or(0.0, |app| app.counters.rows as f64)
        })
    }

    fn summary(&self) -> String {
        let status = &self.status;
        let busy = (self.rate(|status| status.step_ms) / 10.0).min(100.0);
        let spared = match status.conditions.policy().background {
            Background::Admitted => String::new(),
            Background::Refused(reason) => format!(" · no background work: {reason}"),
        };
        format!(
            "{} · {} running, {} waiting, {} encoders waiting · {:.0} passes/s, busy {busy:.0} % · {:.0} tok/s{spared}",
            status.backend,
            status.running,
            status.waiting,
            status.encoders_waiting,
            self.rate(|status| status.steps as f64),
            status.apps.iter().map(|app| self.tokens_per_second(&app.app)).sum::<f64>(),
        )
    }

    fn memory(&self) -> String {
        let (status, held) = (&self.status, &self.status.held);
        let budget = status.budget.map_or_else(|| "the device".to_owned(), mib);
        let process = status.process.map_or_else(String::new, |process| {
            format!(" · process {} anonymous, {} of files", mib(process.anonymous), mib(process.file))
        });
        format!(
            "{} of {budget} · prefixes {}, at rest {}, adapters {}{process}",
            mib(status.used),
            mib(held.prefixes),
            mib(held.resting),
            mib(held.adapters),
        )
    }

    fn row(&self, app: &AppStatus) -> [String; 9] {
        let counters = &app.counters;
        let cached = 100.0 * counters.cached_tokens as f64 / (counters.prompt_tokens.max(1)) as f64;
        [
            app.app.clone().unwrap_or_else(|| "(owner)".to_owned()),
            app.running.to_string(),
            app.waiting.to_string(),
            format!("{:.0}", self.tokens_per_second(&app.app)),
            (counters.prompt_tokens + counters.generated_tokens).to_string(),
            format!("{cached:.0} %"),
            format!("{} · {:.0} s", counters.encoded, counters.encoder_ms / 1e3),
            mib(app.bytes),
            counters.refused.to_string(),
        ]
    }

    /// For a reader that is no terminal.
    fn lines(&self) -> Vec<String> {
        let line = |cells: [String; 9]| {
            let [app, rest @ ..] = cells;
            rest.iter().fold(format!("{app:<40}"), |line, cell| format!("{line} {cell:>12}"))
        };
        let mut lines = vec![self.summary(), self.memory(), self.status.components.join(", ")];
        lines.push(line(HEADINGS.map(str::to_owned)));
        lines.extend(self.status.apps.iter().map(|app| line(self.row(app))));
        lines
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [1, 1, 1, 1, 1].map(Constraint::Length);
        let [head, memory, gauge, components, _] = Layout::vertical(rows).areas(frame.area());
        frame.render_widget(Paragraph::new(Line::from(self.summary()).bold()), head);
        frame.render_widget(Paragraph::new(self.memory()), memory);
        let budget = self.status.budget.unwrap_or_else(|| loam::budget::available_memory().unwrap_or(u64::MAX));
        let share = (self.status.used as f64 / budget.max(1) as f64).clamp(0.0, 1.0);
        frame.render_widget(Gauge::default().gauge_style(Style::new().fg(Color::Green)).ratio(share), gauge);
        frame.render_widget(Paragraph::new(self.status.components.join(", ")).dim(), components);
        let mut table = frame.area();
        table.y = (table.y + 5).min(table.bottom());
        table.height = table.height.saturating_sub(5);
        let cells = |app: &AppStatus| Row::new(self.row(app).map(Cell::from));
        let mut widths = vec![Constraint::Fill(3)];
        widths.resize(HEADINGS.len(), Constraint::Fill(1));
        let view = Table::new(self.status.apps.iter().map(cells), widths);
        frame.render_widget(view.header(Row::new(HEADINGS).bold()), table);
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use loam::dispatch::{Conditions, Thermal};
    use loam::engine::{AppCounters, HeldBytes};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn status(rows: u64) -> EngineStatus {
        let counters = AppCounters { rows, prompt_tokens: 200, cached_tokens: 50, ..AppCounters::default() };
        let app = AppStatus {
            app: Some("u1000.mail".to_owned()),
            waiting: 2,
            running: 1,
            bytes: 3 << 20,
            counters,
            quotas: None,
        };
        EngineStatus {
            apps: vec![app],
            waiting: 2,
            running: 1,
            encoders_waiting: 0,
            steps: rows,
            step_ms: rows as f64,
            held: HeldBytes { prefixes: 1 << 20, ..HeldBytes::default() },
            used: 4 << 20,
            budget: Some(8 << 20),
            process: None,
            components: vec!["backbone".to_owned()],
            backend: "cpu/avx2".to_owned(),
            conditions: Conditions { thermal: Thermal::Serious, ..Conditions::default() },
        }
    }

    #[test]
    fn a_look_shows_rates_since_the_one_before() {
        let at = Instant::now();
        let before = Some((status(100), at));
        let look = Look { status: status(300), at: at + Duration::from_secs(2), before };
        assert_eq!(look.tokens_per_second(&Some("u1000.mail".to_owned())), 100.0);
        assert_eq!(look.tokens_per_second(&None), 0.0);
        let mut terminal = Terminal::new(TestBackend::new(130, 9)).expect("terminal");
        terminal.draw(|frame| look.draw(frame)).expect("drawn");
        let screen = terminal.backend().to_string();
        for wanted in
            ["cpu/avx2 · 1 running, 2 waiting", "100 tok/s", "busy 10 %", "50%", "u1000.mail", "25 %", "3.0 MiB"]
        {
            assert!(screen.contains(wanted), "'{wanted}' is not in\n{screen}");
        }
        assert!(look.summary().ends_with(" · no background work: the device's thermal state is serious"));
        assert_eq!(look.lines().len(), 5);
        // A terminal may be of any size.
        for (width, height) in [(1, 1), (20, 4), (300, 100)] {
            Terminal::new(TestBackend::new(width, height)).expect("terminal").draw(|f| look.draw(f)).expect("drawn");
        }
    }
}
