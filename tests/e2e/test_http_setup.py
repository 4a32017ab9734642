"""How the gateway is set up: several servers, workers, a token, the admin listener, reload."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.e2e.http_peers import Guarded, Peer, Seen, Server, call, free_port, guarded, post
from tests.otlp import Receiver, attributes

METADATA = "/.well-known/oauth-protected-resource"


def test_several_servers_by_path(server: Server, guard: str, tmp_path: Path) -> None:
    other = Server()
    upstreams = [{"path": "/search", "url": other.url + "?fixed=1", "name": "search"}]
    proxy = {"downstream_url": server.url, "http": {"upstreams": upstreams}}
    with guarded(guard, tmp_path, proxy) as http:
        assert http.ask(post(call(1), target="/mcp")).status == 200
        assert http.ask(post(call(2), target="/search?q=1")).status == 200
        assert http.ask(post(call(3), target="/other")).status == 404
    assert [seen.message["id"] for seen in server.seen] == [1]
    assert [seen.target for seen in other.seen] == ["/mcp?fixed=1&q=1"]
    log = (http.folder / "egress_audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["server"] for line in log] == ["default", "search"]
    other.close()


def test_workers_share_the_port(server: Server, guard: str, tmp_path: Path) -> None:
    with guarded(guard, tmp_path, {"downstream_url": server.url, "http": {"workers": 4}}) as http:
        for number in range(40):
            assert http.ask(post(call(number))).message["id"] == number
        assert http.stop() == 0


def test_the_token_opens_this_door_only(server: Server, guard: str, tmp_path: Path) -> None:
    proxy = {"downstream_url": server.url, "http": {"bearer_token_variable": "GUARD_TOKEN"}}
    with guarded(guard, tmp_path, proxy, {"GUARD_TOKEN": "open-sesame"}) as http:
        for wrong in (
            [],
            [("Authorization", "Bearer open-sesam")],
            [("Authorization", "Bearer open-sesame2")],
            [("Authorization", "Basic open-sesame")],
            [("Authorization", "Bearer open-sesame"), ("Authorization", "Bearer x")],
        ):
            reply = http.ask(post(call(), *wrong))
            assert (reply.status, reply.get("www-authenticate")) == (401, "Bearer")
        assert http.ask(post(call(), ("Authorization", "Bearer open-sesame"))).status == 200
    assert [seen.get("authorization") for seen in server.seen] == [None]
    assert "open-sesame" not in "".join(http.stderr)


def test_operators_see_its_state(server: Server, guard: str, tmp_path: Path) -> None:
    proxy = {"downstream_url": server.url, "http": {"admin_port": free_port()}}
    with guarded(guard, tmp_path, proxy) as http:
        http.ask(post(call()))
        http.ask(post(call(2, "shell_exec", command="rm -rf /")))
        http.get("/other")
        assert (http.admin("/healthz").status, http.admin("/readyz").status) == (200, 200)
        assert http.admin("/other").status == 404
        lines = http.admin("/metrics").body.decode().splitlines()
        assert 'egress_guard_decisions_total{decision="ALLOW"} 1' in lines
        assert 'egress_guard_decisions_total{decision="DENY"} 1' in lines
        assert 'egress_guard_responses_total{class="4xx"} 1' in lines
        assert http.get("/healthz").status == 404


def test_rules_are_read_anew(http: Guarded, server: Server) -> None:
    rules = http.folder / "policies"
    rules.mkdir()
    rule = {
        "id": "no-lists",
        "name": "No lists",
        "decision": "DENY",
        "conditions": {"tool_name_patterns": ["list_files"]},
        "policy_code": "EGRESS_DENY_POLICY_MATCH",
    }
    pack = rules / "team.yaml"
    pack.write_text(json.dumps({"pack": "team", "version": "1", "rules": [rule]}))
    assert "isError" not in http.ask(post(call())).message["result"]
    http.process.send_signal(signal.SIGHUP)
    assert said(http, "reloaded")
    assert http.ask(post(call())).message["result"]["isError"] is True
    pack.write_text("rules: [")
    http.process.send_signal(signal.SIGHUP)
    assert said(http, "not reloaded")
    assert http.ask(post(call())).message["result"]["isError"] is True
    lines = (http.folder / "egress_audit.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    hashes = [event["policy_hash"] for event in events if event["event_type"] == "policy_decision"]
    reloads = [event for event in events if event["event_type"] == "policy_reload"]
    # A file may be seen by the watch and by the signal.
    first, last = reloads[0], reloads[-1]
    assert (first["outcome"], first["previous_policy_hash"]) == ("reloaded", hashes[0])
    assert first["policy_hash"] == hashes[1]
    assert (last["outcome"], last["previous_policy_hash"]) == ("failed", hashes[1])
    assert last["policy_hash"] == hashes[2] == hashes[1]
    assert "team.yaml:2" in last["reason"]


TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_decisions_go_to_opentelemetry_in_the_trace_of_their_call(
    server: Server, guard: str, tmp_path: Path
) -> None:
    receiver = Receiver()
    audit = {"otel_enabled": True, "otel_endpoint": receiver.endpoint}
    with guarded(guard, tmp_path, {"downstream_url": server.url}, more={"audit": audit}) as http:
        context = f"00-{TRACE}-{PARENT}-01"
        http.ask(post(call(1), ("traceparent", context)))
        traced = call(2, "shell_exec", command="rm -rf /srv")
        traced["params"]["_meta"] = {"traceparent": context.replace("b7", "c7", 1)}
        http.ask(post(traced, ("traceparent", context)))
        http.ask(post(call(3), ("traceparent", "nonsense")))
        assert http.stop() == 0
    receiver.server.stop(None)
    spans = sorted(receiver.spans, key=lambda span: span.start_time_unix_nano)
    seen = [(span.name, span.parent_span_id.hex()) for span in spans]
    assert seen == [
        ("egress_guard ALLOW", PARENT),
        ("egress_guard DENY", PARENT.replace("b7", "c7", 1)),
        ("egress_guard ALLOW", ""),
    ]
    assert [span.trace_id.hex() for span in spans[:2]] == [TRACE, TRACE]
    counts = {
        attributes(point)["egress_guard.decision"]: point.as_int
        for point in receiver.points["egress_guard.decisions"]
    }
    assert counts == {"ALLOW": 2, "DENY": 1}


def test_an_absent_collector_costs_the_calls_nothing(
    server: Server, guard: str, tmp_path: Path
) -> None:
    audit = {"otel_enabled": True, "otel_endpoint": f"http://127.0.0.1:{free_port()}"}
    with guarded(guard, tmp_path, {"downstream_url": server.url}, more={"audit": audit}) as http:
        for number in range(20):
            assert http.ask(post(call(number))).message["id"] == number
        assert http.stop() == 0
    assert len((tmp_path / "egress_audit.jsonl").read_text().splitlines()) == 20


def test_rules_may_ask_for_what_the_server_says_of_its_tools(
    server: Server, guard: str, tmp_path: Path
) -> None:
    tools = [{"name": "wipe", "annotations": {"destructiveHint": True}}, {"name": "look"}]

    def answer(seen: Seen, peer: Peer) -> None:
        result = {"tools": tools} if seen.message["method"] == "tools/list" else {"content": []}
        peer.answer(json.dumps({"jsonrpc": "2.0", "id": seen.message["id"], "result": result}))

    server.behaviour = answer
    (tmp_path / "policies").mkdir()
    rule = {
        "id": "ask",
        "decision": "ESCALATE",
        "conditions": {"tool_hints": {"destructiveHint": True}, "servers": ["store"]},
        "when": "!has(arguments.dry_run) || !arguments.dry_run",
    }
    (tmp_path / "policies/a.yaml").write_text(json.dumps({"rules": [rule]}))
    proxy = {"downstream_url": server.url, "server_name": "store"}
    with guarded(guard, tmp_path, proxy) as http:
        assert "isError" not in http.ask(post(call(1, "wipe"))).message["result"]
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert http.ask(post(listing)).message["result"]["tools"] == tools
        assert http.ask(post(call(3, "wipe"))).message["result"]["isError"] is True
        assert "isError" not in http.ask(post(call(4, "wipe", dry_run=True))).message["result"]
        assert "isError" not in http.ask(post(call(5, "look"))).message["result"]


def said(http: Guarded, text: str) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if any(text in line for line in http.stderr):
            return True
        time.sleep(0.02)
    return False


def test_metadata_names_the_url_that_clients_know(
    server: Server, guard: str, tmp_path: Path
) -> None:
    metadata = {"resource": server.url, "authorization_servers": ["https://login.example"]}
    origin = server.url.removesuffix("/mcp")
    challenge = (
        f'Bearer error="invalid_token", resource_metadata="{origin}{METADATA}/mcp", scope="a"'
    )

    def answer(seen: object, peer: object) -> None:
        if getattr(seen, "method", "") == "GET":
            peer.answer(json.dumps(metadata))  # type: ignore[attr-defined]
        else:
            peer.answer(  # type: ignore[attr-defined]
                status="401 Unauthorized", headers=(("WWW-Authenticate", challenge),)
            )

    server.behaviour = answer
    with guarded(guard, tmp_path, {"downstream_url": server.url}) as http:
        assert http.get(f"{METADATA}/mcp").message == metadata
        assert http.get(METADATA).message == metadata
        assert http.ask(post(call())).get("www-authenticate") == challenge
        assert http.get(f"{METADATA}/other").status == 404
    assert [seen.target for seen in server.seen[:2]] == [f"{METADATA}/mcp", METADATA]
    proxy = {"downstream_url": server.url, "public_url": "https://guard.example/mcp"}
    with guarded(guard, tmp_path, proxy) as http:
        assert http.get(f"{METADATA}/mcp").message == metadata | {
            "resource": "https://guard.example/mcp"
        }
        reply = http.ask(post(call(), ("Host", "guard.example")))
        assert reply.get("www-authenticate") == challenge.replace(origin, "https://guard.example")
        for others in (f"{server.url}/x", "https://bank.example/mcp", origin.replace("1:", "1:1")):
            # A client has to see that this server speaks for somebody else.
            metadata["resource"] = others
            assert http.get(f"{METADATA}/mcp").message == metadata
        metadata["resource"] = origin
        assert http.get(METADATA).message["resource"] == "https://guard.example/mcp"
