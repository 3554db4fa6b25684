//! One tree from a file and the files it includes, then the patches.
//!
//! `includes.required`, `.optional`, then the same two of the selected environment, each laid on
//! the ones before; the including file comes last. Maps merge deeply, lists are replaced. Patches
//! are collected in the same order (an included file's before the including one's) and applied to
//! the merged tree. All files are of one format. Bounds: [`FILE_BYTES_MAX`], [`FILES_MAX`].

use crate::config::format::{self, Format};
use crate::config::node::{Kind, Node, OWN_NAMES};
use crate::config::problem::{Problem, Report, Wrong};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The merged tree of `file` and what it includes, and every file that was read. `environment`
/// selects an environment's includes instead of the file's own `env`.
pub(super) fn read(
    file: &Path,
    format: Format,
    environment: Option<String>,
    report: &mut Report,
) -> Result<(Node, Vec<PathBuf>), Problem> {
    let mut reader = Reader {
        format,
        environment,
        files: Vec::new(),
        open: Vec::new(),
        patches: Vec::new(),
        report,
    };
    let mut tree = reader.file(file, None)?;
    for patch in std::mem::take(&mut reader.patches) {
        if let Err(wrong) = patch.apply(&mut tree) {
            reader.report.wrong(&patch.value.mark, "patch", wrong);
        }
    }
    let files = reader.files;
    Ok((tree, files))
}

struct Reader<'a> {
    format: Format,
    environment: Option<String>,
    files: Vec<PathBuf>,
    /// The files being read, the outermost first, by their real names.
    open: Vec<PathBuf>,
    patches: Vec<Patch>,
    report: &'a mut Report,
}

