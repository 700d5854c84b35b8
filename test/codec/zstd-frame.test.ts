import { readFileSync } from 'node:fs'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readZstdFrame } from '../../src/codec/zstd-frame.ts'

type Frame = { readonly kind: string; readonly bytes: number; readonly level: number; readonly frame: string }

const FRAMES: readonly Frame[] = JSON.parse(
  readFileSync(new URL('../../data/corpus/zstd.json', import.meta.url), 'utf8'),
)
const BYTES_MAX = 1024 * 1024

/** The same bytes for the same arguments, for ever: the stored frames were made of them. */
function bodyOf(kind: string, bytes: number): Buffer {
  let state = bytes
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  if (kind === 'skewed bytes') {
    return Buffer.from(Array.from({ length: bytes }, () => Math.floor(200 * next() * next() * next())))
  }
  if (kind === 'runs') {
    // New bytes and repeats of old ones in turn, of all lengths.
    const made: number[] = []
    while (made.length < bytes) {
      for (let left = Math.floor(2 ** (8 * next())); left > 0; left--) made.push(Math.floor(256 * next()))
      const from = Math.floor(made.length * next())
      for (const byte of made.slice(from, from + Math.floor(2 ** (15 * next())))) made.push(byte)
    }
    return Buffer.from(made)
  }
  const words = ['order ', 'paid ', 'refund ', 'zażółć ']
  let text = ''
  while (text.length < bytes) {
    if (kind === 'words') text += words[Math.floor(4 * next() ** 2)]
    else text += kind === 'digits' ? String(Math.floor(10 * next())) : 'aaaaaaaaaa'
  }
  return Buffer.from(text)
}

describe.each(FRAMES)('the zstd frame of $bytes $kind at level $level', ({ kind, bytes, frame }) => {
  const packed = Buffer.from(frame, 'base64')
  const body = bodyOf(kind, bytes)

  it('has that content', () => {
    const content = readZstdFrame(packed, BYTES_MAX)
    expect(content).not.toBe('damaged')
    expect(body.equals(content as Buffer)).toBe(true)
  })

  it('with one byte less allowed than it holds is too large', () => {
    expect(typeof readZstdFrame(packed, body.length)).toBe('object')
    expect(readZstdFrame(packed, body.length - 1)).toBe('too-large')
  })

  it('cut short is damaged, and so is one with something behind it', () => {
    for (let length = 0; length < packed.length; length += 1 + (length >> 5)) {
      expect(readZstdFrame(Buffer.from(packed.subarray(0, length)), BYTES_MAX), `${length} bytes`).toBe('damaged')
    }
    expect(readZstdFrame(Buffer.concat([packed, Buffer.from([0])]), BYTES_MAX)).toBe('damaged')
  })

  it('changed anywhere is refused or has a content within the bound', () => {
    // The first bytes hold sizes, tables and trees; a change later on mostly changes a letter.
    const places = fc.oneof(fc.nat(Math.min(60, packed.length - 1)), fc.nat(packed.length - 1))
    fc.assert(
      fc.property(fc.array(fc.tuple(places, fc.nat(255)), { minLength: 1, maxLength: 4 }), changes => {
        const damaged = Buffer.from(packed)
        for (const [at, value] of changes) damaged[at] = value
        const content = readZstdFrame(damaged, BYTES_MAX)
        if (typeof content !== 'string') expect(content.length).toBeLessThanOrEqual(BYTES_MAX)
        else expect(['damaged', 'too-large']).toContain(content)
      }),
    )
  })
})

/** zstd of Node 22.15 and later. */
const compress = (zlib as unknown as { zstdCompressSync?: (body: Uint8Array) => Buffer }).zstdCompressSync

describe.runIf(compress !== undefined)('a zstd frame that this Node writes', () => {
  it('has the content that it was made of', () => {
    const kinds = fc.constantFrom('words', 'digits', 'one byte', 'skewed bytes')
    fc.assert(
      fc.property(kinds, fc.nat(40_000), (kind, bytes) => {
        const body = bodyOf(kind, bytes)
        expect(body.equals(readZstdFrame(compress?.(body) ?? Buffer.alloc(0), BYTES_MAX) as Buffer)).toBe(true)
      }),
    )
  })
})

describe('a zstd block', () => {
  /** A frame that says nothing about its content's size. */
  const frameOf = (block: string): Buffer => Buffer.from(`28b52ffd0058${block.replaceAll(' ', '')}`, 'hex')

  it.each<[string, string]>([
    ['of a reserved kind', '070000'],
    ['of one byte more than a block may have, if only one that repeats', '0b0010 61'],
    ['of no bytes, compressed', '050000'],
    ['that needs the tree of a block before', '2d0000 134000 01 00'],
    ['that needs the tables of a block before', '250000 00 01 fc 01'],
    ['that repeats from before the beginning', '550000 18616161 01 54 030300 08'],
    ['that leaves bits over', '5d0000 18616161 01 54 030200 0001'],
  ])('%s is damaged', (_what, block) => {
    expect(readZstdFrame(frameOf(block), BYTES_MAX)).toBe('damaged')
  })

  it.each<[string, string, string]>([
    ['stored as they are', '190000 616263', 'abc'],
    ['one that repeats', '1b000061', 'aaa'],
    ['one literal that repeats', '1d0000 1961 00', 'aaa'],
    ['literals and a repeat', '550000 18616161 01 54 030200 04', 'aaaaaa'],
  ])('may hold bytes %s', (_what, block, content) => {
    expect(readZstdFrame(frameOf(block), BYTES_MAX).toString()).toBe(content)
  })
})
