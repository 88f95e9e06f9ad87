//! The modules of a crate and what each imports, read from its sources; circles and imports that run upward.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::Visit;

/// The name of a module from the root of its crate, as `count::sort`; that of the root is empty.
type Name = String;

/// A name that a module takes from another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    from: Name,
    to: Name,
    /// The place and the path as they stand in the source.
    text: String,
}

/// The modules of a crate and their imports; tests are left out.
#[derive(Debug)]
pub(crate) struct House {
    modules: BTreeSet<Name>,
    imports: BTreeSet<Import>,
}

impl House {
    /// The crate whose sources are in a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut files = Vec::new();
        collect(folder, folder, &mut files);
        Self::of(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// A crate of such files, by their paths within `src`.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files: Vec<_> = files.into_iter().map(|(path, text)| (module_of(path), path, text)).collect();
        let modules: BTreeSet<Name> = files.iter().map(|(module, ..)| module.clone()).collect();
        let mut imports = BTreeSet::new();
        for (module, path, text) in &files {
            let mut reader = Reader { modules: &modules, module, path, imports: &mut imports };
            reader.visit_file(&syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}")));
        }
        Self { modules, imports }
    }

    /// What is wrong: circles, imports that run upward, modules without a layer; each with the names that tie it.
    ///
    /// `layers` are the rooms at the top of the crate, the lowest first; those of one layer do not know each other.
    pub(crate) fn faults(&self, layers: &[&[&str]]) -> Vec<String> {
        let level = |module: &str| {
            let room = module.split("::").next().unwrap_or_default();
            if room.is_empty() {
                Some(layers.len())
            } else {
                layers.iter().position(|layer| layer.contains(&room))
            }
        };
        let mut faults = Vec::new();
        for module in &self.modules {
            if level(module).is_none() {
                faults.push(format!("{module} stands in no layer: give it one in tests/layers/main.rs"));
            }
        }
        for Import { from, to, text } in &self.imports {
            let same_room = from.split("::").next() == to.split("::").next();
            if !same_room && level(to) >= level(from) {
                faults.push(format!("{from} imports {to}, which does not stand lower: {text}"));
            }
        }
        faults.extend(self.circles());
        faults
    }

    /// Each set of modules that reach one another.
    fn circles(&self) -> Vec<String> {
        let reached: BTreeMap<&Name, BTreeSet<&Name>> =
            self.modules.iter().map(|module| (module, self.reached_from(module))).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for module in &self.modules {
            let circle: BTreeSet<_> =
                reached[module].iter().filter(|other| reached[**other].contains(module)).copied().collect();
            if circle.contains(module) && seen.insert(circle.clone()) {
                let names: Vec<_> = circle.iter().map(|name| name.as_str()).collect();
                let mut text = format!("a circle of {}:", names.join(", "));
                for Import { from, to, text: tie } in &self.imports {
                    if circle.contains(from) && circle.contains(to) {
                        let _ = write!(text, "\n    {from} -> {to}: {tie}");
                    }
                }
                circles.push(text);
            }
        }
        circles
    }

    fn reached_from(&self, start: &Name) -> BTreeSet<&Name> {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(module) = next.pop() {
            for Import { to, .. } in self.imports.iter().filter(|import| import.from == *module) {
                if reached.insert(to) {
                    next.push(to);
                }
            }
        }
        reached
    }

    /// The crate as a drawing in text: its layers, the highest first, and what each file imports.
    pub(crate) fn drawing(&self, layers: &[&[&str]]) -> String {
        let mut out = String::new();
        for layer in layers.iter().rev() {
            for room in *layer {
                for module in self.modules.iter().filter(|module| module.split("::").next() == Some(room)) {
                    let to: BTreeSet<_> = self
                        .imports
                        .iter()
                        .filter(|i| i.from == *module)
                        .map(|i| short(&i.to, room))
                        .collect();
                    let to: Vec<_> = to.into_iter().collect();
                    let _ = writeln!(out, "{:<26} {}", module.replace("::", "/"), to.join(" "));
                }
            }
            out.push('\n');
        }
        out.trim_end().to_owned() + "\n"
    }
}

/// A module as its neighbours in the same room call it, or by its room.
fn short(module: &str, room: &str) -> String {
    match module.strip_prefix(room).and_then(|rest| rest.strip_prefix("::")) {
        Some(rest) => format!("./{rest}"),
        None => module.split("::").next().unwrap_or_default().to_owned(),
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn module_of(path: &str) -> Name {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

/// Reads what one module imports.
struct Reader<'h> {
    modules: &'h BTreeSet<Name>,
    module: &'h Name,
    path: &'h str,
    imports: &'h mut BTreeSet<Import>,
}

impl Reader<'_> {
    /// Notes a path: where it leads to another module of the crate, that is an import.
    fn note(&mut self, segments: &[String], line: usize) {
        let Some(absolute) = self.absolute(segments) else { return };
        let known = (0..=absolute.len()).rev().map(|length| absolute[..length].join("::"));
        let Some(to) = known.into_iter().find(|name| self.modules.contains(name)) else { return };
        if to != *self.module {
            let text = format!("{} (src/{}:{line})", segments.join("::"), self.path);
            self.imports.insert(Import { from: self.module.clone(), to, text });
        }
    }

    /// The path from the root of the crate; `None` where it leads out of it, or to a name of this module.
    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut here: Vec<String> =
            self.module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut rest = segments;
        match rest.first()?.as_str() {
            "crate" => here.clear(),
            "super" | "self" => {
                while rest.first().is_some_and(|part| part == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
                return Some([&here[..], rest.strip_prefix(&["self".to_owned()]).unwrap_or(rest)].concat());
            }
            child => {
                let name = [&here[..], &[child.to_owned()]].concat();
                return self.modules.contains(&name.join("::")).then(|| [&here[..], rest].concat());
            }
        }
        Some(rest[1..].to_vec())
    }

    fn note_tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Name(name) => self.note_leaf(&name.ident, before),
            syn::UseTree::Rename(name) => self.note_leaf(&name.ident, before),
            syn::UseTree::Glob(glob) => self.note(&before.clone(), glob.span().start().line),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.note_tree(item, before)),
        }
    }

    fn note_leaf(&mut self, ident: &syn::Ident, before: &[String]) {
        let name = if ident == "self" { Vec::new() } else { vec![ident.to_string()] };
        self.note(&[before, &name].concat(), ident.span().start().line);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    /// `pub(super)` and `pub(in crate::x)` say who may look, not who is looked at.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments, path.span().start().line);
        }
        syn::visit::visit_path(self, path);
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}
