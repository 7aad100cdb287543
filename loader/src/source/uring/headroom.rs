//! How much the page cache may hold: what is free of memory, within the limits of the control groups of this process.

use std::path::{Path, PathBuf};

/// Bytes that could hold files; `None` where the kernel does not tell.
pub fn bytes() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let available = available(&read(Path::new("/proc/meminfo"))?)?;
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|file| read(&file)?.trim().parse().ok());
    Some(limits.fold(available, u64::min))
}

/// The bytes after `MemAvailable`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The files with the limits of the groups in `/proc/self/cgroup`, of each group and of those that it is in; most are not there.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut words = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (words.next(), words.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|own| Path::new(root).join(own).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:       24684096 kB\nMemFree:  1 kB\nMemAvailable:   22970000 kB\n";
        assert_eq!(available(text), Some(22_970_000 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(available("MemAvailable: many kB\n"), None);
        assert!(bytes().is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn every_group_above_limits() {
        let found = limit_files("12:pids:/x\n3:memory:/a/b\n0::/u/s\nnonsense\n");
        let words: Vec<_> = found.iter().map(|file| file.to_str().unwrap()).collect();
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/u/s/memory.max",
            "/sys/fs/cgroup/u/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(words, expected);
    }
}
