//! How reloads end, and what is in force after one that has failed.

use serde_json::{json, Value};

use crate::host::HostError;

/// How far a reload has come. Not told from its errors: a thread that has failed says nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Packets have seen nothing of the new files.
    Before,
    /// Packets go by them.
    Seen,
}

/// What a reload that has failed leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// A host that neither the files before nor the new ones want.
    HalfAHost,
    /// Packets that are ahead of what stands in front of them.
    Behind,
}

/// The end of the last reload, and of those before it that have left something half done.
#[derive(Debug, Default)]
pub struct Reloaded {
    last_error: Option<String>,
    /// What was said of them, the last of each kind; none once a reload has succeeded.
    half_done: Vec<(Left, String)>,
}

impl Reloaded {
    /// A reload that has come so far has ended; with no errors it has succeeded. Gives what is to be said of one that has not.
    pub fn end(&mut self, stage: Stage, errors: &[anyhow::Error]) -> Result<(), String> {
        if errors.is_empty() {
            *self = Reloaded::default();
            return Ok(());
        }
        let left = Left::by(stage, errors);
        let mut said = format!("{}:", left.text());
        for error in errors {
            said += &format!("\n{error:#}");
        }
        // Otherwise this one's words would hide what they have left.
        self.half_done.retain(|(kind, _)| *kind != left);
        let mut all = said.clone();
        for (_, earlier) in &self.half_done {
            all += &format!(
                "\nan earlier reload has left something half done, and none has succeeded since; of that one it was said: {earlier}"
            );
        }
        if left != Left::Nothing {
            self.half_done.push((left, said));
        }
        self.last_error = Some(all.clone());
        Err(all)
    }

    /// For `status`; null if the last one has succeeded.
    pub fn last_error(&self) -> Value {
        json!(self.last_error)
    }
}

impl Left {
    fn by(stage: Stage, errors: &[anyhow::Error]) -> Self {
        let mut of_host = errors.iter().filter_map(|e| e.downcast_ref::<HostError>());
        match stage {
            Stage::Seen => Left::Behind,
            Stage::Before if of_host.any(|error| error.is_half_done) => Left::HalfAHost,
            Stage::Before => Left::Nothing,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Left::Nothing => "all stays as it was",
            Left::HalfAHost => "packets go by the files before, but this host is not as these want it; mend this and reload again",
            Left::Behind => "packets go by the new files, but not all that stands in front of them does; mend this and reload again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use std::io;

    const AS_IT_WAS: &str = "all stays as it was:";
    const HALF_A_HOST: &str = "packets go by the files before, but";
    const BEHIND: &str = "packets go by the new files, but";

    fn half_done() -> anyhow::Error {
        let error = HostError {
            item: "route x".to_owned(),
            error: io::Error::other("gone"),
            is_half_done: true,
        };
        error.into()
    }

    /// What is said of a reload that has failed.
    fn said(reloaded: &mut Reloaded, stage: Stage, errors: &[anyhow::Error]) -> String {
        let said = reloaded.end(stage, errors).unwrap_err();
        assert_eq!(reloaded.last_error(), json!(said));
        said
    }

    #[test]
    fn the_stage_decides_whatever_the_error_is() {
        let mut reloaded = Reloaded::default();
        let said = said(&mut reloaded, Stage::Before, &[anyhow!("typo")]);
        assert_eq!(said, "all stays as it was:\ntypo");
        for error in [anyhow!("the thread has failed"), half_done()] {
            let said = Reloaded::default().end(Stage::Seen, &[error]).unwrap_err();
            assert!(said.starts_with(BEHIND), "{said}");
        }
    }

    #[test]
    fn every_error_is_told() {
        let errors = [anyhow!("guard"), anyhow!("xdp"), anyhow!("nft")];
        let said = said(&mut Reloaded::default(), Stage::Seen, &errors);
        assert!(said.ends_with("reload again:\nguard\nxdp\nnft"), "{said}");
    }

    #[test]
    fn what_is_half_done_is_told_until_a_reload_succeeds() {
        let mut reloaded = Reloaded::default();
        said(&mut reloaded, Stage::Seen, &[anyhow!("nft")]);
        for _ in 0..2 {
            let said = said(&mut reloaded, Stage::Before, &[anyhow!("typo")]);
            assert!(said.starts_with(AS_IT_WAS), "{said}");
            assert_eq!(said.matches(BEHIND).count(), 1, "{said}");
            assert!(said.ends_with("\nnft"), "{said}");
        }
        reloaded.end(Stage::Seen, &[]).unwrap();
        assert_eq!(reloaded.last_error(), Value::Null);
        let said = said(&mut reloaded, Stage::Before, &[anyhow!("typo")]);
        assert_eq!(said, "all stays as it was:\ntypo");
    }

    #[test]
    fn of_two_of_a_kind_the_last_is_told_and_of_two_kinds_both() {
        let mut reloaded = Reloaded::default();
        said(&mut reloaded, Stage::Seen, &[anyhow!("first")]);
        let again = said(&mut reloaded, Stage::Seen, &[anyhow!("second")]);
        assert!(!again.contains("first"), "{again}");
        let third = said(&mut reloaded, Stage::Before, &[half_done()]);
        assert!(third.starts_with(HALF_A_HOST), "{third}");
        assert!(third.ends_with("\nsecond"), "{third}");
        let fourth = said(&mut reloaded, Stage::Before, &[anyhow!("typo")]);
        for word in [AS_IT_WAS, HALF_A_HOST, "route x: gone", BEHIND, "second"] {
            assert_eq!(fourth.matches(word).count(), 1, "{word}: {fourth}");
        }
    }
}
