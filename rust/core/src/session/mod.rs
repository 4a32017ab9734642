//! The protocol between one client and one server: takes frames, returns what is to be done.
//!
//! No I/O and no clock: a transport reads a frame, hands it over, and carries out the commands in
//! order. Both transports and both directions use this one room. Both directions may call at once;
//! within one direction the frames must come in order.
//!
//! What the client sends is let through only as it was judged, and every request of it is answered
//! exactly once. What the server sends is let through unless nobody could read it, or it answers
//! what nobody asked.

pub mod approval;
mod pending;
pub mod reply;
mod skim;

pub use skim::{Envelope, Skim};

use crate::{
    decision::Decision,
    frame::{self, Malformed, Message, Shape},
    guard::{Around, Audited, Context, ENGINE_ERROR, Guard, Inspection},
    limits::Limits,
    policy::{Direction, hint::Hints},
    redact::{self, Redaction},
    span::Span,
    walk::{Document, Kind, NodeId, ROOT, WalkError},
};
use approval::{Approvals, Outcome, Resumed, Room, Standing, Waiting, Way};
use pending::{Kind as Asked, Pending};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The only revision of MCP whose frames may be arrays.
const WITH_BATCHES: &str = "2025-03-26";
/// In `params._meta` of every request since 2026-07-28.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The agent.
    Client,
    /// The MCP server.
    Server,
}

/// What a transport does next. Commands are carried out in order; a [`Command::Audit`] stands
/// before the forwarding or the reply that it is about.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send the frame to the other side; `None` means the bytes exactly as they came.
    Forward(Option<Vec<u8>>),
    /// Send this frame back to the side that the frame came from.
    Reply(Vec<u8>),
    /// Write this decision to the audit log, before anything that follows.
    Audit(Box<Decided>),
    /// Tell a person; the text holds nothing of the frame.
    Log(String),
    /// A call waits for a person. Once there is an answer, or the time is up: [`Session::settle`].
    Ask(Question),
    /// The question of this number is answered: [`Session::settle`] it.
    Answered(String, Outcome),
}

/// A question to the person at the client.
#[derive(Clone, Debug)]
pub struct Question {
    /// Names it, here and nowhere else.
    pub number: String,
    /// To be sent to the client.
    pub frame: Vec<u8>,
    /// How long a person has.
    pub seconds: u64,
}

/// What became of a call that waited for a person.
#[derive(Debug, Default)]
pub struct Settled {
    /// The frame that the commands are about, as if it came now; for [`Session::refuse`].
    pub frame: Vec<u8>,
    /// As for a frame of the client.
    pub commands: Vec<Command>,
}

/// A judgement with its place in the log.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Who judged: after a reload, the session's own guard has other rules.
    pub guard: Arc<Guard>,
    /// The judgement.
    pub inspection: Inspection,
    /// Unique in the audit log; a denial names it too.
    pub decision_id: String,
}

/// What a tool call that is not let through is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DenyResponse {
    /// A tool result with `isError: true`, which the model reads.
    #[default]
    ToolResult,
    /// A JSON-RPC error.
    JsonRpcError,
}

/// One frame, and what is read of it: once for the session and for its transport.
#[derive(Debug)]
pub struct Frame<'f> {
    /// As it came, without its line end.
    pub bytes: &'f [u8],
    /// Its JSON.
    pub document: Result<Document<'f>, WalkError>,
}

impl<'f> Frame<'f> {
    /// Reads a frame.
    #[must_use]
    pub fn read(bytes: &'f [u8], limits: &Limits) -> Self {
        Self {
            bytes,
            document: Document::parse(bytes, limits),
        }
    }
}

/// The state of one conversation.
#[derive(Debug)]
pub struct Session {
    guard: RwLock<Arc<Guard>>,
    deny_response: DenyResponse,
    nonce: Box<str>,
    lines: bool,
    decisions: AtomicU64,
    from_client: Context,
    from_server: Context,
    approvals: Option<Arc<Approvals>>,
    /// The server's name and the conversation's, for approvals.
    server: Arc<str>,
    name: RwLock<Box<str>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Requests of the client that the server has not answered.
    of_client: Pending,
    /// Requests of the server that the client has not answered.
    of_server: Pending,
    batches: bool,
    modern: bool,
    server_gone: bool,
    /// The client can ask its person.
    elicits: bool,
    /// Calls that wait for a person, by the question's number.
    held: HashMap<String, Held>,
}

