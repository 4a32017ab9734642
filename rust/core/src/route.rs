//! Which leaf is given to which analyzer: what is executed, what is a path, what is only text.
//!
//! Three things decide: what the tool is for, what the argument is called, what its value looks
//! like. Text that a tool stores, sends or searches for is data, whatever commands it holds.

mod front;
mod near;
mod role;
mod shape;
mod speech;

use crate::{
    analyzer::{Language, command::Dialect},
    memo::Memo,
    policy::category::{Category, Tool},
    policy::words::Senses as S,
    walk::{Document, Kind, LeafId, NodeId, PlaceId},
};
use near::{Member, Named, fed, named, siblings};
use role::Role;
use speech::{Speech, language, speech};

pub use front::spelled;

/// What a value of the arguments is to its tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A command line that a shell reads.
    Command(Dialect),
    /// What follows this program's name on a command line: the tool is the program.
    CommandOf(&'static str),
    /// An array of strings that is executed without a shell; the node is the array.
    Argv,
    /// The same without its first word: the tool is the program.
    ArgvOf(&'static str),
    /// An object with a program in one member and its arguments in another.
    Program {
        /// The member that names the program.
        program: NodeId,
        /// The member with its arguments: an array or a string.
        arguments: NodeId,
    },
    /// Arguments that were judged together with their program.
    Joined,
    /// Program code that is executed.
    Code(Language),
    /// SQL that is executed.
    Sql,
    /// A path that the tool touches.
    Path(Access),
    /// A URL or host that the tool speaks to.
    Destination(Flow),
    /// A text that holds arguments, if it is JSON.
    Nested,
    /// Text that nothing executes.
    Data,
}

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its content is read.
    Read,
    /// It is written, moved or changed.
    Write,
    /// It is deleted.
    Delete,
    /// Its name or a listing of it is looked at.
    List,
}

/// Which way data goes at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To it.
    Send,
    /// From it.
    Fetch,
}

/// Says of each value of one call what it is used for.
#[derive(Debug)]
pub struct Router<'t> {
    tool: &'t Tool,
    /// The place of the arguments.
    root: PlaceId,
    /// What the names at and above a place say.
    named: Memo<Named>,
    /// What a member's own name says, by its place.
    members: Memo<Member>,
    speech: Speech,
    flow: Flow,
    access: Access,
    front: Option<front::Front>,
}

/// How many members beside a value are looked at for their names.
const MEMBERS: usize = 64;
/// Longest text that can be a path or a host.
const LONGEST_NAME: usize = 4096;

/// Adds to a tool that its name says nothing about what its arguments show.
pub fn learn(document: &Document<'_>, arguments: NodeId, tool: &mut Tool) {
    if !tool.is_unknown() {
        return;
    }
    let studies = tool.senses.any(S::STUDY.or(S::LIST));
    let reads = tool.senses.any(S::STUDY) && !tool.senses.any(S::RUN.or(S::EVALUATE));
    let keeps = studies || tool.senses.any(S::WRITE);
    let (mut url, mut body, mut method) = (false, false, false);
    let (mut shell, mut code, mut sql) = (false, false, false);
    for child in document.children(arguments) {
        let role = document.name(child).map_or(Role::None, role::of);
        let text = document.str(child);
        match (role, text) {
            (Role::Command, None) => {
                shell |= document
                    .node(child)
                    .is_some_and(|n| matches!(n.kind, Kind::Array));
            }
            (Role::Command, Some(text)) => shell |= !reads && shape::is_command(text),
            (Role::Code, Some(text)) => code |= !keeps && shape::is_code(text),
            (Role::Sql, Some(text)) => {
                sql |= !studies && shape::is_sql(text) && document.name(child) != Some("query");
            }
            (Role::Url, Some(text)) => url |= shape::is_url(text),
            (Role::Method, Some(_)) => method = true,
            (Role::Body | Role::Text | Role::Weak, Some(text)) => body |= !text.is_empty(),
            (Role::Body, None) => body = true,
            _ => {}
        }
    }
    let shown = [
        (shell, Category::Shell),
        (code && !shell, Category::Code),
        (sql, Category::Database),
        (url && (method || body), Category::Http),
    ];
    for (holds, category) in shown {
        if holds {
            tool.learn(category);
        }
    }
}

