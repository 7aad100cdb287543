//! What the three swap knobs share: the signature of a swap area, and whether its pages fit elsewhere.
//!
//! The order of the three in `ALL` matters: new swap (zram, file) comes before old swap is taken away.

use super::KnobError;
use crate::host::{self, Swap};
use crate::root::Root;

/// Bytes of a page. The signature is at the end of the first one; kernels with larger pages are told so by
/// `getconf PAGESIZE`, and a tree pictures 4 KiB.
pub(super) fn page_bytes(root: &Root) -> u64 {
    let asked = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    asked.filter(|_| root.is_machine()).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4_096)
}

/// The first page of a swap area of `bytes` bytes, as mkswap(8) writes it: version 1, last page, label, and the
/// magic at the end of the page (`union swap_header` of `linux/swap.h`).
pub(super) fn signature(bytes: u64, page_bytes: u64) -> Vec<u8> {
    let mut page = vec![0; usize::try_from(page_bytes).unwrap_or(4_096)];
    let last = u32::try_from((bytes / page_bytes).saturating_sub(1)).unwrap_or(u32::MAX);
    page[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    page[1028..1032].copy_from_slice(&last.to_le_bytes());
    page[1052..1060].copy_from_slice(LABEL);
    let end = page.len();
    page[end - 10..].copy_from_slice(MAGIC);
    page
}

/// The bytes of the swap area whose first page is `head`; `None` when it is no swap area.
pub(super) fn signed_bytes(head: &[u8], page_bytes: u64) -> Option<u64> {
    let magic_at = usize::try_from(page_bytes).ok()?.checked_sub(MAGIC.len())?;
    (head.get(magic_at..)?.get(..MAGIC.len())? == MAGIC).then_some(())?;
    let last = u32::from_le_bytes(head.get(1028..1032)?.try_into().ok()?);
    Some((u64::from(last) + 1) * page_bytes)
}

const MAGIC: &[u8; 10] = b"SWAPSPACE2";
const LABEL: &[u8; 8] = b"diapason";

/// The line of /proc/swaps for `path`.
pub(super) fn active(root: &Root, path: &str) -> Result<Option<Swap>, KnobError> {
    Ok(host::swaps(root)?.into_iter().find(|swap| swap.path == path))
}

/// Stops to swap to `path` if the pages in it fit into free memory and the other swap areas.
///
/// A twentieth of memory stays in reserve: a machine that swapped is not asked to run without any.
pub(super) fn take_away(root: &Root, path: &str) -> Result<(), KnobError> {
    let swaps = host::swaps(root)?;
    let Some(this) = swaps.iter().find(|swap| swap.path == path) else { return Ok(()) };
    let memory = host::memory(root)?;
    let elsewhere: u64 = swaps
        .iter()
        .filter(|swap| swap.path != path)
        .map(|swap| swap.bytes - swap.used_bytes.min(swap.bytes))
        .sum();
    let room_bytes = memory.available_bytes.saturating_sub(memory.total_bytes / 20).saturating_add(elsewhere);
    if this.used_bytes > room_bytes {
        return Err(KnobError::NoRoom { path: path.to_owned(), used_bytes: this.used_bytes, room_bytes });
    }
    Ok(root.swap_off(path)?)
}

/// The priority in words: the kernel's own choices are negative and cannot be asked for again.
pub(super) fn priority_word(priority: i32) -> String {
    if priority < 0 { "auto".to_owned() } else { priority.to_string() }
}

/// The priority out of its word; `None` for anything but `auto` and 0 to 32767.
#[expect(
    clippy::option_option,
    reason = "the outer layer is whether the word is right, the inner what it says"
)]
pub(super) fn priority(word: &str) -> Option<Option<u16>> {
    if word == "auto" {
        return Some(None);
    }
    word.parse::<u16>().ok().filter(|priority| *priority <= 0x7fff).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_tells_its_size() {
        for page in [4_096, 65_536] {
            assert_eq!(signed_bytes(&signature(64 << 20, page), page), Some(64 << 20));
        }
        assert_eq!(signed_bytes(&[0; 4096], 4096), None);
        assert_eq!(signed_bytes(&[], 4096), None);
    }

    #[test]
    fn mkswap_reads_as_ours() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("area");
        std::fs::write(&file, vec![0; 1 << 20]).unwrap();
        let made = std::process::Command::new("/usr/sbin/mkswap").arg(&file).output();
        // The judge is util-linux; where it is not installed there is nothing to compare with.
        let Ok(made) = made else { return };
        assert!(made.status.success());
        let page = page_bytes(&Root::new("/"));
        assert_eq!(signed_bytes(&std::fs::read(&file).unwrap(), page), Some(1 << 20));
    }

    #[test]
    fn pages_that_do_not_fit_stay() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc")).unwrap();
        let swaps = "Filename Type Size Used Priority\n/swap file 2000000 1000000 -2\n";
        std::fs::write(folder.path().join("proc/swaps"), swaps).unwrap();
        let memory = |kib: u64| format!("MemTotal: 4000000 kB\nMemAvailable: {kib} kB\n");
        std::fs::write(folder.path().join("proc/meminfo"), memory(1_100_000)).unwrap();
        let root = Root::new(folder.path());
        let error = take_away(&root, "/swap").unwrap_err();
        assert!(
            matches!(error, KnobError::NoRoom { used_bytes: 1_024_000_000, room_bytes: 921_600_000, .. }),
            "{error}"
        );
        std::fs::write(folder.path().join("proc/meminfo"), memory(1_300_000)).unwrap();
        take_away(&root, "/swap").unwrap();
        assert_eq!(host::swaps(&root).unwrap(), []);
    }
}
