//! A file read again: what stands in it as it stood before is not parsed another time.
//!
//! A pool's file is long, packets wait for it to be read after a reload, and most changes concern one server or one generation. Its text falls into pieces, one
//! for each `[[server]]`, `[[vip]]` and `[[generation]]` with the tables that belong to it, and what is in front of them. Pieces that are new are parsed together as a
//! file of their own. Where lines alone can't tell what a piece is, or anything is wrong, there is no short way: the whole file is parsed, and that says what is wrong.

use std::collections::HashMap;
use std::path::Path;

use daemon::config;

use super::file::Raw;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Server,
    Vip,
    Generation,
}

/// What `text` says, if `before` is what `old_text` says; none where it takes more than this to find out.
pub(super) fn read(text: &str, old_text: &str, before: &Raw) -> Option<Raw> {
    let mut known = HashMap::new();
    let mut counts = [0; 3];
    for (kind, piece) in pieces(old_text)?.1 {
        let count = &mut counts[kind as usize];
        known.insert((kind, piece), *count);
        *count += 1;
    }
    let there = [
        before.server.len(),
        before.vip.len(),
        before.generation.len(),
    ];
    if counts != there {
        return None;
    }
    let (head, pieces) = pieces(text)?;
    let mut rest = head.to_owned();
    for new in pieces.iter().filter(|piece| !known.contains_key(piece)) {
        rest += new.1;
    }
    let mut fresh = config::parse::<Raw>(Path::new(""), rest).ok()?.value;
    let mut servers = Mixed::new(&before.server, &mut fresh.server);
    let mut vips = Mixed::new(&before.vip, &mut fresh.vip);
    let mut generations = Mixed::new(&before.generation, &mut fresh.generation);
    for piece in &pieces {
        let place = known.get(piece).copied();
        match piece.0 {
            Kind::Server => servers.add(place),
            Kind::Vip => vips.add(place),
            Kind::Generation => generations.add(place),
        }?;
    }
    Some(Raw {
        server: servers.all()?,
        vip: vips.all()?,
        generation: generations.all()?,
        ..fresh
    })
}

/// A list of which some is known, and the rest new.
struct Mixed<'a, T> {
    known: &'a [T],
    fresh: std::vec::IntoIter<T>,
    all: Vec<T>,
}

impl<'a, T: Clone> Mixed<'a, T> {
    fn new(known: &'a [T], fresh: &mut Vec<T>) -> Self {
        Mixed {
            known,
            fresh: std::mem::take(fresh).into_iter(),
            all: Vec::with_capacity(known.len() + 1),
        }
    }

    /// The next is what was in this place, or else the next that is new.
    fn add(&mut self, place: Option<usize>) -> Option<()> {
        let next = match place {
            Some(place) => self.known.get(place).cloned(),
            None => self.fresh.next(),
        };
        self.all.push(next?);
        Some(())
    }

    /// All of them, if nothing new is left.
    fn all(self) -> Option<Vec<T>> {
        self.fresh.as_slice().is_empty().then_some(self.all)
    }
}

