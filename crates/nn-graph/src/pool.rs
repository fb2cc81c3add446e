//! Threads that are awake when an operation wants to divide its work.
//!
//! A thread of rayon's pool goes to sleep after some microseconds without work, and to wake it takes longer than many
//! operations. So a step enters the pool once, and the other threads look out for work until no step has run for a
//! while. Only to ask them again after such a pause allocates.

use std::cell::Cell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The arithmetic of a forward pass from which on some operation may be divided among threads.
const WORTH: u64 = 1 << 22;
/// How long threads look out after a step.
const PATIENCE: Duration = Duration::from_millis(5);
/// Rounds of waiting between two looks.
const ROUNDS: usize = 32;

/// Steps that run now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// Threads that look out for work, or have been asked to.
static AWAKE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread runs a step.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// A step that runs on this thread.
struct Running {
    /// Whether this thread ran one already.
    was: bool,
    is_only: bool,
}

impl Running {
    fn start() -> Running {
        let others = RUNNING.fetch_add(1, Ordering::Relaxed);
        Running { was: RUNS.replace(true), is_only: others == 0 }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNS.set(self.was);
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `f`, where its arithmetic is worth it on a thread of rayon's pool with the other threads awake.
pub(crate) fn enter<R: Send>(flops: u64, f: impl FnOnce() -> R + Send) -> R {
    if flops < WORTH || rayon::current_num_threads() == 1 {
        return f();
    }
    if rayon::current_thread_index().is_some() { lead(f) } else { rayon::scope(|_| lead(f)) }
}

/// Runs `f` on this thread of the pool and, if it is the only step, asks the others to look out for work.
fn lead<R>(f: impl FnOnce() -> R) -> R {
    let running = Running::start();
    let threads = rayon::current_num_threads();
    if running.is_only && AWAKE.compare_exchange(0, threads, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        rayon::spawn_broadcast(|_| {
            look_out();
            AWAKE.fetch_sub(1, Ordering::Relaxed);
        });
    }
    f()
}

/// Does what work there is until no step has run for a while.
fn look_out() {
    let mut last = Instant::now();
    loop {
        let did = rayon::yield_now() == Some(rayon::Yield::Executed);
        // Only what is seen after a pause counts: the system may have given this thread a long one.
        if did || RUNNING.load(Ordering::Relaxed) > 0 {
            last = Instant::now();
        }
        if RUNS.get() || last.elapsed() >= PATIENCE {
            return;
        }
        if !did {
            (0..ROUNDS).for_each(|_| spin_loop());
            thread::yield_now();
        }
    }
}
