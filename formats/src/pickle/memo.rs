//! What a pickle remembers by number. Picklers count up from 0 or 1, so that mostly a list is enough.

use std::collections::HashMap;

use super::Value;

/// How many numbers may be left out in the list.
const GAP_MAX: u64 = 64;

/// Bytes of memory for a value in the list, which may have twice the room that it needs, and in the map.
const LISTED_BYTES: usize = 2 * size_of::<Option<Value>>();
const MAPPED_BYTES: usize = 4 * size_of::<(u64, Value)>();

#[derive(Default)]
pub(super) struct Memo {
    list: Vec<Option<Value>>,
    map: HashMap<u64, Value>,
    count: u64,
}

impl Memo {
    /// How many values it has.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn recall(&self, number: u64) -> Option<Value> {
        let listed = usize::try_from(number)
            .ok()
            .and_then(|at| self.list.get(at));
        listed
            .copied()
            .flatten()
            .or_else(|| self.map.get(&number).copied())
    }

    /// Keeps a value; returns how many bytes of memory that takes.
    pub(super) fn remember(&mut self, number: u64, value: Value) -> usize {
        self.count += u64::from(self.recall(number).is_none());
        let length = self.list.len();
        if number >= length as u64 + GAP_MAX {
            return match self.map.insert(number, value) {
                Some(_) => 0,
                None => MAPPED_BYTES,
            };
        }
        let at = usize::try_from(number).expect("little more than the list has");
        if at >= length {
            self.list.resize(at + 1, None);
            self.map.remove(&number);
        }
        self.list[at] = Some(value);
        (self.list.len() - length) * LISTED_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_order_of_the_numbers_each_has_its_last_value() {
        let mut memo = Memo::default();
        let mut expected = HashMap::new();
        for step in 0..2_000_i64 {
            let number =
                (step.unsigned_abs() * 7919) % 700 + if step % 5 == 0 { 1 << 40 } else { 0 };
            memo.remember(number, Value::Int(step));
            expected.insert(number, Value::Int(step));
            assert_eq!(memo.count(), expected.len() as u64);
        }
        for (number, value) in expected {
            assert_eq!(memo.recall(number), Some(value));
        }
        assert_eq!(memo.recall(701), None);
    }
}
