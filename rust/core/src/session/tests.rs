//! Each test reads as a transcript: what one side sends, and what the other side or the same gets.

use super::*;
use crate::{detector::Catalog, guard::Settings, policy::syntax::RuleSource};
use serde_json::json;

const DENY_WIPE: &str = r#"{"id":"no-wipe","name":"No wipe","description":"Wipes.","decision":"DENY",
    "policy_code":"EGRESS_DENY_SHELL_RISK","remediation_hint":"Ask first.",
    "conditions":{"content_patterns":["wipe everything"]}}"#;
const ESCALATE_DEPLOY: &str = r#"{"id":"ask","decision":"ESCALATE","policy_code":"EGRESS_ESCALATE_REVIEW",
    "conditions":{"tool_name_patterns":["deploy"]}}"#;

fn session_with(rules: &[&str], settings: Settings, form: DenyResponse) -> Session {
    let rules = rules
        .iter()
        .map(|rule| serde_json::from_str::<RuleSource>(rule).unwrap())
        .collect();
    let settings = Settings { rules, ..settings };
    let guard = Guard::new(Catalog::embedded().unwrap().clone(), settings).unwrap();
    Session::new(Arc::new(guard), form, "n0")
}

fn session() -> Session {
    session_with(
        &[DENY_WIPE, ESCALATE_DEPLOY],
        Settings::default(),
        DenyResponse::ToolResult,
    )
}

/// The commands in short: `→ same`, `→ bytes` to the other side, `← bytes` back, and the decisions.
fn short(from: Side, commands: &[Command]) -> Vec<String> {
    let (there, back) = match from {
        Side::Client => ("server", "client"),
        Side::Server => ("client", "server"),
    };
    commands
        .iter()
        .map(|command| match command {
            Command::Forward(None) => format!("{there}: same"),
            Command::Forward(Some(bytes)) => {
                format!("{there}: {}", String::from_utf8_lossy(bytes))
            }
            Command::Reply(bytes) => format!("{back}: {}", String::from_utf8_lossy(bytes)),
            Command::Audit(decided) => {
                format!("audit: {}", decided.inspection.decision.as_str())
            }
            Command::Log(text) => format!("log: {text}"),
            Command::Ask(question) => format!("ask: {}", question.number),
            Command::Answered(number, outcome) => format!("{}: {number}", outcome.as_str()),
        })
        .collect()
}

trait Talk {
    fn client(&self, frame: &str) -> Vec<String>;
    fn server(&self, frame: &str) -> Vec<String>;
}

impl Talk for Session {
    fn client(&self, frame: &str) -> Vec<String> {
        short(Side::Client, &self.receive(Side::Client, frame.as_bytes()))
    }

    fn server(&self, frame: &str) -> Vec<String> {
        short(Side::Server, &self.receive(Side::Server, frame.as_bytes()))
    }
}

fn error(id: &str, code: i32, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

fn handshake(session: &Session, version: &str) {
    let request = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}"}}}}"#
    );
    assert_eq!(session.client(&request), ["server: same"]);
    let answer =
        format!(r#"{{"jsonrpc":"2.0","id":0,"result":{{"protocolVersion":"{version}"}}}}"#);
    assert_eq!(session.server(&answer), ["client: same"]);
}

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ls","arguments":{}}}"#;

