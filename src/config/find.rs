//! Finds the configuration file when none was named.
//!
//! Our name first in every directory, then the original's, so that an existing installation starts
//! unchanged.

use crate::config::problem::Problem;
use std::path::{Path, PathBuf};

/// The first file there is.
pub(super) fn find(home: Option<&str>) -> Result<PathBuf, Problem> {
    let system = Path::new("/");
    let directories = NAMES.map(|name| (name, directories(name, home, system)));
    directories.iter().find_map(|(name, directories)| find_in(name, directories)).ok_or_else(|| {
        let places: Vec<String> = directories
            .iter()
            .flat_map(|(name, all)| all.iter().map(move |dir| format!("{}/{name}", dir.display())))
            .collect();
        Problem::of_file(
            "",
            format!(
                "no configuration file found; looked for {} with the extensions {}",
                places.join(", "),
                EXTENSIONS.join(", ")
            ),
        )
    })
}

fn directories(name: &str, home: Option<&str>, system: &Path) -> Vec<PathBuf> {
    let home =
        home.filter(|home| !home.is_empty()).map(|home| Path::new(home).join(format!(".{name}")));
    let system = [system.join("usr/local/etc").join(name), system.join("etc").join(name)];
    [PathBuf::from(".")].into_iter().chain(home).chain(system).collect()
}

/// A directory earlier in the list wins over a better extension in a later one.
fn find_in(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let files = directories.iter().flat_map(|directory| {
        EXTENSIONS.map(|extension| directory.join(format!("{name}.{extension}")))
    });
    files.into_iter().find(|file| file.is_file())
}

const NAMES: [&str; 2] = ["loligo", "nauthilus"];

const EXTENSIONS: [&str; 4] = ["yaml", "yml", "json", "toml"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::TestDir;

    #[test]
    fn directories_are_searched_in_order() {
        let all = directories("loligo", Some("/home/ann"), Path::new("/"));
        assert_eq!(
            all,
            [".", "/home/ann/.loligo", "/usr/local/etc/loligo", "/etc/loligo"].map(PathBuf::from)
        );
        assert_eq!(directories("loligo", None, Path::new("/")).len(), 3);
    }

    #[test]
    fn a_directory_wins_over_an_extension_and_yaml_over_json() {
        let dir = TestDir::new();
        let (first, second) = (dir.path("first"), dir.path("second"));
        let all = [first.clone(), second.clone()];
        assert_eq!(find_in("loligo", &all), None);
        dir.write("second/loligo.yaml", "");
        assert_eq!(find_in("loligo", &all), Some(second.join("loligo.yaml")));
        dir.write("first/loligo.toml", "");
        assert_eq!(find_in("loligo", &all), Some(first.join("loligo.toml")));
        dir.write("first/loligo.json", "");
        assert_eq!(find_in("loligo", &all), Some(first.join("loligo.json")));
        dir.write("first/loligo.yml", "");
        dir.write("first/loligo.conf", "");
        assert_eq!(find_in("loligo", &all), Some(first.join("loligo.yml")));
        assert_eq!(find_in("nauthilus", &all), None);
    }
}
