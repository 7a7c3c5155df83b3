//! Making figures one after the other, and keeping what is there.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::figure::Figure;
use super::{chart, page, Experiment, Workshop};

/// A figure that was made.
pub struct Done {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Itself.
    pub figure: Figure,
}

/// Makes figures and writes them into `out`, each as soon as it is there: `fig-NAME.csv`, `fig-NAME.svg`, and `index.html` with
/// all so far, marked as partial until the last one is in it.
///
/// # Errors
///
/// Where the folder can't be written, a figure can't be made, or somebody wants to stop; what was made by then stays.
pub fn run(
    workshop: &Workshop,
    experiments: &[Experiment],
    out: &Path,
    mut on_done: impl FnMut(&Done),
) -> Result<Vec<Done>> {
    let in_out = || format!("cannot write to {}", out.display());
    fs::create_dir_all(out).with_context(in_out)?;
    // before anything is computed: an earlier run's page must not pass for this one's
    write_page(out, &[], experiments).with_context(in_out)?;
    let mut all = Vec::new();
    for experiment in experiments {
        workshop
            .bar
            .set_message(format!("figure {}", experiment.name));
        let done = Done {
            name: experiment.name,
            title: experiment.title,
            figure: (experiment.make)(workshop)
                .with_context(|| format!("figure {}", experiment.name))?,
        };
        let file = |ending| out.join(format!("fig-{}.{ending}", done.name));
        fs::write(file("csv"), done.figure.csv()).with_context(in_out)?;
        fs::write(file("svg"), chart::draw(&done.figure)).with_context(in_out)?;
        on_done(&done);
        all.push(done);
        write_page(out, &all, experiments).with_context(in_out)?;
    }
    Ok(all)
}

fn write_page(out: &Path, done: &[Done], experiments: &[Experiment]) -> std::io::Result<()> {
    let missing: Vec<&str> = experiments[done.len()..].iter().map(|e| e.name).collect();
    fs::write(out.join("index.html"), page::render(done, &missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::{all, Verdict};
    use crate::signals::Interrupt;
    use indicatif::ProgressBar;

    fn workshop<'a>(interrupt: &'a Interrupt, bar: &'a ProgressBar) -> Workshop<'a> {
        Workshop {
            seed: 1,
            threads: 1,
            is_quick: true,
            interrupt,
            bar,
        }
    }

    fn of_the_model() -> Vec<Experiment> {
        let mut experiments = all();
        experiments.retain(|e| e.name.starts_with('8') || e.name == "9");
        experiments
    }

    #[test]
    fn the_models_figures_keep_the_papers_claims() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/folder");
        let (interrupt, bar) = (Interrupt::default(), ProgressBar::hidden());
        let experiments = of_the_model();
        let done = run(&workshop(&interrupt, &bar), &experiments, &out, |_| ()).unwrap();
        let claims = done.iter().flat_map(|done| &done.figure.claims);
        let missed: Vec<_> = claims
            .clone()
            .filter(|c| c.verdict == Verdict::Missed)
            .collect();
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(claims.count(), 5);
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        for done in &done {
            let csv = read(&format!("fig-{}.csv", done.name));
            assert!(csv.lines().count() > 80, "{}", done.name);
            assert!(
                !csv.contains("NaN") && !csv.contains("inf"),
                "{}",
                done.name
            );
        }
        let page = read("index.html");
        assert!(page.contains("lambda = 0.983") && !page.contains("partial"));
        assert_eq!(page.matches("<svg").count(), 7);
    }

    #[test]
    fn what_ends_early_is_marked_so() {
        let folder = tempfile::tempdir().unwrap();
        let (interrupt, bar) = (Interrupt::default(), ProgressBar::hidden());
        let mut experiments = of_the_model();
        experiments.truncate(2);
        experiments[1].make = |_| anyhow::bail!("no");
        let result = run(
            &workshop(&interrupt, &bar),
            &experiments,
            folder.path(),
            |_| (),
        );
        assert_eq!(result.err().unwrap().to_string(), "figure 8b");
        let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
        assert!(page.contains("partial") && page.contains("8b"));
        assert!(folder.path().join("fig-8a.svg").exists());
    }

    #[test]
    fn a_folder_that_can_not_be_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (interrupt, bar) = (Interrupt::default(), ProgressBar::hidden());
        let result = run(&workshop(&interrupt, &bar), &[], file.path(), |_| ());
        let text = result.err().unwrap().to_string();
        assert!(text.starts_with("cannot write to /"), "{text}");
    }
}