/// The text that a call carries to where it goes.
#[must_use]
pub fn content(document: &Document<'_>, arguments: NodeId) -> Option<LeafId> {
    document
        .children(arguments)
        .filter(|&child| {
            let role = document.name(child).map_or(Role::None, role::of);
            matches!(role, Role::Body | Role::Weak | Role::Text)
        })
        .find_map(|child| match document.node(child)?.kind {
            Kind::String(leaf) => document
                .str(child)
                .is_some_and(|text| !text.is_empty())
                .then_some(leaf),
            _ => None,
        })
}

impl<'t> Router<'t> {
    /// Reads what concerns all arguments of a call: language, direction, access.
    #[must_use]
    pub fn new(document: &Document<'_>, arguments: NodeId, tool: &'t Tool) -> Self {
        let mut router = Self {
            tool,
            root: document.node(arguments).map_or(arguments, |n| n.place),
            named: Memo::new(document.places.len()),
            members: Memo::new(document.places.len()),
            speech: tool
                .words
                .iter()
                .map(speech)
                .find(|s| *s != Speech::Unknown)
                .unwrap_or(Speech::Unknown),
            flow: Flow::Fetch,
            access: access(tool),
            front: front::of(tool),
        };
        let (mut method, mut body) = (None, false);
        for child in document.children(arguments) {
            let text = document.str(child);
            match document.name(child).map_or(Role::None, role::of) {
                Role::Language if router.speech == Speech::Unknown => {
                    router.speech = text.map_or(Speech::Unknown, language);
                }
                Role::Method => method = text.map(sends_by_method),
                Role::Body | Role::Weak | Role::Text => {
                    body |= text.is_none_or(|t| !t.is_empty());
                }
                _ => {}
            }
        }
        router.flow = flow(tool, method, body);
        router
    }

