//! udev(7): rules that write attributes of devices (`ATTR{queue/scheduler}="none"`) and parameters (`SYSCTL{...}="1"`).
//!
//! Of the matches of a rule, those that this tree can answer are answered: the kernel's name of the device, its
//! subsystem, and its attributes. The others (properties, parents, programs, jumps) are named in the claim, as only udev can judge them.

use super::claim::{Claim, Files, Stage};
use super::layered::File;
use super::sysctl_d::normal;
use crate::pattern::covers;
use crate::root::Root;

/// Where devices of a subsystem are, for those that have knobs.
const SUBSYSTEMS: &[(&str, &str)] =
    &[("block", "/sys/block/"), ("net", "/sys/class/net/"), ("cpu", "/sys/devices/system/cpu/")];

/// One `KEY{attribute}OPERATOR"value"` of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    key: String,
    attribute: String,
    operator: String,
    value: String,
}

/// What these rules say about knobs.
pub(super) fn claims(files: &[File], knobs: &Files, root: &Root) -> Vec<Claim> {
    let mut claims: Vec<Claim> = Vec::new();
    let mut say = |claim: Claim| {
        // A later rule writes after an earlier one.
        for earlier in claims.iter_mut().filter(|earlier| earlier.knob == claim.knob) {
            earlier.replaced = true;
        }
        claims.push(claim);
    };
    for file in files {
        for (number, rule) in rules(&file.text) {
            let tokens = tokens(&rule);
            let claim = |knob: &str, value: &str, unknown: &[String]| Claim {
                knob: knob.to_owned(),
                stage: Stage::Udev,
                place: format!("{}:{number}", file.path),
                value: value.to_owned(),
                replaced: false,
                condition: (!unknown.is_empty()).then(|| format!("where {}", unknown.join(", "))),
            };
            for token in tokens.iter().filter(|token| matches!(token.operator.as_str(), "=" | ":=" | "+=")) {
                if token.key == "SYSCTL" {
                    let path = format!("/proc/sys/{}", normal(&token.attribute));
                    let unknown: Vec<String> =
                        tokens.iter().filter(|token| is_match(token)).map(shown).collect();
                    knobs.named(&path).for_each(|(_, knob)| say(claim(knob, &token.value, &unknown)));
                }
                if token.key != "ATTR" {
                    continue;
                }
                for (path, knob, device) in knobs.on_devices() {
                    let Some((subsystem, folder)) =
                        SUBSYSTEMS.iter().find(|(_, folder)| path.starts_with(folder))
                    else {
                        continue;
                    };
                    if path != format!("{folder}{device}/{}", token.attribute) {
                        continue;
                    }
                    if let Some(unknown) = judged(&tokens, subsystem, folder, device, root) {
                        say(claim(knob, &token.value, &unknown));
                    }
                }
            }
        }
    }
    claims
}

/// The rules with the number of their first line; a backslash at the end of a line joins it with the next.
fn rules(text: &str) -> Vec<(usize, String)> {
    let mut rules: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let (content, continues) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
        match rules.last_mut().filter(|_| open) {
            Some((_, rule)) => rule.push_str(content),
            None => rules.push((number + 1, content.to_owned())),
        }
        open = continues;
    }
    rules.retain(|(_, rule)| !rule.trim_start().starts_with('#') && !rule.trim().is_empty());
    rules
}

fn tokens(rule: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = rule;
    while let Some(quote) = rest.find('"') {
        let head = rest[..quote].trim_matches(|letter: char| letter.is_whitespace() || letter == ',');
        // `e"..."` and `i"..."` only change how the value is read.
        let head = head.strip_suffix(['e', 'i']).filter(|head| head.ends_with('=')).unwrap_or(head);
        let Some(end) = rest[quote + 1..].find('"') else { break };
        let value = rest[quote + 1..quote + 1 + end].to_owned();
        rest = &rest[quote + end + 2..];
        let name_end = head.find(['=', '!', '+', '-', ':']).unwrap_or(head.len());
        // An attribute may hold those letters itself.
        let name_end = head.find('}').map_or(name_end, |brace| brace + 1);
        let (name, operator) = head.split_at(name_end);
        let (key, attribute) = name.split_once('{').unwrap_or((name, ""));
        tokens.push(Token {
            key: key.trim().to_owned(),
            attribute: attribute.trim_end().trim_end_matches('}').to_owned(),
            operator: operator.trim().to_owned(),
            value,
        });
    }
    tokens
}

