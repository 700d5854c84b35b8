/**
 * Which records have proved their checksums a moment ago, so that the next group that reads them need not run over every
 * byte again. A proof holds for a minute: after that the bytes may come from the device anew, where a bit may have flipped.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { RECORD_BYTES_MIN } from '../codec/record-layout.ts'

/** How long a proof holds. */
export const PROOF_MS: number = 60_000
/** Log bytes of one page of bits. */
const PAGE_LOG_BYTES = 4 * 1024 * 1024
/** One bit for so many bytes: no two records start in the same ones. */
const BYTES_A_BIT = 64
const BITS_A_WORD = 32
/** Pages kept: 4 GiB of log take 8 MiB. */
const PAGES_MAX = 1024

/** Bits for one stretch of the log. */
type Page = { readonly words: Uint32Array; readonly endsAtMs: number }

/** The records whose checksums held within the last minute. */
export class ProvenRecords {
  readonly #clock: Clock
  /** By number; oldest first. */
  readonly #pages = new Map<number, Page>()
  #nowMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Looks at the clock: to be called before a batch of `has`. */
  tick(): void {
    this.#nowMs = this.#clock.monotonicMs()
  }

  has(physicalOffset: number): boolean {
    const page = this.#page(physicalOffset)
    if (page === undefined) return false
    const bit = bitOf(physicalOffset)
    return ((page.words[bit >>> 5] as number) & (1 << (bit & 31))) !== 0
  }

  add(physicalOffset: number): void {
    const page = this.#page(physicalOffset) ?? this.#newPage(Math.floor(physicalOffset / PAGE_LOG_BYTES))
    const bit = bitOf(physicalOffset)
    page.words[bit >>> 5] = (page.words[bit >>> 5] as number) | (1 << (bit & 31))
  }

  #page(physicalOffset: number): Page | undefined {
    const page = this.#pages.get(Math.floor(physicalOffset / PAGE_LOG_BYTES))
    return page !== undefined && page.endsAtMs > this.#nowMs ? page : undefined
  }

  #newPage(number: number): Page {
    this.#pages.delete(number)
    if (this.#pages.size >= PAGES_MAX) {
      for (const oldest of this.#pages.keys()) {
        this.#pages.delete(oldest)
        break
      }
    }
    const words = new Uint32Array(PAGE_LOG_BYTES / BYTES_A_BIT / BITS_A_WORD)
    const page = { words, endsAtMs: this.#nowMs + PROOF_MS }
    this.#pages.set(number, page)
    return page
  }
}

function bitOf(physicalOffset: number): number {
  return Math.floor((physicalOffset % PAGE_LOG_BYTES) / BYTES_A_BIT)
}

assert(RECORD_BYTES_MIN > BYTES_A_BIT, 'no two records start in the bytes of one bit')
