/** The message that is measured everywhere: a tag, a UNIQ_KEY and a body that does not compress to nothing. */
import type { PutRecord } from '../../src/store/message-store.ts'

/** Queues the messages go to, in turn. */
export const QUEUES = 8
export const TOPIC = 'bench'
/** Four hex digits of every number below 65,536: an id costs two look-ups, and so does not measure itself. */
const HEX = Array.from({ length: 65_536 }, (_, i) => i.toString(16).toUpperCase().padStart(4, '0'))
const bodies = new Map<number, Buffer>()

/** Message `i` with a body of `bodyBytes`, round robin over the queues. */
export function messageOf(i: number, bodyBytes: number, queues: number = QUEUES, key = 'UNIQ_KEY'): PutRecord {
  const properties =
    key === 'UNIQ_KEY'
      ? { UNIQ_KEY: uniqueKeyOf(i), WAIT: 'true', TAGS: 'TagA' }
      : { [key]: uniqueKeyOf(i), WAIT: 'true', TAGS: 'TagA' }
  return { topic: TOPIC, queueId: i % queues, body: bodyOf(bodyBytes), properties }
}

/** Of selective reading: one message in so many has the tag, and an amount above 100. */
export const RARE_ONE_IN = 100
export const RARE_TAG = 'Rare'

/** Message `i` of those that are selected from. */
export function rareMessageOf(i: number, bodyBytes: number): PutRecord {
  const isRare = i % RARE_ONE_IN === 0
  const properties = {
    UNIQ_KEY: uniqueKeyOf(i),
    KEYS: keyOf(i),
    TAGS: isRare ? RARE_TAG : 'TagA',
    amount: isRare ? '101' : '7',
  }
  return { topic: TOPIC, queueId: i % QUEUES, body: bodyOf(bodyBytes), properties }
}

export function keyOf(i: number): string {
  return `order-${i}`
}

/** Java's String.hashCode: how RocketMQ writes a tag into a queue. */
export function javaHash(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}

/** A UNIQ_KEY of RocketMQ's length. */
export function uniqueKeyOf(i: number): string {
  return `7F000001000100000000${HEX[(i / 2 ** 32) & 0xffff]}${HEX[(i >>> 16) & 0xffff]}${HEX[i & 0xffff]}`
}

/** Bytes without a pattern; the same at every call. */
export function bodyOf(bodyBytes: number): Buffer {
  let body = bodies.get(bodyBytes)
  if (body === undefined) {
    body = Buffer.alloc(bodyBytes)
    for (let i = 0, x = 1; i < bodyBytes; i++) {
      x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0
      body[i] = x >>> 24
    }
    bodies.set(bodyBytes, body)
  }
  return body
}

/** So many messages are stored for reading: about 400 MB, well within the page cache. */
export function messagesToRead(bodyBytes: number): number {
  return Math.floor(400_000_000 / (bodyBytes + 300))
}
