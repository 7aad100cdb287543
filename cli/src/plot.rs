//! The three plots of a report, as SVG text: self-contained, no script, no font file, no network.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// A plot could not be drawn; the drawing library's own words.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot of {what}: {reason}")]
pub struct PlotError {
    what: &'static str,
    reason: String,
}

const SIZE: (u32, u32) = (760, 340);
const TRAIN: RGBColor = RGBColor(36, 99, 168);
const CHECK: RGBColor = RGBColor(200, 85, 30);
const MUTED: RGBColor = RGBColor(120, 120, 120);

/// A named line: its points, and whether it is a reference rather than a result.
pub struct Line<'a> {
    /// The name in the legend.
    pub name: &'a str,
    /// The points, x ascending.
    pub points: Vec<(f64, f64)>,
    /// Drawn thin and grey, as a thing to compare with.
    pub is_reference: bool,
}

/// Lines over a common x axis.
///
/// # Errors
/// When the drawing library refuses; a plot without any finite point is drawn empty.
pub fn lines(caption: &'static str, x: &str, y: &str, lines: &[Line<'_>]) -> Result<String, PlotError> {
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (x_range, y_range) = (span(all().map(|p| p.0)), span(all().map(|p| p.1)));
    draw(caption, |area| {
        let mut chart = frame(area, caption, x_range, y_range)?;
        let mut mesh = chart.configure_mesh();
        let label = |value: &f64| short(*value);
        mesh.x_desc(x)
            .y_desc(y)
            .light_line_style(WHITE)
            .x_label_formatter(&label)
            .y_label_formatter(&label)
            .draw()?;
        for (index, line) in lines.iter().enumerate() {
            let colour = if line.is_reference { MUTED } else { [TRAIN, CHECK][index % 2] };
            let style = colour.stroke_width(if line.is_reference { 1 } else { 2 });
            let finite: Vec<_> =
                line.points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
            chart
                .draw_series(LineSeries::new(finite, style))?
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart.configure_series_labels().background_style(WHITE.mix(0.85)).border_style(MUTED).draw()?;
        Ok(())
    })
}

/// A scatter of prediction against truth with the diagonal a perfect prediction would lie on.
///
/// # Errors
/// As for [`lines`].
pub fn scatter(caption: &'static str, x: &str, y: &str, points: &[(f64, f64)]) -> Result<String, PlotError> {
    let (x_range, y_range) = (span(points.iter().map(|p| p.0)), span(points.iter().map(|p| p.1)));
    draw(caption, |area| {
        let mut chart = frame(area, caption, x_range, y_range)?;
        let mut mesh = chart.configure_mesh();
        let label = |value: &f64| short(*value);
        mesh.x_desc(x)
            .y_desc(y)
            .light_line_style(WHITE)
            .x_label_formatter(&label)
            .y_label_formatter(&label)
            .draw()?;
        // Only the part of the diagonal that lies in both ranges: the library would bend the rest to the frame.
        let (low, high) = (x_range.0.max(y_range.0), x_range.1.min(y_range.1));
        if low < high {
            chart.draw_series(LineSeries::new([(low, low), (high, high)], MUTED))?;
        }
        chart.draw_series(points.iter().map(|p| Circle::new(*p, 2, TRAIN.mix(0.45).filled())))?;
        Ok(())
    })
}

/// Counts over buckets whose lower edges ascend, in nanoseconds; both axes are logarithmic, so that the tail shows.
///
/// # Errors
/// As for [`lines`].
pub fn latency(caption: &'static str, series: &[(&str, Vec<(f64, u64)>)]) -> Result<String, PlotError> {
    let edges = || series.iter().flat_map(|(_, buckets)| buckets.iter());
    let least = edges().map(|b| b.0).fold(f64::INFINITY, f64::min);
    let low = if least.is_finite() { least.max(1.0) } else { 1.0 };
    let high = edges().map(|b| b.0).fold(low * 2.0, f64::max) * 1.2;
    let most = edges().map(|b| b.1).max().unwrap_or(1).max(1);
    draw(caption, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(caption, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(
                (low..high.max(low * 2.0)).log_scale(),
                (0.5..most as f64 * 2.0).log_scale(),
            )?;
        chart
            .configure_mesh()
            .x_desc("microseconds from row to prediction")
            .y_desc("ticks")
            .light_line_style(WHITE)
            .x_labels(6)
            .x_label_formatter(&|value| short(*value / 1e3))
            .y_label_formatter(&|value| short(*value))
            .draw()?;
        for (index, (name, buckets)) in series.iter().enumerate() {
            let style = [TRAIN, CHECK][index % 2].stroke_width(2);
            chart
                .draw_series(LineSeries::new(buckets.iter().map(|b| (b.0, (b.1 as f64).max(0.5))), style))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart.configure_series_labels().background_style(WHITE.mix(0.85)).border_style(MUTED).draw()?;
        Ok(())
    })
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Caption, margins and two linear axes.
fn frame<'a, 'b>(area: &'a Area<'b>, caption: &str, x: (f64, f64), y: (f64, f64)) -> Drawn<Chart<'a, 'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.caption(caption, ("sans-serif", 18)).margin(12).x_label_area_size(40).y_label_area_size(70);
    Ok(builder.build_cartesian_2d(x.0..x.1, y.0..y.1)?)
}

fn draw(what: &'static str, paint: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, PlotError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| paint(&area));
        let finished = drawn.and_then(|()| area.present().map_err(Into::into));
        finished.map_err(|error| PlotError { what, reason: error.to_string() })?;
    }
    Ok(svg)
}

/// The finite extent of `values` with a little air, never empty.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let air = ((high - low) * 0.04).max(high.abs() * 1e-9).max(1e-12);
    (low - air, high + air)
}

/// A tick label of at most four digits.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 1e-12 {
        "0".to_owned()
    } else if (0.01..10_000.0).contains(&magnitude) {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_hostile_points_still_draw() {
        for points in [vec![], vec![(0.0, f64::NAN)], vec![(1.0, 5.0)], vec![(0.0, 1e300), (1.0, -1e300)]] {
            let svg = lines("loss", "epoch", "loss", &[Line { name: "train", points, is_reference: false }])
                .unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        }
        assert!(scatter("s", "x", "y", &[]).is_ok());
        assert!(latency("l", &[("none", vec![])]).is_ok());
        assert!(latency("l", &[("one", vec![(900.0, 3)])]).is_ok());
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(short(0.5), "0.5");
        assert_eq!(short(1234.0), "1234");
        assert_eq!(short(0.000_012), "1.2e-5");
    }
}
