//! ESCALATE with a person: who is asked, with which words, and what binds an answer to its call.
//!
//! Time, randomness, sealing and the store are given by a [`Notary`], so that the core has neither
//! a clock nor I/O.

use crate::{
    audit,
    decision::Decision,
    frame::Message,
    guard::{Guard, Inspection},
    walk::{Document, Kind, NodeId, ROOT},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Code of a call that a person declined.
pub const DECLINED: &str = "EGRESS_DENY_APPROVAL_DECLINED";
/// Code of a call that nobody approved in time.
pub const TIMED_OUT: &str = "EGRESS_DENY_APPROVAL_TIMEOUT";

/// What a `requestState` of the guard begins with; a server's own is left alone.
const STATE: &str = "mcp-egress-guard.";
/// What ids of the guard's own requests begin with.
const ID: &str = "mcp-egress-guard-";
/// Name of the guard's question among `inputRequests`.
const KEY: &str = "mcp-egress-guard";
/// In `params._meta` of every request since 2026-07-28.
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// Whose results may ask for input since 2026-07-28.
const MULTI_ROUND: [&str; 3] = ["tools/call", "resources/read", "prompts/get"];
/// Most calls that may wait for a person at a time, of all conversations.
const MOST_HELD: usize = 1_024;
/// Most bytes of them together.
const MOST_HELD_BYTES: usize = 64 << 20;
/// Most answers that are remembered as used.
const MOST_SPENT: usize = 65_536;
/// Most bytes of a server's state and answers that are kept within the guard's own state.
const MOST_CARRIED: usize = 256 << 10;
/// Most characters of the arguments that a person is shown.
const SHOWN: usize = 4_000;
/// Most findings that a person is shown.
const SHOWN_FINDINGS: usize = 10;

/// Who decides about an escalated call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Nobody: it is blocked.
    #[default]
    Off,
    /// The person at the client, if the client can ask.
    Elicitation,
    /// Whoever may write to the store.
    Store,
}

/// What a store says about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Approved under this id, and used up by having been asked.
    Approved(String),
    /// Waits under this id.
    Waiting(String),
    /// Declined under this id.
    Declined(String),
    /// Nothing can be said; the call is blocked.
    Unavailable,
}

/// A call that waits for a person. Holds no secret that was found.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The same for the same call to the same server in the same session, under the same rules.
    pub key: String,
    /// The tool, or the method of another request.
    pub tool: String,
    /// The MCP server.
    pub server: String,
    /// The conversation's name; empty where requests stand alone.
    pub session: String,
    /// The rule that asks.
    pub rule: String,
    /// Why, in words.
    pub reason: String,
    /// What was found, one each.
    pub findings: Vec<String>,
    /// The arguments, masked.
    pub arguments: String,
}

/// What the outside gives to approvals.
pub trait Notary: Send + Sync {
    /// Seconds of a clock that is the same for all who share the key.
    fn now(&self) -> u64;
    /// At least 128 random bits, in letters and digits.
    fn number(&self) -> Option<String>;
    /// Hides and authenticates a text, in characters that a JSON string needs no escapes for.
    fn seal(&self, text: &[u8]) -> Option<String>;
    /// The text, if it was sealed here and is unchanged.
    fn open(&self, sealed: &str) -> Option<Vec<u8>>;
    /// Asks the store, which keeps the call if it is new.
    fn look_up(&self, call: &Waiting) -> Standing;
}

/// How escalated calls are decided, for all conversations of a process.
pub struct Approvals {
    way: Way,
    seconds: u64,
    notary: Box<dyn Notary>,
    policy_hash: RwLock<Arc<str>>,
    /// Numbers of states that were used, and when they expire.
    spent: Mutex<HashMap<String, u64>>,
    held: AtomicUsize,
    held_bytes: AtomicUsize,
}

impl fmt::Debug for Approvals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approvals")
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

