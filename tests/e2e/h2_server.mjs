// A server over TLS that speaks HTTP/2 and HTTP/1.1: PORT CERTIFICATE KEY. Says which it was asked in.
import { createSecureServer } from "node:http2";
import { readFileSync } from "node:fs";

const [port, cert, key] = process.argv.slice(2);
const options = { cert: readFileSync(cert), key: readFileSync(key), allowHTTP1: true };
createSecureServer(options, (request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const { id, params } = body ? JSON.parse(body) : {};
    const note = { jsonrpc: "2.0", method: "notifications/message", params: { data: request.httpVersion } };
    const result = { jsonrpc: "2.0", id, result: { content: [], version: request.httpVersion } };
    if (params?.name !== "stream") {
      response.writeHead(200, { "content-type": "application/json", "set-cookie": ["a=1", "b=2"] });
      response.end(JSON.stringify(result));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(note)}\n\n`);
    response.on("close", () => console.log("closed"));
    if (params.arguments.answer) response.end(`data: ${JSON.stringify(result)}\n\n`);
  });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
