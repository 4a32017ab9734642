//! The frames that the guard writes itself. None of them quotes a call.

use super::DenyResponse;
use crate::{
    decision::Decision,
    guard::{Guard, Inspection},
    policy::{
        Direction,
        code::{self, PolicyCode},
    },
};
use serde_json::{Map, Value, json};

/// Code of a denied tool call as a JSON-RPC error; the original's, which clients may look for.
const TOOL_CALL_DENIED: i32 = -32001;
/// Code of any other denied request: outside the range that JSON-RPC and MCP keep to themselves.
pub(super) const DENIED: i32 = -31001;
/// Something in the guard or behind it failed.
pub(super) const INTERNAL: i32 = -32603;
/// Member of `_meta` that holds a denial in a form for programs.
const META: &str = "mcp-egress-guard/decision";

/// A JSON-RPC error under an id as written.
#[must_use]
pub fn error(id: &str, code: i32, message: &str) -> Vec<u8> {
    let message = Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#).into()
}

/// The answer to a denied request, or in place of a denied result. Only an answer to a tool call
/// may have the form of a tool's result. `modern` is 2026-07-28, whose results name their type.
#[must_use]
pub fn denial(
    guard: &Guard,
    inspection: &Inspection,
    id: &str,
    form: DenyResponse,
    modern: bool,
    decision_id: &str,
) -> Vec<u8> {
    let data = Value::Object(error_data(guard, inspection, decision_id));
    if form == DenyResponse::JsonRpcError {
        let number = if inspection.tool_name.is_empty() {
            DENIED
        } else {
            TOOL_CALL_DENIED
        };
        let error = json!({
            "code": number,
            "message": format!("Policy violation: {}", inspection.policy_code),
            "data": data,
        });
        return format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into();
    }
    let mut result = Map::new();
    if modern {
        result.insert("resultType".into(), "complete".into());
    }
    let text = explanation(inspection, &data);
    result.insert("content".into(), json!([{"type": "text", "text": text}]));
    result.insert("isError".into(), true.into());
    result.insert("_meta".into(), json!({ META: data }));
    let result = Value::Object(result);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into()
}

/// What `error.data` of a denial holds.
#[must_use]
pub fn error_data(guard: &Guard, inspection: &Inspection, decision_id: &str) -> Map<String, Value> {
    let rule = guard.primary(inspection);
    let detectors = || {
        inspection
            .findings
            .iter()
            .filter_map(|finding| guard.analyzers.catalog.get(finding.detector))
    };
    let mut patterns: Vec<&str> = Vec::new();
    for detector in detectors() {
        if !patterns.contains(&detector.finding_type.as_str()) {
            patterns.push(&detector.finding_type);
        }
    }
    let hint = rule
        .map(|rule| rule.remediation_hint.as_str())
        .filter(|hint| !hint.is_empty())
        .or_else(|| {
            detectors()
                .map(|detector| detector.remediation.as_str())
                .find(|hint| !hint.is_empty())
        });
    let effect = effect(guard, inspection);
    let PolicyCode {
        severity, category, ..
    } = code::describe(&inspection.policy_code);
    let mut data = Map::new();
    for (name, value) in [
        ("policy_code", inspection.policy_code.as_str()),
        ("severity", severity),
        ("category", category),
        ("rule_id", rule.map_or("", |rule| rule.id.as_str())),
        ("reason", inspection.reason.as_str()),
        ("effect", effect.as_str()),
        ("remediation_hint", hint.unwrap_or_default()),
        (
            "safe_alternative",
            rule.map_or("", |rule| rule.safe_alternative.as_str()),
        ),
    ] {
        data.insert(name.into(), value.into());
    }
    data.insert("matched_patterns".into(), patterns.into());
    data.insert("decision".into(), inspection.decision.as_str().into());
    data.insert("decision_id".into(), decision_id.into());
    if let Some(approval) = &inspection.trail.approval
        && !approval.id.is_empty()
    {
        data.insert("approval_id".into(), approval.id.as_str().into());
    }
    data
}

/// Most effects that a denial names.
const MAX_EFFECTS: usize = 3;

/// What the call would do: the descriptions of its worst findings, which hold nothing of its text.
fn effect(guard: &Guard, inspection: &Inspection) -> String {
    let mut found: Vec<_> = inspection
        .findings
        .iter()
        .filter_map(|f| Some((f.risk, guard.analyzers.catalog.get(f.detector)?)))
        .filter(|(_, d)| d.tags.iter().any(|t| t == "deny" || t == "review"))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut effects: Vec<&str> = Vec::new();
    for (_, detector) in found {
        if effects.len() < MAX_EFFECTS && !effects.contains(&detector.description.as_str()) {
            effects.push(&detector.description);
        }
    }
    effects.join(" ")
}

/// What the model reads.
fn explanation(inspection: &Inspection, data: &Value) -> String {
    let field = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let headline = match (inspection.direction, inspection.decision) {
        (Direction::Response, _) => "This call ran, but its result is withheld",
        (_, Decision::Escalate) => "This call needs a person's approval and was not run",
        _ => "This call was blocked and not run",
    };
    let mut text = format!("{headline} (mcp-egress-guard, {}).", inspection.policy_code);
    for (label, name) in [
        ("Rule", "rule_id"),
        ("Reason", "reason"),
        ("Effect", "effect"),
        ("What to do", "remediation_hint"),
        ("Safe alternative", "safe_alternative"),
        ("Decision id", "decision_id"),
    ] {
        let value = field(name);
        if !value.is_empty() {
            text.push('\n');
            text.push_str(label);
            text.push_str(": ");
            text.push_str(value);
        }
    }
    text
}
