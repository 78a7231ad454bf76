//! A scene as SVG. Texts stay texts, in whatever sans-serif face the reader has; their places do not
//! depend on it.

use std::fmt::Write;

use super::scene::{Anchor, Color, Scene, Shape, Stroke};

/// The document.
pub fn render(scene: &Scene) -> String {
    let mut svg = String::new();
    let (width, height) = (scene.width, scene.height);
    let title = escaped(&scene.title);
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\">\n<title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
    );
    for shape in &scene.shapes {
        let _ = writeln!(svg, "{}", element(shape));
    }
    svg.push_str("</svg>\n");
    svg
}

fn element(shape: &Shape) -> String {
    match shape {
        Shape::Line { points, stroke } => format!(
            "<polyline points=\"{}\" fill=\"none\" {}/>",
            places(points),
            line(stroke)
        ),
        Shape::Polygon {
            points,
            fill,
            stroke,
        } => format!(
            "<polygon points=\"{}\" fill=\"{}\" {}/>",
            places(points),
            hex(*fill),
            line(stroke)
        ),
        Shape::Circle {
            center: (x, y),
            radius,
            fill,
            stroke,
        } => format!(
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{}\" {}/>",
            hex(*fill),
            line(stroke)
        ),
        Shape::Text {
            at: (x, y),
            text,
            size,
            color,
            anchor,
            upright,
        } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let turned = match upright {
                true => format!(" transform=\"rotate(-90 {x:.2} {y:.2})\""),
                false => String::new(),
            };
            format!(
                "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" fill=\"{}\" \
                 text-anchor=\"{anchor}\"{turned}>{}</text>",
                hex(*color),
                escaped(text)
            )
        }
    }
}

fn places(points: &[(f32, f32)]) -> String {
    let places: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.2},{y:.2}"))
        .collect();
    places.join(" ")
}

fn line(stroke: &Stroke) -> String {
    let dashes = match stroke.dash.pattern() {
        Some([on, off]) => format!(" stroke-dasharray=\"{on} {off}\""),
        None => String::new(),
    };
    format!(
        "stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{dashes}",
        hex(stroke.color),
        stroke.width
    )
}

fn hex(Color(red, green, blue): Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::scene::INK;
    use super::*;

    #[test]
    fn what_a_user_named_cannot_break_the_document() {
        let mut scene = Scene {
            width: 10.0,
            height: 5.0,
            title: "a <b> & \"c\"".to_owned(),
            shapes: Vec::new(),
        };
        scene.text((1.0, 2.0), "<script>", 12.0, INK, Anchor::End);
        let svg = render(&scene);
        assert!(
            svg.contains("<title>a &lt;b&gt; &amp; &quot;c&quot;</title>"),
            "{svg}"
        );
        assert!(svg.contains(">&lt;script&gt;</text>"), "{svg}");
        assert!(svg.contains("text-anchor=\"end\""), "{svg}");
    }
}
