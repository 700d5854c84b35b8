/**
 * Files and folders of a simulated disk, each with two states: live (what programs see) and durable (what a power cut
 * certainly keeps).
 *
 * Rules: a file's bytes and length become durable by flushing the file, a name by flushing the folder it is in, and by
 * nothing else; a flush covers what came before its call. What is not durable yet may survive a cut all the same, in parts.
 */
import { PagedBytes } from './paged-bytes.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Lengths remembered since the last flush, one of which a cut may leave. */
const LENGTHS_MAX = 64

/** Bytes and length of a file that belong together. */
export type FileState = { readonly bytes: PagedBytes; readonly length: number }

/** A flush between its call and its end. */
export type FlushUnderWay = {
  /** What it will make durable. */
  readonly state: FileState
  /** Everything at its call. */
  readonly all: PagedBytes
}

/** A file, whatever names it has. */
export class FileNode {
  length: number
  modifiedMs: number
  /** Names it has, live. */
  links = 0
  /** The very table of #durable as long as nothing was written since; see #ownLive. */
  #live: PagedBytes
  /** Never written to, only replaced: cuts, kills and flushes hand it on without copying. */
  #durable: PagedBytes
  #durableLength: number
  /** Every length since the last flush. */
  #lengths: number[] = []
  /**
   * The content at a flush that failed or that the device lost. Its pages count as clean from then on, as in Linux:
   * a later flush does not write them, only those changed since.
   */
  #dropped: PagedBytes | undefined
  #flushing = 0

  constructor(modifiedMs: number, durable: FileState = { bytes: new PagedBytes(), length: 0 }) {
    this.modifiedMs = modifiedMs
    this.length = durable.length
    this.#live = durable.bytes
    this.#durable = durable.bytes
    this.#durableLength = durable.length
  }

  /** What programs see; not to be written to. */
  get live(): PagedBytes {
    return this.#live
  }

