//! Paths as text, by the rules of Unix: cleaning, joining, cutting.
//!
//! Pure: nothing is looked up. Bytes throughout. Rules: `lua/modules/filepath.md` (Go's
//! `path/filepath`).

/// The shortest path that means the same: without empty, `.` and inner `..` elements; `.` for
/// nothing.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.first() == Some(&b'/');
    let mut kept: Vec<&[u8]> = Vec::new();
    for element in path.split(|byte| *byte == b'/') {
        match element {
            b"" | b"." => {}
            b".." if kept.last().is_some_and(|last| *last != b"..") => drop(kept.pop()),
            // Nothing is above the root.
            b".." if rooted => {}
            _ => kept.push(element),
        }
    }
    let mut out = if rooted { b"/".to_vec() } else { Vec::new() };
    out.extend_from_slice(&kept.join(&b'/'));
    if out.is_empty() { b".".to_vec() } else { out }
}

/// The elements that are not empty, joined and cleaned; nothing for nothing.
pub fn join<T: AsRef<[u8]>>(elements: &[T]) -> Vec<u8> {
    let elements: Vec<&[u8]> =
        elements.iter().map(AsRef::as_ref).filter(|element| !element.is_empty()).collect();
    if elements.is_empty() { Vec::new() } else { clean(&elements.join(&b'/')) }
}

/// What stands up to the last `/`, with it, and what follows.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    path.split_at(at)
}

/// The last element; `.` for nothing, `/` for the root.
pub fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let trimmed = trim_end(path);
    if trimmed.is_empty() { b"/" } else { split(trimmed).1 }
}

/// All but the last element, cleaned.
pub fn dir(path: &[u8]) -> Vec<u8> {
    clean(split(path).0)
}

/// From the last dot of the last element on, with it.
pub fn extension(path: &[u8]) -> &[u8] {
    let name = split(path).1;
    name.iter().rposition(|byte| *byte == b'.').and_then(|at| name.get(at..)).unwrap_or_default()
}

/// The two cannot be related without knowing the working directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Unrelated;

/// The path that leads from `base` to `target`.
///
/// # Errors
/// [`Unrelated`] if only one of them is absolute, or if `base` goes up out of where `target`
/// starts.
pub fn relative(base: &[u8], target: &[u8]) -> Result<Vec<u8>, Unrelated> {
    let (base, target) = (clean(base), clean(target));
    if base == target {
        return Ok(b".".to_vec());
    }
    if (base.first() == Some(&b'/')) != (target.first() == Some(&b'/')) {
        return Err(Unrelated);
    }
    let (base, target) = (elements(&base), elements(&target));
    let shared = base.iter().zip(&target).take_while(|(base, target)| base == target).count();
    let (up, down) =
        (base.get(shared..).unwrap_or_default(), target.get(shared..).unwrap_or_default());
    if up.contains(&&b".."[..]) {
        return Err(Unrelated);
    }
    let path: Vec<&[u8]> = up.iter().map(|_| &b".."[..]).chain(down.iter().copied()).collect();
    Ok(path.join(&b'/'))
}

/// The elements of a cleaned path.
fn elements(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|element| !element.is_empty() && *element != b".")
        .collect()
}

fn trim_end(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    path.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: impl AsRef<[u8]>) -> String {
        String::from_utf8_lossy(bytes.as_ref()).into_owned()
    }

    #[test]
    fn clean_keeps_the_meaning() {
        for (path, cleaned) in [
            ("", "."),
            ("/", "/"),
            ("//", "/"),
            ("a//b/", "a/b"),
            ("./a/.", "a"),
            ("/a/./b/../c//d", "/a/c/d"),
            ("a/../..", ".."),
            ("../../a", "../../a"),
            ("/../a", "/a"),
            ("a/..", "."),
        ] {
            assert_eq!(text(clean(path.as_bytes())), cleaned, "{path}");
        }
    }

    #[test]
    fn a_path_is_cut_at_its_last_element() {
        for (path, name, folder, ending) in [
            ("/a/b.txt", "b.txt", "/a", ".txt"),
            ("", ".", ".", ""),
            ("/", "/", "/", ""),
            ("a", "a", ".", ""),
            ("a/b/", "b", "a/b", ""),
            (".bashrc", ".bashrc", ".", ".bashrc"),
            ("a.d/b", "b", "a.d", ""),
            ("/a.tar.gz", "a.tar.gz", "/", ".gz"),
        ] {
            let path = path.as_bytes();
            assert_eq!(
                (text(base(path)), text(dir(path)), text(extension(path))),
                (name.into(), folder.into(), ending.into())
            );
        }
    }

    #[test]
    fn relative_leads_from_one_to_the_other() {
        for (from, to, way) in [
            ("/a", "/a/b/c", Some("b/c")),
            ("/a/b", "/a/c", Some("../c")),
            ("a/b", "a/b/.", Some(".")),
            ("/a/b", "/", Some("../..")),
            (".", "a", Some("a")),
            ("a", ".", Some("..")),
            ("..", "../a", Some("a")),
            ("/a", "b", None),
            ("..", "a", None),
            ("../a", "b", None),
        ] {
            assert_eq!(
                relative(from.as_bytes(), to.as_bytes()).ok().map(text).as_deref(),
                way,
                "{from} {to}"
            );
        }
    }

    fn path() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            proptest::sample::select(vec!["/", ".", "..", "a", "b", "//"]),
            0..12,
        )
        .prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(path in path()) {
            let once = clean(&path);
            prop_assert_eq!(clean(&once), once);
        }

        #[test]
        fn a_relative_path_arrives(from in path(), to in path()) {
            if let Ok(way) = relative(&from, &to) {
                let start = if from.is_empty() { b".".to_vec() } else { from };
                prop_assert_eq!(join(&[start, way]), clean(&to));
            }
        }

        #[test]
        fn folder_and_name_make_the_path(path: Vec<u8>) {
            let (folder, name) = split(&path);
            prop_assert_eq!([folder, name].concat(), path);
        }
    }
}
