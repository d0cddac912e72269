//! What fuzzing and reviews of hostile input have found, one test each, so that it stays fixed.

use std::time::{Duration, Instant};

use loam::input::{ChatOptions, ChatTemplate, Message};
use loam::{Error, Result};

/// Beyond this a template hangs: no statement about speed, for emulated processors are twenty times slower than real ones.
const HANG: Duration = Duration::from_secs(60);

fn render(source: &str) -> Result<String> {
    let message = Message::user("y".repeat(1000));
    ChatTemplate::new(source, None, None)?.render(&[message], &ChatOptions::default())
}

/// The reason for which `source` is refused, soon.
fn refusal(source: &str) -> String {
    let shown: String = source.chars().take(80).collect();
    let start = Instant::now();
    let error = render(source).map(|text| text.len()).expect_err(&shown);
    assert!(matches!(error, Error::Text { .. }), "{shown}: {error}");
    assert!(start.elapsed() < HANG, "{shown} took {:?}", start.elapsed());
    error.to_string()
}

fn refused(sources: &[&str], reason: &str) {
    for source in sources {
        let found = refusal(source);
        assert!(found.contains(reason), "{source}: {found}");
    }
}

/// `turns` times `turns` turns around `body`, with a namespace `ns` whose `x` is `start`.
fn looped(turns: usize, start: &str, body: &str) -> String {
    let head = format!("{{% set ns = namespace(x={start}) %}}");
    let each = format!("{{% for i in range({turns}) %}}");
    format!("{head}{each}{each}{body}{{% endfor %}}{{% endfor %}}")
}

