/** Inputs for decoders: sound ones with damage in them, and bytes from nowhere. */
import fc from 'fast-check'
import type { Decoder } from './decoders.ts'

/** Numbers that lengths and offsets are forged with. */
const INTEGERS: readonly number[] = [
  0, 1, -1, 2, 7, 0x7f, 0x80, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -0x80000000, 0x40000000,
]
/** Words that texts are forged with. */
const WORDS: readonly string[] = [
  ...['NaN', 'Infinity', '-1', '1e999', '-0', '9007199254740993', '99999999999999999999', '0x10', '1.5', ''],
  ...['"__proto__"', '"constructor"', '"toString"', '{"__proto__":{"a":1}}', 'null', 'true', '[]', '{}', '{1:2}'],
  ...[
    '\ud800',
    '\\ud800',
    '\u0000',
    '\u0001',
    '\u0002',
    '"',
    '\\',
    '//',
    '/*',
    '@',
    '||',
    '(',
    ')',
    "'",
    '%',
    '\u2028',
  ],
]
const SQL_WORDS = [
  'AND',
  'OR',
  'NOT',
  'IN',
  'IS',
  'NULL',
  'BETWEEN',
  'CONTAINS',
  'STARTSWITH',
  'a',
  'b',
  '=',
  '<>',
  '>=',
]

type Change = (bytes: Buffer<ArrayBuffer>) => Buffer<ArrayBuffer>

const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

const flip: fc.Arbitrary<Change> = fc.tuple(place, fc.nat(7)).map(([at, bit]) => bytes => {
  if (bytes.length === 0) return bytes
  const changed = Buffer.from(bytes)
  const index = Math.floor(at * bytes.length)
  changed[index] = (changed[index] as number) ^ (1 << bit)
  return changed
})
const forge: fc.Arbitrary<Change> = fc
  .tuple(place, fc.constantFrom(...INTEGERS), fc.constantFrom(2, 4, 8))
  .map(([at, value, width]) => bytes => {
    if (bytes.length < width) return bytes
    const changed = Buffer.from(bytes)
    const index = Math.floor(at * (bytes.length - width + 1))
    if (width === 2) changed.writeInt16BE((value << 16) >> 16, index)
    else if (width === 4) changed.writeInt32BE(value, index)
    else changed.writeBigInt64BE(BigInt(value) * (value === 0x7fffffff ? 0x100000000n : 1n), index)
    return changed
  })
const shorten: fc.Arbitrary<Change> = place.map(at => bytes => Buffer.from(bytes.subarray(0, at * bytes.length)))
const drop: fc.Arbitrary<Change> = fc.tuple(place, fc.nat(40)).map(([at, count]) => bytes => {
  const index = Math.floor(at * bytes.length)
  return Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + count)])
})
const repeat: fc.Arbitrary<Change> = fc.tuple(place, fc.nat(60)).map(([at, count]) => bytes => {
  const index = Math.floor(at * bytes.length)
  return Buffer.concat([bytes.subarray(0, index + count), bytes.subarray(index)])
})
const insert = (pieces: fc.Arbitrary<Buffer<ArrayBuffer>>): fc.Arbitrary<Change> =>
  fc.tuple(place, pieces).map(([at, piece]) => bytes => {
    const index = Math.floor(at * bytes.length)
    return Buffer.concat([bytes.subarray(0, index), piece, bytes.subarray(index)])
  })
/** A number or a word of a text gives way to another. */
const replace: fc.Arbitrary<Change> = fc
  .tuple(fc.nat(500), fc.constantFrom(...WORDS, ...SQL_WORDS))
  .map(([nth, word]) => bytes => {
    const text = bytes.toString('utf8')
    const found = [...text.matchAll(/-?\d+|"[^"]*"|\w+/g)]
    const match = found[nth % Math.max(1, found.length)]
    if (match === undefined) return Buffer.from(word)
    return Buffer.from(text.slice(0, match.index) + word + text.slice(match.index + match[0].length))
  })

const noise = fc.uint8Array({ maxLength: 64 }).map(bytes => Buffer.from(bytes))
const words = fc
  .array(fc.constantFrom(...WORDS, ...SQL_WORDS), { maxLength: 12 })
  .map(some => Buffer.from(some.join(' ')))

/** Inputs for one decoder. */
export function inputsOf({ sound, isText }: Decoder): fc.Arbitrary<Buffer> {
  const ownChanges = isText ? [replace, replace, insert(words)] : [forge, forge, insert(noise)]
  const changes = fc.array(fc.oneof(flip, shorten, drop, repeat, ...ownChanges), { minLength: 1, maxLength: 5 })
  const damaged = fc.tuple(fc.nat(), changes).map(([nth, some]) => {
    let bytes = Buffer.from(sound[nth % Math.max(1, sound.length)] ?? '')
    for (const change of some) bytes = change(bytes)
    return bytes
  })
  const json = fc.json({ maxDepth: 4 }).map(one => Buffer.from(one))
  const nowhere = isText ? [words, json] : [fc.uint8Array({ maxLength: 400 }).map(bytes => Buffer.from(bytes))]
  return fc.oneof({ weight: 6, arbitrary: damaged }, ...nowhere.map(arbitrary => ({ weight: 1, arbitrary })))
}
