import { expect, test } from 'vitest'
import { sipHash24Mod } from '../../src/codec/sip-hash.ts'

/** The first vectors of the reference implementation for inputs 00, 00 01, ... under the key 00 to 0f, lowest byte first. */
const VECTORS = [
  '310e0edd47db6f72',
  'fd67dc93c539f874',
  '5a4fa9d909806c0d',
  '2d7efbd796666785',
  'b7877127e09427cf',
] as const

test('the hash is SipHash-2-4, read as one big-endian number', () => {
  VECTORS.forEach((bytes, length) => {
    const text = String.fromCharCode(...Array.from({ length }, (_, i) => i))
    for (const divisor of [1, 2, 7, 1024]) {
      expect(sipHash24Mod(text, divisor)).toBe(Number(BigInt(`0x${bytes}`) % BigInt(divisor)))
    }
  })
})
