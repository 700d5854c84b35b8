/** Durations in log-linear buckets: 3 significant digits from a microsecond to minutes, in a few KiB. */

const STEPS = 64
const OCTAVES = 40

export class Histogram {
  readonly #counts = new Float64Array(OCTAVES * STEPS)
  #count = 0
  #max = 0
  #sum = 0

  /** Adds one duration in nanoseconds. */
  add(nanoseconds: number): void {
    const value = Math.max(1, nanoseconds)
    const octave = Math.floor(Math.log2(value))
    const step = Math.floor((value / 2 ** octave - 1) * STEPS)
    const at = Math.min(octave * STEPS + step, this.#counts.length - 1)
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#count++
    this.#sum += value
    if (value > this.#max) this.#max = value
  }

  get count(): number {
    return this.#count
  }

  /** In microseconds. */
  summary(): { p50: number; p99: number; p999: number; max: number; mean: number } {
    return {
      p50: this.#percentile(0.5),
      p99: this.#percentile(0.99),
      p999: this.#percentile(0.999),
      max: round(this.#max / 1000),
      mean: round(this.#count === 0 ? 0 : this.#sum / this.#count / 1000),
    }
  }

  #percentile(share: number): number {
    let left = Math.ceil(this.#count * share)
    for (const [at, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return round((2 ** Math.floor(at / STEPS) * (1 + ((at % STEPS) + 0.5) / STEPS)) / 1000)
    }
    return round(this.#max / 1000)
  }
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100
}
