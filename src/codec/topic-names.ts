/**
 * Topics read from records, each as one string: a store has few topics and many records, and making a string of bytes
 * costs more than the rest of a record's head.
 */
import { isUsableTopic } from './topic-bytes.ts'

/** Direct-mapped: two topics that share a slot only cost time. */
const SLOTS = 1024

type Entry = { readonly bytes: Uint8Array; readonly text: string }

/** A bounded cache from bytes to strings. */
export class TopicNames {
  readonly #entries: (Entry | undefined)[] = new Array<Entry | undefined>(SLOTS).fill(undefined)

  /** The topic in `bytes` from `start` up to `end`; an empty string where it cannot be one. */
  at(bytes: Uint8Array, start: number, end: number): string {
    let hash = end - start
    for (let i = Math.max(start, end - 8); i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0
    const slot = hash & (SLOTS - 1)
    const entry = this.#entries[slot]
    if (entry !== undefined && isEqual(entry.bytes, bytes, start, end)) return entry.text
    const copy = Buffer.from(bytes.subarray(start, end))
    const text = copy.toString()
    if (!isUsableTopic(text)) return ''
    this.#entries[slot] = { bytes: copy, text }
    return text
  }
}

function isEqual(topic: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (topic.length !== end - start) return false
  for (let i = 0; i < topic.length; i++) if (topic[i] !== bytes[start + i]) return false
  return true
}
