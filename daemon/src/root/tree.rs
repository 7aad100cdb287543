//! How a tree of plain files stands for a kernel.
//!
//! A `Root` that is not `/` is a picture of a machine: a folder with a small /proc, /sys and /etc. What the
//! kernel does with a written word that a plain file would not do is done here, so that the same knob code runs
//! on both: the brackets of a choice move, tabs and the final newline keep the kernel's form, a zram device
//! that is reset forgets its size. What the real kernel does beyond that is tested on a real kernel.

use nix::errno::Errno;

/// The content of a file that held `old` after a kernel accepted `new`.
///
/// # Errors
/// `EINVAL` when `old` is a list of choices and `new` is none of them, or when `old` is a number and `new` is not.
pub(super) fn accepted(path: &str, old: &str, new: &str) -> Result<String, Errno> {
    let word = new.trim_end_matches('\n');
    // An order, not a value: the file reads as before.
    if path.ends_with("/reset") {
        return Ok(old.to_owned());
    }
    let end = if old.ends_with('\n') || old.is_empty() { "\n" } else { "" };
    if let Some(choices) = choices(old) {
        if !choices.contains(&word) {
            return Err(Errno::EINVAL);
        }
        let blank = if old.trim_end_matches('\n').ends_with(' ') { " " } else { "" };
        let marked: Vec<String> = choices
            .iter()
            .map(|choice| if *choice == word { format!("[{choice}]") } else { (*choice).to_owned() })
            .collect();
        return Ok(format!("{}{blank}{end}", marked.join(" ")));
    }
    let number = |text: &str| text.trim().parse::<i64>().is_ok();
    // A mask of CPUs or queues in hexadecimal may look like a number before and not after.
    let is_mask = ["_cpus", "_rxqs", "_mask"].iter().any(|end| path.ends_with(end));
    if number(old) && !number(word) && !is_mask && word != "n/a" {
        return Err(Errno::EINVAL);
    }
    let gap = if old.contains('\t') { "\t" } else { " " };
    Ok(format!("{}{end}", word.split_whitespace().collect::<Vec<_>>().join(gap)))
}

/// What else changes in the same moment when a kernel accepts `data` for `path`: files and what is written to them.
///
/// The limits of dirty memory are pairs of which one is zero; a disk whose scheduler changes gets that scheduler's
/// queue depth (`blk_mq_init_sched`: twice the smaller of the device's own depth and 128; without a scheduler the
/// device's own, here 64) and the usual values of what it can be told; a zram device that is reset forgets its size, its algorithm and its content.
pub(super) fn consequences(path: &str, data: &str) -> Vec<(String, Option<&'static str>)> {
    if let Some(stem) = path.strip_prefix("/proc/sys/vm/dirty_") {
        let other = [("ratio", "bytes"), ("bytes", "ratio")].iter().find_map(|(member, other)| {
            let background = stem.strip_suffix(member)?;
            Some(format!("/proc/sys/vm/dirty_{background}{other}"))
        });
        return other.map(|other| (other, Some("0"))).into_iter().collect();
    }
    if let Some(queue) = path.strip_suffix("/queue/scheduler") {
        let depth = if data.trim() == "none" { "64" } else { "128" };
        // A real one takes the files of the old scheduler away and makes those of the new one; a picture keeps them.
        let usual = [
            ("read_expire", "500"),
            ("write_expire", "5000"),
            ("fifo_batch", "16"),
            ("read_lat_nsec", "2000000"),
            ("write_lat_nsec", "10000000"),
            ("low_latency", "1"),
            ("slice_idle", "8"),
        ];
        let usual =
            usual.into_iter().map(|(leaf, usual)| (format!("{queue}/queue/iosched/{leaf}"), Some(usual)));
        return std::iter::once((format!("{queue}/queue/nr_requests"), Some(depth))).chain(usual).collect();
    }
    // The kernel fits its reserve to huge pages when it starts or stops to make them: figures of a guest of 2 GiB.
    if path == "/sys/kernel/mm/transparent_hugepage/enabled" {
        let reserve = if data.trim() == "never" { "5535" } else { "67584" };
        return vec![("/proc/sys/vm/min_free_kbytes".to_owned(), Some(reserve))];
    }
    let overcommit = [("ratio", "kbytes"), ("kbytes", "ratio")];
    if let Some((_, other)) =
        overcommit.iter().find(|(one, _)| path == format!("/proc/sys/vm/overcommit_{one}"))
    {
        return vec![(format!("/proc/sys/vm/overcommit_{other}"), Some("0"))];
    }
    let device = path.strip_prefix("/sys/block/").and_then(|rest| rest.strip_suffix("/reset"));
    match device {
        Some(device) if device.starts_with("zram") && data.trim() == "1" => vec![
            (format!("/sys/block/{device}/disksize"), Some("0")),
            (format!("/sys/block/{device}/comp_algorithm"), Some("lzo-rle")),
            (format!("/dev/{device}"), None),
        ],
        _ => Vec::new(),
    }
}

/// The words of `a [b] c`, without the brackets; `None` for a text of another form.
fn choices(text: &str) -> Option<Vec<&str>> {
    let marked = |word: &&str| word.starts_with('[') && word.ends_with(']');
    (text.split_whitespace().filter(marked).count() == 1).then(|| {
        text.split_whitespace().map(|word| word.trim_start_matches('[').trim_end_matches(']')).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brackets_move_and_the_form_stays() {
        assert_eq!(
            accepted("/x", "[none] mq-deadline \n", "mq-deadline"),
            Ok("none [mq-deadline] \n".into())
        );
        assert_eq!(accepted("/x", "none [mq-deadline] \n", "none"), Ok("[none] mq-deadline \n".into()));
        assert_eq!(accepted("/x", "always [madvise] never\n", "sometimes"), Err(Errno::EINVAL));
        assert_eq!(accepted("/x", "4096\t131072\t6291456\n", "4096 1 2"), Ok("4096\t1\t2\n".into()));
        assert_eq!(accepted("/x", "60\n", "ten"), Err(Errno::EINVAL));
        assert_eq!(accepted("/x", "60\n", "10"), Ok("10\n".into()));
    }
}
