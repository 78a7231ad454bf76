//! Where a study's files go, and how they get there.

use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table};

use super::outcome::Study;
use super::{StudyError, plots, report};
use crate::cmd::TABLE;

/// The file that says everything.
const JSON: &str = "study.json";

/// The file that a person reads.
const MARKDOWN: &str = "study.md";

/// A directory without a study.
pub struct Output {
    directory: PathBuf,
    /// It was not there before.
    made: bool,
}

impl Output {
    /// Makes the directory if need be, and sees that files can be written there.
    ///
    /// # Errors
    /// [`StudyError::Taken`] or [`StudyError::Write`].
    pub fn claim(directory: &Path) -> Result<Output, StudyError> {
        let made = !directory.exists();
        std::fs::create_dir_all(directory).map_err(StudyError::write(directory))?;
        if directory.join(JSON).exists() {
            return Err(StudyError::Taken(directory.to_owned()));
        }
        let probe = directory.join(".mpcsfaas-study");
        std::fs::write(&probe, "").map_err(StudyError::write(&probe))?;
        std::fs::remove_file(&probe).map_err(StudyError::write(&probe))?;
        Ok(Output {
            directory: directory.to_owned(),
            made,
        })
    }

    /// Writes everything, the JSON first, and prints a table.
    ///
    /// # Errors
    /// A file cannot be written, or a plot cannot be drawn.
    pub fn write(&self, study: &Study) -> Result<(), StudyError> {
        let mut json = serde_json::to_vec_pretty(study).unwrap_or_default();
        json.push(b'\n');
        self.file(JSON, &json)?;
        let plots = plots::draw(study)?;
        for plot in &plots {
            self.file(&format!("{}.svg", plot.name), plot.svg().as_bytes())?;
            let png = plot.png()?;
            self.file(&format!("{}.png", plot.name), &png)?;
        }
        self.file(MARKDOWN, report::markdown(study, &plots).as_bytes())?;
        println!("{}", table(study));
        println!("report: {}", self.directory.join(MARKDOWN).display());
        Ok(())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<(), StudyError> {
        let path = self.directory.join(name);
        std::fs::write(&path, bytes).map_err(StudyError::write(&path))
    }
}

/// Where nothing was written, nothing is left.
impl Drop for Output {
    fn drop(&mut self) {
        if self.made {
            // An error says that there is something in it.
            let _ = std::fs::remove_dir(&self.directory);
        }
    }
}

/// A row for each cell.
fn table(study: &Study) -> Table {
    let mut table = Table::new();
    table.load_preset(TABLE);
    table.set_header([
        "mode",
        "workload",
        "scaling",
        "workers",
        "tasks",
        "done %",
        "tasks/s",
        "seconds",
        "mean ms",
        "p95 ms",
        "efficiency %",
    ]);
    for cell in &study.cells {
        let latency = cell.latency.as_ref();
        let ms = |value: Option<f64>| value.map_or_else(String::new, |ms| format!("{ms:.1}"));
        table.add_row([
            cell.key.mode.as_str().to_owned(),
            cell.key.workload.clone(),
            cell.key.scaling.as_str().to_owned(),
            cell.key.workers.to_string(),
            cell.tasks.to_string(),
            format!("{:.0}", cell.success_percent),
            format!("{:.1}", cell.throughput.median),
            format!("{:.2}", cell.completion_s.median),
            ms(latency.map(|latency| latency.mean.median)),
            ms(latency.map(|latency| latency.p95.median)),
            ms(cell.efficiency_percent),
        ]);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