#[test]
fn a_call_and_its_answer_pass_untouched_and_are_recorded_once() {
    let session = session();
    assert_eq!(session.client(CALL), ["audit: ALLOW", "server: same"]);
    assert_eq!(
        session.server(r#"{"result":{"content":[],"n":1.0},"id":1,"jsonrpc":"2.0"}"#),
        ["client: same"]
    );
    assert_eq!(session.client(" \t\r"), Vec::<String>::new());
    assert_eq!(
        session.client(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#),
        ["server: same"]
    );
}

#[test]
fn a_denied_call_is_answered_with_a_result_that_the_model_reads() {
    let session = session();
    let commands = session.receive(
        Side::Client,
        br#"{"jsonrpc":"2.0","id":"x\n1","method":"tools/call","params":{"name":"t","arguments":{"a":"wipe everything"}}}"#,
    );
    let [Command::Audit(decided), Command::Reply(reply)] = commands.as_slice() else {
        panic!("{:?}", short(Side::Client, &commands));
    };
    assert_eq!(decided.decision_id, "n0-1");
    let reply: serde_json::Value = serde_json::from_slice(reply).unwrap();
    let data = serde_json::json!({
        "policy_code": "EGRESS_DENY_SHELL_RISK",
        "severity": "high",
        "category": crate::policy::code::describe("EGRESS_DENY_SHELL_RISK").category,
        "rule_id": "no-wipe",
        "reason": "Rule 'No wipe' (priority 100): Wipes.",
        "effect": "",
        "remediation_hint": "Ask first.",
        "safe_alternative": "",
        "matched_patterns": [],
        "decision": "DENY",
        "decision_id": "n0-1",
    });
    assert_eq!(reply["id"], "x\n1");
    assert_eq!(reply["result"]["isError"], true);
    assert_eq!(reply["result"]["_meta"]["mcp-egress-guard/decision"], data);
    assert_eq!(reply["result"].get("resultType"), None);
    let text = reply["result"]["content"][0]["text"].as_str().unwrap();
    for part in [
        "EGRESS_DENY_SHELL_RISK",
        "no-wipe",
        "Ask first.",
        "n0-1",
        "Wipes.",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_denial_of_the_current_revision_names_its_result_type() {
    let session = session();
    let commands = session.receive(
        Side::Client,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"deploy","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
    );
    let [Command::Audit(_), Command::Reply(reply)] = commands.as_slice() else {
        panic!("{:?}", short(Side::Client, &commands));
    };
    let reply: serde_json::Value = serde_json::from_slice(reply).unwrap();
    assert_eq!(reply["result"]["resultType"], "complete");
    assert_eq!(
        reply["result"]["_meta"]["mcp-egress-guard/decision"]["decision"],
        "ESCALATE"
    );
}

#[test]
fn a_denial_is_an_error_where_so_configured_and_for_other_methods() {
    let session = session_with(
        &[DENY_WIPE],
        Settings::default(),
        DenyResponse::JsonRpcError,
    );
    for (frame, code) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"wipe everything":1}}}"#,
            -32001,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"x:wipe everything"}}"#,
            -31001,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"no/such","extra":["wipe everything"]}"#,
            -31001,
        ),
    ] {
        let commands = session.receive(Side::Client, frame.as_bytes());
        let [Command::Audit(_), Command::Reply(reply)] = commands.as_slice() else {
            panic!("{frame}: {:?}", short(Side::Client, &commands));
        };
        let reply: serde_json::Value = serde_json::from_slice(reply).unwrap();
        assert_eq!(reply["error"]["code"], code, "{frame}");
        assert_eq!(
            reply["error"]["message"],
            "Policy violation: EGRESS_DENY_SHELL_RISK"
        );
        assert_eq!(reply["error"]["data"]["rule_id"], "no-wipe");
    }
}

#[test]
fn the_whole_message_is_judged() {
    let session = session();
    for frame in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{"a":"wipe everything"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","inputResponses":{"a":{"content":{"b":"wipe everything"}}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","requestState":"wipe everything"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wipe everything"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"t\u006fols/call","params":{"name":"t","arguments":{"a":"w\u0069pe everything"}}}"#,
    ] {
        let commands = session.client(frame);
        assert_eq!(commands[0], "audit: DENY", "{frame}");
        assert!(commands[1].starts_with("client: "), "{frame}");
        assert_eq!(commands.len(), 2, "{frame}");
    }
}

#[test]
fn a_denied_notification_gets_no_answer() {
    let session = session();
    for method in ["tools/call", "notifications/message"] {
        let frame = format!(
            r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"name":"t","x":"wipe everything"}}}}"#
        );
        assert_eq!(session.client(&frame), ["audit: DENY"]);
    }
}

#[test]
fn shadow_mode_records_and_forwards() {
    let settings = Settings {
        shadow_mode: true,
        ..Settings::default()
    };
    let session = session_with(&[DENY_WIPE], settings, DenyResponse::ToolResult);
    let frame = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"wipe everything"}}}"#;
    assert_eq!(session.client(frame), ["audit: DENY", "server: same"]);
}

#[test]
fn malformed_frames_are_answered() {
    let session = session();
    for (frame, id, code) in [
        ("{", "null", -32700),
        ("{} {}", "null", -32700),
        ("\u{feff}{}", "null", -32700),
        ("{\"a\":\"\u{1}\"}", "null", -32700),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":NaN}"#,
            "null",
            -32700,
        ),
        (r#""x""#, "null", -32600),
        ("[]", "null", -32600),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "null",
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            "null",
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}"#,
            "7",
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1,"\u0061":2}}"#,
            "7",
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":["\ud800"]}"#,
            "7",
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"t","arguments":[]}}"#,
            "\"s\"",
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call ","params":{"name":"t"}}"#,
            "7",
            -32600,
        ),
    ] {
        let commands = session.client(frame);
        let expected = format!(r#"client: {{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"#);
        assert_eq!(commands.len(), 1, "{frame}");
        assert!(commands[0].starts_with(&expected), "{frame}: {commands:?}");
    }
    let invalid = session.receive(
        Side::Client,
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}",
    );
    assert!(short(Side::Client, &invalid)[0].contains("-32700"));
    let deep = session.client(&"[".repeat(100_000));
    assert!(deep[0].contains("-32600"));
}

