import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyBytes, i16At, i32At, i64At, readI64, writeI64 } from '../../src/codec/bytes.ts'
import { viewOf } from './records.ts'

const safe = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(0, -1, 2 ** 31, 2 ** 32, -(2 ** 31), -(2 ** 32)),
)

describe('a 64-bit number', () => {
  it('reads back as it was written, by a view and without one', () => {
    fc.assert(
      fc.property(safe, value => {
        const bytes = Buffer.alloc(12)
        writeI64(viewOf(bytes), 3, value)
        expect(bytes.readBigInt64BE(3)).toBe(BigInt(value))
        expect(readI64(viewOf(bytes), 3)).toBe(value)
        expect(i64At(bytes, 3)).toBe(value)
      }),
    )
  })

  it('beyond 2^53 is never taken for a safe one', () => {
    const beyond = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter(value => {
      return value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)
    })
    fc.assert(
      fc.property(fc.oneof(beyond, fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n), 2n ** 63n - 1n)), value => {
        const bytes = Buffer.alloc(8)
        bytes.writeBigInt64BE(value)
        expect(Number.isSafeInteger(readI64(viewOf(bytes), 0))).toBe(false)
        expect(Number.isSafeInteger(i64At(bytes, 0))).toBe(false)
      }),
    )
  })
})

describe('a number of a buffer without a view', () => {
  it('is what Node reads', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), array => {
        const bytes = Buffer.from(array)
        expect(i32At(bytes, 0)).toBe(bytes.readInt32BE(0))
        expect(i16At(bytes, 1)).toBe(bytes.readInt16BE(1))
      }),
    )
  })
})

describe('copied bytes', () => {
  it('are the same, and no others change, whatever their number', () => {
    const from = Buffer.from(Array.from({ length: 80 }, (_, i) => i + 1))
    for (let count = 0; count <= from.length; count++) {
      const to = Buffer.alloc(100)
      copyBytes(viewOf(from), viewOf(to), 5, count)
      expect(to.equals(Buffer.concat([Buffer.alloc(5), from.subarray(0, count), Buffer.alloc(95 - count)]))).toBe(true)
    }
  })
})
