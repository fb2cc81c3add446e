//! What a run runs on.

use std::fmt;

/// The computer, as far as it is known.
///
/// ```
/// println!("{}", nn_monitor::Machine::detect());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The processor's name; empty where it is not known.
    pub cpu: String,
    /// How many threads can run at once; 0 where it is not known.
    pub threads: usize,
    /// Operating system and architecture: `linux x86_64`.
    pub system: String,
    /// Instruction sets that matter for speed.
    pub features: Vec<&'static str>,
}

impl Machine {
    /// This computer.
    pub fn detect() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Machine {
            cpu: cpu_name(&info).unwrap_or_default(),
            threads: std::thread::available_parallelism().map_or(0, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            features: features(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = if self.cpu.is_empty() { "unknown processor" } else { &self.cpu };
        write!(f, "{cpu}, {} threads, {}", self.threads, self.system)?;
        if self.features.is_empty() { Ok(()) } else { write!(f, ", {}", self.features.join(" ")) }
    }
}

/// The first `model name` of Linux' description of the processors.
fn cpu_name(info: &str) -> Option<String> {
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let known = [
        ("sse4.2", std::is_x86_feature_detected!("sse4.2")),
        ("avx", std::is_x86_feature_detected!("avx")),
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
    ];
    known.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    if std::arch::is_aarch64_feature_detected!("neon") { vec!["neon"] } else { vec![] }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    vec![]
}

#[cfg(test)]
mod tests {
    use super::{Machine, cpu_name};

    #[test]
    fn finds_the_name_of_the_processor() {
        let info = "processor\t: 0\nmodel name\t: Some(R)  CPU @ 2.0GHz\nmodel name\t: Other\n";
        assert_eq!(cpu_name(info).as_deref(), Some("Some(R) CPU @ 2.0GHz"));
        assert_eq!(cpu_name("Hardware : board"), None);
    }

    #[test]
    fn says_what_is_known() {
        let mut machine = Machine { threads: 4, system: "linux x86_64".to_owned(), ..Machine::default() };
        assert_eq!(machine.to_string(), "unknown processor, 4 threads, linux x86_64");
        (machine.cpu, machine.features) = ("Fast".to_owned(), vec!["avx2", "fma"]);
        assert_eq!(machine.to_string(), "Fast, 4 threads, linux x86_64, avx2 fma");
        assert!(Machine::detect().threads > 0);
    }
}