#[test]
fn only_the_answers_that_were_asked_for_reach_the_client() {
    let session = session();
    let log =
        "log: a line of the server was not passed on: an answer to a request that nobody waits for";
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(session.server(answer), [log]);
    session.client(CALL);
    assert_eq!(
        session.server(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#),
        [log]
    );
    assert_eq!(session.server(answer), ["client: same"]);
    assert_eq!(session.server(answer), [log]);
    assert_eq!(
        session.server(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":""}}"#),
        ["client: same"]
    );
}

#[test]
fn one_id_in_both_directions_is_no_conflict() {
    let session = session();
    session.client(CALL);
    assert_eq!(
        session.server(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#),
        ["client: same"]
    );
    assert_eq!(
        session.client(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#),
        ["server: same"]
    );
    assert_eq!(
        session.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        ["client: same"]
    );
}

#[test]
fn an_answer_of_the_client_that_is_denied_becomes_an_error_for_the_server() {
    let session = session();
    session.server(r#"{"jsonrpc":"2.0","id":"s","method":"elicitation/create","params":{}}"#);
    let expected = error(
        "\"s\"",
        -31001,
        "the client's answer was withheld by policy",
    );
    assert_eq!(
        session
            .client(r#"{"jsonrpc":"2.0","id":"s","result":{"content":{"a":"wipe everything"}}}"#),
        ["audit: DENY".to_owned(), format!("server: {expected}")]
    );
}

#[test]
fn a_banner_is_withheld_and_a_broken_answer_is_answered_for() {
    let session = session();
    let withheld = |why: &str| format!("log: a line of the server was not passed on: {why}");
    assert_eq!(
        session.server("Server ready on stdio"),
        [withheld("invalid JSON at byte 0")]
    );
    session.client(CALL);
    let why = "duplicate member name at byte 40";
    assert_eq!(
        session.server(r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}"#),
        [
            withheld(why),
            format!(
                "client: {}",
                error(
                    "1",
                    -32603,
                    &format!("the server's answer cannot be read: {why}")
                )
            )
        ]
    );
    let commands = session.server(r#"{"jsonrpc":"2.0","id":5,"method":"x","params":["\ud800"]}"#);
    assert!(commands[1].starts_with(r#"server: {"jsonrpc":"2.0","id":5,"error""#));
}

#[test]
fn when_the_server_ends_every_request_is_answered() {
    let session = session();
    session.client(CALL);
    session.client(r#"{"jsonrpc":"2.0","id":"b","method":"ping"}"#);
    session.client(r#"{"jsonrpc":"2.0","id":"done","method":"ping"}"#);
    session.server(r#"{"jsonrpc":"2.0","id":"done","result":{}}"#);
    let why = "the MCP server ended before it answered";
    let mut answers = short(Side::Server, &session.server_gone());
    answers.sort();
    assert_eq!(
        answers,
        [
            format!("client: {}", error("\"b\"", -32603, why)),
            format!("client: {}", error("1", -32603, why)),
        ]
    );
    assert_eq!(
        session.client(CALL),
        [
            "audit: ALLOW".to_owned(),
            format!("client: {}", error("1", -32603, why))
        ]
    );
}

#[test]
fn a_cancelled_request_is_owed_no_answer_but_may_still_get_one() {
    let session = session();
    for id in [1, 2] {
        session.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
        session.client(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
    }
    assert_eq!(
        session.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        ["client: same"]
    );
    assert!(session.server_gone().is_empty());
}

#[test]
fn a_batch_is_judged_message_by_message() {
    let session = session();
    handshake(&session, "2025-03-26");
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    assert_eq!(
        session.client(&format!("[{CALL}, {ping}]")),
        ["audit: ALLOW", "server: same"]
    );
    assert_eq!(
        session.server(
            r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":9,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]"#
        ),
        [
            "log: a line of the server was not passed on: an answer to a request that nobody waits for",
            r#"client: [{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]"#
        ]
    );
    let denied = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t","arguments":{"a":"wipe everything"}}}"#;
    let commands = session.client(&format!("[{ping},{denied},5,{note}]"));
    assert_eq!(commands.len(), 3);
    assert_eq!(
        commands[..2],
        ["audit: DENY".to_owned(), format!("server: [{ping},{note}]")]
    );
    let replies: serde_json::Value =
        serde_json::from_str(commands[2].strip_prefix("client: ").unwrap()).unwrap();
    assert_eq!(replies[0]["id"], 3);
    assert_eq!(replies[0]["result"]["isError"], true);
    assert_eq!(replies[1]["error"]["code"], -32600);
    handshake(&session, "2025-06-18");
    assert!(session.client(&format!("[{ping}]"))[0].contains("-32600"));
}

#[test]
fn a_line_within_the_line_is_not_left_to_readers_that_end_lines_at_cr() {
    let session = session();
    assert_eq!(
        session.client(&format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"a\":\r{CALL}\r}}}}\r"
        )),
        [format!(
            "server: {{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"a\": {CALL} }}}}"
        )]
    );
    assert_eq!(
        session.client("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\r"),
        ["server: same"]
    );
}

#[test]
fn a_line_that_is_too_long_is_answered() {
    let session = session();
    let skim = |text: &str| {
        let mut skim = Skim::default();
        skim.feed(text.as_bytes());
        skim
    };
    let why = "the message is longer than 67108864 bytes";
    assert_eq!(
        short(Side::Client, &session.oversize(Side::Client, skim(CALL))),
        [format!("client: {}", error("null", -32600, why))]
    );
    session.client(CALL);
    let long = skim(r#"{"result":{"text":"…"},"jsonrpc":"2.0","id":1}"#);
    assert_eq!(
        short(Side::Server, &session.oversize(Side::Server, long))[1],
        format!(
            "client: {}",
            error(
                "1",
                -32603,
                &format!("the server's answer cannot be read: {why}")
            )
        )
    );
    session.server(r#"{"jsonrpc":"2.0","id":4,"method":"sampling/createMessage"}"#);
    let long = skim(r#"{"result":{"text":"…"},"jsonrpc":"2.0","id":4}"#);
    assert_eq!(
        short(Side::Client, &session.oversize(Side::Client, long))[1],
        format!("server: {}", error("4", -32603, why))
    );
}

#[test]
fn a_decision_that_cannot_be_recorded_refuses_the_call() {
    let session = session();
    session.client(CALL);
    let why = "the audit log cannot be written";
    let refused = session.refuse(Side::Client, CALL.as_bytes(), why);
    assert_eq!(
        short(Side::Client, &refused),
        [format!("client: {}", error("1", -32603, why))]
    );
    assert!(session.server_gone().is_empty());
}

#[test]
fn a_fall_back_to_the_old_handshake_is_told() {
    let session = session();
    session.client(
        r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
    );
    assert_eq!(
        session.client(r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}"#),
        [
            "log: alert: the client fell back from protocol 2026-07-28 to initialize",
            "server: same"
        ]
    );
}

const DENY_ANSWER: &str = r#"{"id":"no-answer","name":"A","description":"B.","decision":"DENY",
    "policy_code":"EGRESS_DENY_SECRET_LEAK",
    "conditions":{"direction":"response","content_patterns":["wipe everything"]}}"#;

#[test]
fn a_rule_about_answers_withholds_them_and_no_other_rule_does() {
    let answer = |id: u8| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"wipe everything"}}"#);
    let lenient = session();
    lenient.client(CALL);
    assert_eq!(lenient.server(&answer(1)), ["client: same"]);
    let session = session_with(
        &[DENY_WIPE, DENY_ANSWER],
        Settings::default(),
        DenyResponse::ToolResult,
    );
    session.client(CALL);
    session.client(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    let commands = session.receive(Side::Server, answer(1).as_bytes());
    let [Command::Audit(_), Command::Forward(Some(denial))] = commands.as_slice() else {
        panic!("{:?}", short(Side::Server, &commands));
    };
    let denial: serde_json::Value = serde_json::from_slice(denial).unwrap();
    assert_eq!(denial["id"], 1);
    assert_eq!(denial["result"]["isError"], true);
    let commands = session.server(&answer(2));
    assert!(commands[1].starts_with(r#"client: {"jsonrpc":"2.0","id":2,"error":{"code":-31001,"#));
    let asked = r#"{"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":["wipe everything"]}"#;
    let commands = session.server(asked);
    assert_eq!(commands.len(), 2);
    assert!(commands[1].starts_with(r#"server: {"jsonrpc":"2.0","id":"s","error""#));
}

#[test]
fn what_the_server_wants_back_is_not_masked() {
    let rule = r#"{"id":"mask","decision":"REDACT","policy_code":"EGRESS_REDACT_SECRET",
        "conditions":{"direction":"response","finding_ids":["text.*"]}}"#;
    let session = session_with(&[rule], Settings::default(), DenyResponse::ToolResult);
    let key = "AKIAIOSFODNN7EXAMPLE";
    session.client(CALL);
    let asked = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"input_required","requestState":"{key}"}}}}"#
    );
    assert_eq!(session.server(&asked), ["client: same"]);
    session.client(CALL);
    let both = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"nextCursor":"{key}","content":[{{"type":"text","text":"{key}"}}]}}}}"#
    );
    let commands = session.server(&both);
    assert_eq!(commands[0], "audit: REDACT");
    assert_eq!(commands[1].matches(key).count(), 1);
    assert!(commands[1].contains(&format!(r#""nextCursor":"{key}""#)));
}

#[test]
fn a_rule_may_ask_for_what_the_server_says_of_its_tools() {
    let rules = json!([{
        "id": "r", "decision": "DENY",
        "conditions": {"tool_hints": {"destructiveHint": true}},
    }]);
    let settings = Settings {
        rules: serde_json::from_value(rules).unwrap(),
        ..Settings::default()
    };
    let guard = Guard::new(Catalog::embedded().unwrap().clone(), settings).unwrap();
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"wipe"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"wipe","annotations":{"destructiveHint":true}},{"name":"look"}]}}"#;
    let guard = Arc::new(guard);
    for http in [false, true] {
        let hints = Arc::new(Hints::default());
        let session = |nonce| {
            let session = Session::new(Arc::clone(&guard), DenyResponse::ToolResult, nonce)
                .with_server("s", Arc::clone(&hints));
            if http {
                session.over_http(false)
            } else {
                session
            }
        };
        let first = session("n");
        assert_eq!(first.client(call)[0], "audit: ALLOW");
        assert_eq!(first.client(list), ["server: same"]);
        assert_eq!(first.server(answer), ["client: same"]);
        assert_eq!(first.client(call)[0], "audit: DENY");
        // Another conversation with the same server knows it as well.
        assert_eq!(session("m").client(call)[0], "audit: DENY");
    }
}

/// With `session_tokens`, equal secrets of one session read alike, and of no other session.
#[test]
fn tokens_tell_secrets_apart_within_one_session_only() {
    let rule = r#"{"id":"mask","decision":"REDACT","policy_code":"EGRESS_REDACT_SECRET",
        "masking":"tokenized","conditions":{"finding_ids":["text.github.*"]}}"#;
    let frame = |id: u32, secrets: &[&str]| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "post", "arguments": {"x": secrets}}})
        .to_string()
    };
    let tokens = |session: &Session, id: u32, secrets: &[&str]| -> Vec<String> {
        let said = session.client(&frame(id, secrets));
        let bytes = said.last().unwrap().strip_prefix("server: ").unwrap();
        let value: serde_json::Value = serde_json::from_str(bytes).unwrap();
        let array = value["params"]["arguments"]["x"].as_array().unwrap();
        array
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    };
    let (one, two) = (
        "ghp_q7Rk2ZpLx93VbTnE04aBw8YdKs5Jm1HcUf6G",
        "ghp_Zm6Ry3tVs8nXw4pL9kQ2hG7aB1cD5eF0jKuT",
    );
    let start = |session_tokens: bool| {
        let settings = Settings {
            session_tokens,
            ..Settings::default()
        };
        let session = session_with(&[rule], settings, DenyResponse::ToolResult);
        handshake(&session, "2025-06-18");
        session
    };
    let plain = start(false);
    assert_eq!(
        tokens(&plain, 1, &[one, two]),
        ["<REDACTED:github_pat>", "<REDACTED:github_pat>"]
    );
    let session = start(true);
    let first = tokens(&session, 1, &[one, two, one]);
    assert_eq!(first[0], first[2]);
    assert_ne!(first[0], first[1]);
    assert!(first[0].starts_with("<REDACTED:github_pat:") && first[0].len() == 34);
    assert_eq!(tokens(&session, 2, &[two, one]), [&*first[1], &*first[0]]);
    assert_ne!(tokens(&start(true), 1, &[one]), [&*first[0]]);
}
