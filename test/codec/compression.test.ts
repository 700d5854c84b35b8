import { readFileSync } from 'node:fs'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import type { CompressionType } from '../../src/codec/compression.ts'
import {
  compressBody,
  compressBodyAsync,
  compressionFlags,
  compressionOf,
  decompressBody,
  decompressBodyAsync,
} from '../../src/codec/compression.ts'
import { readLz4Frame } from '../../src/codec/lz4-frame.ts'
import { decodeRecord } from '../../src/codec/record-view.ts'
import { readZstdFrame } from '../../src/codec/zstd-frame.ts'
import { CORPUS } from './records.ts'

const BYTES_MAX = 4 * 1024 * 1024
const JAVA: readonly { name: string; type: CompressionType; frame: string }[] = JSON.parse(
  readFileSync(new URL('../../data/corpus/compressed.json', import.meta.url), 'utf8'),
)
const JAVA_BODY = Array.from({ length: 40 }, (_, i) => `order-${1000 + 7 * i} zażółć 商品 `).join('')

const hasNativeZstd = 'zstdCompressSync' in zlib
/** What this Node can write. */
const WRITABLE: readonly CompressionType[] = hasNativeZstd ? ['zlib', 'lz4', 'zstd'] : ['zlib', 'lz4']

describe('a compressed body', () => {
  it.each(JAVA)('of $name expands', async ({ type, frame }) => {
    const body = Buffer.from(frame, 'hex')
    expect(decompressBody(body, compressionFlags(type), BYTES_MAX).toString()).toBe(JAVA_BODY)
    expect((await decompressBodyAsync(body, compressionFlags(type), BYTES_MAX)).toString()).toBe(JAVA_BODY)
  })

  it.each(JAVA.filter(({ type }) => type === 'zstd'))(
    'of $name expands without a zstd of Node as well',
    ({ frame }) => {
      expect(readZstdFrame(Buffer.from(frame, 'hex'), BYTES_MAX).toString()).toBe(JAVA_BODY)
    },
  )

  it.each(CORPUS.filter(({ expected }) => (expected.sysFlag & 1) !== 0))(
    'in $name of a RocketMQ expands',
    ({ record }) => {
      const { body, sysFlag } = decodeRecord(Buffer.from(record, 'hex'))
      expect(decompressBody(body, sysFlag, BYTES_MAX).length).toBeGreaterThan(0)
    },
  )

  it.each(WRITABLE)('by %s is what it was when it is expanded', async type => {
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 3_000 }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(9_000))
        .map(([piece, length]) => Buffer.alloc(length, piece)),
    )
    await fc.assert(
      fc.asyncProperty(bodies, fc.integer({ min: 1, max: 9 }), async (body, level) => {
        const packed = compressBody(body, type, level)
        expect(Buffer.compare(decompressBody(packed, compressionFlags(type), BYTES_MAX), body)).toBe(0)
        const again = await decompressBodyAsync(
          await compressBodyAsync(body, type, level),
          compressionFlags(type),
          BYTES_MAX,
        )
        expect(Buffer.compare(again, body)).toBe(0)
      }),
    )
  })

  it('of several blocks by lz4 is what it was', () => {
    const body = Buffer.alloc(9_000_001, 'a line that comes again and again\n')
    const packed = compressBody(body, 'lz4', 0)
    expect(packed.length).toBeLessThan(body.length / 10)
    expect(decompressBody(packed, compressionFlags('lz4'), 10_000_000).equals(body)).toBe(true)
  })

  it('by lz4 is a frame that Java reads: its head, blocks of their own, and an end', () => {
    const java = JAVA.find(({ type }) => type === 'lz4')?.frame ?? ''
    const packed = compressBody(Buffer.from(JAVA_BODY), 'lz4', 0)
    // Magic, version 1 with independent blocks, blocks of 4 MiB, the check byte over the two.
    expect(packed.toString('hex', 0, 7)).toBe(java.slice(0, 14))
    expect(packed.readUInt32LE(7)).toBe(packed.length - 7 - 4 - 4)
    expect(packed.readUInt32LE(packed.length - 4)).toBe(0)
  })

  it('by lz4 keeps the last five bytes as they are, and grows by a few bytes at most', () => {
    for (let length = 0; length < 80; length++) {
      const body = Buffer.alloc(length, 'a')
      const packed = compressBody(body, 'lz4', 0)
      expect(packed.length).toBeLessThanOrEqual(length + 15)
      expect(packed.subarray(-9, -4).equals(body.subarray(-5)) || length < 5).toBe(true)
      expect(decompressBody(packed, compressionFlags('lz4'), length).equals(body)).toBe(true)
    }
  })

  it('is marked in sysFlag as RocketMQ marks it', () => {
    expect(WRITABLE.map(compressionFlags).slice(0, 2)).toEqual([0x301, 0x101])
    expect(compressionFlags('zstd')).toBe(0x201)
    expect([0x301, 0x101, 0x201, 0x001, 0x300, 0].map(compressionOf)).toEqual([
      'zlib',
      'lz4',
      'zstd',
      'zlib',
      undefined,
      undefined,
    ])
  })

  it('is handed over as it is where sysFlag does not mark it', () => {
    const body = Buffer.from('plain')
    expect(decompressBody(body, 0, 1)).toBe(body)
  })

  it.runIf(!hasNativeZstd)('cannot be made by zstd where Node has none', () => {
    expect(() => compressBody(Buffer.from('x'), 'zstd', 3)).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
    )
  })
})

