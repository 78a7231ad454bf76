//! A scene as PNG, at twice its size, so that it is sharp on any screen.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, StrokeDash, Transform,
};

use super::PlotError;
use super::font::Font;
use super::scene::{Color, Point, Scene, Shape, Stroke};

/// Pixels of the picture for each of the scene.
const SCALE: f32 = 2.0;

/// The file's bytes.
///
/// # Errors
/// See [`PlotError`].
pub fn render(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (scene.width * SCALE, scene.height * SCALE);
    let pixmap = Pixmap::new(width.ceil() as u32, height.ceil() as u32);
    let mut canvas = Canvas {
        pixmap: pixmap.ok_or(PlotError::Size)?,
        font: Font::load()?,
    };
    canvas.pixmap.fill(tiny_skia::Color::WHITE);
    for shape in &scene.shapes {
        canvas.draw(shape);
    }
    let encoded = canvas.pixmap.encode_png();
    encoded.map_err(|error| PlotError::Encode(Box::new(error)))
}

struct Canvas {
    pixmap: Pixmap,
    font: Font,
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { points, stroke } => self.stroke(path(points, false), stroke),
            Shape::Polygon {
                points,
                fill,
                stroke,
            } => {
                self.fill(path(points, true), *fill);
                self.stroke(path(points, true), stroke);
            }
            Shape::Circle {
                center: (x, y),
                radius,
                fill,
                stroke,
            } => {
                let circle = PathBuilder::from_circle(*x, *y, *radius);
                self.fill(circle.clone(), *fill);
                self.stroke(circle, stroke);
            }
            Shape::Text {
                at,
                text,
                size,
                color,
                anchor,
                upright,
            } => self.fill(
                self.font.outline(text, *size, *at, *anchor, *upright),
                *color,
            ),
        }
    }

    /// Nothing is drawn of what has no extent.
    fn fill(&mut self, path: Option<Path>, color: Color) {
        if let Some(path) = path {
            let paint = paint(color);
            let scale = Transform::from_scale(SCALE, SCALE);
            self.pixmap
                .fill_path(&path, &paint, FillRule::Winding, scale, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, stroke: &Stroke) {
        if let Some(path) = path {
            let dash = stroke.dash.pattern();
            let line = tiny_skia::Stroke {
                width: stroke.width,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                dash: dash.and_then(|pattern| StrokeDash::new(pattern.to_vec(), 0.0)),
                ..tiny_skia::Stroke::default()
            };
            let paint = paint(stroke.color);
            let scale = Transform::from_scale(SCALE, SCALE);
            self.pixmap.stroke_path(&path, &paint, &line, scale, None);
        }
    }
}

fn path(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let mut points = points.iter();
    let (x, y) = points.next()?;
    path.move_to(*x, *y);
    for (x, y) in points {
        path.line_to(*x, *y);
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn paint(Color(red, green, blue): Color) -> Paint<'static> {
    let mut paint = Paint {
        anti_alias: true,
        ..Paint::default()
    };
    paint.set_color_rgba8(red, green, blue, 0xff);
    paint
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Anchor, Dash, INK};
    use super::*;

    #[test]
    fn what_is_in_the_scene_is_in_the_picture() {
        let mut scene = Scene {
            width: 100.0,
            height: 50.0,
            ..Scene::default()
        };
        let dark = |scene: &Scene| {
            let pixmap = Pixmap::decode_png(&render(scene).unwrap()).unwrap();
            assert_eq!((pixmap.width(), pixmap.height()), (200, 100));
            let pixels = pixmap.pixels().iter();
            pixels.filter(|pixel| pixel.red() < 128).count()
        };
        assert_eq!(dark(&scene), 0);
        let line = vec![(10.0, 10.0), (90.0, 10.0)];
        scene.line(line.clone(), Stroke::solid(INK, 2.0));
        let solid = dark(&scene);
        assert_eq!(solid, 160 * 4);
        scene.shapes.clear();
        let dash = Dash::Dashed;
        scene.line(
            line,
            Stroke {
                dash,
                ..Stroke::solid(INK, 2.0)
            },
        );
        assert!((1..solid).contains(&dark(&scene)));
        scene.shapes.clear();
        scene.text((50.0, 40.0), "tasks/s", 14.0, INK, Anchor::Middle);
        assert!(dark(&scene) > 100);
    }

    #[test]
    fn a_picture_without_a_size_is_an_error() {
        assert!(matches!(render(&Scene::default()), Err(PlotError::Size)));
    }
}
