// Serves ONNX Runtime over lines of JSON: {"open": model, "threads": n} -> {"session": k};
// {"run": k, "feeds": {...}} -> {"outputs": [...]}. Tensors travel as dtype, shape and base64 of their bytes.
// Usage: node serve.mjs node|web|chromium

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { server as sessions } from "./sessions.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const modules = process.env.XCONV_NODE_MODULES ?? join(here, "node_modules");
const find = createRequire(join(modules, "anything.js"));
const load = async (name) => (await import(pathToFileURL(find.resolve(name)).href));
const plain = (loaded) => loaded.default?.InferenceSession ? loaded.default : loaded;

async function native() {
  return sessions(plain(await load("onnxruntime-node")));
}

async function wasm() {
  const ort = plain(await load("onnxruntime-web"));
  ort.env.logLevel = "fatal";
  return sessions(ort);
}

// The same sessions.mjs, in a page of a real browser. Files come from two folders only, over the loopback.
async function chromium() {
  const types = { ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };
  const http = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname)).slice(1);
    const ort = `ort${sep}`;
    const file = path.startsWith(ort) ? join(modules, "onnxruntime-web", "dist", path.slice(ort.length)) : join(here, path);
    try {
      const body = await readFile(file);
      response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((ready) => http.listen(0, "127.0.0.1", ready));
  const { default: puppeteer } = await load("puppeteer-core");
  const browser = await puppeteer.launch({ executablePath: process.env.XCONV_CHROMIUM, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${http.address().port}/runner.html`);
  await page.waitForFunction("globalThis.serve");
  const ask = (question) => page.evaluate((q) => globalThis.serve(q), question);
  ask.close = async () => { await browser.close(); http.close(); };
  return ask;
}

const serve = await { node: native, web: wasm, chromium }[process.argv[2]]();
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await serve(JSON.parse(line));
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await serve.close?.();
process.exit(0);