/// Room for one held call, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    approvals: Arc<Approvals>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.approvals.held.fetch_sub(1, Ordering::Relaxed);
        self.approvals
            .held_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Approvals {
    /// `seconds` is how long a person has; `policy_hash` names the rules.
    #[must_use]
    pub fn new(way: Way, seconds: u64, policy_hash: &str, notary: Box<dyn Notary>) -> Arc<Self> {
        Arc::new(Self {
            way,
            seconds,
            notary,
            policy_hash: RwLock::new(policy_hash.into()),
            spent: Mutex::default(),
            held: AtomicUsize::new(0),
            held_bytes: AtomicUsize::new(0),
        })
    }

    /// Who decides.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// How long a person has.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// Other rules are in force: what was approved under the old ones no longer is.
    pub fn reload(&self, policy_hash: &str) {
        *self
            .policy_hash
            .write()
            .unwrap_or_else(PoisonError::into_inner) = policy_hash.into();
    }

    pub(super) fn number(&self) -> Option<String> {
        self.notary.number()
    }

    pub(super) fn look_up(&self, call: &Waiting) -> Standing {
        self.notary.look_up(call)
    }

    pub(super) fn room(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let held = self.held.fetch_add(1, Ordering::Relaxed);
        let before = self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        let room = Room {
            approvals: Arc::clone(self),
            bytes,
        };
        (held < MOST_HELD && before.saturating_add(bytes) <= MOST_HELD_BYTES).then_some(room)
    }

    /// What an answer must be about: the call, why it is held, and the rules that hold it.
    pub(super) fn digest(
        &self,
        guard: &Guard,
        document: &Document<'_>,
        message: &Message,
        inspection: &Inspection,
    ) -> String {
        let policy_hash = Arc::clone(
            &self
                .policy_hash
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut parts = Parts::default();
        parts.add(&policy_hash);
        parts.add(&message.method);
        for member in message.body.iter().flat_map(|b| document.children(*b)) {
            let name = document.name(member).unwrap_or_default();
            // It differs from try to try; what is found in it counts below.
            if name != "_meta" {
                parts.add(name);
                parts.add(document.raw(member));
            }
        }
        parts.add("rules");
        for &index in &inspection.matched {
            parts.add(guard.policy.rules().get(index).map_or("", |r| &r.id));
        }
        parts.add("findings");
        for finding in &inspection.findings {
            let detector = guard.analyzers.catalog.get(finding.detector);
            parts.add(detector.map_or("", |d| &d.id));
            parts.add(&finding.pointer);
        }
        parts.finish()
    }

    /// The `requestState` that the client brings back with the answer.
    pub(super) fn state(
        &self,
        document: &Document<'_>,
        message: &Message,
        digest: &str,
    ) -> Option<String> {
        let carried = |name| {
            let node = document.member(message.body?, name)?;
            Some(document.raw(node))
        };
        let (state, responses) = (carried("requestState"), carried("inputResponses"));
        let size = state
            .map_or(0, str::len)
            .saturating_add(responses.map_or(0, str::len));
        if size > MOST_CARRIED {
            return None;
        }
        let expires = self.notary.now().saturating_add(self.seconds);
        let text = json!({
            "number": self.notary.number()?,
            "expires": expires,
            "digest": digest,
            "requestState": state,
            "inputResponses": responses,
        });
        let sealed = self.notary.seal(text.to_string().as_bytes())?;
        Some(format!("{STATE}{sealed}"))
    }

    /// Takes the guard's own members out of a retried request and puts those back that stood there
    /// before; `None` where the request carries nothing of the guard's.
    pub(super) fn resume(&self, document: &Document<'_>) -> Option<(Vec<u8>, Resumed)> {
        if self.way != Way::Elicitation {
            return None;
        }
        let params = document.member(ROOT, "params")?;
        let state = document.str(document.member(params, "requestState")?)?;
        let sealed = state.strip_prefix(STATE)?;
        let token = self.token(sealed);
        let answer = document
            .member(params, "inputResponses")
            .and_then(|all| document.member(all, KEY));
        let resumed = Resumed {
            outcome: answer.map_or(Outcome::Unable, |answer| outcome(document, answer)),
            token: token.as_ref().map(|t| t.bound.clone()),
        };
        let token = token.unwrap_or_default();
        let mut members = Vec::new();
        for member in document.children(params) {
            let name = document.name(member).unwrap_or_default();
            if !matches!(name, "requestState" | "inputResponses") {
                members.push(format!("{}:{}", Value::from(name), document.raw(member)));
            }
        }
        for (name, value) in [
            ("requestState", token.state),
            ("inputResponses", token.responses),
        ] {
            members.extend(value.map(|value| format!("\"{name}\":{value}")));
        }
        let span = document.node(params)?.span();
        let mut frame = document.frame.get(..span.start)?.to_owned();
        let _ = write!(frame, "{{{}}}", members.join(","));
        frame.push_str(document.frame.get(span.end..)?);
        Some((frame.into_bytes(), resumed))
    }

    fn token(&self, sealed: &str) -> Option<Token> {
        let text = self.notary.open(sealed)?;
        let value: Value = serde_json::from_slice(&text).ok()?;
        let string = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Token {
            bound: Bound {
                number: string("number")?,
                expires: value.get("expires")?.as_u64()?,
                digest: string("digest")?,
            },
            state: string("requestState"),
            responses: string("inputResponses"),
        })
    }

    /// What the answer to a retried request comes to: it counts for the call that was asked about,
    /// once, and in time.
    pub(super) fn redeem(&self, resumed: &Resumed, digest: &str) -> Outcome {
        let Some(bound) = resumed.token.as_ref().filter(|b| b.digest == digest) else {
            return Outcome::Void;
        };
        let now = self.notary.now();
        if bound.expires < now {
            return Outcome::TimedOut;
        }
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= MOST_SPENT {
            spent.retain(|_, expires| *expires >= now);
        }
        let room = spent.len() < MOST_SPENT;
        if !room || spent.insert(bound.number.clone(), bound.expires).is_some() {
            return Outcome::Void;
        }
        resumed.outcome
    }
}

