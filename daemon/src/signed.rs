//! How the functions that arrived were signed, counted by key: an operator takes a key away once nobody
//! signs with it any more.

use serde_json::{json, Value};
use srh::hmac::{Keys, Signature};

/// Counts by key.
#[derive(Clone, Debug, Default)]
pub struct SignedCounts {
    by_key: Vec<(u32, u64)>,
    unsigned: u64,
}

impl SignedCounts {
    /// Counts from zero.
    pub fn new(keys: Option<&Keys>) -> Self {
        let mut counts = SignedCounts::default();
        counts.set_keys(keys);
        counts
    }

    /// From now on these are the keys; those that stay go on counting.
    pub fn set_keys(&mut self, keys: Option<&Keys>) {
        let ids = keys.into_iter().flat_map(Keys::accepted);
        self.by_key = ids.map(|id| (id, self.by(id))).collect();
    }

    /// A packet was let in.
    pub fn add(&mut self, signature: Signature) {
        match signature {
            Signature::By(id) => {
                if let Some((_, count)) = self.by_key.iter_mut().find(|(key, _)| *key == id) {
                    *count += 1;
                }
            }
            Signature::None => self.unsigned += 1,
            Signature::NotDue => {}
        }
    }

    /// What another one has counted by the same keys, too.
    pub fn add_all(&mut self, others: &SignedCounts) {
        for (id, count) in &mut self.by_key {
            *count += others.by(*id);
        }
        self.unsigned += others.unsigned;
    }

    /// Packets that were let in because of this key.
    pub fn by(&self, id: u32) -> u64 {
        let found = self.by_key.iter().find(|(key, _)| *key == id);
        found.map_or(0, |(_, count)| *count)
    }

    /// Functions that were let in without an HMAC, while there was a key.
    pub fn unsigned(&self) -> u64 {
        self.unsigned
    }

    /// The part of `status` about keys; null where there are none.
    pub fn to_json(&self, keys: Option<&Keys>) -> Value {
        let Some(keys) = keys else {
            return Value::Null;
        };
        let each = |(id, count): &(u32, u64)| json!({ "id": id, "verified": count });
        json!({
            "sign": keys.signs(),
            "required": keys.is_required(),
            "text": keys.text().name(),
            "keys": self.by_key.iter().map(each).collect::<Vec<_>>(),
            "unsigned": self.unsigned,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use srh::hmac::Key;

    #[test]
    fn keys_that_stay_go_on_counting() {
        let key = |id| Key::new(id, &[id as u8; 32]);
        let old = Keys::new(1, vec![key(1), key(2)]).unwrap();
        let mut counts = SignedCounts::new(Some(&old));
        for signature in [
            Signature::By(1),
            Signature::By(2),
            Signature::By(2),
            Signature::None,
            Signature::NotDue,
            Signature::By(9),
        ] {
            counts.add(signature);
        }
        let new = Keys::new(2, vec![key(2), key(3)]).unwrap();
        counts.set_keys(Some(&new));
        counts.add(Signature::By(3));
        assert_eq!((counts.by(1), counts.by(2), counts.by(3)), (0, 2, 1));
        let mut all = SignedCounts::new(Some(&new));
        all.add_all(&counts);
        all.add_all(&counts);
        assert_eq!(
            (all.by(1), all.by(2), all.by(3), all.unsigned()),
            (0, 4, 2, 2)
        );
        assert_eq!(counts.unsigned(), 1);
        assert_eq!(counts.to_json(None), Value::Null);
        assert_eq!(
            counts.to_json(Some(&new)),
            json!({
                "sign": 2,
                "required": true,
                "text": "rfc8754",
                "keys": [{ "id": 2, "verified": 2 }, { "id": 3, "verified": 1 }],
                "unsigned": 1,
            })
        );
    }
}
