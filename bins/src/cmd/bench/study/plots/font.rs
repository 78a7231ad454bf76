//! The face that texts are measured and drawn with. It is a part of this program, so that a plot
//! looks the same on a machine without fonts.

use tiny_skia::{Path, PathBuilder, Transform};
use ttf_parser::{Face, OutlineBuilder};

use super::PlotError;
use super::scene::{Anchor, Point};

/// DejaVu Sans, cut down to the characters that plots use; its licence is beside it.
const BYTES: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");

/// A face that can be drawn with.
pub struct Font {
    face: Face<'static>,
}

impl Font {
    /// The one that is a part of this program.
    ///
    /// # Errors
    /// [`PlotError::Font`] if it is none, which a test rules out.
    pub fn load() -> Result<Font, PlotError> {
        let face = Face::parse(BYTES, 0).map_err(PlotError::Font)?;
        Ok(Font { face })
    }

    /// How wide a text is, in pixels.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|c| self.advance(c)).sum::<f32>() * self.scale(size)
    }

    fn scale(&self, size: f32) -> f32 {
        size / f32::from(self.face.units_per_em())
    }

    /// In the face's own units. Characters that it lacks are as wide as its sign for them.
    fn advance(&self, c: char) -> f32 {
        let glyph = self.face.glyph_index(c).unwrap_or_default();
        f32::from(self.face.glyph_hor_advance(glyph).unwrap_or_default())
    }

    /// The outlines of a text at a point; `None` if nothing of it can be seen.
    pub fn outline(
        &self,
        text: &str,
        size: f32,
        (x, y): Point,
        anchor: Anchor,
        upright: bool,
    ) -> Option<Path> {
        let mut pen = Pen {
            path: PathBuilder::new(),
            left: 0.0,
        };
        for c in text.chars() {
            let glyph = self.face.glyph_index(c).unwrap_or_default();
            self.face.outline_glyph(glyph, &mut pen);
            pen.left += self.advance(c);
        }
        let back = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => 0.5,
            Anchor::End => 1.0,
        };
        let back = back * self.width(text, size);
        let scale = self.scale(size);
        // A face's y grows upwards.
        let placed = Transform::from_scale(scale, -scale).post_translate(-back, 0.0);
        let turned = match upright {
            true => placed.post_rotate(-90.0),
            false => placed,
        };
        pen.path.finish()?.transform(turned.post_translate(x, y))
    }
}

/// Takes a glyph's outline down, to the right of those before.
struct Pen {
    path: PathBuilder,
    left: f32,
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.left + x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.left + x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let left = self.left;
        self.path.quad_to(left + x1, y1, left + x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let left = self.left;
        self.path
            .cubic_to(left + x1, y1, left + x2, y2, left + x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_wide_as_its_letters() {
        let font = Font::load().unwrap();
        let (one, two) = (font.width("m", 10.0), font.width("mm", 10.0));
        assert!(one > 5.0 && (two - 2.0 * one).abs() < 1e-3, "{one} {two}");
        assert!(font.width("i", 10.0) < one);
    }

    #[test]
    fn a_text_ends_where_it_is_anchored() {
        let font = Font::load().unwrap();
        let at = |anchor, upright| {
            let outline = font.outline("ms/task", 12.0, (100.0, 50.0), anchor, upright);
            outline.unwrap().bounds()
        };
        assert!(at(Anchor::Start, false).left() >= 100.0);
        assert!(at(Anchor::End, false).right() <= 100.0);
        assert!(at(Anchor::Start, true).bottom() <= 50.0);
        assert!(
            font.outline(" ", 12.0, (0.0, 0.0), Anchor::Start, false)
                .is_none()
        );
    }
}
