//! A sequence diagram, as Mermaid draws them: an arrow for what arrives, a cross for what is lost, a
//! note for what befalls a node.

use std::collections::BTreeSet;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::trace::{Kind, Line};

use super::{Names, Shown, View};

/// The most characters of an arrow's or a note's words.
const WORDS: usize = 60;

/// As many events as a reader can follow.
pub const MOST: usize = 200;

/// Draws a story. Tasks are called as in [`text`](super::text).
pub fn render(story: &[Line], names: &Names, view: View) -> String {
    let shown = Shown::of(story, names, view);
    let places: BTreeSet<Place> = (shown.lines.iter())
        .flat_map(|line| [Some(line.node), line.from])
        .flatten()
        .collect();

    let mut page = String::from("sequenceDiagram\n");
    for entry in shown.legend() {
        page.push_str(&format!("    %% {entry}\n"));
    }
    for place in &places {
        page.push_str(&format!("    participant {place}\n"));
    }
    if let (Some(gap), Some(first), Some(last)) = (shown.gap(), places.first(), places.last()) {
        let over = if first == last {
            first.to_string()
        } else {
            format!("{first},{last}")
        };
        page.push_str(&format!("    Note over {over}: {gap}\n"));
    }
    for line in &shown.lines {
        page.push_str(&format!("    {}\n", event(line, shown.task(line))));
    }
    page
}

/// One arrow or note.
fn event(line: &Line, task: Option<String>) -> String {
    let Line {
        at,
        node,
        from,
        kind,
        what,
        ..
    } = line;
    let task = task.map_or_else(String::new, |task| format!(" {task}"));
    let waits = if line.waits { " (waits)" } else { "" };
    let mark = match (kind, from) {
        (Kind::Fault, _) => "FAULT: ",
        (Kind::Loss, None) => "lost: ",
        _ => "",
    };
    let seconds = (*at - Instant::ZERO).as_secs_f64();
    let words = format!("{seconds:.3}s {mark}{}{waits}{task}", words(what));
    match (from, kind) {
        (Some(from), Kind::Loss) => format!("{from}-x{node}: {words}"),
        (Some(from), _) => format!("{from}->>{node}: {words}"),
        (None, _) => format!("Note over {node}: {words}"),
    }
}

/// On one line, not too long, and without a sign that means something to Mermaid.
fn words(text: &str) -> String {
    let mut signs: Vec<char> = text.chars().take(WORDS + 1).collect();
    if signs.len() > WORDS {
        signs.truncate(WORDS - 1);
        signs.push('…');
    }
    let escape = |sign: char| match sign {
        '#' | ';' | '<' | '>' | '&' | '%' | '$' | '{' | '}' | '\\' => {
            format!("#{};", u32::from(sign))
        }
        sign if sign.is_control() => " ".to_owned(),
        sign => sign.to_string(),
    };
    signs.into_iter().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::id::TaskId;

    use super::super::story;
    use super::*;

    #[test]
    fn a_run_is_drawn() {
        let expected = "\
sequenceDiagram
    participant C
    participant S
    participant D0
    participant W0
    participant W11
    Note over W11: 0.000s starts
    W11->>D0: 0.001s Hello session 1
    C->>S: 0.100s Submit t1
    C->>S: 0.101s Submit t2
    D0-xW11: 0.103s Run 1 task t2.1
    D0->>W0: 0.103s Run 1 task#59; #60;first#62; t1.1
    Note over W0: 0.104s starts t1.1
    Note over W0: 1.000s FAULT: pause for 10s
    Note over D0: 4.000s deadline
";
        let (first, second) = (TaskId(1), TaskId(2));
        let (lines, names) = (story::lines(first, second), story::names(first, second));
        assert_eq!(render(&lines, &names, View::ALL), expected);
    }

    #[test]
    fn one_task_is_followed_to_the_end() {
        let expected = "\
sequenceDiagram
    %% t1 = 01234567-89ab-cdef-0011-223344556677
    participant D0
    participant W0
    Note over D0,W0: 2 earlier events are left out
    D0->>W0: 0.103s Run 1 task#59; #60;first#62; t1.1
    Note over W0: 0.104s starts t1.1
    Note over W0: 1.000s FAULT: pause for 10s
";
        let lines = story::lines(story::LONG, TaskId(2));
        let names = story::names(story::LONG, TaskId(2));
        let view = View {
            most: 3,
            task: Some(story::LONG),
        };
        assert_eq!(render(&lines, &names, view), expected);
    }

    #[test]
    fn long_words_are_cut_and_stay_on_one_line() {
        let words = words(&format!("{}\n\r;#ä{}", "a".repeat(50), "b".repeat(20)));
        assert_eq!(
            words,
            format!("{}  #59;#35;ä{}…", "a".repeat(50), "b".repeat(4))
        );
    }

    #[test]
    fn a_diagram_of_nothing_has_nobody_in_it() {
        let lines = story::lines(TaskId(1), TaskId(2));
        let names = story::names(TaskId(1), TaskId(2));
        let none = View {
            most: 0,
            task: None,
        };
        assert_eq!(render(&lines, &names, none), "sequenceDiagram\n");
        assert_eq!(render(&[], &names, View::ALL), "sequenceDiagram\n");
    }
}
