//! `docs/ZMQ.md`: its tables are what the scripts show.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use super::script::Script;
use super::{Pairing, differences};

/// What one script has shown.
pub(super) struct Row {
    pub(super) script: Script,
    /// Of each pairing that it was played on: the libraries' outcome, and the model's.
    pub(super) outcomes: Vec<(Pairing, Outcome)>,
}

/// How a script ended on the libraries, and on their model.
pub(super) struct Outcome {
    pub(super) real: String,
    pub(super) model: String,
}

impl Row {
    fn of(&self, pairing: Pairing) -> Option<&Outcome> {
        let place = self.outcomes.iter().find(|(on, _)| *on == pairing);
        place.map(|(_, outcome)| outcome)
    }

    fn markdown(&self) -> String {
        let cells = Pairing::ALL.map(|pairing| match self.of(pairing) {
            None => "-".to_owned(),
            Some(Outcome { real, model }) if real == model => real.clone(),
            Some(Outcome { real, model }) => format!("{real}<br>**model:** {model}"),
        });
        let agree = |same| if same { "agree" } else { "**differ**" };
        let libraries = match (self.of(Pairing::Ours), self.of(Pairing::Libzmq)) {
            (Some(ours), Some(theirs)) => agree(ours.real == theirs.real),
            _ => "-",
        };
        let model = agree(self.outcomes.iter().all(|(_, one)| one.real == one.model));
        let name = self.script.name;
        format!(
            "| `{name}` | {} | {libraries} | {model} |\n",
            cells.join(" | ")
        )
    }
}

/// The table of a family of scripts, and why the model is not what it models.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| script | `zeromq` and `zeromq` | `zeromq` ROUTER, libzmq peers | libzmq and libzmq | \
         the libraries | model and library |\n|---|---|---|---|---|---|\n",
    );
    rows.iter().for_each(|row| table += &row.markdown());
    let scripts = || rows.iter().map(|row| row.script.name);
    for known in differences::KNOWN {
        if scripts().any(|name| name == known.script) {
            table += &format!("\nWhy `{}` differs: {}\n", known.script, known.why);
        }
    }
    table
}

/// Holds a table to that of the page, or writes it there (`MPCSFAAS_BLESS=1`).
pub(super) fn hold(family: &str, table: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/ZMQ.md");
    let open = File::options().read(true).write(true).open(&path);
    let mut file = open.expect("docs/ZMQ.md");
    // The families are tests of their own, and may run at once.
    file.lock().expect("the page can be locked");
    let mut page = String::new();
    file.read_to_string(&mut page).expect("it is text");
    let (begin, end) = (
        format!("<!-- begin {family} -->\n"),
        format!("<!-- end {family} -->"),
    );
    let from = page.find(&begin).map(|at| at + begin.len());
    let (Some(from), Some(to)) = (from, page.find(&end)) else {
        panic!("docs/ZMQ.md has no place for the table of {family}");
    };
    if std::env::var_os("MPCSFAAS_BLESS").is_some() {
        page.replace_range(from..to, table);
        file.rewind().expect("a file");
        file.set_len(0).expect("it can be written");
        file.write_all(page.as_bytes()).expect("it can be written");
        return;
    }
    let was = &page[from..to];
    assert!(
        was == table,
        "docs/ZMQ.md is not what the scripts show. If that is meant, run again with \
         MPCSFAAS_BLESS=1.\nwas:\n{was}\nis:\n{table}"
    );
}