/// A call that waits for a person.
#[derive(Debug)]
struct Held {
    id: String,
    asked: Asked,
    frame: Vec<u8>,
    decided: Box<Decided>,
    _room: Room,
}

/// What comes of a call that a rule escalates.
enum Appeal {
    /// Blocked, or refused by a person.
    Stands,
    /// Let through.
    Approved,
    /// The client is asked, and calls again.
    Again(Vec<u8>),
    /// The client is asked meanwhile.
    Held(Waiting, u64),
}

/// What becomes of one message.
enum Fate {
    Pass,
    Replace(Vec<u8>),
    Stop,
}

/// What becomes of one frame, while its messages are judged.
#[derive(Default)]
struct Turn {
    commands: Vec<Command>,
    fates: Vec<(NodeId, Fate)>,
    replies: Vec<Vec<u8>>,
}

impl Session {
    /// A new conversation. `nonce` begins each of its decision ids and should occur nowhere else.
    #[must_use]
    pub fn new(guard: Arc<Guard>, deny_response: DenyResponse, nonce: &str) -> Self {
        let around = Arc::new(Around::default());
        let salt = Some(redact::Salt::fresh());
        let context = |direction| Context {
            direction,
            around: Arc::clone(&around),
            salt,
            ..Context::default()
        };
        Self {
            guard: RwLock::new(guard),
            deny_response,
            nonce: nonce.into(),
            lines: true,
            decisions: AtomicU64::new(0),
            from_client: context(Direction::Request),
            // What the server says is on record only where something was done about it.
            from_server: Context {
                audited: Audited::Exceptions,
                ..context(Direction::Response)
            },
            approvals: None,
            server: Arc::default(),
            name: RwLock::default(),
            state: Mutex::default(),
        }
    }

