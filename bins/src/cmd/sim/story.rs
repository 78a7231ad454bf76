//! The story of a run: which form is asked for, and how much of it.

use clap::{ArgGroup, Args};
use mpcsfaas_sim_tests::run::Run;
use mpcsfaas_sim_tests::trace::{Names, View, mermaid, text};
use serde_json::{Map, Value, json};

use super::SimError;

/// Arguments that ask for a story.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("story").args(["trace", "mermaid"]).multiple(true))]
pub(super) struct StoryArgs {
    /// Print every event, one a line.
    #[arg(long)]
    trace: bool,
    /// Print a sequence diagram, as Mermaid draws them, of the last 200 events.
    #[arg(long)]
    mermaid: bool,
    /// Tell only of this task, and of what befell nodes: t7 as the story names it, or a UUID.
    #[arg(long, value_name = "TASK", requires = "story")]
    task: Option<String>,
    /// Tell only of the last events.
    #[arg(long, value_name = "N", requires = "story")]
    last: Option<usize>,
}

/// What happened, in the forms that were asked for.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) text: Option<String>,
    pub(super) diagram: Option<String>,
}

impl StoryArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.trace || self.mermaid
    }

    /// A diagram that stands alone is to be drawn as it is printed.
    pub(super) fn is_only_a_diagram(&self) -> bool {
        self.mermaid && !self.trace
    }

    pub(super) fn tell(&self, run: &Run) -> Result<Story, SimError> {
        let (lines, names) = (&run.story, Names::of(&run.plan));
        let find = |name: &String| {
            let task = names.find(name);
            task.ok_or_else(|| SimError::NoTask(name.clone()))
        };
        let task = self.task.as_ref().map(find).transpose()?;
        let view = |most| View {
            task,
            most: self.last.unwrap_or(most),
        };
        Ok(Story {
            text: (self.trace).then(|| text::render(lines, &names, view(View::ALL.most))),
            diagram: (self.mermaid).then(|| mermaid::render(lines, &names, view(mermaid::MOST))),
        })
    }
}

impl Story {
    /// Fields of a JSON object.
    pub(super) fn json(&self) -> Map<String, Value> {
        let forms = [("trace", &self.text), ("mermaid", &self.diagram)];
        let told = forms
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?))));
        told.collect()
    }
}
