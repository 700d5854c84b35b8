import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32, crc32Combine, crc32OfRange } from '../../src/codec/crc.ts'
import { viewOf } from './records.ts'

/** The definition, a bit at a time. */
function slowCrc(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc >>> 0
}

const someBytes = fc.uint8Array({ maxLength: 700 }).map(bytes => Buffer.from(bytes))

describe('a CRC', () => {
  it('of the check string is the one everybody has', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926)
    expect(crc32(Buffer.alloc(0))).toBe(0)
  })

  it('is unsigned, and the same by every way to it', () => {
    fc.assert(
      fc.property(someBytes, fc.nat(20), (bytes, before) => {
        const expected = slowCrc(bytes)
        expect(crc32(bytes)).toBe(expected)
        const longer = Buffer.concat([Buffer.alloc(before, 7), bytes, Buffer.alloc(9, 7)])
        expect(crc32OfRange(viewOf(longer), before, before + bytes.length)).toBe(expected)
      }),
    )
  })

  it('of a long range is the same whether or not Node has one of its own', () => {
    const bytes = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * i) >> 3))
    expect(crc32OfRange(viewOf(bytes), 0, bytes.length)).toBe(slowCrc(bytes))
    expect(crc32OfRange(viewOf(bytes), 1_000, 3_000)).toBe(slowCrc(bytes.subarray(1_000, 3_000)))
    let crc = 0
    for (let at = 0; at < bytes.length; at += 250) crc = crc32OfRange(viewOf(bytes), at, at + 250, crc)
    expect(crc).toBe(slowCrc(bytes))
  })

  it('goes on from the CRC of what comes before', () => {
    fc.assert(
      fc.property(someBytes, someBytes, (a, b) => {
        const whole = slowCrc(Buffer.concat([a, b]))
        expect(crc32(b, crc32(a))).toBe(whole)
        expect(crc32OfRange(viewOf(b), 0, b.length, crc32(a))).toBe(whole)
      }),
    )
  })

  it('of two pieces comes from those of each, whatever their lengths', () => {
    fc.assert(
      fc.property(someBytes, someBytes, (a, b) => {
        expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(slowCrc(Buffer.concat([a, b])))
      }),
    )
    const long = Buffer.alloc(4 * 1024 * 1024 + 3, 'x')
    expect(crc32Combine(crc32(Buffer.from('head')), crc32(long), long.length)).toBe(
      crc32(long, crc32(Buffer.from('head'))),
    )
  })

  it('of two pieces is right for lengths that share a place among the kept tables', () => {
    const head = Buffer.from('head')
    for (const length of [1, 257, 513, 1, 257, 0, 256]) {
      const tail = Buffer.alloc(length, length)
      expect(crc32Combine(crc32(head), crc32(tail), length)).toBe(slowCrc(Buffer.concat([head, tail])))
    }
  })
})
