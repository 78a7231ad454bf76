//! A sequence diagram, as Mermaid draws them: an arrow for what arrives, a cross for what is lost, a
//! note for what befalls a node.

use std::collections::BTreeSet;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::trace::{Kind, Line};

use super::Names;

/// The most characters of an arrow's or a note's words.
const WORDS: usize = 60;

/// What a diagram shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The most events. The last ones are shown, for a run ends with what it is about.
    pub most: usize,
    /// Only what is about this task, and what befell nodes.
    pub task: Option<TaskId>,
}

impl Default for View {
    /// As many events as a reader can follow, of all tasks.
    fn default() -> View {
        View {
            most: 200,
            task: None,
        }
    }
}

impl View {
    fn shows(self, line: &Line) -> bool {
        match (self.task, line.task) {
            (None, _) => true,
            (Some(only), Some(task)) => task.task == only,
            (Some(_), None) => matches!(line.kind, Kind::Fault | Kind::Life),
        }
    }
}

/// Draws a run.
pub fn render(lines: &[Line], view: View) -> String {
    let names = Names::of(lines);
    let seen: Vec<&Line> = lines.iter().filter(|line| view.shows(line)).collect();
    let left_out = seen.len().saturating_sub(view.most);
    let seen = &seen[left_out..];
    let tasks: BTreeSet<TaskId> = (seen.iter())
        .filter_map(|line| Some(line.task?.task))
        .collect();
    let places: BTreeSet<Place> = (seen.iter())
        .flat_map(|line| [Some(line.node), line.from])
        .flatten()
        .collect();

    let mut page = String::from("sequenceDiagram\n");
    let legend = names.legend().into_iter();
    for (name, task) in legend.filter(|(_, task)| tasks.contains(task)) {
        page.push_str(&format!("    %% {name} = {task}\n"));
    }
    for place in &places {
        page.push_str(&format!("    participant {place}\n"));
    }
    if let (true, Some(first), Some(last)) = (left_out > 0, places.first(), places.last()) {
        let over = if first == last {
            first.to_string()
        } else {
            format!("{first},{last}")
        };
        page.push_str(&format!(
            "    Note over {over}: {left_out} earlier events are left out\n"
        ));
    }
    for line in seen {
        page.push_str(&format!("    {}\n", event(line, &names)));
    }
    page
}

/// One arrow or note.
fn event(line: &Line, names: &Names) -> String {
    let Line {
        at,
        node,
        from,
        kind,
        what,
        task,
        ..
    } = line;
    let task = task.map_or_else(String::new, |task| format!(" {}", names.short(task)));
    let mark = match (kind, from) {
        (Kind::Fault, _) => "FAULT: ",
        (Kind::Loss, None) => "lost: ",
        _ => "",
    };
    let seconds = (*at - Instant::ZERO).as_secs_f64();
    let words = format!("{seconds:.3}s {mark}{}{task}", words(what));
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
        let lines = story::lines(TaskId(1), TaskId(2));
        assert_eq!(render(&lines, View::default()), expected);
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
        let view = View {
            most: 3,
            task: Some(story::LONG),
        };
        assert_eq!(render(&lines, view), expected);
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
        let none = View {
            most: 0,
            task: None,
        };
        assert_eq!(render(&lines, none), "sequenceDiagram\n");
        assert_eq!(render(&[], View::default()), "sequenceDiagram\n");
    }
}
