/**
 * How a room describes its settings (name, unit, default, bounds) and how given options are checked against them.
 * A default lives in a room's table and nowhere else.
 */
import { PocketMQError } from './errors.ts'

/** One row of a settings table. */
export type Setting<T> = {
  /** What it is, with its unit, in a few words; the README's table and error messages show it. */
  readonly about: string
  readonly fallback: T
  /** Answers what is wrong with a given value, or undefined when it is fine. */
  readonly check: (value: unknown) => string | undefined
}

/** A room's settings by name. */
export type SettingsTable = Readonly<Record<string, Setting<unknown>>>

/** The values a table resolves to. */
export type Settings<T extends SettingsTable> = { readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never }

/** A whole number between `min` and `max`, both included. */
export function wholeNumber(about: string, fallback: number, min: number, max: number): Setting<number> {
  const check = (value: unknown): string | undefined => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) return 'must be a whole number'
    return value < min || value > max ? `must be from ${min} to ${max}` : undefined
  }
  return { about, fallback, check }
}

/** A whole number, or undefined for "not set". */
export function optionalWholeNumber(about: string, min: number, max: number): Setting<number | undefined> {
  const { check } = wholeNumber(about, min, min, max)
  return { about, fallback: undefined, check: value => (value === undefined ? undefined : check(value)) }
}

/** True or false. */
export function flag(about: string, fallback: boolean): Setting<boolean> {
  return { about, fallback, check: value => (typeof value === 'boolean' ? undefined : 'must be true or false') }
}

/** One of a few words. */
export function oneOf<const W extends string>(about: string, fallback: W, words: readonly W[]): Setting<W> {
  const check = (value: unknown): string | undefined =>
    words.includes(value as W) ? undefined : `must be one of ${words.map(word => `'${word}'`).join(', ')}`
  return { about, fallback, check }
}

/** Anything `check` accepts: seams, loggers, nested tables. */
export function custom<T>(about: string, fallback: T, check: (value: unknown) => string | undefined): Setting<T> {
  return { about, fallback, check }
}

/**
 * The settings of `table` with `given` laid over the defaults.
 * @throws INVALID_ARGUMENT for an unknown name or a value out of its bounds; `details` has `option` and `given`.
 */
export function resolveSettings<T extends SettingsTable>(table: T, given: object, where: string): Settings<T> {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw new PocketMQError('INVALID_ARGUMENT', `${where} must be an object`, { hint: 'Pass an options object.' })
  }
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(table, name)) continue
    throw new PocketMQError('INVALID_ARGUMENT', `${where} has no option '${name}'`, {
      hint: `Known options: ${Object.keys(table).join(', ')}.`,
      details: { option: name },
    })
  }
  const resolved: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(table)) {
    const value = (given as Record<string, unknown>)[name]
    const complaint = value === undefined ? undefined : setting.check(value)
    if (complaint !== undefined) {
      throw new PocketMQError('INVALID_ARGUMENT', `${where}: ${name} ${complaint}, not ${shown(value)}`, {
        hint: `${name}: ${setting.about}.`,
        details: { option: name, given: shown(value) },
      })
    }
    resolved[name] = value === undefined ? setting.fallback : value
  }
  return resolved as Settings<T>
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value)
  return String(value)
}
