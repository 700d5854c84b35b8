/**
 * The content of a simulated file: sparse pages, shared between images until one of them writes.
 *
 * Rule: a page or a chunk of pages is changed in place only by the table that owns it; `fork` ends the ownership of all of
 * them on both sides, so that taking an image costs one pointer per 64 pages, and a write after it one page.
 */
import { createHash } from 'node:crypto'
import type { SeededRandom } from './seeded-random.ts'

/** Unit of allocation, as on a device. */
export const PAGE_BYTES = 4096
/** What a device writes as a whole or not at all. */
export const SECTOR_BYTES = 512
const CHUNK_PAGES = 64
const ZEROS = Buffer.alloc(PAGE_BYTES)

type Page = { readonly owner: object; readonly bytes: Buffer; digest: string | undefined }
type Chunk = { readonly owner: object; readonly pages: (Page | undefined)[] }

/** Sparse bytes without a length of their own: what was never written is zero. */
export class PagedBytes {
  #owner: object = {}
  #chunks: (Chunk | undefined)[] = []
  #pageCount = 0
  #digest: string | undefined

  /** Pages that take room on the device. */
  get pageCount(): number {
    return this.#pageCount
  }

  /** The same bytes as they are now; neither sees what the other writes later. */
  fork(): PagedBytes {
    const copy = new PagedBytes()
    copy.#chunks = this.#chunks.slice()
    copy.#pageCount = this.#pageCount
    copy.#digest = this.#digest
    this.#owner = {}
    return copy
  }

  read(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.length; ) {
      const at = (position + done) % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - at, target.length - done)
      const bytes = this.#page((position + done - at) / PAGE_BYTES)?.bytes ?? ZEROS
      target.set(bytes.subarray(at, at + count), done)
      done += count
    }
  }

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = (position + done) % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - at, bytes.length - done)
      this.#ownPage((position + done - at) / PAGE_BYTES).set(bytes.subarray(done, done + count), at)
      done += count
    }
  }

  /** How many of `bytes` bytes at `position` fit when at most `pagesFree` pages may be added. */
  roomFor(bytes: number, position: number, pagesFree: number): number {
    let free = pagesFree
    for (let done = 0; done < bytes; ) {
      const at = (position + done) % PAGE_BYTES
      if (this.#page((position + done - at) / PAGE_BYTES) === undefined && --free < 0) return done
      done += PAGE_BYTES - at
    }
    return bytes
  }

  /** Forgets everything at and beyond `length`: it reads as zeros. */
  truncate(length: number): void {
    const keptPages = Math.ceil(length / PAGE_BYTES)
    for (let index = keptPages; index < this.#chunks.length * CHUNK_PAGES; index++) {
      if (this.#page(index) !== undefined) this.#put(index, undefined)
    }
    this.#chunks.length = Math.min(this.#chunks.length, Math.ceil(keptPages / CHUNK_PAGES))
    const rest = length % PAGE_BYTES
    const last = rest === 0 ? undefined : this.#page(keptPages - 1)?.bytes.subarray(rest)
    if (last !== undefined && !last.equals(ZEROS.subarray(rest))) this.#ownPage(keptPages - 1).fill(0, rest)
  }

  /** Indexes of the pages that are not the very same page in both tables. */
  *differing(other: PagedBytes): Generator<number> {
    const chunks = Math.max(this.#chunks.length, other.#chunks.length)
    for (let chunk = 0; chunk < chunks; chunk++) {
      if (this.#chunks[chunk] === other.#chunks[chunk]) continue
      for (let i = chunk * CHUNK_PAGES; i < (chunk + 1) * CHUNK_PAGES; i++) {
        if (this.#page(i) !== other.#page(i)) yield i
      }
    }
  }

  /** Whether both tables have the very same page there. */
  sharesPage(index: number, other: PagedBytes): boolean {
    return this.#page(index) === other.#page(index)
  }

  /** Takes a page as it is in the other table. */
  takePage(index: number, from: PagedBytes): void {
    const page = from.#page(index)
    if (page?.owner === from.#owner) from.#owner = {}
    if (page !== this.#page(index)) this.#put(index, page)
  }

  /** Takes each sector of a page from the other table with this probability. */
  takeSectors(index: number, from: PagedBytes, random: SeededRandom, probability: number): void {
    const source = from.#page(index)?.bytes ?? ZEROS
    for (let at = 0; at < PAGE_BYTES; at += SECTOR_BYTES) {
      if (!random.chance(probability)) continue
      const bytes = source.subarray(at, at + SECTOR_BYTES)
      const present = (this.#page(index)?.bytes ?? ZEROS).subarray(at, at + SECTOR_BYTES)
      if (!bytes.equals(present)) this.#ownPage(index).set(bytes, at)
    }
  }

  /** Equal for equal bytes, however they were written. */
  digest(): string {
    this.#digest ??= this.#computeDigest()
    return this.#digest
  }

  #computeDigest(): string {
    const hash = createHash('sha1')
    for (let index = 0; index < this.#chunks.length * CHUNK_PAGES; index++) {
      const page = this.#page(index)
      if (page === undefined) continue
      page.digest ??= page.bytes.equals(ZEROS) ? '' : createHash('sha1').update(page.bytes).digest('base64')
      if (page.digest !== '') hash.update(`${index}=${page.digest};`)
    }
    return hash.digest('base64')
  }

  #page(index: number): Page | undefined {
    return this.#chunks[Math.floor(index / CHUNK_PAGES)]?.pages[index % CHUNK_PAGES]
  }

  /** The bytes of a page that may be changed in place. */
  #ownPage(index: number): Buffer {
    const page = this.#page(index)
    if (page?.owner === this.#owner && this.#chunks[Math.floor(index / CHUNK_PAGES)]?.owner === this.#owner) {
      page.digest = undefined
      this.#digest = undefined
      return page.bytes
    }
    const bytes = Buffer.from(page?.bytes ?? ZEROS)
    this.#put(index, { owner: this.#owner, bytes, digest: undefined })
    return bytes
  }

  #put(index: number, page: Page | undefined): void {
    this.#digest = undefined
    const at = Math.floor(index / CHUNK_PAGES)
    let chunk = this.#chunks[at]
    if (chunk?.owner !== this.#owner) {
      chunk = { owner: this.#owner, pages: chunk?.pages.slice() ?? [] }
      while (this.#chunks.length < at) this.#chunks.push(undefined)
      this.#chunks[at] = chunk
    }
    const former = chunk.pages[index % CHUNK_PAGES]
    this.#pageCount += (page === undefined ? 0 : 1) - (former === undefined ? 0 : 1)
    chunk.pages[index % CHUNK_PAGES] = page
  }
}
