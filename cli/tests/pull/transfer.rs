//! Transfers that are interrupted, delayed or answered wrongly: what arrives in the end is right, and nothing that
//! was fetched is fetched twice.

use std::fs;
use std::process::Stdio;

use crate::fixture::{Fixture, good_wheel, kill, server, text, wait_until};
use crate::server::Manner;
use crate::{code, starts};

#[test]
fn cut_transfers_resume_within_one_run() {
    let (fixture, server) = (Fixture::new(), server(Manner::Cut { after: 100_000, times: 2 }));
    let report = fixture.report(&server, &[]);
    fixture.assert_installed();
    assert_eq!(starts(&server.asked()), [None, Some(100_000), Some(200_000)]);
    assert_eq!(report["fetched"][0]["received"], good_wheel().len());
}

#[test]
fn killed_pull_resumes_and_its_left_overs_vanish() {
    let (fixture, server) = (Fixture::new(), server(Manner::Stall { after: 120_000 }));
    let mut command = fixture.pull(&["--index-url", &server.index()]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    wait_until("the first part", || fs::metadata(fixture.partial()).is_ok_and(|meta| meta.len() == 120_000));
    kill(child);
    // As if an earlier one had been killed while it unpacked.
    fs::create_dir_all(fixture.home().join("foundations/.staging-tiny/text")).expect("left-over");
    server.behave(Manner::Proper);
    let report = fixture.report(&server, &[]);
    fixture.assert_installed();
    assert_eq!(starts(&server.asked()), [None, Some(120_000)]);
    assert_eq!(report["fetched"][0]["resumed_from"], 120_000);
    assert_eq!(report["fetched"][0]["received"], good_wheel().len() - 120_000);
}

#[test]
fn server_without_ranges_begins_anew() {
    let (fixture, server) = (Fixture::new(), server(Manner::NoRange));
    fs::create_dir_all(fixture.home().join("downloads")).expect("made");
    fs::write(fixture.partial(), &good_wheel()[..5000]).expect("written");
    let report = fixture.report(&server, &[]);
    fixture.assert_installed();
    assert_eq!(starts(&server.asked()), [Some(5000)]);
    assert_eq!(report["fetched"][0]["resumed_from"], 0);
}

#[test]
fn wrong_range_begins_anew() {
    let (fixture, server) = (Fixture::new(), server(Manner::WrongRange));
    fs::create_dir_all(fixture.home().join("downloads")).expect("made");
    fs::write(fixture.partial(), &good_wheel()[..5000]).expect("written");
    fixture.report(&server, &[]);
    fixture.assert_installed();
    assert_eq!(starts(&server.asked()), [Some(5000), None]);
}

#[test]
fn damaged_overlong_and_complete_partials_end_well() {
    let whole = good_wheel();
    let mut damaged = whole[..7000].to_vec();
    damaged[10] ^= 1;
    let overlong = [whole.as_slice(), b"x"].concat();
    let expected = [(damaged, vec![Some(7000), None]), (overlong, vec![None]), (whole, vec![])];
    for (left, requests) in expected {
        let (fixture, server) = (Fixture::new(), server(Manner::Proper));
        fs::create_dir_all(fixture.home().join("downloads")).expect("made");
        fs::write(fixture.partial(), left).expect("written");
        fixture.report(&server, &[]);
        fixture.assert_installed();
        assert_eq!(starts(&server.asked()), requests);
    }
}

#[test]
fn busy_server_is_tried_again_and_given_up_on() {
    let (fixture, server) = (Fixture::new(), server(Manner::Busy { times: 2 }));
    let output = fixture.pull_from(&server, &["--retries", "1"]);
    assert_eq!(code(&output), 20, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("503"), "{}", text(&output.stderr));
    fixture.assert_nothing_installed();
    server.behave(Manner::Busy { times: 1 });
    fixture.report(&server, &["--retries", "1"]);
    fixture.assert_installed();
}

#[test]
fn second_pull_waits_for_the_first() {
    let (fixture, server) = (Fixture::new(), server(Manner::Stall { after: 50_000 }));
    let index = server.index();
    let start = |arguments: &[&str]| {
        let mut command = fixture.pull(&["--json", "--index-url", &index]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    };
    let first = start(&[]);
    wait_until("the first part", || fixture.partial().exists());
    let impatient = start(&["--wait", "0"]).wait_with_output().expect("ended");
    assert_eq!(code(&impatient), 23, "{}", text(&impatient.stderr));
    let second = start(&[]);
    server.open_gate();
    let outcomes = [first, second].map(|child| child.wait_with_output().expect("ended"));
    let status = |output: &std::process::Output| {
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report["status"].as_str().expect("a string").to_owned()
    };
    assert_eq!(outcomes.each_ref().map(status), ["installed", "already-installed"]);
    assert_eq!(server.asked().len(), 1);
    fixture.assert_installed();
}
