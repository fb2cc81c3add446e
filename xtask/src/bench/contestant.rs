//! A contestant: a process that takes training steps when told to.
//!
//! It says `ready NAME VERSION …` or `unsupported REASON` first. Then it answers each line `run WARM-UP STEPS` with one
//! line: best and median seconds of the timed steps, and the loss of the last.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A compiler of a contestant may take minutes.
const UNTIL_READY: Duration = Duration::from_secs(900);
const UNTIL_ANSWER: Duration = Duration::from_secs(300);
/// The lines of a log that a message repeats.
const LOG_LINES: usize = 8;

/// A running process.
pub(super) struct Contestant {
    pub(super) label: String,
    /// What it says it is.
    pub(super) version: String,
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
    log: PathBuf,
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) best: f64,
    pub(super) median: f64,
    pub(super) loss: f64,
}

/// What it says first.
#[derive(Clone, Debug, PartialEq)]
enum Greeting {
    Ready(String),
    Unsupported(String),
}

impl Contestant {
    /// Starts the process; what it writes to its standard error goes into `folder`.
    pub(super) fn start(label: &str, mut command: Command, folder: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{label}: could not be started: {error}");
        fs::create_dir_all(folder).map_err(failed)?;
        let log = folder.join(format!("{label}.log"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log).map_err(failed)?);
        let mut child = command.spawn().map_err(failed)?;
        let (sender, answers) = channel();
        let output = child.stdout.take().ok_or_else(|| format!("{label}: has no output"))?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let requests = child.stdin.take();
        Ok(Contestant { label: label.to_owned(), version: String::new(), child, requests, answers, log })
    }

    /// Waits until it is ready; the reason if it cannot take part.
    pub(super) fn wait(&mut self) -> Result<(), String> {
        let line = self.line(UNTIL_READY)?;
        match greeting(&line) {
            Some(Greeting::Ready(version)) => {
                self.version = version;
                Ok(())
            }
            Some(Greeting::Unsupported(reason)) => Err(format!("{}: {reason}", self.label)),
            None => Err(self.complain(&format!("began with {line:?}"))),
        }
    }

    /// Has it begin anew and take the steps.
    pub(super) fn run(&mut self, warm_up: usize, steps: usize) -> Result<Answer, String> {
        let request = format!("run {warm_up} {steps}\n");
        let sent = self
            .requests
            .as_mut()
            .map(|requests| requests.write_all(request.as_bytes()).and_then(|()| requests.flush()));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.complain("takes no requests any more"));
        }
        let line = self.line(UNTIL_ANSWER)?;
        answer(&line).ok_or_else(|| self.complain(&format!("answered {line:?}")))
    }

    /// The most memory that it has had, in bytes.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        peak_of(&status)
    }

    fn line(&self, limit: Duration) -> Result<String, String> {
        self.answers.recv_timeout(limit).map_err(|error| match error {
            std::sync::mpsc::RecvTimeoutError::Timeout => {
                self.complain(&format!("was silent for {} s", limit.as_secs()))
            }
            std::sync::mpsc::RecvTimeoutError::Disconnected => self.complain("ended"),
        })
    }

    /// A message with the end of its log.
    fn complain(&self, message: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let mut text = format!("{}: {message}", self.label);
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            text += &format!("\n    {line}");
        }
        text
    }
}

/// Ends the process: no more requests are to be expected.
impl Drop for Contestant {
    fn drop(&mut self) {
        self.requests = None;
        if self.answers.recv_timeout(Duration::from_secs(5)).is_err() {
            // It has ended by itself, or never will; either way an error says nothing new.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn greeting(line: &str) -> Option<Greeting> {
    if let Some(version) = line.strip_prefix("ready ") {
        return Some(Greeting::Ready(version.trim().to_owned()));
    }
    let reason = line.strip_prefix("unsupported")?;
    Some(Greeting::Unsupported(reason.trim_start_matches([':', ' ']).to_owned()))
}

fn answer(line: &str) -> Option<Answer> {
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    match numbers[..] {
        [best, median, loss] if best > 0.0 && median >= best => Some(Answer { best, median, loss }),
        _ => None,
    }
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Contestant, Greeting, answer, greeting, peak_of};
    use std::process::Command;

    #[test]
    fn answers_are_three_numbers() {
        assert_eq!(answer("0.5 1 2.25"), Some(Answer { best: 0.5, median: 1.0, loss: 2.25 }));
        assert!(answer("1e-6 1.5e-6 NaN").unwrap().loss.is_nan());
        for wrong in ["", "1 2", "1 2 3 4", "0 1 2", "2 1 0", "nan nan 1", "warning: slow"] {
            assert_eq!(answer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn greetings_are_two() {
        assert_eq!(greeting("ready JAX 0.10.2"), Some(Greeting::Ready("JAX 0.10.2".to_owned())));
        assert_eq!(greeting("unsupported: no LSTM"), Some(Greeting::Unsupported("no LSTM".to_owned())));
        assert_eq!(greeting("hello"), None);
    }

    #[test]
    fn reads_the_peak_of_memory() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n"), Some(2048 * 1024));
        assert_eq!(peak_of("Name:\tx\n"), None);
    }

    #[cfg(unix)]
    #[test]
    fn talks_to_a_process() {
        let folder = std::env::temp_dir().join(format!("bench-contestant-{}", std::process::id()));
        let start = |label: &str, script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Contestant::start(label, command, &folder).unwrap()
        };
        let script = "echo ready fake 1.0; while read word warm steps; do echo 0.5 $steps $warm; done";
        let mut fake = start("fake", script);
        fake.wait().unwrap();
        assert_eq!(fake.version, "fake 1.0");
        assert_eq!(fake.run(3, 7), Ok(Answer { best: 0.5, median: 7.0, loss: 3.0 }));
        assert_eq!(fake.run(1, 2), Ok(Answer { best: 0.5, median: 2.0, loss: 1.0 }));
        let dying = start("dying", "echo no such module >&2").wait().unwrap_err();
        let without = start("without", "echo unsupported: no dropout").wait().unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(dying, "dying: ended\n    no such module");
        assert_eq!(without, "without: no dropout");
    }
}