describe('a hostile compressed body', () => {
  const CORRUPT = expect.objectContaining({ code: 'POCKETMQ_CORRUPT' })
  const TOO_LARGE = expect.objectContaining({ code: 'POCKETMQ_MESSAGE_TOO_LARGE' })
  const types: readonly CompressionType[] = ['zlib', 'lz4', 'zstd']

  it.each(types)('that is no %s stream is CORRUPT', async type => {
    const body = Buffer.from('certainly not compressed by anything at all')
    expect(() => decompressBody(body, compressionFlags(type), BYTES_MAX)).toThrow(CORRUPT)
    expect(() => decompressBody(Buffer.alloc(0), compressionFlags(type), BYTES_MAX)).toThrow(CORRUPT)
    await expect(decompressBodyAsync(body, compressionFlags(type), BYTES_MAX)).rejects.toEqual(CORRUPT)
  })

  it('with an unknown kind of compression is CORRUPT', () => {
    expect(() => decompressBody(Buffer.alloc(10), 0x401, BYTES_MAX)).toThrow(CORRUPT)
  })

  it.each(JAVA)('that is a piece of what $name wrote is CORRUPT', ({ type, frame }) => {
    const body = Buffer.from(frame, 'hex')
    for (let length = 0; length < body.length; length++) {
      const cut = Buffer.from(body.subarray(0, length))
      expect(() => decompressBody(cut, compressionFlags(type), BYTES_MAX), `${length} bytes`).toThrow(CORRUPT)
    }
  })

  it.each(JAVA)('that expands to one byte too many for the bound is refused, by $name', async ({ type, frame }) => {
    const body = Buffer.from(frame, 'hex')
    const bytes = Buffer.byteLength(JAVA_BODY)
    expect(decompressBody(body, compressionFlags(type), bytes).length).toBe(bytes)
    expect(() => decompressBody(body, compressionFlags(type), bytes - 1)).toThrow(TOO_LARGE)
    await expect(decompressBodyAsync(body, compressionFlags(type), bytes - 1)).rejects.toEqual(TOO_LARGE)
  })

  it.each<[CompressionType]>([['zlib'], ['lz4']])('that is a bomb by %s is refused', type => {
    const bomb = compressBody(Buffer.alloc(40_000_000), type, 9)
    expect(bomb.length).toBeLessThan(200_000)
    expect(() => decompressBody(bomb, compressionFlags(type), BYTES_MAX)).toThrow(TOO_LARGE)
  })

  it('that is a bomb of repeated bytes by zstd is refused', () => {
    // 4,096 blocks that are each one byte, repeated 131,072 times: 512 MiB out of 16 KiB.
    const block = Buffer.from([0x02, 0x00, 0x10, 0x61])
    const blocks = Buffer.alloc(4 * 4_096, block)
    blocks[blocks.length - 4] = 0x03
    const bomb = Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), blocks])
    expect(readZstdFrame(bomb, BYTES_MAX)).toBe('too-large')
  })

  it('that asks for a window of gigabytes by zstd costs no such window', () => {
    const { frame = '' } = JAVA.find(({ name }) => name.endsWith('level 3')) ?? {}
    const body = Buffer.from(frame, 'hex')
    body[5] = 0xaf
    const before = process.memoryUsage().arrayBuffers
    expect(readZstdFrame(body, 100_000).toString()).toBe(JAVA_BODY)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000_000)
  })

  it('that lies about its length by zstd is refused', () => {
    // A single segment of 2 bytes, which holds 1.
    expect(readZstdFrame(Buffer.from('28b52ffd200109000061', 'hex'), BYTES_MAX).toString()).toBe('a')
    expect(readZstdFrame(Buffer.from('28b52ffd200209000061', 'hex'), BYTES_MAX)).toBe('damaged')
    expect(readZstdFrame(Buffer.from('28b52ffde0ffffffffffffff7f09000061', 'hex'), BYTES_MAX)).toBe('too-large')
  })

  it.each(JAVA)('with any bit of $name flipped is refused, or expands within the bound', ({ type, frame }) => {
    const body = Buffer.from(frame, 'hex')
    for (let bit = 0; bit < body.length * 8; bit++) {
      const damaged = Buffer.from(body)
      damaged[bit >> 3] = (body[bit >> 3] as number) ^ (1 << (bit & 7))
      const result = outcomeOf(() => decompressBody(damaged, compressionFlags(type), 10_000))
      if (typeof result === 'string') expect(result, `bit ${bit}`).toMatch(/^POCKETMQ_(CORRUPT|MESSAGE_TOO_LARGE)$/)
      else expect(result.length, `bit ${bit}`).toBeLessThanOrEqual(10_000)
    }
  })
})

