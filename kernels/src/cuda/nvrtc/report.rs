//! What the assembler says of a kernel.

/// Registers and memory of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Registers of a thread.
    pub registers: usize,
    /// Bytes that a thread keeps outside of registers.
    pub stack_bytes: usize,
    /// Bytes written for want of registers.
    pub spill_store_bytes: usize,
    /// Bytes read back.
    pub spill_load_bytes: usize,
    /// Bytes of shared memory that the kernel names itself; what is asked for at the launch is not in it.
    pub shared_bytes: usize,
}

impl Report {
    /// Reads the assembler's lines of the one kernel that a module has; `None` where they are not there.
    #[must_use]
    pub fn parse(log: &str) -> Option<Self> {
        let before = |text: &str| -> Option<usize> {
            let words: Vec<&str> = log.split_whitespace().collect();
            let wanted: Vec<&str> = text.split_whitespace().collect();
            let at = words.windows(wanted.len()).position(|words| {
                words.iter().zip(&wanted).all(|(word, wanted)| word.trim_end_matches(',') == *wanted)
            })?;
            words.get(at.checked_sub(1)?)?.parse().ok()
        };
        Some(Self {
            registers: before("registers")?,
            stack_bytes: before("bytes stack frame")?,
            spill_store_bytes: before("bytes spill stores")?,
            spill_load_bytes: before("bytes spill loads")?,
            shared_bytes: before("bytes smem").unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_assemblers_words() {
        let log = "ptxas info    : Function properties for lstm_layer\n\
                   ptxas         .     16 bytes stack frame, 236 bytes spill stores, 176 bytes spill loads\n\
                   ptxas info    : Used 128 registers, used 1 barriers, 16 bytes cumulative stack size, 48 bytes smem, \
                   416 bytes cmem[0]\n";
        let wanted = Report {
            registers: 128,
            stack_bytes: 16,
            spill_store_bytes: 236,
            spill_load_bytes: 176,
            shared_bytes: 48,
        };
        assert_eq!(Report::parse(log), Some(wanted));
        assert_eq!(Report::parse("nothing of the kind"), None);
    }
}
