// Ids that the page chooses itself.

/** An id for a question: chosen here, so that sending it again is harmless. */
export function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  // A page that came without TLS, from another machine, has no randomUUID.
  return uuid(
    crypto.getRandomValues(new Uint8Array(16)).reduce((hex, byte) => hex + hexOf(byte), ""),
    4,
  );
}

/** The id that is tried after one that is taken: the same each time, so that sending again stays harmless. */
export function idAfter(id: string, sessionId: string, text: string): string {
  // FNV-1a of 128 bits, without literals, which an older target of the compiler refuses. A page without TLS has no
  // crypto.subtle, and nobody gains by finding a second text with it.
  let hash = BigInt("0x6c62272e07bb014262b821756295c58d");
  const prime = BigInt("0x1000000000000000000013b");
  for (const byte of new TextEncoder().encode(`${id} ${sessionId} ${text}`)) {
    hash = BigInt.asUintN(128, (hash ^ BigInt(byte)) * prime);
  }
  return uuid(hash.toString(16).padStart(32, "0"), 8); // the version of a UUID that is made as one likes
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** 32 hexadecimal digits, two of which make room for the version and the variant. */
function uuid(hex: string, version: number): string {
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, `$1-$2-${version}$3-8$4-$5`);
}