#[test]
fn templates_that_double_a_value_run_out_of_memory_of_their_own() {
    for (start, body) in [
        ("'aa'", "{% set ns.x = ns.x ~ ns.x %}"),
        ("'aa'", "{% set ns.x = ns.x + ns.x %}"),
        ("'aa'", "{% set ns.x = ns.x * 2 %}"),
        ("'aa'", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
        ("'aa'", "{% set ns.x = [ns.x, ns.x] | join %}"),
        ("'aa'", "{% set ns.x = ns.x | replace('a', 'aa') %}"),
        ("'aa'", "{% set ns.x = ns.x.replace('a', 'aa') %}"),
        ("'aa'", "{% set ns.x = '{0}{0}'.format(ns.x) %}"),
        ("'aa'", "{% set ns.x = '%s%s' | format(ns.x, ns.x) %}"),
        ("[1, 2]", "{% set ns.x = ns.x + ns.x %}"),
        ("[1, 2]", "{% set ns.x = (ns.x * 3) | list %}"),
        ("[1, 2]", "{% set ns.x = ns.x | string | list %}"),
        ("{'a': 1}", "{% set ns.x = {'a': ns.x, 'b': ns.x} %}"),
        ("'aa'", "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns.x = m(ns.x) %}"),
        ("'aa'", "{% set ns.x %}{% filter upper %}{{ ns.x }}{{ ns.x }}{% endfilter %}{% endset %}"),
    ] {
        let found = refusal(&looped(300, start, body));
        assert!(found.contains("takes more") || found.contains("may make"), "{body}: {found}");
    }
    let pairs = "{% set a = a ~ a %}".repeat(200);
    refused(&[&format!("{{% set a = 'aaaa' %}}{pairs}")], "takes more");
}

#[test]
fn single_operations_of_templates_that_enlarge_are_charged_first() {
    refused(
        &[
            "{{ 'a' | indent(100000000000, true) }}",
            "{{ 'a' | indent(width=100000000000, first=true) }}",
            "{{ '%100000000000d' | format(1) }}",
            "{{ '%*d' | format(100000000000, 1) }}",
            "{{ '{:100000000000}'.format(1) }}",
            "{% set x = 'a' * 900000 %}{{ x | replace('', x) }}",
            "{% set x = 'a' * 900000 %}{{ x.replace('', x) }}",
            "{% set x = 'a' * 900000 %}{{ x | join(x) }}",
            "{% set x = 'a' * 900000 %}{{ x.join(x) }}",
            "{% set x = 'a' * 900000 %}{{ range(9000) | map('replace', '9', x) | list }}",
            "{{ [1] | batch(100000000000, 0) | list }}",
            "{{ [1] | slice(100000000000, 0) | list }}",
        ],
        "may make",
    );
    refused(&["{{ (range(9000) * 1000) | list }}", "{{ range(9000) * 1000 }}"], "takes more");
}

#[test]
fn passes_over_large_values_do_not_take_templates_minutes() {
    // Each costs one instruction. With values of 16 MB, this loop took more than 100 seconds.
    let body = "{% if 'b' in ns.x %}{% endif %}{% if ns.x | length %}{% endif %}";
    refused(&[&looped(1000, "'a' * 1000000", body)], "ran out of fuel");
}

#[test]
fn constants_of_templates_are_not_computed_by_the_compiler() {
    let sum = ["'a' * 99000000"; 300].join(" ~ ");
    refused(
        &[
            &format!("{{{{ {sum} }}}}"),
            &format!("{{% if false %}}{{{{ {sum} }}}}{{% endif %}}{{{{ 'a' * 99000000 }}}}"),
        ],
        "",
    );
}

#[test]
fn texts_of_the_source_count_when_a_template_captures_them() {
    let text = "x".repeat(200_000);
    refused(&[&format!("{{% set t %}}{}{{% endset %}}", looped(300, "1", &text))], "may make");
}

#[test]
fn values_of_templates_that_nest_without_end_are_refused() {
    for (start, body) in [
        ("1", "{% set ns.x = [ns.x] %}"),
        ("1", "{% set ns.x = (ns.x,) %}"),
        ("1", "{% set ns.x = {'x': ns.x} %}"),
        ("1", "{% set ns.x = dict(x=ns.x) %}"),
        ("[1]", "{% set ns.x = ns.x | batch(1) | list %}"),
    ] {
        refused(&[&looped(300, start, body)], "nested more than");
    }
    // Lazy sequences of lazy sequences: flat once they are lists.
    for body in
        ["{% set ns.x = ns.x[0:] %}", "{% set ns.x = ns.x | reverse %}", "{% set ns.x = ns.x | map('reverse') %}"]
    {
        assert!(render(&looped(100, "[[1, 2], [3]]", body)).is_ok(), "{body}");
        // Whether the budget lasts does not matter; dropping the value must not take the stack.
        let _ = render(&looped(300, "[[1, 2], [3]]", body));
    }
}

#[test]
fn values_of_templates_cannot_contain_themselves() {
    refused(
        &[
            "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
            "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}",
            "{% set ns = namespace() %}{% set ns.a, ns.b = ns, 1 %}{{ ns }}",
            "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a }}",
            "{% set a = namespace() %}{% set b = dict(a=a) %}{% set a.b = b %}{{ a }}",
            "{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}",
        ],
        " inside a value",
    );
}

#[test]
fn long_conversations_stay_within_the_limits_of_templates() {
    let turns = (0..2000).map(|turn| {
        let content = "Some words, and more. ".repeat(20);
        if turn % 2 == 0 { Message::user(content) } else { Message::assistant(content) }
    });
    let messages: Vec<Message> = turns.collect();
    for (name, source) in [
        ("chatml", include_str!("../input/templates/chatml.jinja")),
        ("gemma", include_str!("../input/templates/gemma.jinja")),
        ("llama3", include_str!("../input/templates/llama3.jinja")),
        ("mistral", include_str!("../input/templates/mistral.jinja")),
        ("qwen3", include_str!("../input/templates/qwen3.jinja")),
    ] {
        let template = ChatTemplate::new(source, Some("<s>"), Some("</s>")).expect(name);
        let start = Instant::now();
        let text = template.render(&messages, &ChatOptions::default()).expect(name);
        println!("{name}: {} bytes in {:?}", text.len(), start.elapsed());
        assert!(text.len() > 800_000, "{name}: {}", text.len());
    }
}

#[test]
fn a_tag_that_ends_where_it_begins_is_a_syntax_error() {
    // Found by the target chat_template: the search for generation tags took the "%" of "{%}" twice.
    refused(&["generation {%}", "{% generation %}{%}", "{{%} generation", "{% generation"], "syntax error");
}

#[test]
fn long_chains_in_templates_do_not_exhaust_the_stack() {
    for (first, more, last) in [
        ("{{ a", " ~ a", " }}"),
        ("{{ a", ".a", " }}"),
        ("{{ a", "[0]", " }}"),
        ("{{ a", "|string", " }}"),
        ("{{ a", " is string", " }}"),
        ("{{ ", "not ", "a }}"),
        ("{{ ", "- ", "1 }}"),
        ("{{ a", " if a else a", " }}"),
        ("{% if a %}", "{% elif a %}", "{% endif %}"),
        ("{% filter upper", "|upper", "%}{% endfilter %}"),
    ] {
        for count in [200, 900, 20_000] {
            let source = format!("{first}{}{last}", more.repeat(count));
            if source.len() < 256 << 10 {
                // Short ones may be fine; what counts is that none ends the process.
                let result = render(&source);
                assert!(count < 20_000 || result.is_err(), "{more}");
            }
        }
    }
}