describe('an LZ4 frame', () => {
  it('may hold linked blocks, sizes and checksums', () => {
    // `lz4 -B4 -BD -BX --content-size` of 'abcdabcdabcdabcdabcdabcd' has these fields.
    const flags = 0x40 | 0x10 | 0x08 | 0x04
    const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, flags, 0x40, ...Array(8).fill(0), 0x00])
    const first = Buffer.from('04000080' + '61626364' + '00000000', 'hex')
    // A match of 8 bytes that begins 4 bytes back, in the block before; then one literal.
    const second = Buffer.from('05000000' + '040400' + '1078' + '00000000', 'hex')
    const end = Buffer.from('00000000' + '00000000', 'hex')
    expect(readLz4Frame(Buffer.concat([head, first, second, end]), 100).toString()).toBe('abcdabcdabcdx')
  })

  it.each<[string, string]>([
    ['a distance of 0', '06000000 1461 0000 1062 00000000'],
    ['a distance to before the beginning', '06000000 1461 0200 1062 00000000'],
    ['a literal length beyond the block', '03000000 f0ff00 00000000'],
    ['a literal length without an end', '02000000 f0ff 00000000'],
    ['a match length without an end', '04000000 1f61 0100 00000000'],
    ['no literals after the last match', '04000000 1461 0100 00000000'],
    ['a block longer than the frame', '09000000 1061'],
    ['no end', '02000000 1061'],
    ['something behind its end', '02000000 1061 00000000 00'],
  ])('with %s is damaged', (_what, blocks) => {
    expect(readLz4Frame(frameOf(blocks), 1_000)).toBe('damaged')
  })

  it('with a repeat from one byte back has that byte again and again', () => {
    expect(readLz4Frame(frameOf('06000000 1461 0100 1062 00000000'), 1_000).toString()).toBe(`${'a'.repeat(9)}b`)
  })

  it('with a block longer than its maximum is damaged, and one of just that length is not', () => {
    const frame = (bytes: number): Buffer => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(0x8000_0000 + bytes)
      return Buffer.concat([frameOf(''), length, Buffer.alloc(bytes, 'x'), Buffer.alloc(4)])
    }
    // 0x40: blocks of at most 64 KiB.
    expect(readLz4Frame(frame(65_536), 100_000).length).toBe(65_536)
    expect(readLz4Frame(frame(65_537), 100_000)).toBe('damaged')
  })

  it.each([
    ['version 2', '04224d18a04082'],
    ['a block size that does not exist', '04224d18603082'],
    ['a dictionary', '04224d1861408200000000'],
    ['another magic', '04224d19604082'],
  ])('of %s is damaged', (_what, head) => {
    expect(readLz4Frame(Buffer.from(`${head}02000000106100000000`, 'hex'), 10)).toBe('damaged')
    expect(readLz4Frame(frameOf('02000000106100000000'), 10).toString()).toBe('a')
  })
})

/** A frame of blocks of at most 64 KiB. */
function frameOf(blocks: string): Buffer {
  return Buffer.from(`04224d18604082${blocks.replaceAll(' ', '')}`, 'hex')
}

/** What `work` answers, or the code of the error that it throws. */
function outcomeOf(work: () => Buffer): Buffer | string {
  try {
    return work()
  } catch (error) {
    return error instanceof PocketMQError ? error.code : String(error)
  }
}
