//! Answers that a place alone decides: records ask the same again for each of their members.

use crate::walk::PlaceId;
use std::cell::Cell;

/// Most answers that are kept; more places take turns.
const MOST: usize = 256;

/// An answer, with the place that it is about.
type Slot<T> = Cell<Option<(PlaceId, T)>>;

/// The last answers, by place.
#[derive(Debug)]
pub(crate) struct Memo<T: Copy> {
    slots: Box<[Slot<T>]>,
}

impl<T: Copy> Memo<T> {
    /// For a document of so many places.
    pub(crate) fn new(places: usize) -> Self {
        let size = places.clamp(1, MOST).next_power_of_two();
        Self {
            slots: (0..size).map(|_| Cell::new(None)).collect(),
        }
    }

    fn slot(&self, place: PlaceId) -> Option<&Slot<T>> {
        let mask = self.slots.len().saturating_sub(1);
        self.slots.get(place as usize & mask)
    }

    /// The answer that is kept for a place.
    pub(crate) fn get(&self, place: PlaceId) -> Option<T> {
        match self.slot(place)?.get() {
            Some((of, answer)) if of == place => Some(answer),
            _ => None,
        }
    }

    /// Keeps an answer.
    pub(crate) fn set(&self, place: PlaceId, answer: T) {
        if let Some(slot) = self.slot(place) {
            slot.set(Some((place, answer)));
        }
    }

    /// The answer for a place, worked out if it is not there.
    pub(crate) fn of(&self, place: PlaceId, answer: impl FnOnce() -> T) -> T {
        self.get(place).unwrap_or_else(|| {
            let answer = answer();
            self.set(place, answer);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_worked_out_once_and_never_for_another_place() {
        for places in [0, 1, 3, 5_000] {
            let memo = Memo::new(places);
            for place in [0, 1, 256, 1, 5_000_000] {
                assert_eq!(memo.of(place, || place), place);
                assert_eq!(memo.of(place, || unreachable!()), place);
            }
        }
    }
}