fn is_match(token: &Token) -> bool {
    matches!(token.operator.as_str(), "==" | "!=")
}

fn shown(token: &Token) -> String {
    let Token { key, attribute, operator, value } = token;
    if attribute.is_empty() {
        return format!("{key}{operator}\"{value}\"");
    }
    format!("{key}{{{attribute}}}{operator}\"{value}\"")
}

/// What a rule asks of a device that cannot be told here; `None` when it is not meant.
fn judged(tokens: &[Token], subsystem: &str, folder: &str, device: &str, root: &Root) -> Option<Vec<String>> {
    let mut unknown = Vec::new();
    for token in tokens.iter().filter(|token| is_match(token)) {
        let seen = match token.key.as_str() {
            "SUBSYSTEM" => Some(subsystem.to_owned()),
            "KERNEL" => Some(device.to_owned()),
            // A rule for devices that go writes nothing that stays.
            "ACTION" => {
                let comes = ["add", "change", "online", "bind", "move"];
                let meant = comes.iter().any(|action| alternatives(&token.value, action));
                if meant != (token.operator == "==") && token.operator == "==" {
                    return None;
                }
                continue;
            }
            "ATTR" => {
                let text = root.read(&format!("{folder}{device}/{}", token.attribute)).ok().flatten();
                // What is not there matches nothing.
                Some(text.unwrap_or_default().trim().to_owned())
            }
            _ => None,
        };
        match seen {
            Some(seen) if alternatives(&token.value, &seen) != (token.operator == "==") => return None,
            Some(_) => {}
            None => unknown.push(shown(token)),
        }
    }
    Some(unknown)
}

fn alternatives(patterns: &str, text: &str) -> bool {
    patterns.split('|').any(|pattern| covers(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_write() {
        let folder = tempfile::tempdir().unwrap();
        let turns = folder.path().join("sys/block/sda/queue");
        std::fs::create_dir_all(&turns).unwrap();
        std::fs::write(turns.join("rotational"), "1\n").unwrap();
        let scheduler = |disk: &str| {
            let path = format!("/sys/block/{disk}/queue/scheduler");
            (path, format!("block.{disk}.scheduler"), disk.to_owned())
        };
        let knobs = Files::new(vec![
            scheduler("sda"),
            scheduler("nvme0n1"),
            ("/proc/sys/vm/swappiness".to_owned(), "vm.swappiness".to_owned(), String::new()),
        ]);
        let text = "# comment ATTR{queue/scheduler}=\"x\"\n\
            ACTION==\"add|change\", KERNEL==\"sd[a-z]\", ATTR{queue/rotational}==\"1\", \\\n  ATTR{queue/scheduler}=\"bfq\"\n\
            ACTION==\"add\", KERNEL==\"sd*\", ATTR{queue/rotational}==\"0\", ATTR{queue/scheduler}=\"none\"\n\
            SUBSYSTEM==\"block\", ENV{DEVTYPE}==\"disk\", KERNEL!=\"sd*\", ATTR{queue/scheduler}=\"kyber\"\n\
            SUBSYSTEM==\"net\", ATTR{queue/scheduler}=\"no\"\n\
            ACTION==\"remove\", ATTR{queue/scheduler}=\"no\"\n\
            SYSCTL{vm.swappiness}=\"7\"\n";
        let file = File { path: "/r".to_owned(), text: text.to_owned() };
        let told: Vec<_> = claims(&[file], &knobs, &Root::new(folder.path()))
            .into_iter()
            .map(|claim| (claim.knob, claim.value, claim.place, claim.condition))
            .collect();
        assert_eq!(
            told,
            [
                ("block.sda.scheduler".to_owned(), "bfq".to_owned(), "/r:2".to_owned(), None),
                (
                    "block.nvme0n1.scheduler".to_owned(),
                    "kyber".to_owned(),
                    "/r:5".to_owned(),
                    Some("where ENV{DEVTYPE}==\"disk\"".to_owned())
                ),
                ("vm.swappiness".to_owned(), "7".to_owned(), "/r:8".to_owned(), None),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "([A-Z]{1,4}|[{}\"=!,\\\\ \n]|\\PC){0,60}") {
            let file = File { path: "/r".to_owned(), text };
            let _ = claims(&[file], &Files::default(), &Root::nowhere());
        }
    }
}
