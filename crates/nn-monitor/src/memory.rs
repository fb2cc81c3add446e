//! The memory of the process.

/// The most memory that this process has had resident so far, in bytes.
///
/// On Linux it is `VmHWM` of `/proc/self/status`; elsewhere it is not known.
///
/// ```
/// if let Some(bytes) = nn_monitor::peak_memory() {
///     println!("{:.0} MB", bytes as f64 / 1e6);
/// }
/// ```
pub fn peak_memory() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The bytes that a line `VmHWM:  1234 kB` says.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{high_water_mark, peak_memory};

    #[test]
    fn reads_the_high_water_mark() {
        let status = "Name:\tdigits\nVmPeak:\t  999 kB\nVmHWM:\t   1234 kB\nVmRSS:\t 1000 kB\n";
        assert_eq!(high_water_mark(status), Some(1234 * 1024));
        for broken in ["", "VmHWM:", "VmHWM: many kB", "VmHWM: 12 MB", "VmHWM: 99999999999999999999 kB"] {
            assert_eq!(high_water_mark(broken), None, "{broken:?}");
        }
        assert_eq!(high_water_mark("VmHWM: 18446744073709551615 kB"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn grows_with_what_is_used() {
        let before = peak_memory().unwrap();
        let block = vec![1u8; 64 << 20];
        let after = peak_memory().unwrap();
        assert!(after >= before && after >= 64 << 20, "{before} {after} {}", block.len());
    }
}
