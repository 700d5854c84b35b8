/** Random numbers that a seed repeats: whatever a simulation leaves to chance comes from here. */

/** A stream of choices. */
export type SeededRandom = {
  /** From 0 up to, but not including, 1. */
  next(): number
  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number
  /** True this often. */
  chance(probability: number): boolean
}

/** The stream of a seed. The generator is splitmix32: small, fast, and good enough to choose what a power cut keeps. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    mixed ^= mixed >>> 15
    return (mixed >>> 0) / 0x1_0000_0000
  }
  return {
    next,
    below: limit => Math.floor(next() * limit),
    chance: probability => next() < probability,
  }
}
