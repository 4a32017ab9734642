"""An SDK client that logs in: [GUARD] URL. With the guard's command it goes through the guard."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.http_peers import free_port, guarded

CALLBACK = "http://localhost:3030/callback"


class Storage:
    """Keeps the tokens of one run."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        known = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
        if "client_id" in known:
            self.client = OAuthClientInformationFull(
                client_id=known["client_id"],
                client_secret=known.get("client_secret"),
                redirect_uris=[CALLBACK],
                token_endpoint_auth_method="client_secret_basic",
            )

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """Follows the login page's redirect, as a person's browser would."""

    def __init__(self) -> None:
        self.landed = ""

    async def open(self, url: str) -> None:
        async with httpx2.AsyncClient(follow_redirects=False) as client:
            self.landed = (await client.get(url)).headers["location"]

    async def land(self) -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(self.landed).query)
        return AuthorizationCodeResult(
            code=query["code"][0],
            state=query.get("state", [None])[0],
            iss=query.get("iss", [None])[0],
        )


async def visit(url: str) -> None:
    """Logs in, lists the tools and calls the first."""
    browser = Browser()
    metadata = OAuthClientMetadata(
        client_name="guard-test",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
    )
    auth = OAuthClientProvider(
        url,
        metadata,
        Storage(),
        redirect_handler=browser.open,
        callback_handler=browser.land,
        client_metadata_url="https://conformance-test.local/client-metadata.json",
    )
    mode = "auto" if os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] >= "2026" else "legacy"
    async with httpx2.AsyncClient(auth=auth, timeout=20) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            for tool in (await client.list_tools()).tools:
                await client.call_tool(tool.name, {})


def main() -> None:
    *command, url = sys.argv[1:]
    with ExitStack() as stack:
        if command:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = free_port()
            proxy = {
                "listen_port": port,
                "downstream_url": url,
                # The name that the suite uses for itself: some of its rules look at it.
                "public_url": f"http://localhost:{port}{urlsplit(url).path}",
            }
            stack.enter_context(guarded(command[0], folder, proxy))
            url = proxy["public_url"]
        anyio.run(visit, url)


if __name__ == "__main__":
    main()
