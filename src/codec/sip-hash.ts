/**
 * SipHash-2-4 of a text, as RocketMQ's gRPC client for Node computes it: key 00 to 0f, and the eight bytes of the hash read as
 * one unsigned big-endian number. (Its Java client reads them the other way round, and so finds other queues.)
 * The one importer of siphash24.
 */
import siphash24 from 'siphash24'

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i)

/** The remainder of the text's hash by `divisor`. RocketMQ: calculateStringSipHash24. */
export function sipHash24Mod(text: string, divisor: number): number {
  const hash = Buffer.from(siphash24(Buffer.from(text), KEY))
  return Number(hash.readBigUInt64BE() % BigInt(divisor))
}
