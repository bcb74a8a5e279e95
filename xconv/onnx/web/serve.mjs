// ONNX Runtime for Python, over lines of JSON on stdin and stdout:
//   {"open": model, "threads": n} -> {"session": k};  {"run": k, "feeds": {...}} -> {"outputs": [...]};
//   {"drop": model, "name": text} -> {"verdict": text, "kind": text}     (chromium only: the page as its user sees it)
// Tensors travel as dtype, shape and base64 of their bytes.
//
// Usage: node serve.mjs node|web|chromium, or node serve.mjs page [port] to open the page yourself.

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

// Files of two folders only, over the loopback.
async function http(port) {
  const types = { ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname)).slice(1) || "index.html";
    const ort = `ort${sep}`;
    const file = path.startsWith(ort) ? join(modules, "onnxruntime-web", "dist", path.slice(ort.length)) : join(here, path);
    try {
      const body = await readFile(file);
      response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((ready) => server.listen(port, "127.0.0.1", ready));
  return { server, address: `http://127.0.0.1:${server.address().port}/` };
}

// The same sessions.mjs, in a page of a real browser.
async function chromium() {
  const { server, address } = await http(0);
  const { default: puppeteer } = await load("puppeteer-core");
  const browser = await puppeteer.launch({ executablePath: process.env.XCONV_CHROMIUM, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  await page.goto(`${address}runner.html`);
  await page.waitForFunction("globalThis.serve");
  const ask = (question) => ("drop" in question ? drop(question) : page.evaluate((q) => globalThis.serve(q), question));
  ask.close = async () => { await browser.close(); server.close(); };
  return ask;

  async function drop({ drop: model, name }) {
    const demo = await browser.newPage();
    await demo.goto(address);
    await demo.waitForFunction("globalThis.ready");
    await demo.evaluate((data, name) => {
      const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
    }, model, name);
    await demo.waitForFunction(`!document.getElementById("verdict").textContent.startsWith("loading")`);
    const found = await demo.$eval("#verdict", (e) => ({ kind: e.className, verdict: e.textContent }));
    await demo.close();
    return found;
  }
}

if (process.argv[2] === "page") {
  const { address } = await http(Number(process.argv[3] ?? 8000));
  console.log(`open ${address}, and stop with Ctrl-C`);
} else {
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
}
