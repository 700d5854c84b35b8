/** What `sip-hash.ts` uses of siphash24, which ships no types. */
declare module 'siphash24' {
  /** Eight bytes, the lowest first. The key has sixteen. */
  export default function siphash24(input: Uint8Array, key: Uint8Array): Uint8Array
}
