// The metadata of an ONNX file, which ONNX Runtime's JavaScript does not show: field 14 of ModelProto, entries of a key
// (field 1) and a value (field 2). All other fields are stepped over.

export function properties(bytes) {
  const found = {};
  for (const [field, value] of fields(bytes)) {
    if (field !== 14) continue;
    const entry = Object.fromEntries([...fields(value)].map(([f, v]) => [f, new TextDecoder().decode(v)]));
    found[entry[1]] = entry[2] ?? "";
  }
  return found;
}

// Protocol Buffers' wire format: field number and bytes of each length-delimited field.
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0, factor = 1, byte;
    do {
      if (at >= bytes.length) throw new Error("not an ONNX file, or cut short");
      byte = bytes[at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte & 128);
    return value;
  };
  while (at < bytes.length) {
    const tag = varint(), wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error("not an ONNX file, or cut short");
      yield [Math.floor(tag / 8), bytes.subarray(at, at += length)];
    } else throw new Error("not an ONNX file, or cut short");
  }
}
