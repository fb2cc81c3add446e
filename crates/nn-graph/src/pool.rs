//! Entering the pool of threads once, instead of anew for each operation that divides its work.

/// The arithmetic of a forward pass from which on some operation may be divided among threads.
const WORTH: u64 = 1 << 22;

/// Runs `f`, on a thread of rayon's pool where its arithmetic is worth it: from there an operation hands half of its
/// work to another thread without waking one and going to sleep itself.
pub(crate) fn enter<R: Send>(flops: u64, f: impl FnOnce() -> R + Send) -> R {
    let is_inside = rayon::current_thread_index().is_some();
    if flops < WORTH || is_inside || rayon::current_num_threads() == 1 { f() } else { rayon::scope(|_| f()) }
}
