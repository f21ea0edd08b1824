//! The rules of the house, held against the sources themselves.
//!
//! Every rule is a function from a tree of files to what is wrong with it. It is run over the
//! project, and over a small tree with the fault planted, so that no rule can pass by looking away.

mod doors;
mod house;
mod papers;
mod shape;
mod source;

use source::Tree;

/// A rule, and a tree that breaks it.
struct Rule {
    name: &'static str,
    check: fn(&Tree) -> Vec<String>,
    /// Files that break the rule, each on its own.
    broken: &'static [(&'static str, &'static str)],
    /// Files that come close and keep it, all together.
    kept: &'static [(&'static str, &'static str)],
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    let rules = house::RULES.iter().chain(doors::RULES);
    rules.chain(shape::RULES).chain(papers::RULES)
}

#[test]
fn the_project_keeps_every_rule_of_the_house() {
    let tree = Tree::of_project();
    let broken: Vec<String> = rules()
        .flat_map(|rule| {
            let found = (rule.check)(&tree);
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", rule.name))
        })
        .collect();
    assert!(broken.is_empty(), "{}\n", broken.join("\n"));
}

#[test]
fn every_rule_finds_each_of_its_planted_faults() {
    for rule in rules() {
        assert!(
            !rule.broken.is_empty(),
            "{} has no planted fault",
            rule.name
        );
        for (path, text) in rule.broken {
            // What keeps the rule stands around the fault: papers need each other to be compared.
            let around = rule.kept.iter().filter(|(kept, _)| kept != path);
            let tree = Tree::of(around.chain([&(*path, *text)]));
            let found = (rule.check)(&tree);
            assert_eq!(found.len(), 1, "{}: {path}\n{text}\n{found:?}", rule.name);
        }
    }
}

#[test]
fn no_rule_objects_to_what_keeps_it() {
    for rule in rules() {
        let found = (rule.check)(&Tree::of(rule.kept));
        assert!(found.is_empty(), "{}: {found:?}", rule.name);
    }
}

#[test]
fn the_whole_project_is_looked_at() {
    let tree = Tree::of_project();
    for path in [
        "schedules/src/boleto.rs",
        "actors/src/machine/mod.rs",
        "engine/src/main.rs",
        "tests/it/tidy.rs",
        "Cargo.toml",
        "README.md",
        "tests/run",
    ] {
        assert!(tree.file(path).is_some(), "{path} was not read");
    }
}
