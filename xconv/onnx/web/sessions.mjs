// Questions in, answers out: what node and a browser page share.

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const text = (array) => {
  const raw = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const parts = [];
  for (let i = 0; i < raw.length; i += 0x8000) parts.push(String.fromCharCode(...raw.subarray(i, i + 0x8000)));
  return btoa(parts.join(""));
};

// float16 is a Float16Array where there is one, else its bits.
const half = globalThis.Float16Array ?? Uint16Array;
const arrays = { float32: Float32Array, float64: Float64Array, float16: half, int64: BigInt64Array, int32: Int32Array,
  uint8: Uint8Array, int8: Int8Array };

export const tensor = (ort, { dtype, shape, data }) =>
  new ort.Tensor(dtype, new arrays[dtype](bytes(data).buffer), shape);
export const packed = (t) => ({ dtype: t.type, shape: t.dims, data: text(t.data) });

export function server(ort) {
  const open = new Map();
  let next = 0;
  return async (question) => {
    if ("open" in question) {
      if (ort.env?.wasm) ort.env.wasm.numThreads = question.threads;
      const options = { intraOpNumThreads: question.threads, interOpNumThreads: question.threads, logSeverityLevel: 4 };
      open.set(next, await ort.InferenceSession.create(bytes(question.open), options));
      if (open.size > 32) {
        const [oldest, session] = open.entries().next().value; // those who asked for it have long gone
        await session.release();
        open.delete(oldest);
      }
      return { session: next++ };
    }
    const session = open.get(question.run);
    const feeds = Object.fromEntries(Object.entries(question.feeds).map(([name, x]) => [name, tensor(ort, x)]));
    const found = await session.run(feeds);
    return { outputs: session.outputNames.map((name) => packed(found[name])) };
  };
}