    /// The same conversation with labels, which rules may ask for.
    #[must_use]
    pub fn with_labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.from_client.labels.clone_from(&labels);
        self.from_server.labels = labels;
        self
    }

    /// The same conversation with a way to have escalated calls approved.
    #[must_use]
    pub fn with_approvals(mut self, approvals: Arc<Approvals>, server: Arc<str>) -> Self {
        if approvals.way() != Way::Off {
            self.approvals = Some(approvals);
            self.server = server;
        }
        self
    }

    /// Names the conversation: an approval is for calls of the same name.
    pub fn set_name(&self, name: &str) {
        *self.name.write().unwrap_or_else(PoisonError::into_inner) = name.into();
    }

    /// The same conversation with a server of this name, whose conversations share `hints`.
    #[must_use]
    pub fn with_server(mut self, server: &str, hints: Arc<Hints>) -> Self {
        let around = Arc::new(Around::new(server, hints));
        self.from_client.around = Arc::clone(&around);
        self.from_server.around = around;
        self
    }

    /// What rules know of the conversation; the transport tells the time there.
    #[must_use]
    pub fn around(&self) -> &Around {
        &self.from_client.around
    }

    /// The same conversation over HTTP: there an answer belongs to its request by the connection,
    /// and may come again to a client that lost it. Without a session to remember, the request says
    /// whether it may be a batch.
    #[must_use]
    pub fn over_http(mut self, batches: bool) -> Self {
        self.lines = false;
        self.state().batches = batches;
        self
    }

    /// Swaps the rules for what comes next.
    pub fn reload(&self, guard: Arc<Guard>) {
        *self.guard.write().unwrap_or_else(PoisonError::into_inner) = guard;
    }

    /// The rules as they are now.
    #[must_use]
    pub fn guard(&self) -> Arc<Guard> {
        Arc::clone(&self.guard.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How denials are answered.
    #[must_use]
    pub fn deny_response(&self) -> DenyResponse {
        self.deny_response
    }

    /// Takes one frame, without its line end. An empty one is nothing.
    #[must_use]
    pub fn receive(&self, from: Side, frame: &[u8]) -> Vec<Command> {
        let guard = self.guard();
        self.judge(&guard, from, &Frame::read(frame, &guard.settings.limits))
    }

    /// As [`Session::receive`], of a frame that is read already.
    #[must_use]
    pub fn take(&self, from: Side, frame: &Frame<'_>) -> Vec<Command> {
        self.judge(&self.guard(), from, frame)
    }

    fn judge(&self, guard: &Arc<Guard>, from: Side, frame: &Frame<'_>) -> Vec<Command> {
        if frame.bytes.trim_ascii().is_empty() {
            return Vec::new();
        }
        match from {
            Side::Client => self.of_client(guard, frame),
            Side::Server => self.of_server(guard, frame),
        }
    }

    /// The frame that [`Session::receive`] took last cannot be let through after all: its decision
    /// could not be recorded, or judging it failed. To be carried out instead of its commands.
    #[must_use]
    pub fn refuse(&self, from: Side, frame: &[u8], why: &str) -> Vec<Command> {
        let guard = self.guard();
        let Ok(document) = Document::parse(frame, &guard.settings.limits) else {
            return vec![Command::Reply(reply::error("null", reply::INTERNAL, why))];
        };
        let mut turn = Turn::default();
        for message in frame::messages(&document).unwrap_or_default() {
            let Ok(message) = message else { continue };
            match &message.shape {
                Shape::Request { id } => {
                    self.forget(from, id);
                    turn.replies.push(reply::error(id, reply::INTERNAL, why));
                }
                Shape::Response { id, .. } => {
                    let asked = match from {
                        Side::Client => Side::Server,
                        Side::Server => Side::Client,
                    };
                    self.forget(asked, id);
                    let error = reply::error(id, reply::INTERNAL, why);
                    turn.fates.push((message.node, Fate::Replace(error)));
                }
                Shape::Notification => {}
            }
        }
        turn.finish(&document)
    }

    /// Takes a line that was too long to be kept.
    #[must_use]
    pub fn oversize(&self, from: Side, line: Skim) -> Vec<Command> {
        let limit = self.guard().settings.limits.frame_bytes;
        let why = format!("the message is longer than {limit} bytes");
        let envelope = line.finish();
        match from {
            Side::Server => self.unreadable(envelope, &why),
            Side::Client => {
                let mut commands = vec![Command::Reply(reply::error("null", -32600, &why))];
                // A server that asked must not wait for ever.
                if let Some(Envelope {
                    id: Some(id),
                    method: false,
                    answer: true,
                }) = envelope
                    && self.state().of_server.take(&id).is_some()
                {
                    let error = reply::error(&id, reply::INTERNAL, &why);
                    commands.push(Command::Forward(Some(error)));
                }
                commands
            }
        }
    }

    /// The server has ended: every request that waits for it is answered, as are later ones. The
    /// commands are as for a frame of the server.
    #[must_use]
    pub fn server_gone(&self) -> Vec<Command> {
        let mut state = self.state();
        state.server_gone = true;
        let mut owed = state.of_client.drain();
        owed.extend(state.held.drain().map(|(_, held)| held.id));
        drop(state);
        owed.iter()
            .map(|id| Command::Forward(Some(gone(id))))
            .collect()
    }

    /// How many requests of the client wait for the server's answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().of_client.owed()
    }

    /// The numbers of the questions that are not answered yet.
    #[must_use]
    pub fn unanswered(&self) -> Vec<String> {
        self.state().held.keys().cloned().collect()
    }

    /// Carries out what became of a call that waited for a person. A question that is settled
    /// already comes to nothing.
    #[must_use]
    pub fn settle(&self, number: &str, outcome: Outcome) -> Settled {
        let Some(held) = self.state().held.remove(number) else {
            return Settled::default();
        };
        let Held {
            id,
            asked,
            frame,
            mut decided,
            ..
        } = held;
        outcome.apply(&mut decided.inspection, "elicitation", number);
        let mut commands = Vec::new();
        if outcome == Outcome::Approved {
            match self.admit(&id, asked) {
                Ok(()) => commands.push(Command::Forward(Some(frame.clone()))),
                Err(why) => commands.push(Command::Reply(reply::error(&id, reply::INTERNAL, why))),
            }
        } else if outcome != Outcome::Withdrawn {
            commands.push(Command::Reply(self.denial(&decided, &id, asked, false)));
        }
        if matches!(outcome, Outcome::TimedOut | Outcome::Withdrawn) {
            let notice = approval::withdrawal(number, outcome.as_str());
            commands.push(Command::Reply(notice));
        }
        commands.insert(0, Command::Audit(decided));
        if self.lines {
            without_carriage_returns(&frame, &mut commands);
        }
        Settled { frame, commands }
    }

    /// Lets a request of the client wait for the server's answer.
    fn admit(&self, id: &str, asked: Asked) -> Result<(), &'static str> {
        let mut state = self.state();
        if state.server_gone {
            return Err(GONE);
        }
        if !self.lines && asked == Asked::ToolList {
            // Without room its hints are not learned, and the request goes its way.
            let _ = state.of_client.add(id, asked);
            return Ok(());
        }
        let remembered = self.lines || asked == Asked::Initialize;
        if remembered && !state.of_client.add(id, asked) {
            return Err("too many requests wait for an answer");
        }
        Ok(())
    }

    /// The answer to a request that is not let through.
    fn denial(&self, decided: &Decided, id: &str, asked: Asked, modern: bool) -> Vec<u8> {
        let form = match asked {
            Asked::ToolCall => self.deny_response,
            _ => DenyResponse::JsonRpcError,
        };
        let (guard, inspection) = (&decided.guard, &decided.inspection);
        reply::denial(guard, inspection, id, form, modern, &decided.decision_id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is remembered of a request of this side.
    fn forget(&self, from: Side, id: &str) {
        let mut state = self.state();
        let _ = match from {
            Side::Client => state.of_client.take(id),
            Side::Server => state.of_server.take(id),
        };
    }

    fn decision_id(&self) -> String {
        let number = self.decisions.fetch_add(1, Ordering::Relaxed);
        format!("{}-{}", self.nonce, number.saturating_add(1))
    }

    fn of_client(&self, guard: &Arc<Guard>, frame: &Frame<'_>) -> Vec<Command> {
        let refused = |m: &Malformed| vec![Command::Reply(reply::error(&m.id, m.code, &m.message))];
        let document = match &frame.document {
            Ok(document) => document,
            Err(error) => {
                let mut malformed = Malformed::json(*error);
                // JSON, but of the kind that readers disagree on: its sender can read an id.
                if malformed.code == -32600
                    && let Some(id) = skimmed(frame.bytes).and_then(|e| e.id)
                {
                    malformed.id = id;
                }
                return refused(&malformed);
            }
        };
        if document.node(ROOT).map(|n| n.kind) == Some(Kind::Array) && !self.state().batches {
            return refused(&Malformed {
                code: -32600,
                id: "null".into(),
                answer: true,
                message: "this session's protocol version has no batches".into(),
            });
        }
        let messages = match frame::messages(document) {
            Ok(messages) => messages,
            Err(malformed) => return refused(&malformed),
        };
        if let Some((restored, resumed)) = self
            .approvals
            .as_ref()
            .and_then(|approvals| approvals.resume(document))
        {
            return self.resumed(guard, &restored, &resumed);
        }
        let mut turn = Turn::default();
        for message in &messages {
            match message {
                Ok(message) => {
                    let fate = self.client_message(guard, document, message, None, &mut turn);
                    turn.fates.push((message.node, fate));
                }
                Err(m) => {
                    turn.fates.push((ROOT, Fate::Stop));
                    turn.replies.push(reply::error(&m.id, m.code, &m.message));
                }
            }
        }
        let mut commands = turn.finish(document);
        if self.lines {
            without_carriage_returns(frame.bytes, &mut commands);
        }
        commands
    }

    /// A request comes again with a person's answer: judged as it was asked about.
    fn resumed(&self, guard: &Arc<Guard>, restored: &[u8], resumed: &Resumed) -> Vec<Command> {
        let refused = |m: &Malformed| vec![Command::Reply(reply::error(&m.id, m.code, &m.message))];
        let document = match Document::parse(restored, &guard.settings.limits) {
            Ok(document) => document,
            Err(error) => return refused(&Malformed::json(error)),
        };
        let message = match frame::message(&document, ROOT) {
            Ok(message) => message,
            Err(malformed) => return refused(&malformed),
        };
        let mut turn = Turn::default();
        let fate = match self.client_message(guard, &document, &message, Some(resumed), &mut turn) {
            Fate::Pass => Fate::Replace(restored.to_vec()),
            other => other,
        };
        turn.fates.push((ROOT, fate));
        let mut commands = turn.finish(&document);
        if self.lines {
            without_carriage_returns(restored, &mut commands);
        }
        commands
    }

    /// What becomes of a request that a rule escalates, where somebody can be asked.
    fn appeal(
        &self,
        guard: &Arc<Guard>,
        document: &Document<'_>,
        message: &Message,
        resumed: Option<&Resumed>,
        inspection: &mut Inspection,
    ) -> Appeal {
        let (Some(approvals), Some(id)) = (&self.approvals, message.id()) else {
            return Appeal::Stands;
        };
        // A part of a batch cannot wait alone.
        if message.node != ROOT || inspection.enforced != Decision::Escalate {
            return Appeal::Stands;
        }
        let digest = || approvals.digest(guard, document, message, inspection);
        if let Some(resumed) = resumed {
            let outcome = approvals.redeem(resumed, &digest());
            outcome.apply(inspection, "elicitation", resumed.number());
            return match outcome {
                Outcome::Approved => Appeal::Approved,
                _ => Appeal::Stands,
            };
        }
        let seconds = approvals.seconds();
        let waiting = || Waiting::new(guard, document, message, inspection);
        if approvals.way() == Way::Store {
            let name = self.name.read().unwrap_or_else(PoisonError::into_inner);
            let waiting = waiting().of(&digest(), &self.server, &name);
            drop(name);
            return stored(approvals.look_up(&waiting), inspection);
        }
        if approval::can_go_round(document, message) {
            let question = waiting().question(seconds);
            let Some(state) = approvals.state(document, message, &digest()) else {
                return Appeal::Stands;
            };
            inspection.trail.approval = Some(approval::Note {
                outcome: "asked",
                via: "elicitation",
                id: String::new(),
            });
            return Appeal::Again(approval::input_required(id, &question, &state));
        }
        if self.state().elicits {
            return Appeal::Held(waiting(), seconds);
        }
        Appeal::Stands
    }

    /// A number and room for a call that is to wait.
    fn ticket(&self, document: &Document<'_>) -> Option<(String, Room)> {
        let approvals = self.approvals.as_ref()?;
        Some((approvals.number()?, approvals.room(document.frame.len())?))
    }

    /// Keeps a request until its person has answered; the question to ask.
    fn hold(&self, held: Held, number: String, waiting: &Waiting, seconds: u64) -> Question {
        let frame = approval::request(&number, &waiting.question(seconds));
        self.state().held.insert(number.clone(), held);
        Question {
            number,
            frame,
            seconds,
        }
    }

    /// What the client's own message means for the calls that wait for a person: the number of the
    /// question that it settles, and how.
    fn settles(&self, document: &Document<'_>, message: &Message) -> Option<(String, Outcome)> {
        match &message.shape {
            Shape::Response { id, error } => {
                let key = pending::key(id);
                let number = approval::number_of(&key)?;
                let state = self.state();
                state.held.get(number)?;
                let outcome = match message.body {
                    Some(result) if !error => approval::outcome(document, result),
                    _ => Outcome::Unable,
                };
                Some((number.into(), outcome))
            }
            Shape::Notification if message.method == "notifications/cancelled" => {
                let state = self.state();
                if state.held.is_empty() {
                    return None;
                }
                let id = document.raw(document.member(message.body?, "requestId")?);
                let key = pending::key(id);
                let found = state.held.iter().find(|(_, h)| pending::key(&h.id) == key);
                found.map(|(number, _)| (number.clone(), Outcome::Withdrawn))
            }
            _ => None,
        }
    }

    fn client_message(
        &self,
        guard: &Arc<Guard>,
        document: &Document<'_>,
        message: &Message,
        resumed: Option<&Resumed>,
        turn: &mut Turn,
    ) -> Fate {
        if self.approvals.is_some() {
            if let Some((number, outcome)) = self.settles(document, message) {
                turn.commands.push(Command::Answered(number, outcome));
                return Fate::Stop;
            }
            // Late or not: the server asked nothing.
            if let Shape::Response { id, .. } = &message.shape
                && approval::number_of(&pending::key(id)).is_some()
            {
                return Fate::Stop;
            }
        }
        let mut inspection = guard.inspect(document, message, &self.from_client);
        let rewritten = match inspection.enforced {
            Decision::Redact => match rewrite(guard, document, message, &inspection.redactions) {
                Some(rewritten) => rewritten,
                None => {
                    refuse_to_redact(&mut inspection);
                    None
                }
            },
            _ => None,
        };
        if let Some(resumed) = resumed
            && !resumed.is_genuine()
        {
            Outcome::Void.apply(&mut inspection, "elicitation", "");
        }
        let appeal = self.appeal(guard, document, message, resumed, &mut inspection);
        let stopped = matches!(inspection.enforced, Decision::Deny | Decision::Escalate);
        let modern = self.follow(document, message, stopped, turn);
        let mut fate = match rewritten {
            Some(bytes) => Fate::Replace(bytes),
            None => Fate::Pass,
        };
        let decision_id = if message.is_tool_call() || inspection.decision != Decision::Allow {
            self.decision_id()
        } else {
            String::new()
        };
        let decided = Decided {
            guard: Arc::clone(guard),
            inspection,
            decision_id,
        };
        if let (Appeal::Held(waiting, seconds), Some(id)) = (&appeal, message.id())
            && let Some((number, room)) = self.ticket(document)
        {
            let held = Held {
                id: id.into(),
                asked: Asked::of(&message.method),
                frame: document.frame.as_bytes().to_vec(),
                decided: Box::new(decided),
                _room: room,
            };
            let question = self.hold(held, number, waiting, *seconds);
            turn.commands.push(Command::Ask(question));
            return Fate::Stop;
        }
        match &message.shape {
            Shape::Request { id } if stopped => {
                fate = Fate::Stop;
                turn.replies.push(match appeal {
                    Appeal::Again(question) => question,
                    _ => self.denial(&decided, id, Asked::of(&message.method), modern),
                });
            }
            Shape::Request { id } => {
                if let Err(why) = self.admit(id, Asked::of(&message.method)) {
                    fate = Fate::Stop;
                    turn.replies.push(reply::error(id, reply::INTERNAL, why));
                }
            }
            Shape::Notification if stopped => fate = Fate::Stop,
            Shape::Notification => {
                if message.method == "notifications/cancelled"
                    && let Some(id) = message.body.and_then(|b| document.member(b, "requestId"))
                {
                    self.state().of_client.cancel(document.raw(id));
                }
            }
            Shape::Response { id, .. } => {
                self.forget(Side::Server, id);
                if stopped {
                    // The server learns that there is no answer, and nothing of the reason.
                    let why = "the client's answer was withheld by policy";
                    fate = Fate::Replace(reply::error(id, reply::DENIED, why));
                }
            }
        }
        if !decided.decision_id.is_empty() {
            turn.commands.push(Command::Audit(Box::new(decided)));
        }
        fate
    }

    /// Keeps track of the revision that the client speaks; whether this request is of 2026-07-28
    /// or later, where a reply depends on that.
    fn follow(
        &self,
        document: &Document<'_>,
        message: &Message,
        stopped: bool,
        turn: &mut Turn,
    ) -> bool {
        let initialize = message.method == "initialize";
        // Looked up once a conversation on the way of calls that are let through.
        if !stopped && !initialize && self.state().modern {
            return true;
        }
        let modern = message
            .body
            .and_then(|params| document.member(params, "_meta"))
            .and_then(|meta| document.member(meta, VERSION_KEY))
            .is_some();
        let mut state = self.state();
        if initialize {
            state.elicits = approval::declared(document, message);
        }
        if initialize && state.modern {
            turn.commands.push(Command::Log(
                "alert: the client fell back from protocol 2026-07-28 to initialize".into(),
            ));
        }
        state.modern = (state.modern || modern) && !initialize;
        modern
    }

    fn of_server(&self, guard: &Arc<Guard>, frame: &Frame<'_>) -> Vec<Command> {
        let document = match &frame.document {
            Ok(document) => document,
            Err(error) => return self.unreadable(skimmed(frame.bytes), &error.to_string()),
        };
        let messages = match frame::messages(document) {
            Ok(messages) => messages,
            Err(malformed) => return self.unreadable(skimmed(frame.bytes), &malformed.message),
        };
        let mut turn = Turn::default();
        for message in &messages {
            match message {
                Ok(message) => {
                    let fate = self.server_message(guard, document, message, &mut turn);
                    turn.fates.push((message.node, fate));
                }
                Err(malformed) => {
                    turn.fates.push((ROOT, Fate::Stop));
                    turn.commands.push(dropped(&malformed.message));
                }
            }
        }
        turn.finish(document)
    }

    fn server_message(
        &self,
        guard: &Arc<Guard>,
        document: &Document<'_>,
        message: &Message,
        turn: &mut Turn,
    ) -> Fate {
        let mut asked = Asked::Other;
        match &message.shape {
            // The server could not read something; whom it concerns is not known.
            Shape::Response { id, error: true } if id == "null" => {}
            Shape::Response { id, .. } => {
                let mut state = self.state();
                let answered = state.of_client.take(id);
                if answered.is_none() && self.lines {
                    turn.commands
                        .push(dropped("an answer to a request that nobody waits for"));
                    return Fate::Stop;
                }
                asked = answered.unwrap_or(Asked::Other);
                if asked == Asked::Initialize {
                    let version = message
                        .body
                        .and_then(|result| document.member(result, "protocolVersion"))
                        .and_then(|version| document.str(version));
                    state.batches = version == Some(WITH_BATCHES);
                }
                if asked == Asked::ToolList
                    && let Some(result) = message.body
                {
                    self.around().hints().learn(document, result);
                }
            }
            Shape::Request { id } => {
                if self.lines && !self.state().of_server.add(id, Asked::Other) {
                    let why = "too many requests wait for an answer";
                    turn.replies.push(reply::error(id, reply::INTERNAL, why));
                    return Fate::Stop;
                }
            }
            Shape::Notification => {
                if message.method == "notifications/cancelled"
                    && let Some(id) = message.body.and_then(|b| document.member(b, "requestId"))
                {
                    self.state().of_server.cancel(document.raw(id));
                }
            }
        }
        // Only rules that say so are about what the server sends.
        if !guard.policy.concerns(Direction::Response) {
            return Fate::Pass;
        }
        let mut inspection = guard.inspect(document, message, &self.from_server);
        // What the server wants back as it was is no text for the agent, whatever it looks like.
        for name in ["requestState", "nextCursor"] {
            let state = message.body.and_then(|body| document.member(body, name));
            if let Some(node) = state.and_then(|state| document.node(state)) {
                inspection
                    .redactions
                    .retain(|redaction| !redaction.span.overlaps(node.span()));
            }
        }
        let mut rewritten = None;
        match inspection.enforced {
            Decision::Allow | Decision::Simulate => {}
            Decision::Redact => match rewrite(guard, document, message, &inspection.redactions) {
                Some(None) => return Fate::Pass,
                Some(bytes) => rewritten = bytes,
                None => refuse_to_redact(&mut inspection),
            },
            // Nothing leaves the machine this way: without a rule, a bound that was met holds
            // nothing back.
            Decision::Deny | Decision::Escalate if inspection.primary.is_none() => {
                return Fate::Pass;
            }
            Decision::Deny | Decision::Escalate => {}
        }
        if inspection.decision == Decision::Allow {
            return Fate::Pass;
        }
        let decision_id = self.decision_id();
        let fate = match (rewritten, inspection.enforced) {
            (Some(bytes), _) => Fate::Replace(bytes),
            (None, Decision::Deny | Decision::Escalate) => {
                let modern = self.state().modern;
                let reply = |id: &str| {
                    let form = match asked {
                        Asked::ToolCall => self.deny_response,
                        _ => DenyResponse::JsonRpcError,
                    };
                    reply::denial(guard, &inspection, id, form, modern, &decision_id)
                };
                match &message.shape {
                    Shape::Response { id, .. } => Fate::Replace(reply(id)),
                    Shape::Request { id } => {
                        self.forget(Side::Server, id);
                        turn.replies.push(reply(id));
                        Fate::Stop
                    }
                    Shape::Notification => Fate::Stop,
                }
            }
            _ => Fate::Pass,
        };
        turn.commands.push(Command::Audit(Box::new(Decided {
            guard: Arc::clone(guard),
            inspection,
            decision_id,
        })));
        fate
    }

    /// A line of the server that cannot be let through. The client still gets an answer if one
    /// was meant.
    fn unreadable(&self, envelope: Option<Envelope>, why: &str) -> Vec<Command> {
        let mut commands = vec![dropped(why)];
        match envelope {
            Some(Envelope {
                id: Some(id),
                method: false,
                answer: true,
            }) if self.state().of_client.take(&id).is_some() => {
                let why = format!("the server's answer cannot be read: {why}");
                let error = reply::error(&id, reply::INTERNAL, &why);
                commands.push(Command::Forward(Some(error)));
            }
            Some(Envelope {
                id: Some(id),
                method: true,
                ..
            }) => commands.push(Command::Reply(reply::error(&id, -32600, why))),
            _ => {}
        }
        commands
    }
}

impl Turn {
    /// The commands: first the audit, then what is forwarded, then what is answered.
    fn finish(mut self, document: &Document<'_>) -> Vec<Command> {
        if document.node(ROOT).map(|n| n.kind) != Some(Kind::Array) {
            self.commands
                .extend(self.fates.into_iter().filter_map(|(_, fate)| match fate {
                    Fate::Pass => Some(Command::Forward(None)),
                    Fate::Replace(bytes) => Some(Command::Forward(Some(bytes))),
                    Fate::Stop => None,
                }));
            self.commands
                .extend(self.replies.into_iter().map(Command::Reply));
            return self.commands;
        }
        if self.fates.iter().all(|(_, f)| matches!(f, Fate::Pass)) && !self.fates.is_empty() {
            self.commands.push(Command::Forward(None));
        } else {
            let kept = self.fates.iter().filter_map(|(node, fate)| match fate {
                Fate::Pass => Some(document.raw(*node).as_bytes()),
                Fate::Replace(bytes) => Some(bytes.as_slice()),
                Fate::Stop => None,
            });
            if let Some(array) = array(kept) {
                self.commands.push(Command::Forward(Some(array)));
            }
        }
        let replies = self.replies.iter().map(Vec::as_slice);
        self.commands.extend(array(replies).map(Command::Reply));
        self.commands
    }
}

/// The elements as a JSON array; `None` without any.
fn array<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for element in elements {
        bytes.push(if bytes.is_empty() { b'[' } else { b',' });
        bytes.extend_from_slice(element);
    }
    if bytes.is_empty() {
        return None;
    }
    bytes.push(b']');
    Some(bytes)
}