    /// Whether data leaves with this call.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.flow == Flow::Send
    }

    /// What the string `node`, which is `text`, is used for.
    #[must_use]
    pub fn use_of_string(&self, document: &Document<'_>, node: NodeId, text: &str) -> Use {
        let Some(value) = document.node(node).filter(|_| !text.is_empty()) else {
            return Use::Data;
        };
        let named = self.named(document, value.place);
        let speech = self.speech_near(document, node, named.role);
        if named.role == Role::Input
            && let Some(fed) = fed(document, node, text)
        {
            return fed;
        }
        self.of_text(named, text, speech)
    }

    /// What the value `node` is used for.
    #[must_use]
    pub fn use_of(&self, document: &Document<'_>, node: NodeId) -> Use {
        let Some(value) = document.node(node) else {
            return Use::Data;
        };
        match value.kind {
            Kind::String(leaf) => self.use_of_string(document, node, document.text_of(leaf)),
            Kind::Array => self.of_array(document, node, value.place),
            Kind::Object => self.pair(document, node).unwrap_or(Use::Data),
            _ => Use::Data,
        }
    }

    fn named(&self, document: &Document<'_>, place: PlaceId) -> Named {
        self.named.of(place, || named(document, place, self.root))
    }

    /// What a member's own name says; `None` for what is no member.
    fn member(&self, document: &Document<'_>, node: NodeId) -> Option<Member> {
        let place = document.node(node)?.place;
        self.members.get(place).or_else(|| {
            let member = Member::of(document.name(node)?);
            self.members.set(place, member);
            Some(member)
        })
    }

    /// What a text under the argument `name` is used for.
    #[must_use]
    pub fn use_of_name(&self, name: &str, text: &str) -> Use {
        let named = Named {
            role: role::of(name),
            word: role::Hint::of(name),
            quoted: false,
        };
        self.of_text(named, text, self.speech)
    }

    fn of_text(&self, named: Named, text: &str, speech: Speech) -> Use {
        if named.quoted {
            return Use::Data;
        }
        let found = self.of_role(named, text, speech);
        // Arguments of another call, or of a step: a tool that executes reads them.
        let carries = match named.role {
            Role::None | Role::Argv | Role::Input => true,
            Role::Weak | Role::Body => self.executes(),
            _ => false,
        };
        if found == Use::Data
            && carries
            && matches!(text.trim_ascii_start().as_bytes(), [b'{' | b'[', ..])
        {
            Use::Nested
        } else {
            found
        }
    }

    /// Whether the tool looks at text, and runs none.
    fn studies(&self) -> bool {
        self.tool.senses.any(S::STUDY) && !self.tool.senses.any(S::RUN.or(S::EVALUATE))
    }

    /// Whether the tool runs what it is given.
    fn executes(&self) -> bool {
        self.tool.is(Category::Shell) || self.tool.is(Category::Code)
    }

    fn of_role(&self, named: Named, text: &str, speech: Speech) -> Use {
        let tool = self.tool;
        let role = named.role;
        match role {
            Role::Text | Role::Language | Role::Method | Role::Body => {
                // A code cell may well be called `content`, a message never is a program.
                if role == Role::Body && tool.is(Category::Code) && shape::is_code(text) {
                    return self.code(text, speech);
                }
                return Use::Data;
            }
            // `source` is where something is, or the text of a program.
            Role::Place if tool.is(Category::Code) && shape::is_source(text) => {
                return self.code(text, speech);
            }
            Role::Path | Role::KeyPath | Role::Place => {
                if let Some(use_) = self.place(named, text) {
                    return use_;
                }
                return Use::Data;
            }
            Role::Url | Role::Webhook => {
                if text.len() > LONGEST_NAME {
                    return Use::Data;
                }
                if shape::is_file_url(text) {
                    return Use::Path(self.access);
                }
                let flow = match role {
                    Role::Webhook => Flow::Send,
                    // A message to people carries a link; it does not go there.
                    _ if tool.is(Category::Messaging) && !tool.is(Category::Http) => Flow::Fetch,
                    _ => self.flow,
                };
                return Use::Destination(flow);
            }
            Role::Recipient => {
                return if tool.is(Category::Messaging) && text.contains('@') {
                    Use::Destination(Flow::Send)
                } else if self.speaks() && shape::is_url(text) {
                    Use::Destination(self.flow)
                } else {
                    Use::Data
                };
            }
            _ => {}
        }
        if tool.is(Category::Shell) {
            return self.shell(role, text, speech);
        }
        if tool.is(Category::Code) {
            return match role {
                Role::None if !shape::is_code(text) => self.unnamed(text),
                _ => self.code(text, speech),
            };
        }
        if tool.is(Category::Database) {
            return self.statement(role, text);
        }
        self.other(named, text, speech)
    }

    /// An argument of a tool that runs commands.
    fn shell(&self, role: Role, text: &str, speech: Speech) -> Use {
        match role {
            Role::Command | Role::Run | Role::Argv | Role::Input | Role::Sql => {
                if self.tool.is(Category::Code) || role == Role::Run && shape::has_shebang(text) {
                    return self.code(text, speech);
                }
                self.line(text)
            }
            Role::Code => match speech {
                Speech::Unknown if !self.tool.is(Category::Code) && !shape::has_shebang(text) => {
                    self.line(text)
                }
                _ => self.code(text, speech),
            },
            Role::Weak if shape::is_command(text) => self.line(text),
            Role::None if shape::has_operator(text) && shape::is_command(text) => self.line(text),
            _ => Use::Data,
        }
    }

    /// An argument of a tool that runs statements.
    fn statement(&self, role: Role, text: &str) -> Use {
        let redis = self.tool.words.has("redis");
        match role {
            Role::Command | Role::Run | Role::Argv if redis => Use::CommandOf("redis-cli"),
            Role::Sql | Role::Command | Role::Run | Role::Input | Role::Code => {
                // A shell command handed to a tool that was taken for a database is still one.
                if role == Role::Command && !shape::is_sql(text) && shape::is_command(text) {
                    return self.line(text);
                }
                if self.speaks_sql() || shape::is_sql(text) {
                    Use::Sql
                } else {
                    Use::Data
                }
            }
            Role::Weak | Role::None
                if shape::is_sql(text) && self.tool.senses.any(S::RUN.or(S::QUERY)) =>
            {
                Use::Sql
            }
            _ => Use::Data,
        }
    }

    fn speaks_sql(&self) -> bool {
        !self.tool.words.any(&[
            "mongo",
            "mongodb",
            "redis",
            "elasticsearch",
            "neo4j",
            "cypher",
            "dynamodb",
        ])
    }

    /// An argument of any other tool.
    fn other(&self, named: Named, text: &str, speech: Speech) -> Use {
        let tool = self.tool;
        let keeps = tool.is(Category::Messaging) || tool.is(Category::Filesystem);
        match named.role {
            Role::Command if tool.is(Category::Messaging) => Use::Data,
            Role::Command if self.studies() => Use::Data,
            Role::Command if shape::is_command(text) => self.line(text),
            Role::Argv if tool.is(Category::Git) && self.front.is_some() => self.line(text),
            Role::Run if keeps || self.studies() => Use::Data,
            Role::Run if shape::has_shebang(text) => self.code(text, speech),
            Role::Run if named.word == role::Hint::Run && shape::is_command(text) => {
                self.line(text)
            }
            Role::Run => match shape::guess(text) {
                Some(Speech::Shell(_)) => self.line(text),
                Some(found) => self.code(text, found),
                None => Use::Data,
            },
            Role::Sql
                if named.word == role::Hint::Sql
                    && !keeps
                    && !tool.senses.any(S::STUDY.or(S::LIST))
                    && shape::is_sql(text) =>
            {
                Use::Sql
            }
            Role::None => self.unnamed(text),
            _ => Use::Data,
        }
    }

    /// A value whose name says nothing.
    fn unnamed(&self, text: &str) -> Use {
        if self.speaks() && text.len() <= LONGEST_NAME && shape::is_absolute_url(text) {
            Use::Destination(self.flow)
        } else {
            Use::Data
        }
    }

    /// Whether the tool speaks to hosts.
    fn speaks(&self) -> bool {
        self.tool.is(Category::Http)
            || self.tool.is(Category::Upload)
            || self.tool.is(Category::Network)
    }

    /// A value whose name says where something is or goes.
    fn place(&self, named: Named, text: &str) -> Option<Use> {
        let role = named.role;
        if text.len() > LONGEST_NAME || memchr::memchr(b'\n', text.as_bytes()).is_some() {
            return None;
        }
        let tool = self.tool;
        let web = shape::is_absolute_url(text)
            || role == Role::Place && self.speaks() && shape::is_url(text);
        if web && !shape::is_file_url(text) {
            // A `destination` is where data goes, unless the tool brings something from there.
            let goes = named.word == role::Hint::Destination && !tool.senses.any(S::FETCH);
            return Some(Use::Destination(if goes { Flow::Send } else { self.flow }));
        }
        match role {
            // A key that a tool logs in with is used, not shown.
            Role::KeyPath if !tool.is(Category::Filesystem) => None,
            Role::Place if !tool.is(Category::Filesystem) && !shape::is_path(text) => None,
            _ => Some(Use::Path(self.access)),
        }
    }

    /// A command line; completed where the tool is the program.
    fn line(&self, text: &str) -> Use {
        // What a container is told to run is a command of its own.
        let contained = self.tool.senses.any(S::PROCESS) && self.tool.senses.any(S::RUN);
        if let Some(front) = self.front
            && !shape::begins_with(text, front.program)
            && !self.tool.senses.any(S::SHELL)
            && !contained
        {
            return Use::CommandOf(front.lead);
        }
        Use::Command(match self.speech {
            Speech::Shell(dialect) => dialect,
            _ => Dialect::Any,
        })
    }

    fn code(&self, text: &str, speech: Speech) -> Use {
        let speech = match (shape::shebang(text), speech) {
            (Some(found), _) => found,
            (None, Speech::Unknown) if self.tool.senses.any(S::BROWSER) => {
                Speech::Program(Language::JavaScript)
            }
            (None, Speech::Unknown) => {
                shape::guess(text).unwrap_or(Speech::Program(Language::Python))
            }
            (None, told) => told,
        };
        match speech {
            Speech::Shell(dialect) => Use::Command(dialect),
            Speech::Program(language) => Use::Code(language),
            Speech::Sql => Use::Sql,
            Speech::Foreign | Speech::Unknown => Use::Data,
        }
    }

    /// The language that stands beside a piece of code.
    fn speech_near(&self, document: &Document<'_>, node: NodeId, role: Role) -> Speech {
        if !matches!(role, Role::Code | Role::Run | Role::Command) {
            return self.speech;
        }
        siblings(document, node)
            .find(|&child| {
                self.member(document, child)
                    .is_some_and(|member| member.role == Role::Language)
            })
            .and_then(|child| document.str(child))
            .map(language)
            .filter(|found| *found != Speech::Unknown && self.named_speech() == Speech::Unknown)
            .unwrap_or(self.speech)
    }

    /// The language that the tool's name says; an argument cannot change that.
    fn named_speech(&self) -> Speech {
        self.tool
            .words
            .iter()
            .map(speech)
            .find(|s| *s != Speech::Unknown)
            .unwrap_or(Speech::Unknown)
    }

    fn of_array(&self, document: &Document<'_>, array: NodeId, place: PlaceId) -> Use {
        let named = self.named(document, place);
        if named.quoted || !matches!(named.role, Role::Command | Role::Run | Role::Argv) {
            return Use::Data;
        }
        let tool = self.tool;
        let mut words = document.children(array).map_while(|c| document.str(c));
        let Some(first) = words.next() else {
            return Use::Data;
        };
        if named.role == Role::Argv
            && siblings(document, array)
                .any(|child| self.member(document, child).is_some_and(|m| m.program))
        {
            return Use::Joined;
        }
        let executes = tool.is(Category::Shell)
            || tool.is(Category::Code)
            || tool.is_unknown() && !first.starts_with('-')
            || self.front.is_some();
        if !executes || tool.is(Category::Messaging) {
            return Use::Data;
        }
        let blanks = |text: &str| text.bytes().any(|b| b.is_ascii_whitespace());
        // `["rm", "-rf", "/"]` is one command, `["ls -l", "rm -rf /"]` two.
        let lines = named.role != Role::Argv
            && (blanks(first)
                || role::is_plural(document.nearest_name(array).unwrap_or_default())
                    && !words.any(|w| w.starts_with('-') && !blanks(w)));
        if lines {
            return Use::Data;
        }
        let own = named.role == Role::Command && tool.senses.any(S::SHELL.or(S::PROCESS));
        match self.front {
            Some(front) if !own && !shape::is_program(first, front.program) => {
                Use::ArgvOf(front.lead)
            }
            _ => Use::Argv,
        }
    }

    /// An object that names a program beside its arguments.
    fn pair(&self, document: &Document<'_>, object: NodeId) -> Option<Use> {
        let tool = self.tool;
        if tool.is(Category::Messaging)
            || tool.is(Category::Filesystem) && !tool.is(Category::Shell)
        {
            return None;
        }
        let (mut program, mut arguments) = (None, None);
        for child in document.children(object) {
            let kind = document.node(child)?.kind;
            if !matches!(kind, Kind::String(_) | Kind::Array) {
                continue;
            }
            let member = self.member(document, child)?;
            if member.program && kind != Kind::Array {
                program.get_or_insert(child);
            } else if member.role == Role::Argv {
                arguments.get_or_insert(child);
            }
        }
        let (program, arguments) = (program?, arguments?);
        let place = document.node(program)?.place;
        if self.named(document, place).quoted {
            return None;
        }
        Some(Use::Program { program, arguments })
    }
}

