//! Which values can share a buffer: those that are never alive at the same time.

/// A buffer that is wanted from one moment to another, both inclusive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) len: usize,
}

/// Collects wants and assigns slots to them.
#[derive(Debug, Default)]
pub(crate) struct SlotPlanner {
    wants: Vec<Interval>,
}

/// The slot of each want, in the order of the wants, and the length of each slot.
#[derive(Debug)]
pub(crate) struct Slots {
    pub(crate) of_want: Vec<usize>,
    pub(crate) lens: Vec<usize>,
}

impl SlotPlanner {
    /// Adds a want and returns its number.
    pub(crate) fn want(&mut self, start: usize, end: usize, len: usize) -> usize {
        self.wants.push(Interval { start, end, len });
        self.wants.len() - 1
    }

    /// Extends the life of a want to `moment`, if it ends earlier.
    pub(crate) fn extend(&mut self, want: usize, moment: usize) {
        let end = &mut self.wants[want].end;
        *end = (*end).max(moment);
    }

    /// Assigns slots greedily in the order of time: the free slot that fits best, else the largest free one grown,
    /// else a new one.
    pub(crate) fn assign(&self) -> Slots {
        let mut order: Vec<usize> = (0..self.wants.len()).collect();
        order.sort_by_key(|&w| (self.wants[w].start, usize::MAX - self.wants[w].len, w));
        let mut slots = Slots { of_want: vec![0; self.wants.len()], lens: vec![] };
        let mut busy_until: Vec<Option<usize>> = vec![];
        for want in order {
            let Interval { start, end, len } = self.wants[want];
            let free = |slot: &usize| busy_until[*slot].is_none_or(|until| until < start);
            let fits = |slot: usize| (slots.lens[slot] < len, slots.lens[slot].abs_diff(len), slot);
            let slot =
                (0..slots.lens.len()).filter(free).min_by_key(|&slot| fits(slot)).unwrap_or_else(|| {
                    slots.lens.push(0);
                    busy_until.push(None);
                    slots.lens.len() - 1
                });
            slots.lens[slot] = slots.lens[slot].max(len);
            busy_until[slot] = Some(end);
            slots.of_want[want] = slot;
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::SlotPlanner;

    #[test]
    fn dead_buffers_are_used_again_and_live_ones_never() {
        let mut planner = SlotPlanner::default();
        for t in 0..20 {
            planner.want(t, t + 1, 100 + t);
        }
        planner.want(0, 100, 7);
        let slots = planner.assign();
        assert_eq!(slots.lens.len(), 3);
        for (a, x) in planner.wants.iter().enumerate() {
            assert!(slots.lens[slots.of_want[a]] >= x.len);
            for (b, y) in planner.wants.iter().enumerate().skip(a + 1) {
                let overlap = x.start <= y.end && y.start <= x.end;
                assert!(!overlap || slots.of_want[a] != slots.of_want[b], "{a} and {b} share a slot");
            }
        }
    }
}
