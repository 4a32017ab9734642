// A client made with the TypeScript SDK that uses everything it finds, and prints what it got.
// Usage: tour.mjs v1|v2 http URL | tour.mjs v1|v2 stdio COMMAND ARGS…
// stdout is for what was seen.
console.log = console.info = console.debug = console.error;

const [generation, kind, ...target] = process.argv.slice(2);

async function parts() {
  if (generation === "v2") {
    const [all, stdio] = await Promise.all([
      import("@modelcontextprotocol/client"),
      import("@modelcontextprotocol/client/stdio"),
    ]);
    return { ...all, ...stdio, answer: (client, method, schema, then) => client.setRequestHandler(method, then) };
  }
  const base = "@modelcontextprotocol/sdk";
  const [client, http, stdio, types] = await Promise.all([
    import(`${base}/client/index.js`),
    import(`${base}/client/streamableHttp.js`),
    import(`${base}/client/stdio.js`),
    import(`${base}/types.js`),
  ]);
  return {
    ...client, ...http, ...stdio, types,
    answer: (client, method, schema, then) => client.setRequestHandler(types[schema], then),
  };
}

const sdk = await parts();
const client = new sdk.Client(
  { name: "tour", version: "1" },
  {
    capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } },
    ...(generation === "v2" ? { versionNegotiation: { mode: "auto" } } : {}),
  },
);
sdk.answer(client, "sampling/createMessage", "CreateMessageRequestSchema", () => ({
  role: "assistant", model: "m", content: { type: "text", text: "pong" },
}));
sdk.answer(client, "elicitation/create", "ElicitRequestSchema", () => ({
  action: "accept", content: { name: "Ann", check: true, email: "ann@example.com" },
}));
sdk.answer(client, "roots/list", "ListRootsRequestSchema", () => ({
  roots: [{ uri: "file:///work", name: "work" }],
}));

const seen = {};
async function step(name, run) {
  try {
    seen[name] = await run();
  } catch (error) {
    // How something fails is compared as well.
    seen[name] = `${error.name}: ${error.code ?? ""} ${String(error.message).slice(0, 200)}`;
  }
}
const call = (name, args, options) =>
  generation === "v2"
    ? client.callTool({ name, arguments: args }, options)
    : client.callTool({ name, arguments: args }, undefined, options);

await client.connect(
  kind === "http"
    ? new sdk.StreamableHTTPClientTransport(new URL(target[0]))
    : new sdk.StdioClientTransport({ command: target[0], args: target.slice(1), stderr: "ignore" }),
);
await step("server", () => client.getServerVersion());
await step("tools", () => client.listTools());
const tools = new Set((seen.tools.tools ?? []).map((tool) => tool.name));
const has = (name) => tools.has(name);
if (has("echo")) {
  const field = has("get-sum") ? "message" : "text";
  const echo = (text) => call("echo", { [field]: text });
  await step("echo", () => echo("größe \u2028 😀"));
  await step("five megabytes", async () => JSON.stringify(await echo("word ".repeat(1_000_000))).length);
  await step("in flight", async () =>
    (await Promise.all(Array.from({ length: 100 }, (_, n) => echo(`n${n}`)))).map((r) => r.content[0].text));
}
// The server asks for the roots when it likes: what it then allows is compared once it has them.
if (has("list_allowed_directories")) {
  const rooted = async () => JSON.stringify(await call("list_allowed_directories", {})).includes("/work");
  for (let tries = 0; tries < 200 && !(await rooted()); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
for (const [name, args] of [
  ["get-sum", { a: 2, b: 3.5 }],
  ["get-structured-content", { location: "Chicago" }],
  ["get-resource-links", { count: 3 }],
  ["get-resource-reference", { resourceType: "Text", resourceId: 1 }],
  ["get-tiny-image", {}],
  ["get-annotated-message", { messageType: "error", includeImage: true }],
  ["trigger-sampling-request", { prompt: "hi", maxTokens: 5 }],
  ["trigger-elicitation-request", {}],
  ["get-roots-list", {}],
  ["list_allowed_directories", {}],
  ["ask", {}], ["sample", {}], ["roots", {}], ["chatty", {}],
  ["no-such-tool", {}],
]) {
  if (has(name) || name === "no-such-tool") await step(name, () => call(name, args));
}
const [slow, slowArgs] = has("slow")
  ? ["slow", { seconds: 0.1 }]
  : ["trigger-long-running-operation", { duration: 0.2, steps: 2 }];
if (has(slow)) {
  const progress = [];
  await step("progress", async () => {
    const onprogress = (note) => progress.push([note.progress, note.total ?? null]);
    // The client forgets a note that comes together with the result.
    return { done: await call(slow, slowArgs, { onprogress }), first: progress[0] };
  });
  await step("cancelled", async () => {
    const stop = new AbortController();
    const long = has("slow") ? { seconds: 30 } : { duration: 30, steps: 100 };
    setTimeout(() => stop.abort("enough"), 300);
    return call(slow, long, { signal: stop.signal });
  });
}
await step("resources", () => client.listResources());
await step("templates", () => client.listResourceTemplates());
const uri = seen.resources.resources?.[0]?.uri;
if (uri) {
  await step("read", () => client.readResource({ uri }));
  await step("subscribe", () => client.subscribeResource({ uri }));
  await step("unsubscribe", () => client.unsubscribeResource({ uri }));
}
await step("prompts", () => client.listPrompts());
for (const prompt of seen.prompts.prompts ?? []) {
  const args = Object.fromEntries((prompt.arguments ?? []).map((a) => [a.name, "1"]));
  await step(`prompt ${prompt.name}`, () => client.getPrompt({ name: prompt.name, arguments: args }));
}
const asks = (seen.prompts.prompts ?? []).find((prompt) => prompt.arguments?.length);
if (asks) {
  await step("completion", () =>
    client.complete({
      ref: { type: "ref/prompt", name: asks.name },
      argument: { name: asks.arguments[0].name, value: "a" },
    }));
}
await step("log level", () => client.setLoggingLevel("debug"));
await step("ping", () => client.ping());
await client.close();
process.stdout.write(`${JSON.stringify(seen, null, 1)}\n`, () => process.exit(0));