  get durable(): FileState {
    return { bytes: this.#durable, length: this.#durableLength }
  }

  setLength(length: number, modifiedMs: number): void {
    if (length < this.length) this.#ownLive().truncate(length)
    if (length !== this.length) this.#noteLength(length)
    this.length = length
    this.modifiedMs = modifiedMs
  }

  write(bytes: Uint8Array, position: number, modifiedMs: number): void {
    this.#ownLive().write(bytes, position)
    const end = position + bytes.length
    if (end > this.length) {
      this.#noteLength(end)
      this.length = end
    }
    this.modifiedMs = modifiedMs
  }

  /** A flush is called: it covers what is there now. */
  beginFlush(): FlushUnderWay {
    this.#flushing++
    const all = this.#ownLive().fork()
    const bytes = all.fork()
    if (this.#dropped !== undefined) {
      for (const index of this.#dropped.differing(this.#durable)) {
        if (bytes.sharesPage(index, this.#dropped)) bytes.takePage(index, this.#durable)
      }
    }
    return { state: { bytes, length: this.length }, all }
  }

  /** The flush has reached the device. */
  endFlush({ state }: FlushUnderWay): void {
    this.#flushing--
    this.#durable = state.bytes
    this.#durableLength = state.length
    this.#lengths = this.length === state.length ? [] : [this.length]
    // One table for both again, so that the next cut has nothing to compare.
    const hasNothingNew = this.#live.differing(state.bytes).next().done === true
    if (hasNothingNew) this.#live = state.bytes
  }

  /** The flush did not reach the device, whether it said so or not. */
  loseFlush({ all }: FlushUnderWay): void {
    this.#flushing--
    this.#dropped = all
  }

  /** The device writes some of what is not flushed, by itself. */
  writeBack(random: SeededRandom): void {
    // A flush that ends later would take the device back in time.
    if (this.#flushing > 0) return
    const state = this.cut(random, random.next())
    this.#durable = state.bytes
    this.#durableLength = state.length
  }

  /** What a power cut leaves: each unflushed sector, and one of the lengths since the last flush, with this probability. */
  cut(random: SeededRandom, probability: number): FileState {
    if (this.#live === this.#durable && this.#lengths.length === 0) return this.durable
    const bytes = this.#durable.fork()
    for (const index of this.#live.differing(this.#durable)) {
      bytes.takeSectors(index, this.#live, random, probability)
    }
    const length = this.#cutLength(random, probability)
    bytes.truncate(length)
    return { bytes, length }
  }

  #cutLength(random: SeededRandom, probability: number): number {
    if (this.#lengths.length === 0 || !random.chance(probability)) return this.#durableLength
    return probability === 1 ? this.length : (this.#lengths[random.below(this.#lengths.length)] as number)
  }

  /** A file of its own with this file's content, live and durable. */
  copy(): FileNode {
    const copy = new FileNode(this.modifiedMs, this.durable)
    if (this.#live !== this.#durable) copy.#live = this.#live.fork()
    copy.length = this.length
    copy.#lengths = [...this.#lengths]
    copy.#dropped = this.#dropped
    return copy
  }

  /** Flips one bit wherever it is stored. */
  flipBit(position: number, bit: number): void {
    this.#ownLive()
    this.#durable = this.#durable.fork()
    for (const bytes of [this.#live, this.#durable]) {
      const byte = Buffer.alloc(1)
      bytes.read(byte, position)
      byte[0] = (byte[0] as number) ^ (1 << bit)
      bytes.write(byte, position)
    }
  }

  #ownLive(): PagedBytes {
    if (this.#live === this.#durable) this.#live = this.#durable.fork()
    return this.#live
  }

  #noteLength(length: number): void {
    this.#lengths.push(length)
    if (this.#lengths.length > LENGTHS_MAX) this.#lengths.splice(this.#lengths.length >> 1, 1)
  }
}

/** A folder. */
export class FolderNode {
  readonly live: Map<string, FileNode | FolderNode> = new Map()
  readonly durable: Map<string, FileNode | FolderNode> = new Map()
  modifiedMs: number

  constructor(modifiedMs: number) {
    this.modifiedMs = modifiedMs
  }
}

/** One change of a folder's names that survives as a whole or not at all: a new name, a removal, a rename within the folder. */
export type NameChange = {
  readonly folder: FolderNode
  /** Name and what it stands for afterwards; undefined where it is gone. */
  readonly entries: readonly (readonly [name: string, node: FileNode | FolderNode | undefined])[]
  /** A change elsewhere that survives if this one does: the new name of what moves away from here. */
  readonly needs?: NameChange
}

/** Applies a change to the names of a folder. */
export function applyChange(names: Map<string, FileNode | FolderNode>, change: NameChange): void {
  for (const [name, node] of change.entries) {
    if (node === undefined) names.delete(name)
    else names.set(name, node)
  }
}

/** Changes of names that are not durable yet, oldest first. */
export class PendingNames {
  readonly #changes = new Set<NameChange>()

  add(change: NameChange): void {
    this.#changes.add(change)
  }

  all(): Iterable<NameChange> {
    return this.#changes
  }

  of(folder: FolderNode): readonly NameChange[] {
    return [...this.#changes].filter(change => change.folder === folder)
  }

  /** Makes these changes durable, and whatever has to come with or before them. */
  makeDurable(changes: readonly NameChange[]): void {
    const now = new Set<NameChange>()
    for (const change of changes) this.#include(change, now)
    for (const change of [...this.#changes]) {
      if (!now.has(change)) continue
      applyChange(change.folder.durable, change)
      this.#changes.delete(change)
    }
  }

  /** Which changes a power cut keeps, in order. */
  cut(random: SeededRandom, style: 'none' | 'all' | 'first' | 'any'): NameChange[] {
    const changes = [...this.#changes]
    if (style === 'none') return []
    if (style === 'all') return changes
    if (style === 'first') return changes.slice(0, random.below(changes.length + 1))
    const kept = new Set(changes.filter(() => random.chance(0.5)))
    for (const { needs } of kept) if (needs !== undefined) kept.add(needs)
    return changes.filter(change => kept.has(change))
  }

  /** A folder's names become durable in their order, so what a change needs brings that folder's earlier ones along. */
  #include(change: NameChange, into: Set<NameChange>): void {
    if (into.has(change) || !this.#changes.has(change)) return
    into.add(change)
    if (change.needs === undefined || !this.#changes.has(change.needs)) return
    for (const earlier of this.of(change.needs.folder)) {
      this.#include(earlier, into)
      if (earlier === change.needs) return
    }
  }
}
