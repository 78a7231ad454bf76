//! A page to look at: a space-time diagram of one run, or of a failing one and what is left of it
//! after shrinking.
//!
//! ```text
//!   story (what arrived) ──▶ traffic ──┐
//!                                      ├──▶ Picture ──▶ JSON in the page ──▶ page.js draws it
//!   history (what was seen) ─▶ lanes ──┘
//! ```
//!
//! The page needs nothing but itself: no request leaves it, and its policy forbids any. Text from a
//! run is data in it, never markup: it travels as JSON without a sign that HTML knows, and is shown
//! as text.

mod lanes;
mod picture;
mod traffic;

use serde::Serialize;

pub use self::picture::{Caption, Picture};

/// The most events of a run that a page has. The last ones are kept, for a run ends with what it is
/// about.
pub const MOST: usize = 60_000;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const CHART: &str = include_str!("chart.js");
const SCRIPT: &str = include_str!("page.js");

/// What a page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// What was run, such as `seed 94@3f2a`.
    pub name: String,
    /// What else it depends on, by name: mode, knobs, bug.
    pub facts: Vec<(&'static str, String)>,
    /// The run; then, if it fails, what is left of it after shrinking.
    pub runs: Vec<Picture>,
}

/// The page as HTML.
///
/// # Errors
/// None for a page of a run; they are the serializer's.
pub fn render(page: &Page) -> serde_json::Result<String> {
    // Only a script that has this word in its tag is run. Nobody who writes a task can know it,
    // because it depends on all that is in the page.
    let data = harmless(&serde_json::to_string(page)?);
    let nonce = format!("{:016x}", mpcsfaas_transport_sim::chain::Chain::of(&data));
    let parts = [
        ("{{style}}", STYLE),
        ("{{data}}", &data),
        ("{{chart}}", CHART),
        ("{{script}}", SCRIPT),
    ];
    // Each part goes in once, in the template's order, so that no part is searched for another.
    let page = PAGE.replace("{{nonce}}", &nonce);
    let mut rest = page.as_str();
    let mut html = String::with_capacity(rest.len() + data.len() + SCRIPT.len());
    for (place, part) in parts {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        html.push_str(before);
        html.push_str(part);
        rest = after;
    }
    html.push_str(rest);
    Ok(html)
}

/// JSON that says the same without a sign that ends a script or begins markup.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for sign in json.chars() {
        match sign {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(sign)));
            }
            sign => text.push(sign),
        }
    }
    text
}

#[cfg(test)]
mod tests;
