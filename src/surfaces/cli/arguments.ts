/** Turns words of a command line into values, or says what is wrong with them. */
import { InvalidArgumentError } from 'commander'

/** A parser for a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= min && value <= max) return value
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw new InvalidArgumentError(`It must be a whole number ${range}.`)
  }
}

/** A number above 0, fractions allowed. */
export function positiveNumber(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a number above 0.')
}

/** A parser for one of a few words. */
export function oneOf<const W extends string>(...words: readonly W[]): (text: string) => W {
  return text => {
    const word = words.find(one => one === text)
    if (word !== undefined) return word
    throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`)
  }
}

/** Date.parse alone takes almost anything for a date. */
const ISO_DATE = /^\d{4}-\d{2}-\d{2}([T ]|$)/

/** A time: epoch milliseconds, or any ISO date. Answers epoch milliseconds. */
export function timestamp(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : ISO_DATE.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('It must be epoch milliseconds or a date like 2026-11-21T06:30:00Z.')
}