/// What the guard's `requestState` is bound to.
#[derive(Clone, Debug, Default)]
struct Bound {
    number: String,
    expires: u64,
    digest: String,
}

#[derive(Debug, Default)]
struct Token {
    bound: Bound,
    state: Option<String>,
    responses: Option<String>,
}

/// A request that comes again, with a person's answer.
#[derive(Debug)]
pub(super) struct Resumed {
    outcome: Outcome,
    token: Option<Bound>,
}

impl Resumed {
    /// The number of the question, if it was asked here.
    pub(super) fn number(&self) -> &str {
        self.token.as_ref().map_or("", |bound| &bound.number)
    }

    pub(super) fn is_genuine(&self) -> bool {
        self.token.is_some()
    }
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A person approved the call.
    Approved,
    /// A person declined it.
    Declined,
    /// A person closed the question.
    Dismissed,
    /// Nobody answered in time.
    TimedOut,
    /// The client cancelled the call, or is gone.
    Withdrawn,
    /// The client could not ask.
    Unable,
    /// The answer is about another call, or was used before.
    Void,
}

impl Outcome {
    /// In the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Dismissed => "dismissed",
            Self::TimedOut => "timed_out",
            Self::Withdrawn => "withdrawn",
            Self::Unable => "not_asked",
            Self::Void => "void",
        }
    }

    /// By its name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [
            Self::Approved,
            Self::Declined,
            Self::Dismissed,
            Self::TimedOut,
            Self::Withdrawn,
            Self::Unable,
            Self::Void,
        ]
        .into_iter()
        .find(|outcome| outcome.as_str() == name)
    }

    /// Makes the judgement say what came of it.
    pub(super) fn apply(self, inspection: &mut Inspection, via: &'static str, number: &str) {
        inspection.trail.approval = Some(Note {
            outcome: self.as_str(),
            via,
            id: number.into(),
        });
        let (code, why) = match self {
            Self::Approved => {
                inspection.enforced = Decision::Allow;
                return;
            }
            // Blocked as it would have been without a way to ask.
            Self::Withdrawn | Self::Unable => return,
            Self::Declined => (DECLINED, "A person declined the call"),
            Self::Dismissed => (DECLINED, "The question was closed without an answer"),
            Self::TimedOut => (TIMED_OUT, "Nobody approved the call in time"),
            Self::Void => (
                DECLINED,
                "The approval is for another call, or was used before",
            ),
        };
        inspection.decision = Decision::Deny;
        inspection.enforced = Decision::Deny;
        inspection.policy_code = code.into();
        inspection.reason = format!("{why}. {}", inspection.reason);
    }
}

/// What the audit says of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What came of it.
    pub outcome: &'static str,
    /// `elicitation` or `store`.
    pub via: &'static str,
    /// The question's number, or the store's id.
    pub id: String,
}

/// Whether capabilities include questions in form mode. An empty object means just that.
fn elicits(document: &Document<'_>, capabilities: Option<NodeId>) -> bool {
    let Some(node) = capabilities.and_then(|c| document.member(c, "elicitation")) else {
        return false;
    };
    document.node(node).map(|n| n.kind) == Some(Kind::Object)
        && (document.children(node).next().is_none() || document.member(node, "form").is_some())
}

/// Whether `initialize` declares that the client asks its person.
pub(super) fn declared(document: &Document<'_>, message: &Message) -> bool {
    let capabilities = message
        .body
        .and_then(|b| document.member(b, "capabilities"));
    elicits(document, capabilities)
}

/// Whether a request of 2026-07-28 can be answered with a question.
pub(super) fn can_go_round(document: &Document<'_>, message: &Message) -> bool {
    let meta = message.body.and_then(|b| document.member(b, "_meta"));
    let capabilities = meta.and_then(|m| document.member(m, CAPABILITIES_KEY));
    MULTI_ROUND.contains(&message.method.as_str()) && elicits(document, capabilities)
}

/// What an `ElicitResult` comes to. Only a clear yes is one.
pub(super) fn outcome(document: &Document<'_>, result: NodeId) -> Outcome {
    let action = document
        .member(result, "action")
        .and_then(|action| document.str(action));
    let approve = document
        .member(result, "content")
        .and_then(|content| document.member(content, "approve"))
        .and_then(|approve| document.node(approve));
    match (action, approve.map(|node| node.kind)) {
        (Some("accept"), Some(Kind::Bool(true))) => Outcome::Approved,
        (Some("cancel"), _) => Outcome::Dismissed,
        (Some("accept" | "decline"), _) => Outcome::Declined,
        _ => Outcome::Unable,
    }
}

