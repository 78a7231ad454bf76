//! One line an event, in columns: number, time, where (for what arrives: `D0<-W1`), kind, task and
//! attempt, and what happened.

use std::fmt::Write;

use mpcsfaas_transport_sim::trace::{Kind, Line};

use super::{Names, Shown, View};

/// No line is longer, if its words can be broken.
const WIDTH: usize = 120;

/// Tells a story. Tasks have short names such as `t7.2`, the second attempt of `t7`; a legend at the
/// top says which tasks these are, unless `7` is all there is to say.
pub fn render(story: &[Line], names: &Names, view: View) -> String {
    let shown = Shown::of(story, names, view);
    let mut page = String::new();
    for head in shown.legend().into_iter().chain(shown.gap()) {
        page.push_str(&format!("{head}\n"));
    }
    let rows: Vec<_> = (shown.lines.iter())
        .map(|line| row(line, shown.task(line)))
        .collect();
    let mut widths = [0; 5];
    for (columns, _) in &rows {
        for (width, column) in widths.iter_mut().zip(columns) {
            *width = column.chars().count().max(*width);
        }
    }
    for (columns, what) in &rows {
        print(&mut page, columns, widths, what);
    }
    page
}

fn row(line: &Line, task: Option<String>) -> ([String; 5], String) {
    let arrow = if line.kind == Kind::Loss { "x-" } else { "<-" };
    let from = line.from.map(|from| format!("{arrow}{from}"));
    let columns = [
        line.number.to_string(),
        format!("{:?}", line.at),
        format!("{}{}", line.node, from.unwrap_or_default()),
        kind(line.kind).to_owned(),
        task.unwrap_or_default(),
    ];
    let waits = if line.waits { " (waits)" } else { "" };
    (columns, format!("{}{waits}", line.what))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "message",
        Kind::Loss => "lost",
        Kind::Store => "store",
        Kind::Client => "client",
        Kind::Child => "child",
        Kind::Timer => "timer",
        Kind::Life => "life",
        Kind::Fault => "FAULT",
    }
}

/// Numbers to the right, words to the left. What happened goes on below itself if it is long.
fn print(page: &mut String, columns: &[String; 5], widths: [usize; 5], what: &str) {
    let [number, at, place, kind, task] = columns;
    let [n, a, p, k, t] = widths;
    let mut row = format!("{number:>n$}  {at:>a$}  {place:<p$}  {kind:<k$}  {task:<t$} ");
    let indent = row.chars().count();
    let mut length = indent;
    for word in what.split_whitespace() {
        let more = word.chars().count() + 1;
        if length + more > WIDTH && length > indent {
            let _ = write!(row, "\n{:indent$}", "");
            length = indent;
        }
        row.push(' ');
        row.push_str(word);
        length += more;
    }
    page.push_str(row.trim_end());
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::id::TaskId;

    use super::super::story;
    use super::*;

    fn told(first: TaskId, second: TaskId, view: View) -> String {
        let (lines, names) = (story::lines(first, second), story::names(first, second));
        render(&lines, &names, view)
    }

    #[test]
    fn a_run_is_told_in_columns() {
        let expected = "\
1  0.000000s  W11      life           starts
2  0.001000s  D0<-W11  message        Hello session 1
3  0.100000s  S<-C     store    t1    Submit
4  0.100500s  S<-C     store    t2    Submit
5  0.103000s  W11x-D0  lost     t2.1  Run 1 task
6  0.103000s  W0<-D0   message  t1.1  Run 1 task; <first>
7  0.104000s  W0       child    t1.1  starts
8  1.000000s  W0       FAULT          pause for 10s
9  4.000000s  D0       timer          deadline
";
        assert_eq!(told(TaskId(1), TaskId(2), View::ALL), expected);
    }

    #[test]
    fn a_legend_tells_the_long_names_of_tasks() {
        let page = told(story::LONG, TaskId(2), View::ALL);
        let expected = "\
t1 = 01234567-89ab-cdef-0011-223344556677
t2 = 00000000-0000-0000-0000-000000000002
1  0.000000s  W11      life           starts
";
        assert!(page.starts_with(expected), "{page}");
    }

    #[test]
    fn a_task_keeps_its_name_when_only_it_is_shown() {
        let view = View {
            task: Some(TaskId(2)),
            most: 2,
        };
        let expected = "\
t2 = 00000000-0000-0000-0000-000000000002
2 earlier events are left out
5  0.103000s  W11x-D0  lost   t2.1  Run 1 task
";
        let page = told(story::LONG, TaskId(2), view);
        assert!(page.starts_with(expected), "{page}");
    }

    #[test]
    fn a_long_line_goes_on_below_itself() {
        let mut lines = story::lines(TaskId(1), TaskId(2)).split_off(7);
        lines[0].what = "so it goes on ".repeat(12);
        let expected = "\
8  1.000000s  W0  FAULT    so it goes on so it goes on so it goes on so it goes on so it goes on so it goes on so it
                           goes on so it goes on so it goes on so it goes on so it goes on so it goes on
9  4.000000s  D0  timer    deadline
";
        let names = story::names(TaskId(1), TaskId(2));
        assert_eq!(render(&lines, &names, View::ALL), expected);
    }

    #[test]
    fn what_waits_says_so() {
        let mut lines = story::lines(TaskId(1), TaskId(2)).split_off(5);
        lines[0].waits = true;
        let page = render(&lines, &story::names(TaskId(1), TaskId(2)), View::ALL);
        assert!(
            page.contains("t1.1  Run 1 task; <first> (waits)\n"),
            "{page}"
        );
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        let names = story::names(TaskId(1), TaskId(2));
        assert_eq!(render(&[], &names, View::ALL), "");
    }
}
