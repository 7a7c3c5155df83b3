//! Making figures one after the other, and keeping what is there.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::claim::Verdict;
use super::figure::Figure;
use super::{chart, page, Experiment, Needs, Workshop};

/// Names what is missing, as long as something is.
pub const PARTIAL: &str = "PARTIAL.txt";

/// What has become of an experiment.
pub enum Made {
    /// It is there.
    Figure(Figure),
    /// It can't be made here, and why.
    Skipped(String),
    /// It went wrong, and how.
    Failed(String),
}

/// An experiment that is over.
pub struct Done {
    /// Which one.
    pub experiment: Experiment,
    /// What has become of it.
    pub made: Made,
}

impl Done {
    /// The figure, if there is one.
    pub fn figure(&self) -> Option<&Figure> {
        match &self.made {
            Made::Figure(figure) => Some(figure),
            Made::Skipped(_) | Made::Failed(_) => None,
        }
    }
}

/// How many claims of those figures came out so.
pub fn count(done: &[Done], verdict: Verdict) -> usize {
    let claims = done.iter().filter_map(Done::figure).flat_map(|f| &f.claims);
    claims.filter(|claim| claim.verdict == verdict).count()
}

/// Where it is written.
struct Folder<'a> {
    path: &'a Path,
    provenance: &'a str,
    all: &'a [Experiment],
}

/// Makes figures and writes them into `out`, each as soon as it is there: `fig-NAME.csv`, `fig-NAME.svg` (`fig-NAME-2.svg` and so on
/// if it has more plots), and `index.html` with all so far. As long as something is missing the page says so, and a file
/// `PARTIAL.txt` names it. `provenance` is how the page came about, as HTML paragraphs' text.
///
/// Those that need the machine for themselves come last. One that goes wrong leaves the others be.
///
/// # Errors
///
/// Where the folder can't be written, or somebody wants to stop; what was made by then stays.
pub fn run(
    workshop: &Workshop,
    experiments: &[Experiment],
    out: &Path,
    provenance: &str,
    mut on_done: impl FnMut(&Done),
) -> Result<Vec<Done>> {
    let in_out = || format!("cannot write to {}", out.display());
    let folder = Folder {
        path: out,
        provenance,
        all: experiments,
    };
    folder.begin().with_context(in_out)?;
    let mut all: Vec<Done> = Vec::new();
    let alone = |e: &&Experiment| e.needs == Needs::Root;
    let (last, first): (Vec<&Experiment>, Vec<&Experiment>) = experiments.iter().partition(alone);
    for (place, experiment) in first.into_iter().chain(last).enumerate() {
        let message = format!(
            "{} ({} of {})",
            experiment.label(),
            place + 1,
            experiments.len()
        );
        workshop.bar.set_message(message);
        let done = Done {
            experiment: *experiment,
            made: make(workshop, experiment)?,
        };
        folder.keep(&done).with_context(in_out)?;
        on_done(&done);
        all.push(done);
        folder.page(&mut all).with_context(in_out)?;
    }
    Ok(all)
}

fn make(workshop: &Workshop, experiment: &Experiment) -> Result<Made> {
    if let Some(why) = experiment.needs.missing() {
        return Ok(Made::Skipped(why));
    }
    let figure = (experiment.make)(workshop);
    workshop.interrupt.check()?;
    Ok(match figure {
        Ok(figure) => Made::Figure(figure),
        Err(error) => Made::Failed(format!("{error:#}")),
    })
}

impl Folder<'_> {
    /// Before anything is computed: can it be written, and does nothing of an earlier run pass for this one's?
    fn begin(&self) -> std::io::Result<()> {
        fs::create_dir_all(self.path)?;
        for file in fs::read_dir(self.path)? {
            let path = file?.path();
            if self.all.iter().any(|e| is_of(e, &path)) {
                fs::remove_file(path)?;
            }
        }
        self.page(&mut [])
    }

    fn keep(&self, done: &Done) -> std::io::Result<()> {
        let Some(figure) = done.figure() else {
            return Ok(());
        };
        let file = |ending: String| {
            self.path
                .join(format!("fig-{}{ending}", done.experiment.name))
        };
        fs::write(file(".csv".into()), figure.csv())?;
        for (place, panel) in figure.panels.iter().enumerate() {
            let number = match place {
                0 => String::new(),
                place => format!("-{}", place + 1),
            };
            fs::write(file(format!("{number}.svg")), chart::draw(panel))?;
        }
        Ok(())
    }

    /// Writes the page of what is done, in the order in which it was asked for, and says what is missing.
    fn page(&self, done: &mut [Done]) -> std::io::Result<()> {
        let place = |name| self.all.iter().position(|e| e.name == name);
        done.sort_by_key(|done| place(done.experiment.name));
        let is_there = |e: &Experiment| {
            (done.iter()).any(|d| d.experiment.name == e.name && d.figure().is_some())
        };
        let missing: Vec<&Experiment> = self.all.iter().filter(|e| !is_there(e)).collect();
        let names: Vec<String> = missing.iter().map(|e| e.label()).collect();
        let page = page::render(done, &names, self.provenance);
        fs::write(self.path.join("index.html"), page)?;
        let partial = self.path.join(PARTIAL);
        if names.is_empty() {
            return match partial.exists() {
                true => fs::remove_file(partial),
                false => Ok(()),
            };
        }
        fs::write(partial, format!("Not there (yet): {}\n", names.join(", ")))
    }
}

