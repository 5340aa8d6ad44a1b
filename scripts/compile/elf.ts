/** What the dynamic loader needs of a shared library. */

const PT_LOAD = 1;

/**
 * Given a 64-bit little-endian ELF file, the part of it that is loaded: symbols for debuggers, a sixth of
 * libduckdb.so, lie behind that and would be copied at each start. The section header table goes too.
 */
export function loadedPart(library: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(library.buffer, library.byteOffset, library.byteLength);
  const table = Number(view.getBigUint64(0x20, true));
  const size = view.getUint16(0x36, true);
  let end = 0;
  for (let i = 0; i < view.getUint16(0x38, true); i++) {
    const at = table + i * size;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    end = Math.max(
      end,
      Number(view.getBigUint64(at + 8, true) + view.getBigUint64(at + 0x20, true)),
    );
  }
  if (end === 0) throw new Error("the library has nothing to load");
  const part = library.slice(0, end);
  const header = new DataView(part.buffer);
  header.setBigUint64(0x28, 0n, true); // where the section headers are
  header.setUint16(0x3c, 0, true); // how many
  header.setUint16(0x3e, 0, true); // which one has their names
  return part;
}
