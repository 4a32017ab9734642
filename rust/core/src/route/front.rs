//! Tools that are a front for a program: `git_push`, `kubectl`, `docker_run`.

use super::role::{self, Role};
use crate::{
    policy::category::Tool,
    walk::{Document, Edge, Kind, LeafId, NodeId},
};

/// The program behind a tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    /// `git`
    pub(super) program: &'static str,
    /// What the tool's name already says of the command line: `git push`.
    pub(super) lead: &'static str,
}

const PROGRAMS: [&str; 22] = [
    "git",
    "docker",
    "kubectl",
    "podman",
    "helm",
    "aws",
    "gcloud",
    "az",
    "gh",
    "terraform",
    "npm",
    "pip",
    "curl",
    "wget",
    "bash",
    "sh",
    "zsh",
    "rsync",
    "scp",
    "find",
    "systemctl",
    "rm",
];

/// Subcommands that a tool's name can say, with the command line that they begin.
const LEADS: [(&str, &str, &str); 22] = [
    ("docker", "exec", "docker exec"),
    ("docker", "run", "docker run"),
    ("git", "branch", "git branch"),
    ("git", "checkout", "git checkout"),
    ("git", "clean", "git clean"),
    ("git", "push", "git push"),
    ("git", "rebase", "git rebase"),
    ("git", "reset", "git reset"),
    ("git", "restore", "git restore"),
    ("git", "stash", "git stash"),
    ("helm", "delete", "helm uninstall"),
    ("helm", "uninstall", "helm uninstall"),
    ("kubectl", "delete", "kubectl delete"),
    ("kubectl", "drain", "kubectl drain"),
    ("kubectl", "exec", "kubectl exec"),
    ("kubectl", "scale", "kubectl scale"),
    ("podman", "exec", "podman exec"),
    ("podman", "run", "podman run"),
    ("systemctl", "disable", "systemctl disable"),
    ("systemctl", "stop", "systemctl stop"),
    ("terraform", "apply", "terraform apply"),
    ("terraform", "destroy", "terraform destroy"),
];

/// The program that a tool of this name is a front for.
pub(super) fn of(tool: &Tool) -> Option<Front> {
    let program = tool
        .words
        .iter()
        .rev()
        .find_map(|word| PROGRAMS.into_iter().find(|p| *p == word))?;
    let lead = LEADS
        .iter()
        .find(|(p, sub, _)| *p == program && tool.words.has(sub))
        .map_or(program, |(_, _, lead)| lead);
    Some(Front { program, lead })
}

/// The command line that the arguments spell out by name: `git_push {"force": true}`. With it the
/// string that its findings are shown at.
#[must_use]
pub fn spelled(
    document: &Document<'_>,
    arguments: NodeId,
    tool: &Tool,
) -> Option<(String, LeafId)> {
    let front = of(tool).filter(|front| {
        front.lead != front.program
            && matches!(
                front.program,
                "git" | "kubectl" | "helm" | "terraform" | "systemctl"
            )
    })?;
    let mut line = front.lead.to_owned();
    let (mut flags, mut words) = (String::new(), String::new());
    let mut shown = None;
    // A front takes few options; more would not fit into a line that anybody reads.
    const LONGEST: usize = 16 << 10;
    for child in document.children(arguments) {
        if flags.len().saturating_add(words.len()) > LONGEST {
            break;
        }
        let node = document.node(child)?;
        let (name, Edge::Member(key)) = (document.name(child)?, node.edge) else {
            return None;
        };
        match node.kind {
            Kind::Bool(true) if is_word(name) => {
                flags.push_str(" --");
                flags.push_str(&name.to_ascii_lowercase().replace('_', "-"));
                shown = Some(key);
            }
            Kind::String(leaf) => {
                if matches!(role::of(name), Role::Command | Role::Argv | Role::Run) {
                    return None;
                }
                let Some(text) = document.str(child).filter(|t| is_word(t)) else {
                    continue;
                };
                if name == "mode" {
                    flags.push_str(" --");
                    flags.push_str(text);
                } else if matches!(
                    name,
                    "remote"
                        | "resource"
                        | "resource_type"
                        | "resourceType"
                        | "kind"
                        | "type"
                        | "name"
                        | "branch"
                        | "ref"
                        | "refspec"
                        | "target"
                        | "release"
                        | "node"
                        | "service"
                        | "unit"
                        | "commit"
                ) {
                    words.push(' ');
                    words.push_str(text);
                }
                shown = shown.or(Some(leaf));
            }
            _ => {}
        }
    }
    line.push_str(&flags);
    line.push_str(&words);
    shown.map(|leaf| (line, leaf))
}

/// Whether a text is one word that a shell takes as it is.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'+' | b':' | b'@')
        })
}