impl Reader<'_> {
    /// One file laid on all that it includes. `included_at` is where another file names it.
    fn file(&mut self, file: &Path, included_at: Option<&Node>) -> Result<Node, Problem> {
        let origin: Arc<str> = file.display().to_string().into();
        let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        if self.open.contains(&real) {
            return Err(at(
                included_at,
                &origin,
                format!("include cycle: {origin} includes itself"),
            ));
        }
        if self.files.len() >= FILES_MAX {
            return Err(at(included_at, &origin, format!("more than {FILES_MAX} files")));
        }
        let text = text_of(file).map_err(|wrong| at(included_at, &origin, wrong))?;
        let mut own = format::parse(self.format, &text, &origin)?;
        let report = &mut *self.report;
        own.fold_keys(&mut |mark, key| {
            report.wrong(mark, key, Wrong::new("is given twice, in different case"))
        });
        self.files.push(file.to_owned());
        self.open.push(real);
        let tree = self.with_includes(file, own);
        self.open.pop();
        tree
    }

    fn with_includes(&mut self, file: &Path, mut own: Node) -> Result<Node, Problem> {
        let mut tree = Node::new(Kind::Null, own.mark.clone());
        if let Some(environment) = own.remove("env") {
            match environment.kind {
                Kind::Scalar(name) => self.environment = self.environment.take().or(Some(name)),
                Kind::Null => {}
                _ => self.report.wrong(
                    &environment.mark,
                    "env",
                    Wrong::new("must be a single value"),
                ),
            }
        }
        if let Some(includes) = own.remove("includes") {
            for (name, is_required) in self.includes(&includes) {
                let Kind::Scalar(text) = &name.kind else { continue };
                let path = file.parent().unwrap_or(Path::new("")).join(text);
                if is_required || path.exists() {
                    let below = self.file(&path, Some(&name))?;
                    tree.merge(below);
                }
            }
        }
        if let Some(patches) = own.remove("patch") {
            self.patches_of(patches);
        }
        tree.merge(own);
        Ok(tree)
    }

    /// The files that a block of includes names, and whether each must exist.
    fn includes(&mut self, block: &Node) -> Vec<(Node, bool)> {
        self.known_keys(block, "includes", &["required", "optional", "env"]);
        let mut files = self.includes_of_one(block, "includes");
        if let (Some(environments), Some(name)) = (block.child("env"), self.environment.clone())
            && let Some(own) =
                environments.child(&name).or_else(|| environments.child(&name.to_ascii_lowercase()))
        {
            let path = format!("includes.env.{name}");
            let own = own.clone();
            self.known_keys(&own, &path, &["required", "optional"]);
            files.extend(self.includes_of_one(&own, &path));
        }
        files
    }

    fn includes_of_one(&mut self, block: &Node, path: &str) -> Vec<(Node, bool)> {
        let mut files = Vec::new();
        for (key, is_required) in [("required", true), ("optional", false)] {
            let Some(node) = block.child(key) else { continue };
            let names = match &node.kind {
                Kind::List(names) => names.clone(),
                Kind::Scalar(_) => vec![node.clone()],
                Kind::Null => Vec::new(),
                Kind::Map(_) => {
                    self.report.wrong(
                        &node.mark,
                        &format!("{path}.{key}"),
                        Wrong::new("must be a list of file names"),
                    );
                    continue;
                }
            };
            for name in names {
                match &name.kind {
                    Kind::Scalar(text) if !text.is_empty() => files.push((name, is_required)),
                    _ => self.report.wrong(
                        &name.mark,
                        &format!("{path}.{key}"),
                        Wrong::new("must be a file name"),
                    ),
                }
            }
        }
        files
    }

    fn known_keys(&mut self, node: &Node, path: &str, known: &[&str]) {
        match &node.kind {
            Kind::Map(entries) => {
                for (key, node) in entries.iter().filter(|(key, _)| !known.contains(&key.as_str()))
                {
                    let wrong = Wrong::new("unknown key").allowed(known.join(", "));
                    self.report.wrong(&node.mark, &format!("{path}.{key}"), wrong);
                }
            }
            Kind::Null => {}
            _ => self.report.wrong(
                &node.mark,
                path,
                Wrong::new("must be a section of keys and values"),
            ),
        }
    }

    fn patches_of(&mut self, list: Node) {
        let Kind::List(patches) = list.kind else {
            if list.kind != Kind::Null {
                self.report.wrong(&list.mark, "patch", Wrong::new("must be a list"));
            }
            return;
        };
        for (index, node) in patches.into_iter().enumerate() {
            let path = format!("patch[{index}]");
            self.known_keys(&node, &path, &["op", "path", "value"]);
            match Patch::read(&node) {
                Ok(patch) => self.patches.push(patch),
                Err(wrong) => self.report.wrong(&node.mark, &path, wrong),
            }
        }
    }
}

struct Patch {
    op: PatchOp,
    /// Keys from the root; not empty.
    path: Vec<String>,
    value: Node,
}

enum PatchOp {
    Add,
    Replace,
    Remove,
}

