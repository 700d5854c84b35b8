/** What an audit finds: where, what was expected there, and what is there. Bounded; the rest is counted. */

/** One thing that is not as it should be. Plain values, so that it survives JSON. */
export type Finding = {
  /** Relative to the store's folder. */
  readonly file: string
  /** Byte in the file; undefined where the whole file is meant. */
  readonly offset: number | undefined
  readonly expected: string
  readonly found: string
}

/** Findings told one by one; a log that is damaged all over would fill the memory. */
const FINDINGS_MAX = 10_000

/** Collects findings. */
export class Findings {
  readonly list: Finding[] = []
  #count = 0

  /** All there were. */
  get count(): number {
    return this.#count
  }

  add(file: string, offset: number | undefined, expected: string, found: string): void {
    this.#count++
    if (this.list.length < FINDINGS_MAX) this.list.push({ file, offset, expected, found })
  }
}