/// One message with its secrets masked; `Some(None)` where there is nothing to mask, `None` where
/// masking would make another message of it.
#[expect(
    clippy::option_option,
    reason = "nothing to do and cannot be done are two things"
)]
fn rewrite(
    guard: &Guard,
    document: &Document<'_>,
    message: &Message,
    redactions: &[Redaction],
) -> Option<Option<Vec<u8>>> {
    if redactions.is_empty() {
        return Some(None);
    }
    let frame = document.frame.as_bytes();
    let bytes = if message.node == ROOT {
        redact::splice(frame, redactions)
    } else {
        let whole = document.node(message.node)?.span();
        let here: Vec<Redaction> = redactions
            .iter()
            .map(|redaction| Redaction {
                span: Span::new(
                    redaction.span.start.saturating_sub(whole.start),
                    redaction.span.end.saturating_sub(whole.start),
                ),
                ..redaction.clone()
            })
            .collect();
        redact::splice(whole.of(frame), &here)
    };
    let again = Document::parse(&bytes, &guard.settings.limits).ok()?;
    let same = frame::message(&again, ROOT).ok()?;
    let unchanged =
        (&same.shape, &same.method, &same.name) == (&message.shape, &message.method, &message.name);
    drop(again);
    unchanged.then_some(Some(bytes))
}

