//! `tune recommend`: every profile weighed by the facts of the host.

use diapason_daemon::host::Host;
use diapason_daemon::profile::Library;
use diapason_daemon::recommend::{Recommendation, Recommendations};

use super::Where;
use super::layout::{Item, items, part};
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// Weighs the profiles.
pub fn show(long: bool, place: &Where, console: &Console) -> Result<(), Failure> {
    let root = place.open()?;
    let made = Recommendations::make(&Library::new(&root), &Host::read(&root)?)?;
    Ok(console.show(&made, |console, made| text(console, made, long))?)
}

fn text(console: &Console, made: &Recommendations, long: bool) -> String {
    let shown: Vec<Item> = made.profiles.iter().enumerate().map(|(at, one)| item(at, one, long)).collect();
    let mut text = items(console, &shown);
    if long {
        let facts: Vec<Item> = made
            .facts
            .iter()
            .map(|fact| Item {
                mark: (Tone::Strong, fact.name.clone()),
                name: String::new(),
                facts: super::layout::value(Some(&fact.here)),
                said: Vec::new(),
            })
            .collect();
        text = format!("{text}\n{}", part(console, "Facts", &items(console, &facts)));
    }
    let best = made.profiles.first().filter(|best| best.score > 0);
    let last = match best {
        Some(best) => format!(
            "The facts speak for {}; what the machine is for, only you know. Look first: diapason tune plan {}",
            best.profile, best.profile
        ),
        None => "Nothing speaks for one of them; what the machine is for, only you know.".to_owned(),
    };
    format!("{text}\n\n{}", console.wrapped(&last, 0).join("\n"))
}

fn item(at: usize, one: &Recommendation, long: bool) -> Item {
    let tone = match one.score {
        score if score > 0 && at == 0 => Tone::Good,
        score if score < 0 => Tone::Bad,
        _ => Tone::Strong,
    };
    let mut said = vec![one.summary.clone()];
    for point in one.points.iter().filter(|point| point.counts) {
        said.push(format!("{:+}  {} ({})", point.score, point.reason, point.because));
    }
    for point in one.points.iter().filter(|point| long && !point.counts) {
        said.push(format!("not {:+}  {} ({})", point.score, point.reason, point.because));
    }
    Item { mark: (tone, format!("{:>4}", one.score)), name: one.profile.clone(), facts: String::new(), said }
}
