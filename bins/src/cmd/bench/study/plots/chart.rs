//! Panels with axes, lines and markers, laid out beside each other under one title and legend.

use super::axis::{Axis, Scale, tick_text};
use super::font::Font;
use super::scene::{Anchor, Color, Dash, GREY, GRID, INK, Marker, Point, Scene, Stroke};

/// Sizes in pixels.
const PANEL_WIDTH: f32 = 330.0;
const PANEL_HEIGHT: f32 = 250.0;
const LEFT: f32 = 66.0;
const BELOW: f32 = 52.0;
const ABOVE: f32 = 34.0;
const RIGHT: f32 = 20.0;
const MARGIN: f32 = 14.0;
const HEADER: f32 = 78.0;
const TEXT: f32 = 12.0;
const SMALL: f32 = 11.0;
const TITLE: f32 = 17.0;
const NOTE: f32 = 15.0;

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    pub color: Color,
    /// `None` is a line alone.
    pub marker: Option<Marker>,
    pub filled: bool,
    /// `None` is markers alone.
    pub dash: Option<Dash>,
    pub width: f32,
    /// Moved sideways by so many pixels, so that figures at one place can be told apart.
    pub aside: f32,
}

/// A figure, and how far it was spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub x: f64,
    pub y: f64,
    pub spread: Option<(f64, f64)>,
}

impl Figure {
    /// One without a spread.
    pub const fn plain(x: f64, y: f64) -> Figure {
        Figure { x, y, spread: None }
    }
}

/// Figures that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub style: Style,
    pub figures: Vec<Figure>,
    /// A marker at every figure whose number is a multiple of it.
    pub marked: usize,
}

/// One pair of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub x: Scale,
    pub y: Scale,
    pub series: Vec<Series>,
    /// Lines of text under its title.
    pub notes: Vec<(Color, String)>,
}

/// A picture of panels.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub title: String,
    pub subtitle: String,
    pub columns: usize,
    pub panels: Vec<Panel>,
    pub legend: Vec<(Style, String)>,
}

impl Chart {
    /// The picture.
    pub fn scene(&self, font: &Font) -> Scene {
        let columns = self.columns.max(1);
        let rows = self.panels.len().div_ceil(columns);
        let notes = self.panels.iter().map(|panel| panel.notes.len()).max();
        let above = ABOVE + notes.unwrap_or(0) as f32 * NOTE;
        let cell = (LEFT + PANEL_WIDTH + RIGHT, above + PANEL_HEIGHT + BELOW);
        let words = [(&self.title, TITLE), (&self.subtitle, TEXT)];
        let widest = words.map(|(text, size)| font.width(text, size));
        let needed = widest.into_iter().fold(self.legend_width(font), f32::max);
        let panels = columns as f32 * cell.0;
        let mut scene = Scene {
            width: panels.max(needed) + 2.0 * MARGIN,
            height: HEADER + rows as f32 * cell.1 + MARGIN,
            title: self.title.clone(),
            shapes: Vec::new(),
        };
        scene.text((MARGIN, 28.0), &self.title, TITLE, INK, Anchor::Start);
        scene.text((MARGIN, 47.0), &self.subtitle, TEXT, GREY, Anchor::Start);
        self.draw_legend(&mut scene, font);
        for (number, panel) in self.panels.iter().enumerate() {
            let (row, column) = ((number / columns) as f32, (number % columns) as f32);
            let left = MARGIN + column * cell.0 + LEFT;
            let top = HEADER + row * cell.1 + above;
            panel.draw(&mut scene, (left, top));
        }
        scene
    }

    fn legend_width(&self, font: &Font) -> f32 {
        let widths = self.legend.iter();
        widths
            .map(|(_, text)| SAMPLE + GAP + font.width(text, TEXT))
            .sum()
    }

    fn draw_legend(&self, scene: &mut Scene, font: &Font) {
        let (mut left, y) = (MARGIN, 68.0);
        for (style, text) in &self.legend {
            let middle = (left + SAMPLE / 2.0, y);
            if let Some(stroke) = style.stroke() {
                scene.line(vec![(left, y), (left + SAMPLE, y)], stroke);
            }
            if let Some(marker) = style.marker {
                scene.marker(marker, middle, style.color, style.filled);
            }
            let words = (left + SAMPLE + 6.0, y + 4.0);
            scene.text(words, text, TEXT, INK, Anchor::Start);
            left += SAMPLE + GAP + font.width(text, TEXT);
        }
    }
}

/// The length of a line in the legend, and the room between two entries with their texts.
const SAMPLE: f32 = 30.0;
const GAP: f32 = 24.0;

impl Style {
    fn stroke(&self) -> Option<Stroke> {
        self.dash.map(|dash| Stroke {
            color: self.color,
            width: self.width,
            dash,
        })
    }
}

/// A panel's place, and its axes.
struct Frame {
    left: f32,
    top: f32,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn place(&self, x: f64, y: f64) -> Point {
        (
            self.left + self.x.place(x) * PANEL_WIDTH,
            self.top + (1.0 - self.y.place(y)) * PANEL_HEIGHT,
        )
    }

    fn right(&self) -> f32 {
        self.left + PANEL_WIDTH
    }

    fn bottom(&self) -> f32 {
        self.top + PANEL_HEIGHT
    }
}