impl Patch {
    fn read(node: &Node) -> Result<Patch, Wrong> {
        let text = |key: &str| match node.child(key).map(|node| &node.kind) {
            Some(Kind::Scalar(text)) if !text.is_empty() => Ok(text.clone()),
            _ => Err(Wrong::new(format!("needs {key:?}"))),
        };
        let op = match text("op")?.as_str() {
            "add" => PatchOp::Add,
            "replace" => PatchOp::Replace,
            "remove" => PatchOp::Remove,
            other => {
                return Err(
                    Wrong::new(format!("unknown op {other:?}")).allowed("add, replace, remove")
                );
            }
        };
        let path: Vec<String> = text("path")?.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(Wrong::new("\"path\" holds an empty key"));
        }
        let mut value =
            node.child("value").cloned().ok_or_else(|| Wrong::new("needs \"value\""))?;
        value.mark = node.mark.clone();
        Ok(Patch { op, path, value })
    }

    fn apply(&self, tree: &mut Node) -> Result<(), Wrong> {
        let make = !matches!(self.op, PatchOp::Remove);
        let target = self.target(tree, make)?;
        match self.op {
            PatchOp::Replace => *target = self.value.clone(),
            PatchOp::Add => self.add(target)?,
            PatchOp::Remove => self.remove(target)?,
        }
        Ok(())
    }

    fn target<'t>(&self, tree: &'t mut Node, make: bool) -> Result<&'t mut Node, Wrong> {
        let mut node = tree;
        let mut keeps_case = false;
        for key in &self.path {
            let key = if keeps_case { key.clone() } else { key.to_ascii_lowercase() };
            keeps_case = !keeps_case && OWN_NAMES.contains(&key.as_str());
            if node.kind == Kind::Null && make {
                node.kind = Kind::Map(Vec::new());
            }
            let Kind::Map(entries) = &mut node.kind else {
                return Err(Wrong::new(format!(
                    "{:?}: {key:?} is in no section",
                    self.path.join(".")
                )));
            };
            if make && !entries.iter().any(|(name, _)| *name == key) {
                entries.push((key.clone(), Node::new(Kind::Null, self.value.mark.clone())));
            }
            let found = entries.iter_mut().find(|(name, _)| *name == key).map(|(_, node)| node);
            node = found
                .ok_or_else(|| Wrong::new(format!("{:?} does not exist", self.path.join("."))))?;
        }
        Ok(node)
    }

    fn add(&self, target: &mut Node) -> Result<(), Wrong> {
        match (&mut target.kind, &self.value.kind) {
            (Kind::Null, Kind::List(_)) => *target = self.value.clone(),
            (Kind::Null, _) => {
                *target = Node::new(Kind::List(vec![self.value.clone()]), self.value.mark.clone())
            }
            (Kind::List(elements), Kind::List(more)) => elements.extend(more.iter().cloned()),
            (Kind::List(elements), _) => elements.push(self.value.clone()),
            (Kind::Map(_), Kind::Map(_)) => target.merge(self.value.clone()),
            _ => return Err(self.unfit()),
        }
        Ok(())
    }

    fn remove(&self, target: &mut Node) -> Result<(), Wrong> {
        let values = match &self.value.kind {
            Kind::List(values) => values.as_slice(),
            _ => std::slice::from_ref(&self.value),
        };
        match &mut target.kind {
            Kind::List(elements) => {
                elements.retain(|element| !values.iter().any(|value| value.same(element)))
            }
            Kind::Map(entries) => entries.retain(|(key, _)| {
                !values.iter().any(|value| value.kind == Kind::Scalar(key.clone()))
            }),
            _ => return Err(self.unfit()),
        }
        Ok(())
    }

    fn unfit(&self) -> Wrong {
        Wrong::new(format!(
            "{:?} is neither a list nor a section that takes this value",
            self.path.join(".")
        ))
    }
}

fn at(included_at: Option<&Node>, origin: &Arc<str>, wrong: String) -> Problem {
    let problem = Problem::of_file(origin.clone(), wrong);
    match included_at {
        Some(node) => Problem {
            origin: node.mark.origin.clone(),
            line: node.mark.line,
            path: "includes".to_owned(),
            wrong: format!("{origin}: {}", problem.wrong),
            ..problem
        },
        None => problem,
    }
}

fn text_of(file: &Path) -> Result<String, String> {
    match crate::files::read(file, FILE_BYTES_MAX) {
        Err(e) if e.kind() == ErrorKind::NotFound => Err("the file does not exist".to_owned()),
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::FileTooLarge) => {
            Err(format!("the file {e}"))
        }
        Err(e) => Err(format!("the file cannot be read: {e}")),
        Ok(bytes) => String::from_utf8(bytes).map_err(|e| {
            format!("the file is not UTF-8 from byte {}", e.utf8_error().valid_up_to())
        }),
    }
}

/// A hundred times the longest real file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A cycle is found long before; this stops a tree of includes that doubles at each level.
const FILES_MAX: usize = 256;
