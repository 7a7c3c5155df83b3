//! What a URL says about a query.

use crate::queueing::workload::Class;

/// In the URL of every wiki page, says the paper.
const PAPERS: &[u8] = b"/wiki/index.php/";
const ENGLISH: [&[u8]; 3] = [
    b"en.wikipedia.org/",
    b"en.m.wikipedia.org/",
    b"upload.wikimedia.org/wikipedia/en/",
];

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Host and path.
fn without_scheme(url: &[u8]) -> &[u8] {
    let url = url.strip_prefix(b"http://").unwrap_or(url);
    url.strip_prefix(b"https://").unwrap_or(url)
}

/// Is it the English Wikipedia's, or one that the paper's generator has made out of one?
pub fn is_english(url: &[u8]) -> bool {
    let rest = without_scheme(url);
    ENGLISH.iter().any(|site| rest.starts_with(site)) || contains(url, PAPERS)
}

/// A wiki page's, or a static one's?
pub fn class_of(url: &[u8]) -> Class {
    let rest = without_scheme(url);
    let slash = rest.iter().position(|&byte| byte == b'/');
    let (host, path) = rest.split_at(slash.unwrap_or(rest.len()));
    let is_page = path.starts_with(b"/wiki/") || path.starts_with(b"/w/index.php");
    match contains(url, PAPERS) || (host.ends_with(b".wikipedia.org") && is_page) {
        true => Class::Wiki,
        false => Class::Static,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_what_belongs_to_them() {
        for (url, is_wiki, english) in [
            ("http://[fd00::1]/wiki/index.php/Main_Page", true, true),
            ("http://en.wikipedia.org/wiki/Main_Page", true, true),
            (
                "http://en.wikipedia.org/w/index.php?title=A&action=edit",
                true,
                true,
            ),
            (
                "http://en.wikipedia.org/skins-1.5/monobook/main.css",
                false,
                true,
            ),
            (
                "http://upload.wikimedia.org/wikipedia/en/b/bc/Wiki.png",
                false,
                true,
            ),
            (
                "http://upload.wikimedia.org/wikipedia/commons/a.png",
                false,
                false,
            ),
            ("http://de.wikipedia.org/wiki/Hauptseite", true, false),
            ("/wiki/index.php/A", true, true),
            ("/wiki/skins/common/a.css", false, false),
            ("", false, false),
        ] {
            let wiki = class_of(url.as_bytes()) == Class::Wiki;
            let is_en = is_english(url.as_bytes());
            assert_eq!((wiki, is_en), (is_wiki, english), "{url}");
        }
    }
}
