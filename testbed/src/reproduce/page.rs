//! One page with everything: claims first, then the figures.

use std::fmt::Write;

use super::chart;
use super::figure::{Claim, Verdict};
use super::run::Done;

const STYLE: &str = "body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left}\
.missed{color:#b00}svg{max-width:100%}section{break-inside:avoid}";

/// The page. `missing` names the figures that were asked for and are not there.
pub fn render(done: &[Done], missing: &[&str]) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>6LB, reproduced</title>\n\
         <style>{STYLE}</style></head><body>\n<h1>6LB, reproduced</h1>\n"
    );
    if !missing.is_empty() {
        let names = missing.join(", ");
        let _ = writeln!(
            page,
            "<p class=\"missed\">This page is partial: figures {names} are missing.</p>"
        );
    }
    page += "<table><tr><th>figure</th><th>claim</th><th>paper</th><th>ours</th><th>verdict</th></tr>\n";
    for done in done {
        done.figure
            .claims
            .iter()
            .for_each(|claim| page += &row(done.name, claim));
    }
    page += "</table>\n";
    for done in done {
        let _ = writeln!(
            page,
            "<section><h2>Figure {}: {}</h2>\n{}<p>{}</p></section>",
            done.name,
            escaped(done.title),
            chart::draw(&done.figure),
            escaped(&done.figure.note),
        );
    }
    page + "</body></html>\n"
}

fn row(figure: &str, claim: &Claim) -> String {
    let verdict = match claim.verdict {
        Verdict::Met => "<td>met</td>",
        Verdict::Missed => "<td class=\"missed\">missed</td>",
    };
    let cells = [figure, &claim.what, &claim.paper, &claim.ours]
        .map(|text| format!("<td>{}</td>", escaped(text)));
    format!("<tr>{}{verdict}</tr>\n", cells.concat())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