impl Panel {
    fn draw(&self, scene: &mut Scene, (left, top): Point) {
        let figures = || self.series.iter().flat_map(|series| &series.figures);
        let heights = figures().flat_map(|figure| {
            let (low, high) = figure.spread.unwrap_or((figure.y, figure.y));
            [figure.y, low, high]
        });
        let frame = Frame {
            left,
            top,
            x: Axis::fit(&self.x, figures().map(|figure| figure.x)),
            y: Axis::fit(&self.y, heights),
        };
        self.draw_axes(scene, &frame);
        for series in &self.series {
            series.draw(scene, &frame);
        }
        let first = frame.top - 8.0 - self.notes.len() as f32 * NOTE;
        let title = (frame.left, first - 4.0);
        scene.text(title, &self.title, 13.0, INK, Anchor::Start);
        for (line, (color, text)) in (1_u8..).zip(&self.notes) {
            let at = (frame.left, first + f32::from(line) * NOTE);
            scene.text(at, text, SMALL, *color, Anchor::Start);
        }
    }

    fn draw_axes(&self, scene: &mut Scene, frame: &Frame) {
        let (right, bottom) = (frame.right(), frame.bottom());
        for tick in &frame.y.ticks {
            let (_, y) = frame.place(1.0, *tick);
            scene.line(vec![(frame.left, y), (right, y)], Stroke::solid(GRID, 1.0));
            let at = (frame.left - 7.0, y + 4.0);
            scene.text(at, &tick_text(*tick), SMALL, INK, Anchor::End);
        }
        for tick in &frame.x.ticks {
            let (x, _) = frame.place(*tick, 1.0);
            scene.line(vec![(x, frame.top), (x, bottom)], Stroke::solid(GRID, 1.0));
            scene.line(
                vec![(x, bottom), (x, bottom + 4.0)],
                Stroke::solid(INK, 1.0),
            );
            let at = (x, bottom + 18.0);
            scene.text(at, &tick_text(*tick), SMALL, INK, Anchor::Middle);
        }
        if frame.y.ticks.first().is_some_and(|tick| *tick < 0.0) {
            let (_, zero) = frame.place(1.0, 0.0);
            scene.line(
                vec![(frame.left, zero), (right, zero)],
                Stroke::solid(GREY, 1.2),
            );
        }
        let corner = vec![
            (frame.left, frame.top),
            (frame.left, bottom),
            (right, bottom),
        ];
        scene.line(corner, Stroke::solid(INK, 1.2));
        let middle = frame.left + PANEL_WIDTH / 2.0;
        scene.text(
            (middle, bottom + 38.0),
            &self.x_label,
            TEXT,
            INK,
            Anchor::Middle,
        );
        let side = (frame.left - 48.0, frame.top + PANEL_HEIGHT / 2.0);
        scene.upright_text(side, &self.y_label, TEXT, INK);
    }
}

impl Series {
    fn draw(&self, scene: &mut Scene, frame: &Frame) {
        let style = &self.style;
        let aside = |(x, y): Point| (x + style.aside, y);
        let places: Vec<Point> = self
            .figures
            .iter()
            .map(|figure| aside(frame.place(figure.x, figure.y)))
            .collect();
        if let Some(stroke) = style.stroke()
            && places.len() > 1
        {
            scene.line(places.clone(), stroke);
        }
        for figure in &self.figures {
            if let Some((low, high)) = figure.spread {
                let (x, low) = aside(frame.place(figure.x, low));
                let (_, high) = aside(frame.place(figure.x, high));
                let thin = Stroke::solid(style.color, 1.2);
                scene.line(vec![(x, low), (x, high)], thin);
                scene.line(vec![(x - 3.5, low), (x + 3.5, low)], thin);
                scene.line(vec![(x - 3.5, high), (x + 3.5, high)], thin);
            }
        }
        if let Some(marker) = style.marker {
            for place in places.into_iter().step_by(self.marked.max(1)) {
                scene.marker(marker, place, style.color, style.filled);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Shape;
    use super::*;

    #[test]
    fn a_chart_has_all_its_words_and_stays_within_its_edges() {
        let style = Style {
            color: INK,
            marker: Some(Marker::Circle),
            filled: true,
            dash: Some(Dash::Solid),
            width: 2.0,
            aside: 0.0,
        };
        let panel = Panel {
            title: "noop".to_owned(),
            x_label: "workers".to_owned(),
            y_label: "tasks/s".to_owned(),
            x: Scale::Counts(vec![1, 2]),
            y: Scale::Linear,
            series: vec![Series {
                style,
                figures: vec![Figure::plain(1.0, 3.0), Figure::plain(2.0, 4.0)],
                marked: 1,
            }],
            notes: vec![(INK, "a note".to_owned())],
        };
        let chart = Chart {
            title: "Throughput".to_owned(),
            subtitle: "medians".to_owned(),
            columns: 2,
            panels: vec![panel.clone(), panel],
            legend: vec![(style, "push".to_owned())],
        };
        let scene = chart.scene(&Font::load().unwrap());
        let texts: Vec<&str> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Text {
                    text, at: (x, y), ..
                } => {
                    assert!((0.0..scene.width).contains(x) && (0.0..scene.height).contains(y));
                    Some(text.as_str())
                }
                _ => None,
            })
            .collect();
        for word in [
            "Throughput",
            "medians",
            "push",
            "noop",
            "workers",
            "tasks/s",
            "a note",
        ] {
            assert!(texts.contains(&word), "{word}");
        }
        let markers = scene
            .shapes
            .iter()
            .filter(|shape| matches!(shape, Shape::Circle { .. }));
        assert_eq!(markers.count(), 2 * 2 + 1);
    }
}
