//! `diapason demo`: the whole job once, on real rows or on generated ones, with nothing left on the host but a report.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::console::{self, Console, Tone};
use crate::data::{self, Generate, Import};
use crate::device::{self, Precision};
use crate::failure::Failure;
use crate::fit::{self, Lesson, Settings};
use crate::line::Cache;
use crate::line::feed::TIME;
use crate::memory;
use crate::predict::{self, How, Ready, Ticks};
use crate::report::Demonstration;
use crate::{doctor, report, train, tune, write};
use clap::Args;
use diapason_loader::format::libhdf5::Choice;
use diapason_loader::sampler::Order;
use diapason_loader::table::Table;

/// The profile whose plan is shown.
const PROFILE: &str = "trading-low-latency";
/// Rows that are generated where no file is given.
const GENERATED_ROWS: u64 = 200_000;
/// Ticks that are streamed at most, each way.
const TICKS_MAX: u64 = 100_000;
/// Points of the scatter plot at most.
const POINTS_MAX: usize = 4_000;

/// What to show.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A CSV file of bars, quotes or trades; without it, a market is generated
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Seconds of training
    #[arg(long, default_value_t = 12.0)]
    pub seconds: f64,
    /// The report to write: one page that opens without a network
    #[arg(long, default_value = "demo-report.html")]
    pub report: PathBuf,
    /// Keep the imported file, the model and its recipe in this folder; files of their names are replaced
    #[arg(long)]
    pub keep: Option<PathBuf>,
}

/// Runs the demonstration.
///
/// # Errors
/// [`Failure`] of whichever step failed.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
    let inputs: Vec<&Path> = arguments.data.iter().map(PathBuf::as_path).collect();
    write::ready(&arguments.report, &inputs)?;
    let shown = demonstrate(arguments, console)?;
    write::whole(&arguments.report, report::page(&shown)?.as_bytes())?;
    let verdict = shown.training.validation;
    Ok(console.show(&shown, |console, shown| {
        let rows =
            report::summary(shown).into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
        let tone = if verdict.is_evidence() { Tone::Good } else { Tone::Doubtful };
        format!(
            "\n{}\n{}\n\nOn its validation rows, which also chose the epoch, this model {}.\nReport: {}",
            console.paint(Tone::Strong, "Summary"),
            console.table(&["", "measured here, now"], rows),
            console.paint(tone, &verdict.sentence()),
            arguments.report.display()
        )
    })?)
}

fn demonstrate(arguments: &Arguments, console: &Console) -> Result<Demonstration, Failure> {
    let started = Instant::now();
    let scratch = tempfile::tempdir()?;
    let folder = match &arguments.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .map_err(|error| Failure::Write { file: folder.clone(), error })?;
            folder.clone()
        }
        None => scratch.path().to_path_buf(),
    };
    let step =
        |number: u8, text: &str| console.say(&console.paint(Tone::Strong, &format!("\n{number}. {text}")));

    step(1, "The machine (diapason doctor)")?;
    let checks = doctor::examine(Path::new("/"))?;
    console.say(&doctor::brief(console, &checks))?;

    step(2, &format!("What tuning would change (diapason tune plan {PROFILE})"))?;
    let plan = tune::plan_here(PROFILE)?;
    console.say(&tune::brief(console, &plan))?;

    step(3, "Import (diapason data import)")?;
    let file = folder.join("market.h5");
    let (source, csv) = match &arguments.data {
        Some(csv) => (csv.display().to_string(), csv.clone()),
        None => ("the built-in market generator".to_owned(), embedded(scratch.path(), console)?),
    };
    let import = Import {
        input: csv,
        output: file.clone(),
        delimiter: None,
        decimal_comma: false,
        dates: None,
        columns: None,
        skip: Vec::new(),
        time: None,
        nulls: diapason_loader::import::Nulls::Fail,
        level: 3,
        codec: Choice::default(),
        append: false,
    };
    let imported = data::import(&import, console)?;
    console.say(&format!("  {}", data::import_text(console, &imported)))?;

    step(4, "Features and lazy windows (diapason features explain)")?;
    let settings = settings(arguments.seconds);
    let lesson = Lesson::open(&file, &settings, console)?;
    for name in lesson.feed.plan.names() {
        console.say(&format!("  {name}"))?;
    }
    let windows_per_second = gather(&lesson, &settings)?;
    console.say(&format!(
        "  {} windows of {} rows to learn from, gathered shuffled at {}",
        console::count(lesson.train.count()),
        settings.window,
        console::per_second(windows_per_second, "windows")
    ))?;

    step(5, &format!("Training for {} s (diapason train)", arguments.seconds))?;
    let (mut model, training) = fit::fit(&lesson, &settings, console)?;
    let path = folder.join("model.safetensors");
    train::save(&mut model, &training, &path)?;
    console.say(&train::text(console, &training))?;

    step(6, "Prediction (diapason predict, in batch and --stream)")?;
    let ready = Ready::load(&path)?;
    let feed = ready.feed(&path, &file, None, settings.budget, console)?;
    let validation_from = lesson.time_of_validation()?;
    let (mut batched, mut points) = (Vec::new(), Vec::new());
    let unit = ready.recipe.target_unit;
    let how = How { device: device::Choice::Cpu, threads: 0, precision: Precision::F32, cache: &Cache::OFF };
    let batch = predict::batch(&ready, &feed, &how, console, &mut |time, value, truth| {
        if (batched.len() as u64) < TICKS_MAX {
            batched.push((time, value));
        }
        if time >= validation_from && truth.is_finite() {
            points.push((truth / unit, value / unit));
        }
        Ok(())
    })?;
    console.say(&format!("  batch    {}", console::per_second(batch.per_second, "predictions")))?;
    let ticks = Ticks { most: TICKS_MAX, ..Ticks::default() };
    let mut place = 0;
    let mut difference = 0.0f64;
    let (window, window_latency) = predict::tick(&ready, &feed, &ticks, console, &mut |time, value, _| {
        if let Some(&(batch_time, batch_value)) = batched.get(place) {
            let same = if time == batch_time { (value - batch_value).abs() / unit } else { f64::INFINITY };
            difference = difference.max(same);
        }
        place += 1;
        Ok(())
    })?;
    let (carry, carry_latency) =
        predict::tick(&ready, &feed, &Ticks { carry: true, ..ticks }, console, &mut |_, _, _| Ok(()))?;
    let (Some(tick_window), Some(tick_carry)) = (window.latency, carry.latency) else {
        return Err(Failure::Found("a stream gave no latency".to_owned()));
    };
    console.say(&format!("  window   {}", tick_window.text()))?;
    console.say(&format!("  carried  {}", tick_carry.text()))?;
    console.say(&format!(
        "  largest difference between batch and stream: {difference:.2e} of the target's unit"
    ))?;
    let thin = points.len().div_ceil(POINTS_MAX).max(1);
    Ok(Demonstration {
        source,
        doctor: doctor::Tally::of(&checks),
        machine: doctor::machine(&checks),
        plan: tune::Counts::of(&plan),
        rows: imported.rows,
        import_rows_per_second: imported.rows_per_second(),
        csv_bytes: imported.bytes_in,
        hdf5_bytes: imported.bytes_out,
        windows_per_second,
        training,
        batch_per_second: batch.per_second,
        tick_window,
        tick_carry,
        stream_difference: difference,
        peak_bytes: memory::peak_bytes(),
        seconds: started.elapsed().as_secs_f64(),
        points: points.into_iter().step_by(thin).collect(),
        latencies: [window_latency, carry_latency],
    })
}

