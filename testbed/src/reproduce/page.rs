//! One page with everything: claims first, then the figures.

use std::fmt::Write;

use super::chart;
use super::claim::{Claim, Verdict};
use super::figure::Figure;
use super::run::{count, Done, Made};

const STYLE: &str = "body{font-family:sans-serif;max-width:62em;margin:2em auto;padding:0 1em;line-height:1.4}\
table{border-collapse:collapse;font-size:.9em}td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}\
.missed,.partial{color:#b00}.finding{color:#555}blockquote{border-left:3px solid #ccc;margin:.5em 0;padding-left:1em;color:#333}\
.why{font-size:.9em;color:#333}svg{max-width:100%;height:auto}section{break-inside:avoid;margin-top:2.5em}\
figure{margin:1em 0}figcaption{font-weight:bold}@media print{a{color:black;text-decoration:none}}";

/// The page. `missing` names the figures that were asked for and are not there, `provenance` says how it came about.
pub fn render(done: &[Done], missing: &[String], provenance: &str) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>6LB, reproduced by srlb</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>6LB, reproduced by srlb</h1>\n\
         <p>Each figure of the paper (Desmouceaux et al., 6LB, IEEE/ACM Transactions on Networking 2018), and what it says, \
         beside what our engines do; then what we asked beyond it.</p>\n"
    );
    if !missing.is_empty() {
        let names = escaped(&missing.join(", "));
        let _ = writeln!(
            page,
            "<p class=\"partial\">This page is partial. Not there (yet): {names}.</p>"
        );
    }
    page += &summary(done);
    done.iter().for_each(|done| page += &section(done));
    let _ = writeln!(
        page,
        "<h2>How it came about</h2>\n<p>{}</p>",
        escaped(provenance)
    );
    page + "</body></html>\n"
}

/// How many claims are met, and all of them.
fn summary(done: &[Done]) -> String {
    let (met, missed) = (count(done, Verdict::Met), count(done, Verdict::Missed));
    let mut text = format!(
        "<p>{met} of {} claims are met, {missed} missed; {} findings are ours alone.</p>\n\
         <table><tr><th>figure</th><th>claim</th><th>paper</th><th>ours</th><th>verdict</th></tr>\n",
        met + missed,
        count(done, Verdict::Finding),
    );
    for done in done {
        let claims = done.figure().map_or(&[][..], |figure| &figure.claims);
        claims
            .iter()
            .for_each(|claim| text += &row(done.experiment.name, claim));
    }
    text + "</table>\n"
}

fn row(name: &str, claim: &Claim) -> String {
    let class = match claim.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::Finding => "finding",
    };
    let cells = [&claim.what, &claim.paper, &claim.ours];
    let cells = cells.map(|text| format!("<td>{}</td>", escaped(text)));
    let cells = cells.concat();
    let verdict = claim.verdict.name();
    format!(
        "<tr><td><a href=\"#{name}\">{name}</a></td>{cells}<td class=\"{class}\">{verdict}</td></tr>\n"
    )
}

fn section(done: &Done) -> String {
    let experiment = &done.experiment;
    let mut label = experiment.label();
    label[..1].make_ascii_uppercase();
    let mut text = format!(
        "<section id=\"{}\"><h2>{label}: {}</h2>\n",
        experiment.name,
        escaped(experiment.title)
    );
    if !experiment.paper.is_empty() {
        let _ = writeln!(
            text,
            "<blockquote>{}</blockquote>",
            escaped(experiment.paper)
        );
    }
    match &done.made {
        Made::Figure(figure) => text += &body(experiment.name, figure),
        Made::Skipped(why) => text += &absent("skipped", why),
        Made::Failed(how) => text += &absent("failed", how),
    }
    text + "</section>\n"
}

fn absent(what: &str, why: &str) -> String {
    format!("<p class=\"partial\">{what}: {}</p>\n", escaped(why))
}

fn body(name: &str, figure: &Figure) -> String {
    let mut text = String::new();
    for panel in &figure.panels {
        let title = match panel.title.as_str() {
            "" => String::new(),
            title => format!("<figcaption>{}</figcaption>", escaped(title)),
        };
        let _ = writeln!(text, "<figure>{title}{}</figure>", chart::draw(panel));
    }
    let _ = writeln!(
        text,
        "<p>{} (<a href=\"fig-{name}.csv\">CSV</a>)</p>",
        escaped(&figure.note)
    );
    for claim in figure.claims.iter().filter(|claim| !claim.why.is_empty()) {
        let (what, why) = (escaped(&claim.what), escaped(&claim.why));
        let ours = escaped(&claim.ours);
        let verdict = claim.verdict.name();
        let _ = writeln!(
            text,
            "<p class=\"why\"><b>{what}: {ours} ({verdict}).</b> {why}</p>"
        );
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::{all, Figure};

    #[test]
    fn claims_and_reasons_are_on_it() {
        let claims = vec![
            Claim::new("speed & more", "2.3x", "2.1x", false).because("cores < ours"),
            Claim::finding("best c", "6"),
        ];
        let figure = Figure {
            panels: Vec::new(),
            claims,
            note: "so many runs".into(),
        };
        let experiments = all();
        let done = [
            Done {
                experiment: experiments[0],
                made: Made::Figure(figure),
            },
            Done {
                experiment: experiments[1],
                made: Made::Skipped("needs root".into()),
            },
        ];
        let page = render(&done, &["figure 8a".into()], "commit abc");
        for expected in [
            "0 of 1 claims are met, 1 missed; 1 findings",
            "<td>speed &amp; more</td><td>2.3x</td><td>2.1x</td><td class=\"missed\">missed</td>",
            "cores &lt; ours",
            "skipped: needs root",
            "Not there (yet): figure 8a.",
            "commit abc",
            "href=\"fig-5.csv\"",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
    }
}
