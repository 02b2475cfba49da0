//! Curves: how a packet's time grows with what else is there.

use std::path::Path as File;

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color as _, IntoDrawingArea as _, IntoLogRange as _, LineSeries,
    Palette as _, Palette99, SVGBackend, SeriesLabelPosition, WHITE,
};

use super::error::Error;
use super::measure::Measured;
use super::path::{Case, Path, Setting};
use super::plan::BASE;

/// Pixels.
const SIZE: (u32, u32) = (760, 420);
/// What the time axis ends at, in nanoseconds.
const TIMES: (f64, f64) = (100.0, 1_000_000.0);

/// What grows along a curve.
#[derive(Clone, Copy)]
struct Axis {
    file: &'static str,
    name: &'static str,
    end: f64,
    /// How much of it there is.
    of: fn(&Case) -> f64,
    /// The same row wherever it is on the axis.
    leveled: fn(Case) -> Case,
}

const AXES: [Axis; 3] = [
    Axis {
        file: "packets-flows.svg",
        name: "established connections",
        end: 1e6,
        of: |case| case.flows.into(),
        leveled: |case| Case { flows: 0, ..case },
    },
    Axis {
        file: "packets-members.svg",
        name: "members",
        end: 4096.0,
        of: |case| case.members as f64,
        // Each member has a connection at least.
        leveled: |case| Case { members: 0, flows: 0, ..case },
    },
    Axis {
        file: "packets-pools.svg",
        name: "pools",
        end: 1000.0,
        of: |case| case.pools.into(),
        leveled: |case| Case { pools: 0, ..case },
    },
];

/// A row's time at each place on an axis, by the name of what is measured.
type Curve = (String, Vec<(f64, f64)>);

/// Draws all curves that the rows make.
pub(super) fn all(rows: &[Measured], directory: &File) -> Result<(), Error> {
    for axis in AXES {
        let file = directory.join(axis.file);
        draw(&axis, &curves(&axis, rows), &file).map_err(|why| Error::Draw {
            file: file.display().to_string(),
            why: why.to_string(),
        })?;
    }
    Ok(())
}

fn curves(axis: &Axis, rows: &[Measured]) -> Vec<Curve> {
    let is_shown = |case: &Case| case.setting == Setting::Tc && case.family == BASE.family;
    let shown: Vec<&Measured> = rows.iter().filter(|row| is_shown(&row.case)).collect();
    let mut curves: Vec<(Case, Vec<(f64, f64)>)> = Vec::new();
    for row in shown {
        let level = (axis.leveled)(row.case);
        let point = ((axis.of)(&row.case), row.each.median.max(1) as f64);
        match curves.iter_mut().find(|(case, _)| *case == level) {
            Some((_, points)) => points.push(point),
            None => curves.push((level, vec![point])),
        }
    }
    let named =
        curves.into_iter().filter(|(_, points)| points.len() > 1).map(|(case, mut points)| {
            points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            points.dedup_by(|a, b| a.0 == b.0);
            let name = case.path.name();
            let name = if case.path == Path::Opens {
                format!("{name}, {}", case.policy())
            } else {
                name.to_owned()
            };
            (name, points)
        });
    named.collect()
}

/// Both axes are logarithmic: what grows with the number of things is a line that rises, what does not is level.
fn draw(axis: &Axis, curves: &[Curve], file: &File) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (low, high) = TIMES;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((1.0..axis.end * 1.2).log_scale(), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(axis.name)
        .y_desc("nanoseconds of a packet")
        .light_line_style(WHITE)
        .draw()?;
    for (index, (name, points)) in curves.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, color.filled()));
        let dots = points.iter().map(|point| Circle::new(*point, 3, color.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(area.present()?)
}