/// The settings of the demonstration: the defaults of `train`, for a limited time.
fn settings(seconds: f64) -> Settings {
    use clap::Parser;

    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        settings: Settings,
    }
    let defaults = Defaults::parse_from(["demo"]).settings;
    // The file is in a folder of its own that goes away, so nobody would find what is kept.
    Settings { seconds: Some(seconds), epochs: 200, patience: 10, cache: Cache::OFF, ..defaults }
}

/// Generates a market, and writes it as the CSV file that an exchange would have sent.
fn embedded(folder: &Path, console: &Console) -> Result<PathBuf, Failure> {
    let generated = folder.join("generated.h5");
    let seed = 7;
    let arguments = Generate {
        output: generated.clone(),
        rows: GENERATED_ROWS,
        seed,
        weekends_closed: false,
        level: 1,
        codec: Choice::default(),
    };
    data::generate(&arguments, console)?;
    let csv = folder.join("generated.csv");
    let of_file = |error| Failure::Write { file: csv.clone(), error };
    let table = Table::open(&generated)?;
    let rows = usize::try_from(table.rows()).unwrap_or(usize::MAX);
    let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
    let mut times = vec![0; rows];
    table.read_i64(TIME, 0..table.rows(), &mut times)?;
    let numbers: Vec<&str> = names.iter().copied().filter(|name| *name != TIME).collect();
    let mut columns = vec![vec![0.0; rows]; numbers.len()];
    for (name, column) in numbers.iter().zip(&mut columns) {
        table.read_f64(name, 0..table.rows(), column)?;
    }
    let mut out = BufWriter::new(std::fs::File::create(&csv).map_err(of_file)?);
    writeln!(out, "{TIME},{}", numbers.join(",")).map_err(of_file)?;
    for (row, time) in times.iter().enumerate() {
        write!(out, "{time}").map_err(of_file)?;
        for column in &columns {
            write!(out, ",{}", column[row]).map_err(of_file)?;
        }
        writeln!(out).map_err(of_file)?;
    }
    out.flush().map_err(of_file)?;
    Ok(csv)
}

/// Walks the training windows once in shuffled order; windows a second.
fn gather(lesson: &Lesson, settings: &Settings) -> Result<f64, Failure> {
    let (clock, mut windows) = (Instant::now(), 0u64);
    let size = usize::try_from(settings.batch).unwrap_or(1);
    lesson.walk(&lesson.train, Order::Shuffled { seed: settings.seed }, 0, size, |batch| {
        windows += batch.count as u64;
        Ok(true)
    })?;
    Ok(windows as f64 / clock.elapsed().as_secs_f64().max(1e-9))
}
