/** The message that is measured everywhere: a tag, a UNIQ_KEY and a body that does not compress to nothing. */
import type { PutRecord } from '../../src/store/message-store.ts'

const QUEUES = 8
const bodies = new Map<number, Buffer>()

/** Message `i` with a body of `bodyBytes`, round robin over 8 queues. */
export function messageOf(i: number, bodyBytes: number): PutRecord {
  return {
    topic: 'bench',
    queueId: i % QUEUES,
    body: bodyOf(bodyBytes),
    properties: {
      UNIQ_KEY: `7F0000010001${i.toString(16).toUpperCase().padStart(20, '0')}`,
      WAIT: 'true',
      TAGS: 'TagA',
    },
  }
}

function bodyOf(bodyBytes: number): Buffer {
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