/// Turns a REDACT that cannot be carried out into a denial.
fn refuse_to_redact(inspection: &mut Inspection) {
    inspection.decision = Decision::Deny;
    inspection.enforced = Decision::Deny;
    inspection.primary = None;
    inspection.policy_code = ENGINE_ERROR.into();
    inspection.reason = "A secret stands where masking it would change what is asked for".into();
    inspection.redactions = Vec::new();
}

/// A server that reads lines the way text files are read takes a CR for a line end, and would find
/// a message within the message. Between JSON tokens, the only place for it, a space means the same.
fn without_carriage_returns(frame: &[u8], commands: &mut [Command]) {
    let inner = frame.strip_suffix(b"\r").unwrap_or(frame);
    if memchr::memchr(b'\r', inner).is_none() {
        return;
    }
    for command in commands {
        if let Command::Forward(bytes) = command {
            let mut clean = bytes.take().unwrap_or_else(|| inner.to_vec());
            for byte in &mut clean {
                if *byte == b'\r' {
                    *byte = b' ';
                }
            }
            *bytes = Some(clean);
        }
    }
}

fn skimmed(frame: &[u8]) -> Option<Envelope> {
    let mut skim = Skim::default();
    skim.feed(frame);
    skim.finish()
}

/// Why a request of the client gets no answer of the server.
const GONE: &str = "the MCP server ended before it answered";

fn gone(id: &str) -> Vec<u8> {
    reply::error(id, reply::INTERNAL, GONE)
}

/// What the store's word means for a call.
fn stored(standing: Standing, inspection: &mut Inspection) -> Appeal {
    match standing {
        Standing::Approved(id) => {
            Outcome::Approved.apply(inspection, "store", &id);
            return Appeal::Approved;
        }
        Standing::Declined(id) => Outcome::Declined.apply(inspection, "store", &id),
        Standing::Waiting(id) => {
            inspection.reason = format!(
                "{} It waits for approval as {id}: egress-guard approvals approve {id}; then call again.",
                inspection.reason
            );
            inspection.trail.approval = Some(approval::Note {
                outcome: "waiting",
                via: "store",
                id,
            });
        }
        Standing::Unavailable => {}
    }
    Appeal::Stands
}

fn dropped(why: &str) -> Command {
    Command::Log(format!("a line of the server was not passed on: {why}"))
}

#[cfg(test)]
mod tests;
