//! Threads that are awake when an operation wants to divide its work.
//!
//! A thread of rayon's pool goes to sleep after some microseconds without work, and to wake it takes longer than many
//! operations. So a step enters the pool once, and asks the other threads to look out for work a little longer.

use std::cell::Cell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The arithmetic of a forward pass from which on some operation may be divided among threads.
const WORTH: u64 = 1 << 22;
/// How long a thread without work looks out for more.
const PATIENCE: Duration = Duration::from_micros(500);
/// Rounds of waiting between two looks.
const ROUNDS: usize = 32;

/// Threads that look out for work, or have been asked to.
static AWAKE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread is within [`enter`].
    static LEADS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, where its arithmetic is worth it on a thread of rayon's pool with the other threads awake.
pub(crate) fn enter<R: Send>(flops: u64, f: impl FnOnce() -> R + Send) -> R {
    if flops < WORTH || rayon::current_num_threads() == 1 {
        return f();
    }
    if rayon::current_thread_index().is_none() {
        return rayon::scope(|_| lead(f));
    }
    lead(f)
}

fn lead<R>(f: impl FnOnce() -> R) -> R {
    let threads = rayon::current_num_threads();
    if AWAKE.compare_exchange(0, threads, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        rayon::spawn_broadcast(|_| {
            if !LEADS.get() {
                look_out();
            }
            AWAKE.fetch_sub(1, Ordering::Relaxed);
        });
    }
    let before = LEADS.replace(true);
    let result = f();
    LEADS.set(before);
    result
}

/// Does what work there is until there has been none for a while.
fn look_out() {
    let mut idle = Instant::now();
    while idle.elapsed() < PATIENCE {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => idle = Instant::now(),
            _ => {
                (0..ROUNDS).for_each(|_| spin_loop());
                thread::yield_now();
            }
        }
    }
}
