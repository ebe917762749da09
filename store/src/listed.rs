use model::event::Event;
use model::id::{DeliveryId, EventUid};

use crate::store::Delivery;

/// How much of a list is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Entries that are wanted.
    pub found: u32,
    /// Entries that are looked at for them, where no index has just what is wanted.
    pub looked_at: u32,
}

/// Looking at so many takes some tens of milliseconds.
pub const LOOKED_AT_MAX: u32 = 10_000;
const LOOKED_AT_FIRST: u32 = 500;

impl Most {
    pub fn found(found: u32) -> Self {
        Self { found, looked_at: LOOKED_AT_MAX }
    }

    /// A few entries are looked at first, and more only if there was not enough among them.
    pub(crate) fn steps(self) -> impl Iterator<Item = Self> {
        let few = (self.looked_at > LOOKED_AT_FIRST)
            .then_some(Self { looked_at: LOOKED_AT_FIRST, ..self });
        few.into_iter().chain([self])
    }
}

/// A part of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T: Entry> {
    pub found: Vec<T>,
    /// If looking was broken off before enough were found: what comes after this was not looked at.
    pub looked_until: Option<T::Key>,
}

/// What lists are of.
pub trait Entry {
    /// Lists are in its order, backwards.
    type Key: Copy + Ord + std::fmt::Debug;

    fn key(&self) -> Self::Key;
}

impl Entry for Event {
    type Key = EventUid;

    fn key(&self) -> EventUid {
        self.uid
    }
}

impl Entry for Delivery {
    type Key = DeliveryId;

    fn key(&self) -> DeliveryId {
        self.id
    }
}

impl<T: Entry> Listed<T> {
    /// All there was, or as many as were wanted.
    pub(crate) fn whole(found: Vec<T>) -> Self {
        Self { found, looked_until: None }
    }

    /// Of the ways to read the same list keeps the one that came furthest. Returns whether that is whole.
    pub(crate) fn keep_further(best: &mut Option<Self>, other: Self) -> bool {
        let is_further = match best.as_ref().map(|best| (best.looked_until, other.looked_until)) {
            None | Some((Some(_), None)) => true,
            Some((None, _)) => false,
            Some((Some(one), Some(another))) => another < one,
        };
        if is_further {
            *best = Some(other);
        }
        best.as_ref().is_some_and(|best| best.looked_until.is_none())
    }

    /// One list of those that have nothing in common, as far as all of them were looked through.
    pub(crate) fn merged(lists: impl IntoIterator<Item = Self>, most: u32) -> Self {
        let (mut found, mut looked_until) = (Vec::new(), None);
        for list in lists {
            found.extend(list.found);
            looked_until = looked_until.max(list.looked_until);
        }
        found.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.key()));
        // It went from one to the other between two reads.
        found.dedup_by_key(|entry| entry.key());
        if let Some(until) = looked_until {
            found.retain(|entry: &T| entry.key() >= until);
        }
        if found.len() >= most as usize {
            found.truncate(most as usize);
            looked_until = None;
        }
        Self { found, looked_until }
    }
}
