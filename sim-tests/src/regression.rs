//! A failure that was found, as a test to paste.

use crate::scenario_file::{self, Expect, Scenario};

/// The source of a test that runs a scenario and wants every promise kept. `violation` says what was
/// seen when it was found.
pub fn test_source(scenario: &Scenario, violation: &str) -> String {
    let kept = Scenario {
        expect: Expect::Keeps,
        ..scenario.clone()
    };
    let text = scenario_file::write(&kept);
    let fence = fence(&text);
    let doc: String = violation
        .lines()
        .map(|line| format!("/// {}\n", line.replace(|c: char| c.is_control(), " ")))
        .collect();
    let name = identifier(&scenario.name);
    format!(
        r#"{doc}#[test]
fn {name}_keeps_every_promise() {{
    let text = r{fence}"
{text}"{fence};
    let scenario = mpcsfaas_sim_tests::scenario_file::read(text).unwrap();
    if let Err(violation) = mpcsfaas_sim_tests::run::run_plan(&scenario.plan) {{
        panic!("{{violation}}");
    }}
}}
"#
    )
}

/// As many `#` as a raw string of this text needs.
fn fence(text: &str) -> String {
    let after_quote = |rest: &str| rest.chars().take_while(|&sign| sign == '#').count();
    let longest = text.split('"').skip(1).map(after_quote).max();
    "#".repeat(longest.map_or(0, |longest| longest + 1))
}

/// The beginning of a function's name: small letters, digits and single underscores.
fn identifier(name: &str) -> String {
    let plain = |sign: char| match sign {
        sign if sign.is_ascii_alphanumeric() => sign.to_ascii_lowercase(),
        _ => '_',
    };
    let plain: String = name.chars().map(plain).collect();
    let words: Vec<_> = plain.split('_').filter(|word| !word.is_empty()).collect();
    match words.first() {
        None => "scenario".to_owned(),
        Some(first) if first.starts_with(|sign: char| sign.is_ascii_digit()) => {
            format!("scenario_{}", words.join("_"))
        }
        Some(_) => words.join("_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
version = 1
name = "Late result, twice"

[world]
dispatchers = 1
workers = 1
heal_at = "20s"

[expect]
breaks = "P1"
"#;

    #[test]
    fn a_failure_becomes_a_test() {
        let scenario = scenario_file::read(FILE).unwrap();
        let expected = r###"/// P1 broken at 12.000000s: a task
/// has not ended
#[test]
fn late_result_twice_keeps_every_promise() {
    let text = r#"
# Keeps every promise.
version = 1
name = "Late result, twice"

[world]
dispatchers = 1
workers = 1
processes = 1
flow = "push"
latency = "1ms"
timeout = "3s"
queue_limit = 1000000
claim_limit = 256
salt = 0
heal_at = "20s"

[expect]
keeps = "all"
"#;
    let scenario = mpcsfaas_sim_tests::scenario_file::read(text).unwrap();
    if let Err(violation) = mpcsfaas_sim_tests::run::run_plan(&scenario.plan) {
        panic!("{violation}");
    }
}
"###;
        let violation = "P1 broken at 12.000000s: a task\nhas not ended";
        assert_eq!(test_source(&scenario, violation), expected);
    }

    #[test]
    fn names_become_identifiers() {
        for (name, expected) in [
            ("late-result", "late_result"),
            ("Two  workers -- one task!", "two_workers_one_task"),
            ("7", "scenario_7"),
            ("ä", "scenario"),
            ("", "scenario"),
        ] {
            assert_eq!(identifier(name), expected);
        }
    }

    #[test]
    fn a_text_cannot_end_its_raw_string() {
        for (text, expected) in [
            ("plain", ""),
            ("a \"quote\"", "#"),
            ("name = \"a\"## b\"#", "###"),
            ("# \"c\" #", "#"),
        ] {
            assert_eq!(fence(text), expected);
        }
    }
}
