//! tmpfiles.d(5): lines of the types `w` and `w+`, which write into kernel files at boot.

use super::claim::{Claim, Files, Stage};
use super::layered::File;

/// What these files say about knobs.
pub(super) fn claims(files: &[File], knobs: &Files) -> Vec<Claim> {
    let mut claims: Vec<Claim> = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let Some((appends, path, value)) = written(line) else { continue };
            for (_, knob) in knobs.named(&path) {
                // Of two lines for one path the first counts, unless they add to each other.
                let replaced = !appends && claims.iter().any(|claim| claim.knob == knob);
                claims.push(Claim {
                    knob: knob.to_owned(),
                    stage: Stage::Tmpfiles,
                    place: format!("{}:{}", file.path, number + 1),
                    value: value.clone(),
                    replaced,
                    condition: None,
                });
            }
        }
    }
    claims
}

/// Whether a line appends, the path and the text that it writes; `None` for every other line.
fn written(line: &str) -> Option<(bool, String, String)> {
    // Type, path, mode, user, group, age, argument; the last is the rest of the line.
    let mut rest = line.trim();
    if rest.starts_with('#') {
        return None;
    }
    let mut fields = Vec::new();
    for _ in 0..6 {
        let end = rest.find(char::is_whitespace)?;
        fields.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    let kind = fields[0].trim_end_matches(['!', '-', '=', '~', '^', '$']);
    if !matches!(kind, "w" | "w+") {
        return None;
    }
    Some((kind == "w+", fields[1].trim_matches('"').to_owned(), unescaped(rest)))
}

/// The argument without its escapes: C's, and `%%` for a per cent sign.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("%%", "%").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_write() {
        let thp = "/sys/kernel/mm/transparent_hugepage/enabled";
        let knobs = Files::new(vec![
            (thp.to_owned(), "hugepages.enabled".to_owned(), String::new()),
            ("/sys/block/sda/queue/scheduler".to_owned(), "block.sda.scheduler".to_owned(), "sda".to_owned()),
        ]);
        let text = format!(
            "# w {thp} - - - - never\nw! {thp} - - - - never\nd /run/x 0755 root root -\n\
             w+ /sys/block/*/queue/scheduler - - - - none\\n\nw {thp} - - - - always\nw {thp}\n"
        );
        let file = File { path: "/etc/tmpfiles.d/a.conf".to_owned(), text };
        let told: Vec<_> = claims(&[file], &knobs)
            .into_iter()
            .map(|claim| (claim.knob, claim.value, claim.place, claim.replaced))
            .collect();
        let place = |line: u32| format!("/etc/tmpfiles.d/a.conf:{line}");
        assert_eq!(
            told,
            [
                ("hugepages.enabled".to_owned(), "never".to_owned(), place(2), false),
                ("block.sda.scheduler".to_owned(), "none".to_owned(), place(4), false),
                ("hugepages.enabled".to_owned(), "always".to_owned(), place(5), true),
            ]
        );
    }
}
