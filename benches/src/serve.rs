//! A contestant of `cargo xtask bench --peers` in Rust: it takes training steps when told to.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use crate::data::BATCHES;

/// Training steps of one network.
pub trait Steps {
    /// Goes back to the state before the first step.
    fn reset(&mut self);

    /// One training step on the batch at this position; its mean loss.
    fn step(&mut self, batch: usize) -> f32;
}

/// Answers requests `run WARM-UP STEPS` on standard input until it ends: begins anew, takes the steps over the batches in
/// order, and prints best and median seconds of the timed ones and the loss of the last.
///
/// # Errors
/// When a line is something else, or cannot be read or written.
pub fn serve(name: &str, steps: &mut impl Steps) -> io::Result<()> {
    answer_all(name, steps, io::stdin().lock(), io::stdout().lock())
}

fn answer_all(
    name: &str,
    steps: &mut impl Steps,
    requests: impl BufRead,
    mut answers: impl Write,
) -> io::Result<()> {
    writeln!(answers, "ready {name}")?;
    answers.flush()?;
    let mut seconds: Vec<f64> = Vec::new();
    for line in requests.lines() {
        let (warm_up, timed) =
            request(&line?).ok_or_else(|| io::Error::other("expected `run WARM-UP STEPS`"))?;
        steps.reset();
        seconds.clear();
        let mut loss = f32::NAN;
        for i in 0..warm_up + timed {
            let begin = Instant::now();
            loss = steps.step(i % BATCHES);
            seconds.push(begin.elapsed().as_secs_f64());
        }
        let measured = &mut seconds[warm_up..];
        measured.sort_by(f64::total_cmp);
        writeln!(answers, "{} {} {loss}", measured[0], measured[timed / 2])?;
        answers.flush()?;
    }
    Ok(())
}

/// Warm-up and timed steps of a request; of the latter there is at least one.
fn request(line: &str) -> Option<(usize, usize)> {
    let (warm_up, steps) = line.strip_prefix("run ")?.split_once(' ')?;
    let (warm_up, steps) = (warm_up.parse().ok()?, steps.parse().ok()?);
    (steps > 0).then_some((warm_up, steps))
}

#[cfg(test)]
mod tests {
    use super::{Steps, answer_all, request};

    /// Its loss is the number of steps since the reset, plus a hundredth of the batch.
    struct Count(usize);

    impl Steps for Count {
        fn reset(&mut self) {
            self.0 = 0;
        }

        fn step(&mut self, batch: usize) -> f32 {
            self.0 += 1;
            self.0 as f32 + batch as f32 / 100.0
        }
    }

    #[test]
    fn each_request_begins_anew() {
        let mut answers = Vec::new();
        answer_all("count 1", &mut Count(9), &b"run 2 3\nrun 0 1\nrun 40 1\n"[..], &mut answers).unwrap();
        let text = String::from_utf8(answers).unwrap();
        let losses: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(' ').nth(2)).collect();
        assert_eq!(text.lines().next(), Some("ready count 1"));
        assert_eq!(losses, ["5.04", "1", "41"]);
        assert!(answer_all("count", &mut Count(0), &b"stop\n"[..], Vec::new()).is_err());
    }

    #[test]
    fn requests_have_two_numbers() {
        assert_eq!(request("run 2 10"), Some((2, 10)));
        for wrong in ["run 1 0", "run 1", "run a 1", "walk 1 2", ""] {
            assert_eq!(request(wrong), None, "{wrong}");
        }
    }
}