fn access(tool: &Tool) -> Access {
    let senses = tool.senses;
    let uploads = tool.is(Category::Upload) || tool.is(Category::Messaging);
    if senses.any(S::DELETE) {
        Access::Delete
    } else if senses.any(S::WRITE) && !uploads && !senses.any(S::READ) {
        Access::Write
    } else if senses.any(S::LIST) && !senses.any(S::READ)
        || senses.any(S::LIST) && tool.words.has("get")
    {
        Access::List
    } else {
        Access::Read
    }
}

fn sends_by_method(method: &str) -> bool {
    ["POST", "PUT", "PATCH", "DELETE"]
        .iter()
        .any(|m| method.trim().eq_ignore_ascii_case(m))
}

fn flow(tool: &Tool, method: Option<bool>, body: bool) -> Flow {
    let senses = tool.senses;
    let sends = match method {
        Some(true) => true,
        Some(false) => body,
        None if tool.is(Category::Upload) => true,
        None if tool.is(Category::Messaging) => !senses.any(S::LIST.or(S::READ)),
        None if senses.any(S::SEND.or(S::UPLOAD)) => true,
        None if tool.is(Category::Git) => {
            senses.any(S::WRITE) || tool.words.any(&["comment", "merge", "open", "fork"])
        }
        None if senses.any(S::FETCH.or(S::READ).or(S::LIST)) => {
            body && (tool.is(Category::Http) && !senses.any(S::READ.or(S::LIST)))
        }
        None => body,
    };
    if sends { Flow::Send } else { Flow::Fetch }
}

#[cfg(test)]
mod tests;
