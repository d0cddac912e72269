//! The scenarios that every package passes, through the crate that they are generated from.

mod contexts;
mod far;
mod listener;
mod prepare;
mod run;
mod table;

use table::{cases, difference, outcome, place};

#[test]
fn every_case_gives_what_the_table_says() {
    let root = tempfile::tempdir().expect("tempdir");
    let root = root.path().join("scenarios");
    prepare::prepare(&root).expect("prepared");
    let place = place(&root);
    let mut failures = Vec::new();
    for case in cases() {
        let Some(found) = outcome(&place, &case) else { continue };
        assert!(!case.expect.is_null(), "'{}' has no expected result: see bindings/scenarios/README.md", case.name);
        if let Some(difference) = difference("result", &found, &case.expect) {
            failures.push(format!("{}: {difference}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn engines_in_a_service_give_the_same() {
    let root = tempfile::tempdir().expect("tempdir");
    let root = root.path().join("scenarios");
    prepare::prepare(&root).expect("prepared");
    far::through_a_socket(&root);
    far::through_a_pair(&root);
    far::ends_are_told(&root);
    far::other_descriptors_are_refused(&root);
}