/// Is this a file that [`Folder::keep`] writes for `experiment`?
fn is_of(experiment: &Experiment, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = name
        .strip_prefix("fig-")
        .and_then(|rest| rest.strip_prefix(experiment.name));
    let Some((number, "svg" | "csv")) = rest.and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let is_number = |digits: &str| digits.chars().all(|c| c.is_ascii_digit());
    number.is_empty() || number.strip_prefix('-').is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::{all, Verdict};
    use crate::signals::Interrupt;
    use indicatif::ProgressBar;

    fn of_the_model() -> Vec<Experiment> {
        let mut experiments = all();
        experiments.retain(|e| e.name.starts_with('8') || e.name == "9");
        experiments
    }

    fn run_in(out: &Path, experiments: &[Experiment]) -> Result<Vec<Done>> {
        let (interrupt, bar) = (Interrupt::default(), ProgressBar::hidden());
        let workshop = Workshop::new(1, &interrupt, &bar);
        run(&workshop, experiments, out, "a test", |_| ())
    }

    #[test]
    fn the_models_figures_keep_the_papers_claims() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/folder");
        let done = run_in(&out, &of_the_model()).unwrap();
        let claims = done.iter().flat_map(|done| &done.figure().unwrap().claims);
        let missed: Vec<_> = claims
            .clone()
            .filter(|c| c.verdict == Verdict::Missed)
            .collect();
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(claims.count(), 9);
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        for done in &done {
            let name = done.experiment.name;
            let csv = read(&format!("fig-{name}.csv"));
            assert!(csv.lines().count() > 80, "{name}");
            assert!(!csv.contains("NaN") && !csv.contains("inf"), "{name}");
        }
        let page = read("index.html");
        assert!(page.contains("lambda = 0.983") && !page.contains("page is partial"));
        assert_eq!(page.matches("<svg").count(), 7);
        assert!(!out.join(PARTIAL).exists());
    }

    #[test]
    fn one_that_fails_is_marked_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut experiments = of_the_model();
        experiments.truncate(3);
        experiments[1].make = |_| anyhow::bail!("no luck");
        fs::write(folder.path().join("fig-8b.csv"), "of an earlier run").unwrap();
        let done = run_in(folder.path(), &experiments).unwrap();
        assert!(matches!(&done[1].made, Made::Failed(text) if text == "no luck"));
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let page = read("index.html");
        assert!(
            page.contains("page is partial")
                && page.contains("figure 8b")
                && page.contains("no luck")
        );
        assert_eq!(read(PARTIAL), "Not there (yet): figure 8b\n");
        assert!(folder.path().join("fig-8c.svg").exists());
        assert!(!folder.path().join("fig-8b.csv").exists());
    }

    #[test]
    fn who_wants_to_stop_keeps_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut experiments = of_the_model();
        experiments.truncate(2);
        experiments[1].make = |workshop| {
            let stopped: Vec<()> = workshop.each(3, |_| anyhow::bail!("never mind"))?;
            unreachable!("{stopped:?}")
        };
        let (interrupt, bar) = (Interrupt::default(), ProgressBar::hidden());
        let workshop = Workshop::new(1, &interrupt, &bar);
        let result = run(&workshop, &experiments, folder.path(), "", |_| {
            interrupt.set();
        });
        assert_eq!(result.err().unwrap().to_string(), "interrupted");
        assert!(folder.path().join("fig-8a.svg").exists());
        let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
        assert!(page.contains("page is partial") && page.contains("figure 8b"));
    }

    #[test]
    fn a_folder_that_can_not_be_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = run_in(file.path(), &[]).err().unwrap().to_string();
        assert!(text.starts_with("cannot write to /"), "{text}");
    }

    #[test]
    fn only_its_own_files() {
        let experiment = all().into_iter().find(|e| e.name == "7").unwrap();
        let is_of = |name: &str| is_of(&experiment, Path::new(name));
        assert!(is_of("fig-7.csv") && is_of("x/fig-7.svg") && is_of("fig-7-2.svg"));
        for other in [
            "fig-70.csv",
            "fig-7.txt",
            "fig-7-real.csv",
            "fig-8a.csv",
            "7.csv",
        ] {
            assert!(!is_of(other), "{other}");
        }
    }
}
