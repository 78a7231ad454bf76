//! A drawing of few kinds of shape, which both forms of a plot are made from: so the SVG and the PNG
//! are the same picture.

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

/// Text and axes.
pub const INK: Color = Color(0x22, 0x22, 0x22);
/// What is only there to be compared with.
pub const GREY: Color = Color(0x77, 0x77, 0x77);
/// Lines behind the figures.
pub const GRID: Color = Color(0xe4, 0xe4, 0xe4);
/// The ground.
pub const WHITE: Color = Color(0xff, 0xff, 0xff);

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    pub color: Color,
    pub width: f32,
    pub dash: Dash,
}

/// The pattern of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    Solid,
    Dashed,
    Dotted,
}

impl Dash {
    /// On and off, in pixels; `None` is solid.
    pub const fn pattern(self) -> Option<[f32; 2]> {
        match self {
            Dash::Solid => None,
            Dash::Dashed => Some([7.0, 4.0]),
            Dash::Dotted => Some([1.5, 3.5]),
        }
    }
}

impl Stroke {
    /// A line without gaps.
    pub const fn solid(color: Color, width: f32) -> Stroke {
        Stroke {
            color,
            width,
            dash: Dash::Solid,
        }
    }
}

/// Where a text is, as seen from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Pixels from the left and from the top.
pub type Point = (f32, f32);

/// One thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A line through points.
    Line { points: Vec<Point>, stroke: Stroke },
    /// An area with a border.
    Polygon {
        points: Vec<Point>,
        fill: Color,
        stroke: Stroke,
    },
    /// A disc with a border.
    Circle {
        center: Point,
        radius: f32,
        fill: Color,
        stroke: Stroke,
    },
    /// Words.
    Text {
        at: Point,
        text: String,
        size: f32,
        color: Color,
        anchor: Anchor,
        /// From the bottom to the top.
        upright: bool,
    },
}

/// A picture. What comes later is in front.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    pub width: f32,
    pub height: f32,
    /// What it shows, for those who cannot see it.
    pub title: String,
    pub shapes: Vec<Shape>,
}

impl Scene {
    pub fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        self.shapes.push(Shape::Line { points, stroke });
    }

    pub fn text(&mut self, at: Point, text: &str, size: f32, color: Color, anchor: Anchor) {
        self.shapes.push(Shape::Text {
            at,
            text: text.to_owned(),
            size,
            color,
            anchor,
            upright: false,
        });
    }

    pub fn upright_text(&mut self, at: Point, text: &str, size: f32, color: Color) {
        self.shapes.push(Shape::Text {
            at,
            text: text.to_owned(),
            size,
            color,
            anchor: Anchor::Middle,
            upright: true,
        });
    }

    /// A marker around a point.
    pub fn marker(&mut self, marker: Marker, (x, y): Point, color: Color, filled: bool) {
        let fill = if filled { color } else { WHITE };
        let stroke = Stroke::solid(
            if filled { WHITE } else { color },
            if filled { 0.8 } else { 1.6 },
        );
        let corners: &[Point] = match marker {
            Marker::Circle => {
                self.shapes.push(Shape::Circle {
                    center: (x, y),
                    radius: 4.6,
                    fill,
                    stroke,
                });
                return;
            }
            Marker::Square => &[(-4.2, -4.2), (4.2, -4.2), (4.2, 4.2), (-4.2, 4.2)],
            Marker::Triangle => &[(0.0, -5.6), (5.3, 4.2), (-5.3, 4.2)],
        };
        let points = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        self.shapes.push(Shape::Polygon {
            points,
            fill,
            stroke,
        });
    }
}

/// What stands at a figure, besides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    Circle,
    Square,
    Triangle,
}
