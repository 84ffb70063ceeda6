//! A bar chart of a comparison as SVG: CPU time per event, a bar per row.
//!
//! A bar is the median of the steady cost, followed in a lighter colour by the share of the start-up. Dashed
//! lines mark the floors. Texts are escaped by the `svg` crate; the number of bars and the length of labels
//! are bounded here.

use svg::{
    Document,
    node::element::{Line, Rectangle, Text},
};

use super::{
    figures::Figure,
    measured::{FLOOR, Measured, REFERENCE, Row},
};

/// Most bars; further rows are left out.
const MAX_BARS: usize = 80;
/// Most characters of a label.
const MAX_LABEL: usize = 48;

const WIDTH: f64 = 960.0;
/// Left end of the bars, and the length of the longest.
const LEFT: f64 = 330.0;
const LONGEST: f64 = 520.0;
const TOP: f64 = 56.0;
const ROW: f64 = 26.0;
const BAR: f64 = 18.0;

/// A bar, µs per event.
struct Bar {
    label: String,
    steady: f64,
    total: f64,
    is_floor: bool,
}

impl Bar {
    /// `None` for a row without figures.
    fn of(row: &Row) -> Option<Bar> {
        let figure = |figure| row.median(figure).filter(|micros| micros.is_finite() && *micros >= 0.0);
        Some(Bar {
            label: row.label().chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect(),
            steady: figure(Figure::SteadyUsPerEvent)?,
            total: figure(Figure::CpuUsPerEvent)?,
            is_floor: row.processes.is_none(),
        })
    }
}

/// Draws the chart.
pub fn chart(measured: &Measured) -> String {
    let bars: Vec<Bar> = measured.rows.iter().take(MAX_BARS).filter_map(Bar::of).collect();
    let scale = LONGEST / bars.iter().map(|bar| bar.total).fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + bars.len() as f64 * ROW + 16.0;
    let mut chart = Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("font-family", "sans-serif")
        .set("font-size", 13)
        .add(Rectangle::new().set("width", WIDTH).set("height", height).set("fill", "white"))
        .add(text(title(measured), 16.0, 24.0).set("font-size", 15));
    for (i, bar) in bars.iter().enumerate() {
        let y = TOP + i as f64 * ROW;
        chart = chart
            .add(text(&*bar.label, LEFT - 8.0, y + 14.0).set("text-anchor", "end"))
            .add(block(LEFT, y, bar.total * scale, if bar.is_floor { "#9aa5b1" } else { "#a9c7ee" }))
            .add(block(LEFT, y, bar.steady * scale, if bar.is_floor { "#9aa5b1" } else { "#2f6fc0" }))
            .add(text(format!("{:.2}", bar.steady), LEFT + bar.total * scale + 6.0, y + 14.0));
    }
    for name in [REFERENCE, FLOOR] {
        if let Some(micros) = measured.cpu_of(name) {
            chart = chart.add(mark(LEFT + micros * scale, height));
        }
    }
    format!("{chart}\n")
}

fn title(measured: &Measured) -> String {
    format!(
        "CPU µs per event: steady, and start-up in a lighter colour ({} events, {} rules; dashed: the floors)",
        measured.events, measured.rules
    )
}

fn text(content: impl Into<String>, x: f64, y: f64) -> Text {
    Text::new(content).set("x", rounded(x)).set("y", rounded(y))
}

fn block(x: f64, y: f64, width: f64, fill: &str) -> Rectangle {
    let block = Rectangle::new().set("x", x).set("y", y).set("height", BAR).set("fill", fill);
    block.set("width", rounded(width))
}

/// A dashed line over all bars.
fn mark(x: f64, height: f64) -> Line {
    let line = Line::new().set("x1", rounded(x)).set("x2", rounded(x));
    let line = line.set("y1", TOP - 6.0).set("y2", height - 12.0);
    line.set("stroke", "#c0392b").set("stroke-dasharray", "4 3")
}

fn rounded(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use roxmltree::Document as Xml;

    use super::*;
    use crate::harness::figures::Figures;

    fn row(program: &str, processes: Option<usize>, steady: f64, total: f64) -> Row {
        let figures = Figures::from([(Figure::SteadyUsPerEvent, steady), (Figure::CpuUsPerEvent, total)]);
        Row { program: program.into(), processes, rounds: vec![figures] }
    }

    fn measured(rows: Vec<Row>) -> Measured {
        Measured { events: 1_000, bytes: 1, rules: 50, rows }
    }

    #[test]
    fn bars_are_to_scale_and_the_floors_are_marked() {
        let rows =
            vec![row(REFERENCE, None, 0.5, 0.5), row(FLOOR, None, 0.25, 0.25), row("new", Some(1), 4.0, 5.0)];
        let text = chart(&measured(rows));
        let xml = Xml::parse(&text).unwrap();
        let of = |name: &str, attribute: &str| -> Vec<f64> {
            let nodes =
                xml.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name)));
            nodes.map(|node| node.attribute(attribute).unwrap().parse().unwrap()).collect()
        };
        // The background; then total and steady of each row.
        assert_eq!(of("rect", "width"), [960.0, 52.0, 52.0, 26.0, 26.0, 520.0, 416.0]);
        assert_eq!(of("line", "x1"), [382.0, 356.0]);
        assert!(text.contains("new, 1 process") && text.contains("4.00"), "{text}");
    }

    #[test]
    fn any_name_and_any_figure_gives_well_formed_xml() {
        let mut rows = vec![
            row("<b>&\"'\u{1}]]>", Some(2), 1.0, 2.0),
            row("long".repeat(100).as_str(), Some(3), 0.0, 0.0),
            row("odd", Some(1), f64::NAN, f64::INFINITY),
            Row { program: "none".into(), processes: None, rounds: vec![] },
        ];
        rows.extend((0..200).map(|n| row("many", Some(n), 1.0, 1.0)));
        let text = chart(&measured(rows));
        let xml = Xml::parse(&text).unwrap();
        let texts = xml.descendants().filter(|node| node.is_element()).filter_map(|node| node.text());
        let texts: Vec<&str> = texts.map(str::trim).filter(|text| !text.is_empty()).collect();
        assert!(texts.contains(&"<b>&\"']]>, 2 processes"), "{texts:?}");
        // The title, and a label and a figure of each bar.
        assert!(texts.len() <= 1 + 2 * MAX_BARS, "{}", texts.len());
        assert!(texts[1..].iter().all(|text| text.chars().count() <= MAX_LABEL), "{texts:?}");
        assert!(Xml::parse(&chart(&measured(vec![]))).is_ok());
    }
}
