//! What stands around a value: the names above it, the members beside it.

use super::{
    MEMBERS, Use,
    role::{self, Role},
    shape,
    speech::{Speech, speech},
};
use crate::{
    analyzer::command::Dialect,
    walk::{Document, Edge, NodeId, PlaceId, ROOT},
};

/// How far up a value's address is read for names.
const LEVELS: usize = 6;

/// What the names above a value say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) role: Role,
    pub(super) word: role::Hint,
    /// It stands in an object that only describes: environment, headers, metadata.
    pub(super) quoted: bool,
}

/// What the name of a member says by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) role: Role,
    /// It is what programs are called that stand beside their arguments.
    pub(super) program: bool,
}

impl Member {
    pub(super) fn of(name: &str) -> Self {
        Self {
            role: role::of(name),
            program: role::names_program(name),
        }
    }
}

/// Reads the names above the values at a place, nearest first; a name that says little leaves it to
/// the next.
pub(super) fn named(document: &Document<'_>, place: PlaceId, root: PlaceId) -> Named {
    let mut found = Named {
        role: Role::None,
        word: role::Hint::None,
        quoted: false,
    };
    let mut at = place;
    let mut own = true;
    for _ in 0..LEVELS {
        // Above the arguments is the call's own envelope.
        if at == root {
            break;
        }
        let Some(here) = document.place(at) else {
            break;
        };
        if let Some(leaf) = here.name {
            let name = document.text_of(leaf);
            let role = role::of(name);
            if !own && role::only_describes(name) {
                found.quoted = true;
            }
            let open = matches!(found.role, Role::None | Role::Weak | Role::Input);
            if own || open && matches!(role, Role::Command | Role::Run | Role::Code | Role::Sql) {
                found.role = role;
                found.word = role::Hint::of(name);
            }
            own = false;
        }
        if at == ROOT {
            break;
        }
        at = here.parent;
    }
    found
}

/// The members beside the nearest member above a value.
pub(super) fn siblings<'a>(
    document: &'a Document<'_>,
    node: NodeId,
) -> impl Iterator<Item = NodeId> + 'a {
    let mut at = node;
    while let Some(value) = document.node(at) {
        match value.edge {
            Edge::Element(_) => at = value.parent,
            Edge::Member(_) | Edge::Root => break,
        }
    }
    let parent = document.node(at).map_or(at, |n| n.parent);
    document
        .children(parent)
        .take(MEMBERS)
        .filter(move |&child| child != at)
}

/// What is fed to a program that stands beside it: executed by an interpreter, else data.
pub(super) fn fed(document: &Document<'_>, node: NodeId, text: &str) -> Option<Use> {
    let command = siblings(document, node)
        .find(|&child| {
            document
                .name(child)
                .is_some_and(|n| role::names_program(n) || role::of(n) == Role::Command)
        })
        .and_then(|child| document.str(child))?;
    let mut words = command.split_ascii_whitespace();
    let name = words.next()?.rsplit(['/', '\\']).next()?;
    Some(match speech(name.trim_end_matches(".exe")) {
        Speech::Shell(dialect) => Use::Command(dialect),
        Speech::Program(language) => Use::Code(language),
        Speech::Unknown if matches!(name, "ssh" | "sudo" | "docker" | "kubectl") => {
            Use::Command(Dialect::Any)
        }
        Speech::Unknown if shape::is_sql(text) && matches!(name, "psql" | "mysql" | "sqlite3") => {
            Use::Sql
        }
        _ => Use::Data,
    })
}