/// The question's number in an id of the guard's own.
pub(super) fn number_of(id: &str) -> Option<&str> {
    id.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(ID)
}

/// The question as a request of the guard's own, before 2026-07-28.
pub(super) fn request(number: &str, question: &Value) -> Vec<u8> {
    json!({
        "jsonrpc": "2.0",
        "id": format!("{ID}{number}"),
        "method": "elicitation/create",
        "params": question,
    })
    .to_string()
    .into_bytes()
}

/// Tells the client that the question needs no answer any more.
pub(super) fn withdrawal(number: &str, why: &str) -> Vec<u8> {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": format!("{ID}{number}"), "reason": why},
    })
    .to_string()
    .into_bytes()
}

/// The question as a result, since 2026-07-28.
pub(super) fn input_required(id: &str, question: &Value, state: &str) -> Vec<u8> {
    let mut question = question.clone();
    if let Some(question) = question.as_object_mut() {
        question.insert("mode".into(), "form".into());
    }
    let result = json!({
        "resultType": "input_required",
        "inputRequests": {KEY: {"method": "elicitation/create", "params": question}},
        "requestState": state,
    });
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into()
}

impl Waiting {
    /// What a person is told about a call.
    pub(super) fn new(
        guard: &Guard,
        document: &Document<'_>,
        message: &Message,
        inspection: &Inspection,
    ) -> Self {
        let rule = guard.primary(inspection);
        let catalog = &guard.analyzers.catalog;
        let body = message.arguments.or(message.body);
        let arguments = match body {
            None => "{}".into(),
            Some(node) => audit::masked_text(guard, document, node, &inspection.findings)
                .map_or_else(
                    || "(too much, or not fully read: not shown)".into(),
                    |text| audit::visible(&text),
                ),
        };
        let findings = inspection.findings.iter().filter_map(|finding| {
            let detector = catalog.get(finding.detector)?;
            let place = audit::visible(&finding.pointer);
            Some(match &finding.detail {
                Some(detail) => format!("{} at {place}: {detail}", detector.finding_type),
                None => format!("{} at {place}", detector.finding_type),
            })
        });
        let mut distinct: Vec<String> = Vec::new();
        for finding in findings {
            if distinct.len() < SHOWN_FINDINGS && !distinct.contains(&finding) {
                distinct.push(finding);
            }
        }
        let name = if message.is_tool_call() {
            &inspection.trail.tool_name
        } else {
            &inspection.trail.method
        };
        Self {
            key: String::new(),
            tool: audit::visible(name),
            server: String::new(),
            session: String::new(),
            rule: rule.map(|rule| rule.id.clone()).unwrap_or_default(),
            reason: inspection.reason.clone(),
            findings: distinct,
            arguments: cut(&arguments),
        }
    }

    /// The parameters of the question. The answer is a switch that stands at no.
    pub(super) fn question(&self, seconds: u64) -> Value {
        let mut text = format!(
            "The agent wants to call \"{}\". Your policy asks you first.\n\nArguments: {}\n",
            self.tool, self.arguments
        );
        if !self.findings.is_empty() {
            let _ = write!(text, "\nFound: {}\n", self.findings.join("; "));
        }
        let _ = write!(
            text,
            "\nRule: {}\n{}\n\nWithout an answer within {seconds} seconds the call is denied.",
            self.rule, self.reason
        );
        json!({
            "message": text,
            "requestedSchema": {
                "type": "object",
                "properties": {"approve": {
                    "type": "boolean",
                    "title": "Let this call through",
                    "description": "Only this call, and only once.",
                    "default": false,
                }},
                "required": ["approve"],
            },
        })
    }

    /// Says whose call it is, and binds the key to that.
    pub(super) fn of(mut self, digest: &str, server: &str, session: &str) -> Self {
        let mut parts = Parts::default();
        for part in [digest, server, session] {
            parts.add(part);
        }
        self.key = parts.finish();
        self.server = server.into();
        self.session = session.into();
        self
    }
}

/// The arguments as far as they are shown, and how much is not.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.into(),
        Some((at, _)) => {
            let (head, tail) = text.split_at(at);
            format!(
                "{head}… ({} more characters are not shown)",
                tail.chars().count()
            )
        }
    }
}

/// A digest of texts of which none runs into the next.
#[derive(Default)]
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: &str) {
        self.0
            .update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(part);
    }

    fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().fold(String::with_capacity(64), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
    }
}