/// What is in front, and the pieces in their order. None if a line looks like the beginning of something else.
fn pieces(text: &str) -> Option<(&str, Vec<(Kind, &str)>)> {
    // What stands between such quotes may look like anything.
    if text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let mut starts: Vec<(Kind, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if !line.trim_start().starts_with('[') {
            continue;
        }
        let kind = match line.trim_end() {
            "[[server]]" => Kind::Server,
            "[[vip]]" => Kind::Vip,
            "[[generation]]" => Kind::Generation,
            header => {
                let in_generation = starts.last().is_some_and(|last| last.0 == Kind::Generation);
                if in_generation && header.starts_with("[generation.") {
                    continue;
                }
                return None;
            }
        };
        starts.push((kind, start));
    }
    let ends = starts.iter().skip(1).map(|&(_, start)| start);
    let ends = ends.chain([text.len()]);
    let pieces = starts.iter().zip(ends);
    let pieces = pieces.map(|(&(kind, start), end)| (kind, &text[start..end]));
    let head = &text[..starts.first().map_or(text.len(), |&(_, start)| start)];
    // There the same lists could begin in other words, or the same words be in quotes.
    let begins = ["server", "vip", "generation", "\"", "'"];
    let is_other = |line: &str| {
        begins
            .iter()
            .any(|word| line.trim_start().starts_with(word))
    };
    if head.lines().any(is_other) {
        return None;
    }
    Some((head, pieces.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = r#"# a pool
cluster_key = "000102030405060708090a0b0c0d0e0f"
[[server]]
name = "s1"
locator = "fd00:5e:1::/64"

[[server]] 
name = "s2"
locator = "fd00:5e:2::/64"
[[vip]]
name = "web"
address = "2001:db8:80::1"
[[generation]]
number = 1
state = "kept"
[generation.members.web]
s1 = 1
[generation.drain]
web = [
  "s2",
]
[[generation]]
number = 2
state = "active"
[generation.members.web]
s1 = 1
s2 = 7"#;

    fn parsed(text: &str) -> Option<Raw> {
        let document = config::parse::<Raw>(Path::new("pool.toml"), text.to_owned());
        document.ok().map(|document| document.value)
    }

    fn words(raw: &Raw) -> String {
        format!("{raw:?}")
    }

    /// Read again after `before`, it is what it is when it is parsed; says whether that took the short way.
    fn is_short(text: &str, before: &str) -> bool {
        let again = read(
            text,
            before,
            &parsed(before).expect("what was before is right"),
        );
        if let Some(again) = &again {
            let whole = parsed(text).expect("what is wrong takes no short way");
            assert_eq!(words(again), words(&whole), "{text}");
        }
        again.is_some()
    }

    #[test]
    fn a_change_takes_the_short_way_and_is_read_as_a_whole_file_is() {
        for (from, to) in [
            ("", ""),
            ("7", "8"),
            ("000102", "ff0102"),
            ("# a pool", "buckets = 251"),
            ("\"active\"", "\"kept\""),
            ("fd00:5e:1::", "fd00:5e:9::"),
            (
                "[[vip]]",
                "[[server]]\nname = \"s3\"\nlocator = \"fd00:5e:3::/64\"\n[[vip]]",
            ),
            (
                "s2 = 7",
                "s2 = 7\n[[generation]]\nnumber = 3\nstate = \"draft\"\n",
            ),
            (
                "s2 = 7",
                "s2 = 7\n[[server]]\nname = \"s0\"\nlocator = \"fd00:5e::/64\"",
            ),
            (
                "[[server]] \nname = \"s2\"\nlocator = \"fd00:5e:2::/64\"\n",
                "",
            ),
            ("s2 = 7", "s2 = 7\n"),
            ("number = 1", "number = 1\r"),
        ] {
            let other = POOL.replacen(from, to, 1);
            assert!(is_short(&other, POOL), "{from} -> {to}");
            assert!(is_short(POOL, &other), "{to} -> {from}");
        }
        let (first, second) = POOL.split_at(POOL.find("[[vip]]").unwrap());
        let (vip, generations) = second.split_at(second.find("[[generation]]").unwrap());
        assert!(
            is_short(&format!("{first}{generations}\n{vip}"), POOL),
            "another order"
        );
        assert!(
            is_short(&POOL.replace("\"s1\"", "\"s2\""), POOL),
            "two of a kind"
        );
    }

    #[test]
    fn what_lines_do_not_tell_takes_the_long_way() {
        for (from, to) in [
            ("name = \"web\"", "name = \"\"\"web\"\"\""),
            ("name = \"web\"", "name = '''web'''"),
            ("[[vip]]", "[[ vip ]]"),
            ("[[vip]]", " [[vip]]"),
            ("[[vip]]", "[[vip]] # one"),
            ("  \"s2\",\n", "  \"s2\",\n  []"),
            ("[generation.members.web]", "[generation.members]\nweb = { s1 = 1 }\n[[server]]\nname = \"s4\"\nlocator = \"fd00:5e:4::/64\"\n[generation.drain]"),
            ("[[server]]\nname = \"s1\"", "[server]\nname = \"s1\""),
            ("# a pool", "server = []"),
            ("# a pool", "cluster_key = \"\""),
            ("number = 2", "number = \"two\""),
            ("number = 2", "number = 2\ncolour = \"red\""),
        ] {
            let other = POOL.replacen(from, to, 1);
            assert_ne!(other, POOL, "{from}");
            assert!(!is_short(&other, POOL), "{from} -> {to}");
            if parsed(&other).is_some() {
                assert!(!is_short(POOL, &other), "{to} -> {from}");
            }
        }
    }
}
